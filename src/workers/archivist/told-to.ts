import { type CounterSection, counted, PRODUCER } from "../../counters/counters.js";
import { nowMicros } from "../../shared/clock.js";

/**
 * A `ts`, in µs, that is later than all that was told so far, where a gap can end: `ts` may be ahead of the clock.
 * @param noted how far it had come by the note that an earlier run, or thread, has left
 */
export function toldTo(
  producer: CounterSection,
  noted: number,
  now: () => number = nowMicros,
): number {
  return Math.max(now(), counted(producer, PRODUCER.latestTs), noted) + 1;
}
