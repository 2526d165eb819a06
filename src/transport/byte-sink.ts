/** Called when bytes have been taken: at once, or later. */
export type Taken = () => void;

/**
 * Bytes that many sinks are given, in a buffer that is used again: they are good for the call they come
 * with, and a sink that keeps any of them has a copy, which all that keep them share.
 */
export interface LentBytes {
  /** Begins with the bytes. */
  readonly buffer: Buffer;
  readonly length: number;
  copy(): Buffer;
}

/**
 * Where a connection's bytes go. They leave in the order in which they were given, and also in that
 * order with what others write to the same stream; how they leave is the sink's alone to know.
 */
export interface ByteSink {
  /**
   * Gives bytes, which are the sink's from then on.
   * @returns whether they were taken at once, or wait on purpose because the stream is corked
   */
  write(bytes: Buffer, taken?: Taken): boolean;
  /** Gives bytes that stay the giver's; see {@link LentBytes}. */
  writeLent(bytes: LentBytes): boolean;
  /** Gives several buffers, none of them empty, with one system call; `taken` is called for all. */
  writeAll(buffers: readonly Buffer[], taken?: Taken): boolean;
  /** Calls back once all that was given has been taken, and never if the stream ends before. */
  whenDrained(drained: Taken): void;
  /**
   * Whether more of what waited has been taken since the last call: the peer reads, and what it sends
   * may be the answer to something that waits behind that.
   */
  hasTakenMore(): boolean;
  /** Nothing will be given any more; the stream itself is ended by its owner. */
  end(): void;
}
