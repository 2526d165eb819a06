import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { type Encoding, subprotocolOf } from "../../src/contract/encodings.js";
import { UPGRADE_HEADERS } from "./upgrade-request.js";

export const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

/** A client's frame; masked with zeros, which leaves the payload as it is. */
export function clientFrame(opcode: number, payload: Uint8Array | string, fin = true): Buffer {
  const bytes = Buffer.from(payload);
  const { length } = bytes;
  const first = (fin ? 0x80 : 0) | opcode;
  const header =
    length < 126
      ? [first, 0x80 | length]
      : length < 0x1_0000
        ? [first, 0xfe, length >> 8, length & 255]
        : [
            first,
            0xff,
            0,
            0,
            0,
            0,
            length >>> 24,
            (length >> 16) & 255,
            (length >> 8) & 255,
            length & 255,
          ];
  return Buffer.concat([Buffer.from(header), Buffer.alloc(4), bytes]);
}

export interface RawClientOptions {
  readonly encoding?: Encoding;
  /** Whether it reads what it is sent; default true. */
  readonly reads?: boolean;
  readonly localAddress?: string;
  readonly token?: string;
}

/** A WebSocket client that writes any bytes it likes. */
export class RawClient {
  readonly socket: Socket;
  /** Resolves when the connection has ended, in whatever way. */
  readonly ended: Promise<void>;
  /** Bytes received after the upgrade, where it reads. */
  received = 0;
  /** Code of the close frame that ended what was received, if one did. */
  closeCode: number | undefined;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on("error", () => {});
    this.ended = new Promise((resolve) => socket.once("close", () => resolve()));
  }

  /** Resolves when it is upgraded; rejects where it is not. */
  static async connect(
    port: number,
    { encoding = "json", reads = true, localAddress, token }: RawClientOptions = {},
  ): Promise<RawClient> {
    const socket = connect({
      port,
      host: "127.0.0.1",
      noDelay: true,
      ...(localAddress !== undefined && { localAddress }),
    });
    const client = new RawClient(socket);
    await once(socket, "connect");
    const lines = Object.entries({
      ...UPGRADE_HEADERS,
      Host: "127.0.0.1",
      "Sec-WebSocket-Protocol": subprotocolOf(encoding),
      ...(token !== undefined && { Authorization: `Bearer ${token}` }),
    }).map(([name, value]) => `${name}: ${value}\r\n`);
    socket.write(`GET /ws/v3 HTTP/1.1\r\n${lines.join("")}\r\n`);
    const [first] = (await once(socket, "data")) as [Buffer];
    if (!first.toString("latin1").startsWith("HTTP/1.1 101")) {
      socket.destroy();
      throw new Error(`not upgraded: ${first.toString("latin1").split("\r\n")[0]}`);
    }
    if (reads) socket.on("data", (bytes: Buffer) => client.#take(bytes));
    else socket.pause();
    return client;
  }

  #take(bytes: Buffer): void {
    this.received += bytes.length;
    // The last bytes of a connection; a close frame's reason is short.
    const at = bytes.lastIndexOf(0x88);
    if (at >= 0 && bytes.length - at < 128 && at + 2 + (bytes[at + 1] as number) === bytes.length)
      this.closeCode = bytes.readUInt16BE(at + 2);
  }

  /** Resolves when the bytes are with the kernel, or the connection has ended. */
  write(bytes: Buffer): Promise<void> {
    return new Promise((resolve) => {
      if (this.socket.destroyed) return resolve();
      this.socket.write(bytes, () => resolve());
    });
  }

  send(message: unknown): Promise<void> {
    return this.write(clientFrame(OPCODE.text, JSON.stringify(message)));
  }

  destroy(): void {
    this.socket.destroy();
  }
}

/** Many at a time, so that their handshakes overlap; a few hundred at most are under way at once. */
export async function connectRawClients(
  count: number,
  port: number,
  options: RawClientOptions = {},
): Promise<RawClient[]> {
  const clients: RawClient[] = [];
  while (clients.length < count) {
    const group = Math.min(100, count - clients.length);
    clients.push(
      ...(await Promise.all(Array.from({ length: group }, () => RawClient.connect(port, options)))),
    );
  }
  return clients;
}
