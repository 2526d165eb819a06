import type { Socket } from "node:net";
import { Duplex } from "node:stream";

/** Bytes that go to the HTTP parser in one turn of the event loop. */
const SLICE_BYTES = 1024;
/** What is still taken, and thrown away, of a client that has had its answer. */
const DISCARDED_BYTES_MAX = 1024 * 1024;
const NOTHING = Buffer.alloc(0);

/**
 * A client's socket as the HTTP server sees it. Node parses whatever one read brings, 64 KiB of
 * requests if need be, before anybody can stop it; through here they come in slices, one per turn.
 * Once the answer has been ended, what still comes is not parsed any more: a socket that is closed
 * on unread bytes is reset, and the client would lose the answer.
 */
export class OpsSocket extends Duplex {
  /** The address that the client has reached. */
  readonly localAddress: string | undefined;
  readonly #socket: Socket;
  #unread: Buffer = NOTHING;
  #scheduled = false;
  #discarded: number | undefined;

  constructor(socket: Socket) {
    super();
    this.#socket = socket;
    this.localAddress = socket.localAddress;
    socket.on("data", (chunk: Buffer) => this.#take(chunk));
    socket.on("end", () => this.push(null));
    socket.on("error", () => this.destroy());
    socket.on("close", () => this.destroy());
  }

  override _read(): void {
    if (this.#unread.length === 0) this.#socket.resume();
    else this.#passLater();
  }

  override _write(
    chunk: Buffer,
    _: BufferEncoding,
    callback: (error?: Error | null) => void,
  ): void {
    this.#socket.write(chunk, callback);
  }

  override _final(callback: () => void): void {
    this.#discarded = 0;
    this.#unread = NOTHING;
    this.#socket.resume();
    this.#socket.end(() => callback());
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#unread = NOTHING;
    this.#socket.destroy();
    callback(error);
  }

  #take(chunk: Buffer): void {
    if (this.#discarded === undefined) {
      this.#socket.pause();
      this.#unread = chunk;
      return this.#pass();
    }
    this.#discarded += chunk.length;
    if (this.#discarded > DISCARDED_BYTES_MAX) this.#socket.pause();
  }

  #passLater(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#pass();
    });
  }

  #pass(): void {
    if (this.#unread.length === 0 || this.destroyed) return;
    const slice = this.#unread.subarray(0, SLICE_BYTES);
    this.#unread = this.#unread.subarray(SLICE_BYTES);
    this.push(slice);
  }
}
