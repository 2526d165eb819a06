import type { Market, MarketsFilter } from "../codec/wire/messages.js";
import { MARKET_STATUSES } from "../shared/market.js";

/** A filter in the server's spelling; null where it asks for nothing. */
export function canonicalFilter(filter: MarketsFilter | null | undefined): MarketsFilter | null {
  // Null, which JavaScript may bring, is as good as no condition.
  const given = Object.entries(filter ?? {}).filter(([, condition]) => condition !== null);
  const { status, min_volume, max_volume, search }: MarketsFilter = Object.fromEntries(given);
  const named = typeof status === "string" ? [status] : status;
  const canonical: MarketsFilter = {
    ...(named !== undefined && { status: MARKET_STATUSES.filter((one) => named.includes(one)) }),
    ...(min_volume !== undefined && { min_volume }),
    ...(max_volume !== undefined && { max_volume }),
    ...(search !== undefined && search !== "" && { search: search.toLowerCase() }),
  };
  return Object.keys(canonical).length === 0 ? null : canonical;
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
