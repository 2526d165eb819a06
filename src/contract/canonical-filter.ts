import { MARKET_STATUSES, type MarketStatus } from "../shared/market.js";
import type { MarketsFilter } from "./messages.js";

/** Conditions on the markets of a `Markets` channel, in canonical form; all must hold. */
export interface CanonicalFilter {
  /** Each once, in the order of {@link MARKET_STATUSES}. */
  readonly status?: readonly MarketStatus[];
  readonly min_volume?: number;
  readonly max_volume?: number;
  /** In lower case. */
  readonly search?: string;
}

/** A filter as it is asked for: null is absence. */
type AskedFilter = {
  readonly [Condition in keyof MarketsFilter]: MarketsFilter[Condition] | null | undefined;
};

/** Two spellings of a filter have one canonical form; a filter that asks for nothing has null. */
export function canonicalFilter(filter: AskedFilter | null | undefined): CanonicalFilter | null {
  const { status, min_volume, max_volume, search } = filter ?? {};
  const canonical: CanonicalFilter = {
    ...(status != null && { status: canonicalStatuses(status) }),
    ...(min_volume != null && { min_volume }),
    ...(max_volume != null && { max_volume }),
    ...(search != null && search !== "" && { search: search.toLowerCase() }),
  };
  return Object.keys(canonical).length === 0 ? null : canonical;
}

/** Those that are not of the contract come first, for a server to refuse. */
function canonicalStatuses(status: MarketStatus | readonly MarketStatus[]): MarketStatus[] {
  const named = typeof status === "string" ? [status] : status;
  const rank = (one: MarketStatus): number => MARKET_STATUSES.indexOf(one);
  return [...new Set(named)].sort((a, b) => rank(a) - rank(b));
}
