import type { LentBytes } from "../../../transport/byte-sink.js";

/** Whole frames for a socket, in a buffer, and how many messages are in them. */
export interface FrameBatch {
  readonly bytes: Buffer;
  readonly messages: number;
}

/** Whole frames that many sockets are given out of a buffer that is used again. */
export interface LentBatch extends LentBytes {
  readonly messages: number;
}
