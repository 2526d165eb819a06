import type { MarketAction, MarketOutcome, MarketRefusal } from "../workers/producer/messages.js";

interface MarketRequestsOptions {
  /** Markets are the exchange's; those of another feed nobody else may change. */
  readonly isExchange: boolean;
  /** Requests that may be under way. */
  readonly most: number;
  /** Sends a request to the producer that is ready; returns false where none is. */
  readonly send: (request: number, action: MarketAction) => boolean;
}

const NO_EXCHANGE: MarketRefusal = {
  code: "NO_EXCHANGE",
  message: "markets come from the feed; only those of --feed exchange are administered here",
};
const NOT_READY: MarketRefusal = {
  code: "UNAVAILABLE",
  message: "the exchange is not up; try again in a moment",
};
const ENDED: MarketRefusal = {
  code: "UNAVAILABLE",
  message:
    "the exchange ended meanwhile, and may have done it; ask again, which changes nothing twice",
};

/**
 * What operators ask of the exchange's markets, on its way to the producer's thread and back.
 *
 * Invariant: each request is answered once, at the latest when the producer that has it ends.
 */
export class MarketRequests {
  readonly #options: MarketRequestsOptions;
  readonly #underWay = new Map<number, (outcome: MarketOutcome) => void>();
  #last = 0;

  constructor(options: MarketRequestsOptions) {
    this.#options = options;
  }

  ask(action: MarketAction): Promise<MarketOutcome> {
    const { isExchange, most, send } = this.#options;
    if (!isExchange) return Promise.resolve({ refusal: NO_EXCHANGE });
    if (this.#underWay.size >= most) {
      const message = `${most} changes of markets are under way, as many as --ops-max-connections allows`;
      return Promise.resolve({ refusal: { code: "UNAVAILABLE", message } });
    }
    const request = ++this.#last;
    if (!send(request, action)) return Promise.resolve({ refusal: NOT_READY });
    return new Promise((resolve) => this.#underWay.set(request, resolve));
  }

  answered(request: number, outcome: MarketOutcome): void {
    this.#underWay.get(request)?.(outcome);
    this.#underWay.delete(request);
  }

  /** The producer has ended. */
  ended(): void {
    for (const request of [...this.#underWay.keys()]) this.answered(request, { refusal: ENDED });
  }
}
