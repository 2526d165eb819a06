import { type Encoding, MarketcastClient, type MarketId } from "../../client/node.js";
import { opened } from "../client-flags.js";
import type { Deliveries } from "./deliveries.js";
import { RawSocket } from "./raw-socket.js";

/** What is examined, and how patiently. */
interface Subject {
  readonly url: URL;
  readonly token: string | undefined;
  /** Longest wait for any one answer of the server. */
  readonly timeoutMs: number;
}

/** What checks learn for later ones, and the connections that they leave open for them. */
export class Examination {
  readonly subject: Subject;
  /** Anonymous, on JSON. */
  client: MarketcastClient | undefined;
  /** With the token. */
  user: MarketcastClient | undefined;
  /** Markets that are open for trading. */
  activeMarkets: readonly MarketId[] = [];
  /** How far the server's clock is ahead of this one, in milliseconds; 0 where that is not certain. */
  serverAheadMs = 0;
  /** What was delivered while that was measured. */
  deliveries: Deliveries | undefined;
  readonly #clients = new Set<MarketcastClient>();
  readonly #sockets = new Set<RawSocket>();

  constructor(subject: Subject) {
    this.subject = subject;
  }

  /** A client that is connected. Rejects with why it cannot be. */
  async connect(encoding: Encoding, token?: string): Promise<MarketcastClient> {
    const { url, timeoutMs } = this.subject;
    const client = new MarketcastClient({
      url,
      encoding,
      autoReconnect: false,
      connectTimeoutMs: timeoutMs,
      requestTimeoutMs: timeoutMs,
      ...(token !== undefined && { token }),
    });
    this.#clients.add(client);
    // What is wrong shows in the checks' own answers.
    client.on("error", () => {});
    await opened(client);
    return client;
  }

  /** A WebSocket on which anything may be sent. Rejects where the server refuses it. */
  async openRaw(subprotocol?: string): Promise<RawSocket> {
    const { url, timeoutMs } = this.subject;
    const socket = new RawSocket(url, subprotocol, timeoutMs);
    this.#sockets.add(socket);
    await socket.opened;
    return socket;
  }

  /** Ends all connections. */
  async end(): Promise<void> {
    for (const socket of this.#sockets) socket.terminate();
    await Promise.all([...this.#clients].map((client) => client.close()));
  }
}
