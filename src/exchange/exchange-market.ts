import type { MarketBounds } from "../engine/market-bounds.js";
import type { MarketDefinition, MarketStatus } from "../shared/market.js";

/** A market that the exchange lists when it starts. */
export interface ExchangeMarket {
  readonly definition: MarketDefinition;
  readonly status: MarketStatus;
  /** Highest price of an order as a number of the contract, not in ticks; undefined for none. */
  readonly maxPrice: number | undefined;
  /** The market's own; what is not given is as for all markets. */
  readonly bounds?: MarketBounds | undefined;
}
