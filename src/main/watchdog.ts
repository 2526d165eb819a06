import { type CounterSection, counted, THREAD } from "../ring/counters.js";

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
  #movedAt = performance.now();
  #limitMs = START_MS_MAX;

  constructor(section: CounterSection, stallTimeoutMs: number, stalled: () => void) {
    this.#section = section;
    this.#heartbeat = counted(section, THREAD.heartbeat);
    this.#timer = setInterval(
      () => {
        const now = performance.now();
        const heartbeat = counted(this.#section, THREAD.heartbeat);
        if (heartbeat !== this.#heartbeat) {
          this.#heartbeat = heartbeat;
          this.#movedAt = now;
          this.#limitMs = stallTimeoutMs;
        } else if (now - this.#movedAt > this.#limitMs) {
          this.stop();
          stalled();
        }
      },
      Math.ceil(stallTimeoutMs / 4),
    );
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
