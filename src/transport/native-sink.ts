import type { Socket } from "node:net";
import type { LentBytes, Taken } from "./byte-sink.js";
import { NodeSink, type SendCounts } from "./node-sink.js";

/**
 * Sends what a socket takes of the first `length` bytes at once.
 * @returns how many bytes were taken; a negative number where none could be, whatever the reason
 */
export type SendAtOnce = (fd: number, bytes: Buffer, length: number) => number;

const DROPPED = -1;
/** Several buffers go to the kernel as one where they have room in this one, the thread's own. */
const gathered = Buffer.allocUnsafeSlow(64 * 1024);

/**
 * Gives bytes to the kernel itself, past the stream, which costs less: where nothing is before them in the
 * stream, and nobody holds it back. What the kernel does not take goes to the stream in the same call, before
 * anything else can. The stream also meets whatever kept the kernel from taking it, a full buffer or a
 * connection that was reset, and tells of it as always.
 *
 * Invariant: the descriptor is the socket's own. It is read once and dropped with the end, and a stream that
 * is no longer writable, which a closed one never is, sends nothing: numbers are used again at once.
 */
export class NativeSink extends NodeSink {
  #fd: number;
  readonly #send: SendAtOnce;

  constructor(socket: Socket, fd: number, send: SendAtOnce, counts: SendCounts) {
    super(socket, counts);
    this.#fd = fd;
    this.#send = send;
  }

  override write(bytes: Buffer, taken?: Taken): boolean {
    if (!this.#isStreamIdle()) return super.write(bytes, taken);
    const sent = this.#send(this.#fd, bytes, bytes.length);
    if (sent < bytes.length) return super.write(sent > 0 ? bytes.subarray(sent) : bytes, taken);
    this.counts.native();
    taken?.();
    return true;
  }

  override writeLent(bytes: LentBytes): boolean {
    if (!this.#isStreamIdle()) return super.writeLent(bytes);
    const sent = this.#send(this.#fd, bytes.buffer, bytes.length);
    if (sent < bytes.length) return super.write(bytes.copy().subarray(Math.max(0, sent)));
    this.counts.native();
    return true;
  }

  override writeAll(buffers: readonly Buffer[], taken?: Taken): boolean {
    const length = buffers.reduce((sum, bytes) => sum + bytes.length, 0);
    if (length > gathered.length || !this.#isStreamIdle()) return super.writeAll(buffers, taken);
    let end = 0;
    for (const bytes of buffers) end += bytes.copy(gathered, end);
    const sent = Math.max(0, this.#send(this.#fd, gathered, length));
    if (sent < length) return super.writeAll(behind(buffers, sent), taken);
    this.counts.native();
    taken?.();
    return true;
  }

  override end(): void {
    this.#fd = DROPPED;
  }

  /** Whether bytes that pass the stream now pass nothing that is in it. */
  #isStreamIdle(): boolean {
    const { socket } = this;
    return (
      socket.writableLength === 0 &&
      socket.writableCorked === 0 &&
      socket.writable &&
      this.#fd !== DROPPED
    );
  }
}

/** What is left of buffers behind their first bytes. */
function behind(buffers: readonly Buffer[], count: number): Buffer[] {
  const left: Buffer[] = [];
  let start = count;
  for (const bytes of buffers) {
    if (start < bytes.length) left.push(bytes.subarray(start));
    start = Math.max(0, start - bytes.length);
  }
  return left;
}
