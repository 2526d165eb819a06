import { marketJson } from "../../../../codec/encodings/json/json-encoder.js";
import { SNAPSHOT_PART_BYTES_MAX } from "../../../../codec/push-encoder.js";
import type { CanonicalFilter } from "../../../../contract/canonical-filter.js";
import type { MarketId } from "../../../../shared/market-id.js";
import { matchesFilter } from "../../fan-out/filter-registry.js";
import type { Mirror } from "../../fan-out/mirror.js";
import { ApiError } from "./api-error.js";

/** Markets that are looked at for one part, whether or not they match. */
const EVALUATED_MAX = 2048;

interface MarketListOptions {
  readonly filter: CanonicalFilter | null;
  /** Only markets behind this one, in the order of their listing. */
  readonly after: MarketId | undefined;
  /** Most markets; by default all. */
  readonly limit: number | undefined;
}

/**
 * The list of markets as the mirror has them, in parts: each market as it stands when its part is made.
 * After a change of epoch the list goes on with those of the epoch that it names. Throws an ApiError where
 * there is no market to begin behind.
 */
export function marketList(
  mirror: Mirror,
  { filter, after, limit = Number.POSITIVE_INFINITY }: MarketListOptions,
): Iterator<string, undefined> {
  const first = after === undefined ? 0 : slotOf(mirror, after) + 1;
  return parts(mirror, filter, first, limit);
}

function slotOf(mirror: Mirror, after: MarketId): number {
  const market = mirror.find(after);
  if (market !== undefined) return market.slot;
  throw new ApiError("MARKET_NOT_FOUND", `after: there is no market ${after}`, { field: "after" });
}

function* parts(
  { epoch, lastTs, markets }: Mirror,
  filter: CanonicalFilter | null,
  first: number,
  limit: number,
): Generator<string, undefined> {
  let text = `{"epoch":${JSON.stringify(epoch)},"ts":${lastTs},"markets":[`;
  let listed = 0;
  let evaluated = 0;
  let last: MarketId | undefined;
  let next: MarketId | undefined;
  for (let slot = first; next === undefined; slot++) {
    const { [slot]: market } = markets;
    if (market === undefined) break;
    if (++evaluated > EVALUATED_MAX || text.length >= SNAPSHOT_PART_BYTES_MAX) {
      // Space between the values of a list is none of it; an empty part would be no part.
      yield text || "\n";
      text = "";
      evaluated = 1;
    }
    if (!matchesFilter(filter, market)) continue;
    if (listed === limit) next = last;
    else {
      text += `${listed === 0 ? "" : ","}${marketJson(market)}`;
      last = market.marketId;
      listed++;
    }
  }
  yield `${text}]${next === undefined ? "" : `,"next":"${next}"`}}`;
  return undefined;
}
