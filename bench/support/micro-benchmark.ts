import { performance } from "node:perf_hooks";
import { median } from "./statistics.js";

const ROUNDS = 5;
const CALLS_PER_CHECK = 1000;

/** What is returned by calls goes here, so that the compiler cannot leave them out. */
let sink = 0;

/**
 * Time of one call of `body`, in ns: the median of {@link ROUNDS} rounds after one to warm up, which
 * together take `milliseconds`. `body` is given the number of the call and returns some number.
 */
export function nanosecondsPerCall(milliseconds: number, body: (index: number) => number): number {
  const rounds = Array.from({ length: ROUNDS + 1 }, () =>
    timeRound(milliseconds / (ROUNDS + 1), body),
  );
  if (!Number.isFinite(sink)) throw new RangeError("a call returned no number");
  return median(rounds.slice(1));
}

function timeRound(milliseconds: number, body: (index: number) => number): number {
  const start = performance.now();
  let index = 0;
  let elapsed = 0;
  while (elapsed < milliseconds) {
    for (const end = index + CALLS_PER_CHECK; index < end; index++) sink += body(index);
    elapsed = performance.now() - start;
  }
  return (elapsed * 1e6) / index;
}
