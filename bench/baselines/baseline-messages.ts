/** What a bench tells a baseline server over IPC, and what it hears from it. */
export type BaselineRequest = StartRequest | PublishedRequest;

/** Starts the publishing. */
export interface StartRequest {
  readonly kind: "start";
  /** Messages a second; 0 for as many as it can. */
  readonly rate: number;
  /** Messages published in one turn of the event loop, at most. */
  readonly batchMax: number;
  readonly messageBytes: number;
}

/** Asks how many messages were published since the start. */
export interface PublishedRequest {
  readonly kind: "published";
}

export type BaselineReply =
  | { readonly kind: "listening"; readonly port: number }
  | { readonly kind: "published"; readonly published: number };
