/** What a bench asks of a load client, over IPC; each request has exactly one reply, in order. */
export type LoadRequest = OpenRequest | IntervalRequest | CloseRequest;

/** Opens connections, all at once, and waits until every one of them has come `until`. */
export interface OpenRequest {
  readonly kind: "open";
  readonly port: number;
  readonly path: string;
  readonly subprotocol?: string;
  /** Messages to send once a connection is open, one each and again from the first. */
  readonly subscribe?: readonly string[];
  /** They are binary, and in base64 here. */
  readonly binary?: boolean;
  /** The path asks for batches. */
  readonly batched?: boolean;
  /** Compression is offered. */
  readonly compression?: boolean;
  /** They read a little now and then, and are left out of all figures. */
  readonly slow?: boolean;
  readonly count: number;
  /** Connections that may be on their way at once; all, where it is missing. */
  readonly concurrency?: number;
  readonly until: "upgrade" | "first-push";
  readonly timeoutMs: number;
}

/** Ends an interval of measurement and begins the next. */
export interface IntervalRequest {
  readonly kind: "interval";
  /** In the interval that begins, one frame of so many has its latency taken. */
  readonly sampleEvery: number;
}

export interface CloseRequest {
  readonly kind: "close";
}

export interface OpenReply {
  readonly kind: "opened";
  readonly opened: number;
  /** From the first connect to the moment the last connection came so far, or to the timeout. */
  readonly elapsedMs: number;
}

/** What was received in an interval, over all connections. */
export interface IntervalReply {
  readonly kind: "interval";
  readonly seconds: number;
  /** Data frames. */
  readonly frames: number;
  readonly payloadBytes: number;
  readonly latency: LatencySummary;
  /** Sampled frames that were no price update. */
  readonly strays: number;
  /** A sampled price update. */
  readonly sample: string | undefined;
  /** Connections that ended in the interval without being asked to, by close code or error. */
  readonly lost: Readonly<Record<string, number>>;
  /** The client's own processor time, in cores. */
  readonly cpuCores: number;
  /** Share of the interval in which the client waited for something to read. */
  readonly idle: number;
}

/** From the moment at which a message was due to its receipt, in microseconds. */
export interface LatencySummary {
  readonly samples: number;
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

export interface CloseReply {
  readonly kind: "closed";
}

export type LoadReply = OpenReply | IntervalReply | CloseReply;
