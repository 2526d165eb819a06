import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";

/** The two ends of a connection over loopback; what reaches the far end is collected. */
export class SocketPair {
  readonly near: Socket;
  readonly far: Socket;
  readonly #chunks: Buffer[] = [];

  private constructor(near: Socket, far: Socket) {
    this.near = near;
    this.far = far;
    far.on("data", (chunk: Buffer) => this.#chunks.push(chunk));
    // Ends that are reset are part of the tests.
    near.on("error", () => {});
    far.on("error", () => {});
  }

  static async open(): Promise<SocketPair> {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("no port");
    const far = connect(address.port, "127.0.0.1");
    const [[near]] = await Promise.all([once(server, "connection"), once(far, "connect")]);
    server.close();
    return new SocketPair(near as Socket, far);
  }

  /** All that has reached the far end. */
  get received(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  close(): void {
    this.near.destroy();
    this.far.destroy();
  }
}
