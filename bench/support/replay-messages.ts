/** What the replay server is told, once. */
export interface ReplayRequest {
  readonly subprotocol: string;
  /** Sent first, once. */
  readonly greeting: Uint8Array;
  /** Sent over and over from then on, as fast as the client reads. */
  readonly pushes: Uint8Array;
}

/** What it answers when it listens. */
export interface ReplayReply {
  readonly port: number;
}
