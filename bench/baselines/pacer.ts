import { performance } from "node:perf_hooks";

/** A debt older than this is forgiven: the generator cannot keep its rate. */
const DEBT_SECONDS_MAX = 0.1;

/**
 * Calls `publish(count)` so that `rate` messages a second are published, at most `batchMax` in one
 * turn of the event loop; with a rate of 0, `batchMax` in every turn. Between turns I/O has its time.
 */
export function pace(rate: number, batchMax: number, publish: (count: number) => void): void {
  if (rate === 0) {
    const turn = (): void => {
      publish(batchMax);
      setImmediate(turn);
    };
    turn();
    return;
  }
  let paidUntil = performance.now();
  let behind = false;
  const turn = (): void => {
    const now = performance.now();
    const debt = Math.floor(((now - paidUntil) * rate) / 1000);
    const count = Math.min(debt, batchMax);
    publish(count);
    behind = debt > batchMax;
    paidUntil = Math.max(paidUntil + (count * 1000) / rate, now - DEBT_SECONDS_MAX * 1000);
    if (behind) setImmediate(turn);
  };
  setInterval(() => {
    if (!behind) turn();
  }, 1);
}
