import type { Socket } from "node:net";
import type { Random } from "../../src/shared/random.js";
import { Link } from "./link.js";

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
  readonly #random: Random;
  readonly #bytesMax: number;
  #link: Link | undefined;

  private constructor(random: Random, bytesMax: number) {
    this.#random = random;
    this.#bytesMax = bytesMax;
  }

  /** @param bytesMax most that a connection carries before it is cut */
  static async start(random: Random, bytesMax: number): Promise<CuttingProxy> {
    const proxy = new CuttingProxy(random, bytesMax);
    proxy.#link = await Link.start(
      () => proxy.target,
      (client, upstream) => proxy.#carry(client, upstream),
    );
    return proxy;
  }

  get port(): number {
    return this.#link?.port ?? 0;
  }

  async stop(): Promise<void> {
    await this.#link?.stop();
  }

  #carry(client: Socket, upstream: Socket): void {
    client.pipe(upstream);
    let left = 1 + this.#random.below(this.#bytesMax);
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
  }
}
