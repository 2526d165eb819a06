import type { Book } from "../shared/market.js";

interface BookThrottleOptions<Market> {
  readonly intervalMs: number;
  /** The time in microseconds; see nowMicros. */
  readonly now: () => number;
  readonly setTimer: (task: () => void, delayMs: number) => void;
  /** Takes a book that has waited; returns false for one that cannot go out, which costs no interval. */
  readonly release: (market: Market, book: Book) => boolean;
}

/** Lets the books of each market out at most once an interval, the last one last. */
export class BookThrottle<Market extends { readonly slot: number }> {
  readonly #options: BookThrottleOptions<Market>;
  /** By the market's slot: the book that waits, and when the last one was let out. */
  readonly #waiting: (Book | undefined)[] = [];
  readonly #letOutAt: number[] = [];

  constructor(options: BookThrottleOptions<Market>) {
    this.#options = options;
  }

  /** Whether this very book waits: what it says by then is what is let out. */
  holds({ slot }: Market, book: Book): boolean {
    return this.#waiting[slot] === book;
  }

  /** Returns true where the book may go out at once; else it takes the place of the one that waits. */
  admit(market: Market, book: Book): boolean {
    const { slot } = market;
    const { intervalMs, now, setTimer } = this.#options;
    if (this.#waiting[slot] !== undefined) {
      this.#waiting[slot] = book;
      return false;
    }
    const { [slot]: letOutAt = Number.NEGATIVE_INFINITY } = this.#letOutAt;
    const at = now();
    // The clock may be set back; a book waits for no longer than the interval all the same.
    const dueMicros = Math.min(intervalMs * 1000, letOutAt + intervalMs * 1000 - at);
    if (dueMicros <= 0) {
      this.#letOutAt[slot] = at;
      return true;
    }
    this.#waiting[slot] = book;
    setTimer(() => this.#letOut(market), Math.ceil(dueMicros / 1000));
    return false;
  }

  #letOut(market: Market): void {
    const book = this.#waiting[market.slot];
    if (book === undefined) throw new Error("book throttle: a timer without a book");
    this.#waiting[market.slot] = undefined;
    const { now, release } = this.#options;
    if (release(market, book)) this.#letOutAt[market.slot] = now();
  }
}
