/** What the server says of a limit, where it says more than that there is one. */
export interface LimitDetails {
  /** Per second. */
  readonly limit?: unknown;
  readonly retry_after_ms?: unknown;
}

/**
 * Requests that may be under way at first, and how many answers within a second allow one more. So a
 * burst passes a limit that nobody told by less than the second's worth that is flooding, from some
 * ten a second on.
 */
const WINDOW_MIN = 8;
const ANSWERS_PER_SLOT = 8;
/** How long to wait where a limit was passed and nobody said how long, and at least, in milliseconds. */
const LIMITED_MS = 1000;
const LIMITED_MS_MIN = 20;
/** First and longest wait for a server that is unavailable, in milliseconds. */
const BACKOFF_MS = 100;
const BACKOFF_MS_MAX = 2000;
/** A pace stays below the limit that was told, and slows down to this part where that was too fast. */
const HEADROOM = 0.95;
const SLOWDOWN = 0.8;
const PER_SECOND_MIN = 1;
/** What a late timer may catch up, in milliseconds. */
const CATCH_UP_MS = 20;
/** After as long without a request, in milliseconds, limits are full again and a pace is forgotten. */
const IDLE_MS = 5000;

/** How long to wait before the n-th retry, n from 1, in milliseconds: exponential, with jitter. */
export function backoffMs(attempt: number): number {
  const ceiling = Math.min(BACKOFF_MS_MAX, BACKOFF_MS * 2 ** (attempt - 1));
  return ceiling * (0.5 + Math.random() / 2);
}

/**
 * When the next request of one kind may go, over one connection: so many unanswered at a time, after
 * a RATE_LIMITED so many per second, and while the server is unavailable one as a probe. Times are of
 * performance.now(), in milliseconds.
 */
export class Pace {
  #inFlight = 0;
  #failures = 0;
  /** Answers since `#secondAt`, at most a second ago, and the most there were in such a second. */
  #answers = 0;
  #secondAt = 0;
  #mostAnswers = 0;
  #perSecond = Number.POSITIVE_INFINITY;
  #perSecondMax = Number.POSITIVE_INFINITY;
  #nextAt = 0;
  /** Nothing goes before, whatever the pace. */
  pausedUntil = 0;

  /** When the next request may go; Infinity: once another one is answered. */
  get readyAt(): number {
    const window = this.#failures > 0 ? 1 : WINDOW_MIN + this.#mostAnswers / ANSWERS_PER_SLOT;
    if (this.#inFlight >= window) return Number.POSITIVE_INFINITY;
    return Math.max(this.pausedUntil, this.#nextAt);
  }

  sent(now: number): void {
    this.#inFlight++;
    if (now - Math.max(this.#nextAt, this.pausedUntil) > IDLE_MS)
      this.#perSecond = Number.POSITIVE_INFINITY;
    this.#nextAt = Math.max(this.#nextAt, now - CATCH_UP_MS) + 1000 / this.#perSecond;
  }

  /** A request is not under way any more, for whatever reason. */
  left(): void {
    this.#inFlight--;
  }

  /** The server has dealt with a request. */
  answered(now: number): void {
    this.#failures = 0;
    if (now - this.#secondAt >= 1000) {
      this.#secondAt = now;
      this.#answers = 0;
    }
    this.#mostAnswers = Math.max(this.#mostAnswers, ++this.#answers);
    // One a second more each second: there may be more room than there was.
    this.#perSecond = Math.min(this.#perSecondMax, this.#perSecond + 1 / this.#perSecond);
  }

  /** The server refused a request as one too many. */
  limited(now: number, { limit, retry_after_ms }: LimitDetails): void {
    // Others that were under way at the same time say nothing new.
    if (now >= this.pausedUntil) {
      const known = typeof limit === "number" && limit > 0;
      const before = Number.isFinite(this.#perSecond)
        ? this.#perSecond * SLOWDOWN
        : known
          ? limit
          : this.#mostAnswers * SLOWDOWN;
      this.#perSecondMax = known ? limit * HEADROOM : Number.POSITIVE_INFINITY;
      this.#perSecond = Math.max(PER_SECOND_MIN, Math.min(before, this.#perSecondMax));
    }
    const waitMs = typeof retry_after_ms === "number" ? retry_after_ms : LIMITED_MS;
    this.pause(now + Math.max(LIMITED_MS_MIN, waitMs) * (1 + Math.random() / 10));
  }

  /** The server is unavailable for now. */
  unavailable(now: number): void {
    if (now < this.pausedUntil) return;
    this.pause(now + backoffMs(++this.#failures));
  }

  pause(until: number): void {
    this.pausedUntil = Math.max(this.pausedUntil, until);
  }
}
