import { machineMs } from "./machine-clock.js";

/*
 * Layout of the shared memory: a double, until when the lease is certain by `machineMs`, and a doorbell, which
 * moves each time that is later.
 */
const UNTIL = 0;
const DOORBELL_BYTE = 8;
const BYTES = 16;
/** Longest sleep of who waits, in ms. */
const NAP_MS_MAX = 1000;

/**
 * Until when a process may take it that it is the origin, for all of its threads: who keeps the lease writes, and who
 * is to do nothing without it reads. A process that was suspended finds the term over when it wakes.
 */
export class LeaseTerm {
  readonly memory: SharedArrayBuffer;
  readonly #until: Float64Array;
  readonly #doorbell: Int32Array;

  constructor(memory = new SharedArrayBuffer(BYTES)) {
    this.memory = memory;
    this.#until = new Float64Array(memory, 0, 1);
    this.#doorbell = new Int32Array(memory, DOORBELL_BYTE, 1);
  }

  /** By `machineMs`; 0 before there was any. */
  get until(): number {
    return this.#until[UNTIL] as number;
  }

  get isOver(): boolean {
    return machineMs() >= this.until;
  }

  /** Has it last until then, if that is later. */
  extend(until: number): void {
    if (until <= this.until) return;
    this.#until[UNTIL] = until;
    Atomics.add(this.#doorbell, 0, 1);
    Atomics.notify(this.#doorbell, 0);
  }

  /** Has it be over from now on. */
  end(): void {
    this.#until[UNTIL] = 0;
  }

  /** Resolves when it is not over; while it never is again, never. */
  async certain(): Promise<void> {
    for (;;) {
      // Read before the look: an extension behind it then ends the wait at once.
      const rung = Atomics.load(this.#doorbell, 0);
      if (!this.isOver) return;
      const wait = Atomics.waitAsync(this.#doorbell, 0, rung, NAP_MS_MAX);
      if (wait.async) await wait.value;
    }
  }
}
