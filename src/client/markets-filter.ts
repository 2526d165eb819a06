import type { Market, MarketsFilter } from "../contract/messages.js";

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
