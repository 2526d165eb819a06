import { canonicalFilter } from "../contract/canonical-filter.js";
import { BOOK_DEPTH_DEFAULT, CANDLES_USUAL, HEARTBEAT_INTERVAL_MS } from "../contract/limits.js";
import type {
  BookDepth,
  CandleInterval,
  Channel,
  ChannelType,
  MarketId,
  MarketsFilter,
} from "../contract/messages.js";
import { compareMarketIds, parseMarketId } from "../shared/market-id.js";

/** What the params of any channel may be, as a program without types passes them. */
interface Params {
  readonly filter?: MarketsFilter | null;
  readonly market_ids?: readonly MarketId[] | null;
  readonly market_id?: MarketId | null;
  readonly wallet?: string | null;
  readonly sizes?: boolean | null;
  readonly depth?: BookDepth | null;
  readonly checksum?: boolean | null;
  readonly interval?: CandleInterval;
  readonly limit?: number | null;
  readonly interval_ms?: number | null;
  readonly channel?: string | null;
}

/** The params of each type in the server's order. */
const FIELDS: Readonly<Record<ChannelType, readonly (keyof Params)[]>> = {
  Markets: ["filter", "interval_ms"],
  Market: ["market_id", "interval_ms"],
  PriceFeed: ["market_ids", "sizes", "interval_ms"],
  Book: ["market_id", "depth", "checksum", "interval_ms"],
  Trades: ["market_id"],
  Orders: ["wallet"],
  Positions: ["wallet"],
  SystemStatus: [],
  Candles: ["market_id", "interval", "limit"],
  Heartbeat: ["interval_ms"],
  Private: ["channel"],
  Presence: ["market_id", "channel"],
};

/** Types whose params are null where there are none. */
const WITHOUT_PARAMS: readonly ChannelType[] = ["Markets", "Trades", "SystemStatus"];

/**
 * A channel in the server's spelling, with the position that it names, so that equal channels have equal
 * JSON; as it is where the server will not take it. Throws TypeError for what is no channel at all.
 */
export function canonicalChannel(channel: Channel): Channel {
  if (typeof channel !== "object" || channel === null)
    throw new TypeError(`a channel is an object { type, params? }, not ${String(channel)}`);
  const { since, recovered: _, ...name } = channel;
  return {
    ...nameOf(name as Channel),
    ...((since ?? undefined) !== undefined && { since }),
  } as Channel;
}

function nameOf(channel: Channel): Channel {
  const { type } = channel;
  const params: Params = channel.params ?? {};
  // Of a newer contract, or none: for the server to refuse.
  if (!Object.hasOwn(FIELDS, type) || (type === "PriceFeed" && !Array.isArray(params.market_ids)))
    return { ...channel, params } as Channel;
  const asked = FIELDS[type].flatMap((field) => {
    const value = canonicalValue(type, field, params);
    return value === undefined ? [] : [[field, value]];
  });
  const none = asked.length === 0 && WITHOUT_PARAMS.includes(type);
  return { type, params: none ? null : Object.fromEntries(asked) } as Channel;
}

/** A param in the server's spelling; undefined where it says nothing. */
function canonicalValue(type: ChannelType, field: keyof Params, params: Params): unknown {
  switch (field) {
    case "filter":
      return canonicalFilter(params.filter) ?? undefined;
    case "market_ids":
      return [...new Set(params.market_ids?.map(canonicalId))].sort(compareIds);
    case "market_id":
      return canonicalId(params.market_id ?? undefined);
    case "depth":
      return params.depth ?? BOOK_DEPTH_DEFAULT;
    case "limit":
      return params.limit ?? CANDLES_USUAL;
    case "interval_ms":
      return params.interval_ms || (type === "Heartbeat" ? HEARTBEAT_INTERVAL_MS.usual : undefined);
    default:
      return params[field] || undefined;
  }
}

function canonicalId<Id extends MarketId | undefined>(id: Id): MarketId | Id {
  return parseMarketId(id) ?? id;
}

/** By value where both are ids; the rest is for the server to refuse. */
function compareIds(a: MarketId, b: MarketId): number {
  const sound = parseMarketId(a) !== undefined && parseMarketId(b) !== undefined;
  return sound ? compareMarketIds(a, b) : 0;
}
