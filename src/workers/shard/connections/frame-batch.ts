/** Whole frames for a socket, in a buffer, and how many messages are in them. */
export interface FrameBatch {
  readonly bytes: Buffer;
  readonly messages: number;
}
