/** What an answer to a ping may take off the estimate, in milliseconds. */
const DOUBT_MS = 1;

/**
 * The server's clock, as its messages tell it: an estimate that is behind by the way of the message that it
 * is by, and not ahead.
 */
export class ServerClock {
  /** How far it is at least ahead of performance.now(), in milliseconds since the Unix epoch. */
  #aheadMs = 0;

  /** A server, maybe another one than before, has just told its time. */
  begin(timeMs: number): void {
    this.#aheadMs = timeMs - performance.now();
  }

  /**
   * The same one has told it again. Clocks part, and this one stands still while its machine sleeps; but a
   * message that was long on its way says little.
   */
  follow(timeMs: number): void {
    this.#aheadMs = Math.max(timeMs - performance.now(), this.#aheadMs - DOUBT_MS);
  }

  /** What it says when performance.now() is `localMs`, in milliseconds since the Unix epoch. */
  at(localMs: number): number {
    return localMs + this.#aheadMs;
  }
}
