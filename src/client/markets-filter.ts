import type { Market, MarketStatus, MarketsFilter } from "../contract/messages.js";
import { MARKET_STATUSES } from "../shared/market.js";
import { given } from "./plain-value.js";

/** A filter in the server's spelling; null where it asks for nothing. */
export function canonicalFilter(filter: MarketsFilter | null | undefined): MarketsFilter | null {
  const { status, min_volume, max_volume, search } = given(filter ?? {});
  const named = typeof status === "string" ? [status] : status;
  const canonical: MarketsFilter = {
    ...(named !== undefined && { status: canonicalStatuses(named) }),
    ...(min_volume !== undefined && { min_volume }),
    ...(max_volume !== undefined && { max_volume }),
    ...(search !== undefined && search !== "" && { search: search.toLowerCase() }),
  };
  return Object.keys(canonical).length === 0 ? null : canonical;
}

/** Each once, in the order of the contract; those that are not of it are for the server to refuse. */
function canonicalStatuses(named: readonly MarketStatus[]): MarketStatus[] {
  const rank = (status: MarketStatus): number => MARKET_STATUSES.indexOf(status);
  return [...new Set(named)].sort((a, b) => rank(a) - rank(b));
}

/** Whether a market fits a filter in canonical form, as the server says it. */
export function matchesFilter(filter: MarketsFilter | null | undefined, market: Market): boolean {
  const { status, min_volume, max_volume, search } = filter ?? {};
  return (
    (status === undefined || status.includes(market.status)) &&
    (min_volume === undefined || market.volume >= min_volume) &&
    (max_volume === undefined || market.volume <= max_volume) &&
    (search === undefined || market.title.toLowerCase().includes(search))
  );
}
