import { once } from "node:events";
import { type AddressInfo, createServer, type Server } from "node:net";
import { LoadClient } from "./load-client-process.js";
import type { OpenRequest } from "./load-messages.js";
import type { ServerUnderTest } from "./server-under-test.js";
import { seconds } from "./wait.js";

const RESPONSE = "HTTP/1.1 101 Switching Protocols\r\n\r\n";
/** After so many rounds the client's code is compiled. */
const WARMUP_ROUNDS = 8;
const WARMUP_TIMEOUT_MS = 10_000;
/** After a burst, for the server to see that its connections are gone. */
const PAUSE_SECONDS = 0.5;
const SAMPLE_EVERY = 997;

export interface BurstOptions {
  readonly count: number;
  /** Bursts that only connect, one after the other. */
  readonly repeats: number;
  readonly timeoutMs: number;
}

export interface BurstResult {
  readonly asked: number;
  readonly opened: number;
  /** From the first connect to the last `101`. */
  readonly elapsedMs: number;
  /** The same for a server that answers anything at once, alone on the machine: the client's share. */
  readonly clientAloneMs: number;
}

/**
 * A client process that opens many connections at once, apart from the one that takes the load, lest
 * that delays it; and warm, lest its compilation is what is measured.
 */
export class BurstClient {
  readonly #client: LoadClient;
  readonly #options: BurstOptions;
  readonly #aloneMs: number;

  private constructor(client: LoadClient, options: BurstOptions, aloneMs: number) {
    this.#client = client;
    this.#options = options;
    this.#aloneMs = aloneMs;
  }

  /** Starts a client and warms it up; before there is any load. */
  static async start(options: BurstOptions): Promise<BurstClient> {
    const client = LoadClient.start();
    await client.interval(SAMPLE_EVERY);
    const server = await answeringServer();
    const { port } = server.address() as AddressInfo;
    let aloneMs = 0;
    for (let round = 0; round < WARMUP_ROUNDS; round++) {
      const opened = await client.open({
        port,
        path: "/",
        count: options.count,
        until: "upgrade",
        timeoutMs: WARMUP_TIMEOUT_MS,
      });
      aloneMs = opened.elapsedMs;
      await client.closeConnections();
    }
    server.close();
    return new BurstClient(client, options, aloneMs);
  }

  /** Connects, and waits for the upgrades; nothing is subscribed to. Again after it has closed them. */
  async connect(server: ServerUnderTest): Promise<BurstResult[]> {
    const results: BurstResult[] = [];
    for (let burst = 0; burst < this.#options.repeats; burst++) {
      results.push(await this.#open({ ...target(server), until: "upgrade" }));
      await seconds(PAUSE_SECONDS);
    }
    return results;
  }

  /** Connects, subscribes where the server wants that, and waits for each one's first price. */
  async join(server: ServerUnderTest): Promise<BurstResult> {
    const { subscribe } = server;
    return await this.#open({
      ...target(server),
      ...(subscribe === undefined ? {} : { subscribe }),
      until: "first-push",
    });
  }

  async stop(): Promise<void> {
    await this.#client.stop();
  }

  async #open(
    request: Pick<OpenRequest, "port" | "path" | "subprotocol" | "subscribe" | "until">,
  ): Promise<BurstResult> {
    const { count, timeoutMs } = this.#options;
    const { opened, elapsedMs } = await this.#client.open({ ...request, count, timeoutMs });
    await this.#client.closeConnections();
    return { asked: count, opened, elapsedMs, clientAloneMs: this.#aloneMs };
  }
}

function target({ port, path, subprotocol }: ServerUnderTest) {
  return { port, path, ...(subprotocol === undefined ? {} : { subprotocol }) };
}

async function answeringServer(): Promise<Server> {
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.once("data", () => socket.write(RESPONSE));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return server;
}
