import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

/** Passes on what comes of a connection, in both directions. */
type Carry = (client: Socket, upstream: Socket) => void;

/** Connections to a server that go by way of another port; where one end is gone the other is cut. */
export class Link {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  /** @param target where connections go; undefined while nobody is there, so that they are cut */
  private constructor(target: () => number | undefined, carry: Carry) {
    this.#server = createServer((client) => {
      const port = target();
      if (port === undefined) {
        client.destroy();
        return;
      }
      const upstream = connect(port, "127.0.0.1");
      for (const socket of [client, upstream]) {
        this.#sockets.add(socket);
        socket.on("error", () => {});
        socket.once("close", () => {
          this.#sockets.delete(socket);
          (socket === client ? upstream : client).destroy();
        });
      }
      carry(client, upstream);
    });
  }

  static async start(target: () => number | undefined, carry: Carry): Promise<Link> {
    const link = new Link(target, carry);
    link.#server.listen(0, "127.0.0.1");
    await once(link.#server, "listening");
    return link;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Cuts every connection. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async stop(): Promise<void> {
    this.cut();
    this.#server.close();
    await once(this.#server, "close");
  }
}
