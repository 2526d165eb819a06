/** What was told may come into the history so much later. */
const BEHIND_MS = 1500;
const RETRY_MS = 30_000;

/** Whether a history is there: not known yet, there, or the server has none to give. */
export type HistoryState = "asked" | "there" | "none";

/**
 * When a history is asked for what is new in it: at once, and once more when it has caught up with what was
 * told before; where there is no answer, later again.
 */
export class HistoryAsking {
  readonly #ask: (signal: AbortSignal) => Promise<void>;
  readonly #changed: () => void;
  readonly #ended = new AbortController();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #state: HistoryState = "asked";

  /**
   * @param ask rejects where there is no answer
   * @param changed the state may be another
   */
  constructor(ask: (signal: AbortSignal) => Promise<void>, changed: () => void) {
    this.#ask = ask;
    this.#changed = changed;
  }

  get state(): HistoryState {
    return this.#state;
  }

  /** Aborts what is asked when nobody wants it any more. */
  get signal(): AbortSignal {
    return this.#ended.signal;
  }

  /** Something may be missing. */
  now(): void {
    void this.#run();
    this.#in(BEHIND_MS);
  }

  /** Something has come to its end, and will be in the history in a moment. */
  soon(): void {
    if (this.#timer === undefined) this.#in(BEHIND_MS);
  }

  /** Nobody wants it any more. */
  end(): void {
    clearTimeout(this.#timer);
    this.#ended.abort();
  }

  #in(delayMs: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      void this.#run();
    }, delayMs);
  }

  async #run(): Promise<void> {
    const { signal } = this.#ended;
    try {
      await this.#ask(signal);
      this.#state = "there";
    } catch {
      if (signal.aborted) return;
      // What was there before is still right.
      if (this.#state === "asked") this.#state = "none";
      this.#in(RETRY_MS);
    }
    if (!signal.aborted) this.#changed();
  }
}
