import { once } from "node:events";
import { Packr } from "msgpackr";
import { type ClientOptions, WebSocket } from "ws";
import { ENCODING_FRAMES, type Encoding, subprotocolOf } from "../../src/contract/encodings.js";
import type { ServerMessage } from "../../src/contract/messages.js";
import { messagesIn } from "./framed-payloads.js";
import { encodeClientMessage } from "./protobuf-json.js";
import { parseServerMessage, type ServerType } from "./server-messages-schema.js";

export type MessageOf<T extends ServerType> = Extract<ServerMessage, { type: T }>;

export interface TestClientOptions extends ClientOptions {
  readonly encoding?: Encoding;
  /** Subprotocols to offer instead of the encoding's; empty for none. */
  readonly subprotocols?: readonly string[];
  readonly query?: string;
}

const packr = new Packr({ useRecords: false, variableMapSize: true });

/**
 * A client whose messages are all checked against the contract's schemas and kept in order; tests
 * wait for the message they want.
 */
export class TestClient {
  readonly ws: WebSocket;
  readonly encoding: Encoding;
  /** Messages not taken yet. */
  readonly inbox: ServerMessage[] = [];
  /** Resolves with the close code and reason. */
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>;
  /** The first message that broke the contract, or any other failure. */
  failure: Error | undefined;
  /** Frames that have come. */
  frames = 0;
  #changed: (() => void)[] = [];
  #ended = false;

  private constructor(ws: WebSocket, encoding: Encoding, batched: boolean) {
    this.ws = ws;
    this.encoding = encoding;
    ws.on("message", (data: Buffer, isBinary: boolean) => {
      try {
        this.frames++;
        const expected = ENCODING_FRAMES[encoding] === "binary";
        if (isBinary !== expected) throw new Error(`a frame of the wrong kind: ${data}`);
        this.inbox.push(...messagesIn(data, encoding, batched).map(parseServerMessage));
      } catch (error) {
        this.failure ??= error as Error;
      }
      this.#wake();
    });
    ws.on("error", () => {});
    // Not events.once, which rejects where an error, such as a reset, comes before the close.
    this.closed = new Promise((resolve) => {
      ws.once("close", (code, reason) => {
        this.#ended = true;
        this.#wake();
        resolve({ code, reason: String(reason) });
      });
    });
  }

  /** Connects; rejects where the server does not upgrade. */
  static async connect(port: number, options: TestClientOptions = {}): Promise<TestClient> {
    const {
      encoding = "json",
      subprotocols = [subprotocolOf(encoding)],
      query = "",
      ...rest
    } = options;
    const ws = new WebSocket(`ws://127.0.0.1:${port}/ws/v3${query}`, [...subprotocols], rest);
    const client = new TestClient(ws, encoding, query.includes("batch=true"));
    await once(ws, "open");
    return client;
  }

  send(message: unknown): void {
    this.ws.send(encoded(message, this.encoding));
  }

  /** Takes the next message, of any type, in order. */
  async next(): Promise<ServerMessage> {
    while (this.inbox.length === 0) await this.#change();
    this.#check();
    return this.inbox.shift() as ServerMessage;
  }

  /** Takes messages up to the first of a type for which `matches` holds, and returns that one. */
  async take<T extends ServerType>(
    type: T,
    matches: (message: MessageOf<T>) => boolean = () => true,
  ): Promise<MessageOf<T>> {
    for (;;) {
      const message = await this.next();
      if (message.type === type && matches(message as MessageOf<T>)) return message as MessageOf<T>;
    }
  }

  /** Takes messages up to and including the first for which `matches` holds, and returns them all. */
  async takeUntil(matches: (message: ServerMessage) => boolean): Promise<ServerMessage[]> {
    const taken: ServerMessage[] = [];
    for (;;) {
      const message = await this.next();
      taken.push(message);
      if (matches(message)) return taken;
    }
  }

  /** Takes messages up to the end of a snapshot, of however many parts, and returns its markets. */
  async takeSnapshot(): Promise<MessageOf<"MarketSnapshot">["data"]["markets"]> {
    const markets: MessageOf<"MarketSnapshot">["data"]["markets"][number][] = [];
    for (;;) {
      const { data } = await this.take("MarketSnapshot");
      markets.push(...data.markets);
      if (data.more !== true) return markets;
    }
  }

  /** Sends a request with an id and returns its direct reply, dropping what comes before it. */
  async request(message: {
    readonly type: string;
    readonly data?: unknown;
  }): Promise<ServerMessage> {
    const id = `request-${Math.random()}`;
    this.send({ ...message, id });
    for (;;) {
      const reply = await this.next();
      if (reply.id === id) return reply;
    }
  }

  /** Sends a payload as it is, text or binary as the encoding asks, and returns the next message. */
  async requestRaw(payload: string | Uint8Array): Promise<ServerMessage> {
    this.ws.send(payload, { binary: ENCODING_FRAMES[this.encoding] === "binary" });
    return this.next();
  }

  /** Subscribes and returns the reply. */
  subscribe(...channels: readonly unknown[]): Promise<ServerMessage> {
    return this.request({ type: "Subscribe", data: { channels } });
  }

  async close(): Promise<void> {
    this.ws.close(1000);
    await this.closed;
  }

  #check(): void {
    if (this.failure !== undefined) throw this.failure;
  }

  async #change(): Promise<void> {
    this.#check();
    if (this.#ended) throw new Error("the connection ended before the message came");
    await new Promise<void>((resolve) => this.#changed.push(resolve));
    this.#check();
  }

  #wake(): void {
    const waiting = this.#changed;
    this.#changed = [];
    for (const resolve of waiting) resolve();
  }
}

function encoded(message: unknown, encoding: Encoding): string | Buffer {
  if (encoding === "json") return JSON.stringify(message);
  return encoding === "protobuf" ? encodeClientMessage(message) : packr.pack(message);
}
