import { TurnBudget } from "./turn-budget.js";

/** As much as everything else, so that a large fan-out does not delay whoever connects beside it. */
const TURNS = { leastMs: 2, mostMs: 10, share: 1 };

/** What waits for a turn. */
export interface Waiting {
  serve(): void;
}

/**
 * What waits to be served, first come, first served, for so long in a turn of the event loop; the
 * rest follows in the next one. What is added meanwhile waits for the next round at the earliest, so
 * that in a turn nobody is served twice.
 */
export class TurnQueue {
  readonly #turnEnded: () => void;
  /** What this round still has to serve, and what waits for the next. */
  #round = new Set<Waiting>();
  #later = new Set<Waiting>();
  readonly #now: () => number;
  readonly #budget: TurnBudget;
  #scheduled = false;
  #turnEndsAt = 0;

  /**
   * @param turnEnded called behind all that a turn has served, before the loop looks at sockets
   * @param now a clock in ms
   */
  constructor(turnEnded: () => void = () => {}, now: () => number = () => performance.now()) {
    this.#turnEnded = turnEnded;
    this.#now = now;
    this.#budget = new TurnBudget(TURNS, now);
  }

  /** Has an item served once; one that waits already is not added again. */
  add(item: Waiting): void {
    if (!this.#round.has(item)) this.#later.add(item);
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(this.#turn);
  }

  remove(item: Waiting): void {
    this.#round.delete(item);
    this.#later.delete(item);
  }

  /** Forgets all that waits. */
  clear(): void {
    this.#round.clear();
    this.#later.clear();
  }

  readonly #turn = (): void => {
    this.#turnEndsAt = this.#now() + this.#budget.begin();
    if (this.#round.size === 0) [this.#round, this.#later] = [this.#later, this.#round];
    this.#next();
  };

  readonly #next = (): void => {
    const [item] = this.#round;
    if (item !== undefined && this.#now() < this.#turnEndsAt) {
      this.#round.delete(item);
      item.serve();
      // What is served is written in the ticks behind it, and is part of its time.
      process.nextTick(this.#next);
      return;
    }
    this.#scheduled = this.#round.size + this.#later.size > 0;
    this.#budget.end(this.#scheduled);
    if (this.#scheduled) setImmediate(this.#turn);
    this.#turnEnded();
  };
}
