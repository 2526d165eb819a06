import { type CounterSection, counted, THREAD } from "../counters/counters.js";

/** A thread that was just started loads its modules before its heart beats. */
const START_MS_MAX = 30_000;

/**
 * Watches one thread's heartbeat and reports when it has stood still for too long: a thread that
 * does not turn its loop serves nobody, and a reader of the ring that sleeps for half a wrap of the
 * positions would take old records for new ones.
 */
export class Watchdog {
  readonly #section: CounterSection;
  readonly #timer: NodeJS.Timeout;
  #heartbeat: number;
  /** Counted in looks, not by the clock: threads of a process that was stopped have not stalled. */
  #stillMs = 0;
  #limitMs = START_MS_MAX;

  constructor(section: CounterSection, stallTimeoutMs: number, stalled: () => void) {
    this.#section = section;
    this.#heartbeat = counted(section, THREAD.heartbeat);
    const intervalMs = Math.ceil(stallTimeoutMs / 4);
    this.#timer = setInterval(() => {
      const heartbeat = counted(this.#section, THREAD.heartbeat);
      this.#stillMs += intervalMs;
      if (heartbeat !== this.#heartbeat) {
        this.#heartbeat = heartbeat;
        this.#stillMs = 0;
        this.#limitMs = stallTimeoutMs;
      } else if (this.#stillMs > this.#limitMs) {
        this.stop();
        stalled();
      }
    }, intervalMs);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
