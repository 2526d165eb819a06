import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

const STEP_MS = 10;

/**
 * A link to a server that carries so many bytes a second from it, steadily, and holds back no more than a
 * few steps' worth itself; what a client sends goes at once.
 */
export class SlowLink {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(targetPort: number, bytesPerSecond: number) {
    this.#server = createServer((client) => {
      const upstream = connect(targetPort, "127.0.0.1");
      for (const socket of [client, upstream]) {
        this.#sockets.add(socket);
        socket.on("error", () => {});
        socket.once("close", () => {
          this.#sockets.delete(socket);
          (socket === client ? upstream : client).destroy();
        });
      }
      client.pipe(upstream);
      let allowance = 0;
      let last = performance.now();
      const timer = setInterval(() => {
        const now = performance.now();
        const most = (bytesPerSecond * 5 * STEP_MS) / 1000;
        allowance = Math.min(most, allowance + ((now - last) / 1000) * bytesPerSecond);
        last = now;
        const bytes = Math.min(Math.floor(allowance), upstream.readableLength);
        if (bytes === 0) return;
        const chunk = upstream.read(bytes) as Buffer | null;
        if (chunk === null) return;
        allowance -= chunk.length;
        client.write(chunk);
      }, STEP_MS);
      upstream.on("readable", () => {});
      upstream.once("close", () => clearInterval(timer));
    });
  }

  static async start(targetPort: number, bytesPerSecond: number): Promise<SlowLink> {
    const link = new SlowLink(targetPort, bytesPerSecond);
    link.#server.listen(0, "127.0.0.1");
    await once(link.#server, "listening");
    return link;
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
