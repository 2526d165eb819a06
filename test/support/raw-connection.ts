import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { UPGRADE_HEADERS } from "./upgrade-request.js";

const UPGRADE_LINES = Object.entries(UPGRADE_HEADERS).map(([name, value]) => `${name}: ${value}`);

/** The text of an HTTP request; `lines` are header fields as they go over the wire. */
export function requestText(requestLine: string, ...lines: readonly string[]): string {
  return `${[requestLine, ...lines].join("\r\n")}\r\n\r\n`;
}

/** The text of a sound handshake, with further header fields. */
export function handshakeText(target = "/ws/v3", ...lines: readonly string[]): string {
  return requestText(`GET ${target} HTTP/1.1`, "Host: localhost", ...UPGRADE_LINES, ...lines);
}

/** A TCP connection that sends what it is told and keeps what comes, byte by byte. */
export class RawConnection {
  readonly socket: Socket;
  /** Resolves when the connection has ended, in whatever way. */
  readonly closed: Promise<void>;
  #received = Buffer.alloc(0);
  #ended = false;
  #wake: () => void = () => {};

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.setNoDelay(true);
    socket.on("error", () => {});
    socket.on("data", (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk]);
      this.#wake();
    });
    this.closed = new Promise((resolve) => {
      socket.once("close", () => {
        this.#ended = true;
        this.#wake();
        resolve();
      });
    });
  }

  static async connect(port: number, localAddress?: string): Promise<RawConnection> {
    const address = localAddress === undefined ? {} : { localAddress };
    const client = new RawConnection(connect({ port, host: "127.0.0.1", ...address }));
    await once(client.socket, "connect");
    return client;
  }

  /** What came and was not taken. */
  get received(): string {
    return this.#received.toString("latin1");
  }

  send(bytes: string | Buffer): this {
    this.socket.write(typeof bytes === "string" ? Buffer.from(bytes, "latin1") : bytes);
    return this;
  }

  /** Takes the next bytes. Rejects where the connection ends before. */
  async take(length: number): Promise<Buffer> {
    await this.#until(() => this.#received.length >= length, `${length} bytes`);
    const taken = this.#received.subarray(0, length);
    this.#received = this.#received.subarray(length);
    return taken;
  }

  /** Takes the head of an HTTP answer, and the body where it has one. */
  async answer(hasBody = true): Promise<HttpText> {
    const end = "\r\n\r\n";
    await this.#until(() => this.#received.includes(end), "an answer's head");
    const head = (await this.take(this.#received.indexOf(end) + end.length)).toString("latin1");
    const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(head)?.[1]);
    const length = /^content-length: (\d+)$/im.exec(head)?.[1];
    const body =
      hasBody && length !== undefined ? await this.take(Number(length)) : Buffer.alloc(0);
    return { status, head, body: body.toString("latin1") };
  }

  destroy(): void {
    this.socket.destroy();
  }

  async #until(holds: () => boolean, what: string): Promise<void> {
    while (!holds()) {
      if (this.#ended) throw new Error(`the connection ended before ${what} came`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

export interface HttpText {
  readonly status: number;
  readonly head: string;
  readonly body: string;
}

/** The answer to one request on a connection of its own, which is cut then. */
export async function answerTo(port: number, request: string | Buffer): Promise<HttpText> {
  const client = await RawConnection.connect(port);
  try {
    return await client.send(request).answer();
  } finally {
    client.destroy();
  }
}
