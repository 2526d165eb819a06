import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import type { Random } from "../../src/shared/random.js";

/**
 * Passes connections on to a server, and cuts each when it has carried a random number of bytes to its client,
 * in the middle of a frame as often as not.
 */
export class CuttingProxy {
  /** Where connections go; undefined while nobody is there. */
  target: number | undefined;
  /** Whether connections are cut. */
  cuts = true;
  /** Connections that were cut. */
  cut = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(random: Random, bytesMax: number) {
    this.#server = createServer((client) => {
      if (this.target === undefined) {
        client.destroy();
        return;
      }
      const upstream = connect(this.target, "127.0.0.1");
      for (const socket of [client, upstream]) {
        this.#sockets.add(socket);
        socket.on("error", () => {});
        socket.once("close", () => {
          this.#sockets.delete(socket);
          (socket === client ? upstream : client).destroy();
        });
      }
      client.pipe(upstream);
      let left = 1 + random.below(bytesMax);
      upstream.on("data", (chunk: Buffer) => {
        if (this.cuts && chunk.length >= left) {
          this.cut++;
          client.end(chunk.subarray(0, left));
          upstream.destroy();
          return;
        }
        left -= chunk.length;
        if (client.write(chunk)) return;
        upstream.pause();
        client.once("drain", () => upstream.resume());
      });
    });
  }

  /** @param bytesMax most that a connection carries before it is cut */
  static async start(random: Random, bytesMax: number): Promise<CuttingProxy> {
    const proxy = new CuttingProxy(random, bytesMax);
    proxy.#server.listen(0, "127.0.0.1");
    await once(proxy.#server, "listening");
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, "close");
  }
}
