import type { MarketAction, MarketOutcome, MarketRefusal } from "../workers/producer/messages.js";
import { ProducerRequests } from "./producer-requests.js";

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

/** What operators ask of the exchange's markets. */
export class MarketRequests extends ProducerRequests<MarketAction, MarketOutcome> {
  readonly #isExchange: boolean;

  constructor({ isExchange, most, send }: MarketRequestsOptions) {
    const messages = {
      busy: `${most} changes of markets are under way, as many as --ops-max-connections allows`,
      "not-ready": "the exchange is not up; try again in a moment",
      ended:
        "the exchange ended meanwhile, and may have done it; ask again, which changes nothing twice",
    };
    super({
      most,
      send,
      refusal: (why) => ({ refusal: { code: "UNAVAILABLE", message: messages[why] } }),
    });
    this.#isExchange = isExchange;
  }

  override ask(action: MarketAction): Promise<MarketOutcome> {
    return this.#isExchange ? super.ask(action) : Promise.resolve({ refusal: NO_EXCHANGE });
  }
}
