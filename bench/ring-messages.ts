export interface ProducerInput {
  readonly ring: SharedArrayBuffer;
  /** For each reader, on a cache line of its own, how many records it has read: i32 {@link POSITION_STRIDE} apart. */
  readonly positions: SharedArrayBuffer;
  readonly readers: number;
  readonly records: number;
  /** Records between two publications. */
  readonly batch: number;
  readonly payloadBytes: number;
}

export interface ReaderInput {
  readonly ring: SharedArrayBuffer;
  readonly positions: SharedArrayBuffer;
  readonly index: number;
  readonly records: number;
}

/** i32 words between the positions of two readers. */
export const POSITION_STRIDE = 16;

export interface ReaderResult {
  readonly received: number;
  /** Records whose content is not what the producer wrote, or that came out of order. */
  readonly wrong: number;
  readonly laps: number;
  /** In µs since the epoch. */
  readonly endedAt: number;
}

export type RingThreadMessage =
  | { readonly kind: "ready" }
  | { readonly kind: "produced"; readonly startedAt: number }
  | ({ readonly kind: "read" } & ReaderResult);

const pauseWord = new Int32Array(new SharedArrayBuffer(4));
const PAUSE_MS = 0.2;

/** Gives the processor away for a moment: there are more threads here than cores. */
export function pause(): void {
  Atomics.wait(pauseWord, 0, 0, PAUSE_MS);
}
