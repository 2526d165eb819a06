import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

/**
 * A node's way to Redis, which can be cut as a network is: nothing comes through and nobody is told, neither of
 * connections that there are nor of new ones.
 */
export class RedisWay {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #target: () => number;
  #isCut = false;

  /** @param target the port of the Redis that takes writes; where it is another one, connections are made anew */
  private constructor(target: () => number) {
    this.#target = target;
    this.#server = createServer({ pauseOnConnect: true }, (client) => this.#carry(client));
  }

  static async start(target: () => number): Promise<RedisWay> {
    const way = new RedisWay(target);
    way.#server.listen(0, "127.0.0.1");
    await once(way.#server, "listening");
    return way;
  }

  get url(): string {
    return `redis://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  cut(): void {
    this.#isCut = true;
    for (const socket of this.#sockets) socket.pause();
  }

  heal(): void {
    this.#isCut = false;
    for (const socket of this.#sockets) socket.resume();
  }

  /** Ends all connections, as those to a Redis that is none any more. */
  reset(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async stop(): Promise<void> {
    this.reset();
    this.#server.close();
    await once(this.#server, "close");
  }

  #carry(client: Socket): void {
    const upstream = connect(this.#target(), "127.0.0.1");
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      this.#sockets.add(from);
      from.on("error", () => {});
      from.on("data", (chunk) => to.write(chunk));
      from.once("close", () => {
        this.#sockets.delete(from);
        to.destroy();
      });
      if (this.#isCut) from.pause();
      else from.resume();
    }
  }
}
