import type { Listing } from "../engine/market.js";
import type { MarketBounds } from "../engine/market-bounds.js";
import type { MarketDefinition, MarketStatus } from "../shared/market.js";
import type { MarketId } from "../shared/market-id.js";

/** A market that the exchange lists when it starts, or while it runs. */
export interface ExchangeMarket {
  readonly definition: MarketDefinition;
  readonly status: MarketStatus;
  /** Highest price of an order as a number of the contract, not in ticks; undefined for none. */
  readonly maxPrice: number | undefined;
  /** The market's own; what is not given is as for all markets. */
  readonly bounds?: MarketBounds | undefined;
}

/** A market as it was listed while the exchange ran. */
export function listedMarket(
  marketId: MarketId,
  { title, tickSize, lotSize, maxPrice }: Listing,
): ExchangeMarket {
  return { definition: { marketId, title, tickSize, lotSize }, status: "Active", maxPrice };
}
