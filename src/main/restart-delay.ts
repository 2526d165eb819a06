const FIRST_DELAY_MS = 100;
const DELAY_MS_MAX = 5000;
/** A thread that lived this long had a good start. */
const GOOD_LIFE_MS = 10_000;

/** How long to wait before starting a thread again: not at all at first, longer while it keeps dying. */
export class RestartDelay {
  #failures = 0;
  #startedAt = 0;

  started(): void {
    this.#startedAt = performance.now();
  }

  /** The delay in ms before the next start, after a death just now. */
  next(): number {
    if (performance.now() - this.#startedAt > GOOD_LIFE_MS) this.#failures = 0;
    const delay =
      this.#failures === 0 ? 0 : Math.min(DELAY_MS_MAX, FIRST_DELAY_MS * 2 ** (this.#failures - 1));
    this.#failures++;
    return delay;
  }
}
