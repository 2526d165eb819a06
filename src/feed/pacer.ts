import { setImmediate as immediate, setTimeout as timeout } from "node:timers/promises";

/** What a single turn emits at most, as time's worth of events and in events; then others get the thread. */
const TURN_MS_MAX = 100;
const TURN_EVENTS_MAX = 4096;

/** What is made up for after a stall, as time's worth of events; the rest of a longer one is skipped. */
const BACKLOG_MS_MAX = 1000;

/** Longest single sleep; `setTimeout` beyond 2^31−1 ms fires at once. */
const SLEEP_MS_MAX = 3_600_000;

/** The clock and the scheduler that pacing uses; tests bring their own. */
export interface Timing {
  /** A monotonic clock in ms, with fractions. */
  nowMs(): number;
  /** Resolves after `ms` (0: after the event loop has turned once), or as soon as `signal` aborts. */
  wait(ms: number, signal: AbortSignal): Promise<void>;
}

export const systemTiming: Timing = {
  nowMs: () => performance.now(),
  async wait(ms, signal) {
    try {
      await (ms > 0 ? timeout(ms, undefined, { signal }) : immediate(undefined, { signal }));
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  },
};

/**
 * Spreads events over time at a constant rate: one by one up to about a thousand a second, in
 * groups about every millisecond above. Event k is due k / rate after the first call of `due`.
 */
export class Pacer {
  readonly #rate: number;
  readonly #signal: AbortSignal;
  readonly #timing: Timing;
  readonly #turnMax: number;
  readonly #backlogMax: number;
  #startMs: number | undefined;
  #granted = 0;

  /** @param rate events a second, above 0 */
  constructor(rate: number, signal: AbortSignal, timing: Timing = systemTiming) {
    this.#rate = rate;
    this.#signal = signal;
    this.#timing = timing;
    this.#turnMax = Math.min(Math.max(1, Math.ceil((rate * TURN_MS_MAX) / 1000)), TURN_EVENTS_MAX);
    this.#backlogMax = Math.max(1, Math.ceil((rate * BACKLOG_MS_MAX) / 1000));
  }

  /**
   * Waits, at least one turn of the event loop, until events are due and resolves with their number;
   * with 0 as soon as the signal aborts. The caller then emits that many without waiting.
   */
  async due(): Promise<number> {
    const startMs = this.#startMs ?? this.#timing.nowMs();
    this.#startMs = startMs;
    let due = this.#dueSince(startMs);
    do {
      const nextMs = startMs + ((this.#granted + 1) * 1000) / this.#rate;
      const delayMs = due < 1 ? Math.max(1, Math.ceil(nextMs - this.#timing.nowMs())) : 0;
      await this.#timing.wait(Math.min(delayMs, SLEEP_MS_MAX), this.#signal);
      if (this.#signal.aborted) return 0;
      due = this.#dueSince(startMs);
    } while (due < 1);
    this.#granted += Math.max(0, due - this.#backlogMax);
    const granted = Math.min(due, this.#turnMax);
    this.#granted += granted;
    return granted;
  }

  #dueSince(startMs: number): number {
    return Math.floor(((this.#timing.nowMs() - startMs) * this.#rate) / 1000) - this.#granted;
  }
}

/** Waits until the clock of `timing` shows `targetMs`, or the signal aborts. */
export async function waitUntil(
  targetMs: number,
  signal: AbortSignal,
  timing: Timing,
): Promise<void> {
  for (;;) {
    const delayMs = Math.ceil(targetMs - timing.nowMs());
    if (delayMs <= 0 || signal.aborted) return;
    await timing.wait(Math.min(delayMs, SLEEP_MS_MAX), signal);
  }
}
