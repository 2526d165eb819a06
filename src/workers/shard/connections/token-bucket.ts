/** A token bucket of one second: what a client may still do of something that is limited per second. */
export class TokenBucket {
  readonly perSecond: number;
  #left: number;
  #at: number;

  /** @param now ms of performance.now() */
  constructor(now: number, perSecond: number) {
    this.perSecond = perSecond;
    this.#left = perSecond;
    this.#at = now;
  }

  /** What is left; negative is a debt. */
  left(now: number): number {
    const earned = ((now - this.#at) / 1000) * this.perSecond;
    this.#left = Math.min(this.perSecond, this.#left + earned);
    this.#at = now;
    return this.#left;
  }

  /** Takes some, one by default; returns what is left then, negative where it was not allowed. */
  take(now: number, amount = 1): number {
    this.#left = this.left(now) - amount;
    return this.#left;
  }

  /** How long it takes until so many more are allowed, one by default, in whole ms. */
  waitMs(now: number, amount = 1): number {
    const missing = Math.min(amount, this.perSecond) - this.left(now);
    return Math.max(0, Math.ceil((missing * 1000) / this.perSecond));
  }

  /** Takes so many where they are allowed: more than a second's worth where nothing else was taken. */
  tryTake(now: number, amount: number): boolean {
    if (this.left(now) < Math.min(amount, this.perSecond)) return false;
    this.#left -= amount;
    return true;
  }

  /** Takes one that may come later; returns how long it has to wait for its time, in ms. */
  reserve(now: number): number {
    return Math.max(0, (-this.take(now) * 1000) / this.perSecond);
  }

  /** Gives back what was taken and not allowed, so that refusals cost nothing. */
  giveBack(amount = 1): void {
    this.#left += amount;
  }
}
