/** What a client may still send of something that is limited per second: a token bucket of one second. */
export class Allowance {
  readonly #perSecond: number;
  #left: number;
  #at: number;

  /** @param now ms of performance.now() */
  constructor(now: number, perSecond: number) {
    this.#perSecond = perSecond;
    this.#left = perSecond;
    this.#at = now;
  }

  /** Takes one; returns what is left then, negative where it was not allowed. */
  take(now: number): number {
    const earned = ((now - this.#at) / 1000) * this.#perSecond;
    this.#left = Math.min(this.#perSecond, this.#left + earned) - 1;
    this.#at = now;
    return this.#left;
  }

  /** Gives back what was taken and not allowed, so that refusals cost nothing. */
  giveBack(): void {
    this.#left++;
  }
}
