import { performance } from "node:perf_hooks";
import { nowMicros } from "../../src/shared/clock.js";

/** Messages published in one turn of the event loop at most, where nothing else is said. */
export const BATCH_MAX = 64;

/**
 * Calls `publish(dueMicros)` for `rate` messages a second, at most `batchMax` in one turn of the
 * event loop; with a rate of 0, `batchMax` in every turn. Between turns I/O has its time.
 *
 * The schedule is an open loop: message k is due k / rate after the start, however late it is
 * published, and a debt is never forgiven, so that what a busy loop delays counts as its latency.
 * With a rate of 0 a message is due when it is published. Returns what ends it.
 */
export function pace(
  rate: number,
  batchMax: number,
  publish: (dueMicros: number) => void,
): () => void {
  let ended = false;
  if (rate === 0) {
    const turn = (): void => {
      if (ended) return;
      for (let index = 0; index < batchMax; index++) publish(nowMicros());
      setImmediate(turn);
    };
    turn();
    return () => {
      ended = true;
    };
  }
  const startMs = performance.now();
  let published = 0;
  let behind = false;
  const turn = (): void => {
    if (ended) return;
    const sinceMs = performance.now() - startMs;
    const startMicros = nowMicros() - sinceMs * 1000;
    const debt = Math.floor((sinceMs * rate) / 1000) - published;
    const count = Math.min(debt, batchMax);
    for (let index = 0; index < count; index++) {
      published++;
      publish(startMicros + (published * 1e6) / rate);
    }
    behind = debt > batchMax;
    if (behind) setImmediate(turn);
  };
  const timer = setInterval(() => {
    if (!behind) turn();
  }, 1);
  return () => {
    ended = true;
    clearInterval(timer);
  };
}
