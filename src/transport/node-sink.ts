import type { Socket } from "node:net";
import type { ByteSink, LentBytes, Taken } from "./byte-sink.js";

const NOTHING = Buffer.alloc(0);

/** What the kernel has been given of a socket's writes, which Node tells nobody else. */
interface SocketHandle {
  readonly bytesWritten: number;
  readonly writeQueueSize: number;
}

/** Counts what is given to sinks: what the kernel took at once, past the stream, and all else. */
export interface SendCounts {
  readonly native: () => void;
  readonly ordinary: () => void;
}

/** Gives everything to the socket's stream. */
export class NodeSink implements ByteSink {
  protected readonly socket: Socket;
  protected readonly counts: SendCounts;
  #takenAtLook = 0;
  #waitedAtLook = false;

  constructor(socket: Socket, counts: SendCounts) {
    this.socket = socket;
    this.counts = counts;
  }

  write(bytes: Buffer, taken?: Taken): boolean {
    this.counts.ordinary();
    this.socket.write(bytes, taken);
    return this.#tookAll();
  }

  writeLent(bytes: LentBytes): boolean {
    return this.write(bytes.copy());
  }

  writeAll(buffers: readonly Buffer[], taken?: Taken): boolean {
    const { socket } = this;
    const last = buffers.length - 1;
    this.counts.ordinary();
    socket.cork();
    for (const [index, bytes] of buffers.entries())
      socket.write(bytes, index === last ? taken : undefined);
    socket.uncork();
    return this.#tookAll();
  }

  /**
   * An empty write's callback comes after everything before it; `drain` would only come for writes over
   * the stream's high-water mark.
   */
  whenDrained(drained: Taken): void {
    const { socket } = this;
    socket.write(NOTHING, () => {
      if (socket.destroyed) return;
      if (socket.writableLength > 0) this.whenDrained(drained);
      else drained();
    });
  }

  hasTakenMore(): boolean {
    const { bytesWritten, writableLength } = this.socket;
    const handle = (this.socket as { readonly _handle?: SocketHandle | null })._handle;
    // A write that the kernel has in part is written in no part to Node.
    const taken = handle?.bytesWritten
      ? handle.bytesWritten - handle.writeQueueSize
      : bytesWritten - writableLength;
    // What a kernel takes into an empty buffer shows nothing of its peer.
    const more = this.#waitedAtLook && taken > this.#takenAtLook;
    this.#takenAtLook = taken;
    this.#waitedAtLook = writableLength > 0;
    return more;
  }

  end(): void {}

  #tookAll(): boolean {
    const { socket } = this;
    return socket.writableLength === 0 || socket.writableCorked > 0;
  }
}
