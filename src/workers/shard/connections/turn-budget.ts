interface TurnBudgetOptions {
  /** The least and the most that a turn has, in ms. */
  readonly leastMs: number;
  readonly mostMs: number;
  /** What a turn has of the time that everything else took since the last one. */
  readonly share: number;
}

/**
 * How long work of one kind may take in a turn of the event loop, so that everything else gets its turn:
 * where that takes long, a share of it, or the work would get nowhere on a busy shard.
 */
export class TurnBudget {
  readonly #options: TurnBudgetOptions;
  readonly #now: () => number;
  /** When the last turn ended that left work over; 0 where none did. */
  #endedAt = 0;

  /** @param now a clock in ms */
  constructor(options: TurnBudgetOptions, now: () => number) {
    this.#options = options;
    this.#now = now;
  }

  /** A turn begins: how long it may take, in ms. */
  begin(): number {
    const { leastMs, mostMs, share } = this.#options;
    const restMs = this.#endedAt === 0 ? 0 : this.#now() - this.#endedAt;
    return Math.min(mostMs, Math.max(leastMs, restMs * share));
  }

  /** The turn ends; `left` says whether work is left over for the next. */
  end(left: boolean): void {
    this.#endedAt = left ? this.#now() : 0;
  }
}
