import type { Socket } from "node:net";
import { Duplex } from "node:stream";

interface Write {
  readonly chunk: Buffer | string;
  readonly encoding: BufferEncoding;
}

/**
 * One request, as a connection of its own: the HTTP server reads its head from here, and what it
 * answers goes to the client's socket. A write is done when the socket has taken it.
 */
export class RequestStream extends Duplex {
  /** The client's socket. */
  readonly socket: Socket;
  /** The HTTP server has found a request in it, or a fault. */
  understood = false;

  constructor(socket: Socket) {
    super({ decodeStrings: false });
    this.socket = socket;
    // The socket's own end says the same, and ends this stream.
    this.on("error", () => {});
  }

  /** Gives the HTTP server a part of the head, which it has taken when this returns. */
  give(part: Buffer): void {
    this.push(part);
  }

  override _read(): void {}

  override _write(
    chunk: Buffer | string,
    encoding: BufferEncoding,
    done: (error?: Error | null) => void,
  ): void {
    this.socket.write(chunk, encoding, done);
  }

  override _writev(writes: readonly Write[], done: (error?: Error | null) => void): void {
    this.socket.cork();
    for (const [index, { chunk, encoding }] of writes.entries()) {
      if (index < writes.length - 1) this.socket.write(chunk, encoding);
      else this.socket.write(chunk, encoding, done);
    }
    this.socket.uncork();
  }
}
