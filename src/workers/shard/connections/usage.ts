/** How long it takes until of what was used a third counts, in ms. */
const FADING_MS = 1000;

/** What somebody has used lately, in whatever unit: a sum that fades with time. */
export class Usage {
  #amount = 0;
  #at: number;

  /** @param now ms of performance.now() */
  constructor(now: number) {
    this.#at = now;
  }

  /** What counts now. Steady use settles at what is used in a second. */
  at(now: number): number {
    this.#amount *= Math.exp((this.#at - now) / FADING_MS);
    this.#at = now;
    return this.#amount;
  }

  add(amount: number, now: number): void {
    this.#amount = this.at(now) + amount;
  }
}
