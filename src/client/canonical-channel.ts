import { canonicalFilter } from "../contract/canonical-filter.js";
import { CANDLES_USUAL, HEARTBEAT_INTERVAL_MS } from "../contract/limits.js";
import type { CandleInterval, Channel, MarketId, MarketsFilter } from "../contract/messages.js";
import { compareMarketIds, parseMarketId } from "../shared/market-id.js";

/** What the params of any channel may be, as a program without types passes them. */
interface Params {
  readonly filter?: MarketsFilter | null;
  readonly market_ids?: readonly MarketId[] | null;
  readonly market_id?: MarketId | null;
  readonly wallet?: string | null;
  readonly interval?: CandleInterval;
  readonly limit?: number | null;
  readonly interval_ms?: number | null;
}

/**
 * A channel in the server's spelling, with the position that it names, so that equal channels have equal
 * JSON; as it is where the server will not take it. Throws TypeError for what is no channel at all.
 */
export function canonicalChannel(channel: Channel): Channel {
  if (typeof channel !== "object" || channel === null)
    throw new TypeError(`a channel is an object { type, params? }, not ${String(channel)}`);
  const { since } = channel;
  return { ...nameOf(channel), ...((since ?? undefined) !== undefined && { since }) } as Channel;
}

function nameOf(channel: Channel): Channel {
  const { type: kind } = channel;
  const params: Params = channel.params ?? {};
  switch (kind) {
    case "Markets": {
      const filter = canonicalFilter(params.filter);
      return { type: kind, params: filter === null ? null : { filter } };
    }
    case "PriceFeed": {
      if (!Array.isArray(params.market_ids)) break;
      const ids = new Set((params.market_ids as readonly MarketId[]).map(canonicalId));
      return { type: kind, params: { market_ids: [...ids].sort(compareIds) } };
    }
    case "Market":
      return { type: kind, params: { market_id: canonicalId(params.market_id as MarketId) } };
    case "Trades": {
      const id = params.market_id ?? undefined;
      return { type: kind, params: id === undefined ? null : { market_id: canonicalId(id) } };
    }
    case "SystemStatus":
      return { type: kind, params: null };
    case "Candles": {
      const { market_id, interval, limit } = params;
      return {
        type: kind,
        params: {
          market_id: canonicalId(market_id as MarketId),
          interval: interval as CandleInterval,
          limit: limit ?? CANDLES_USUAL,
        },
      };
    }
    case "Heartbeat":
      return {
        type: kind,
        params: { interval_ms: params.interval_ms ?? HEARTBEAT_INTERVAL_MS.usual },
      };
    case "Orders":
    case "Positions":
      return { type: kind, params: { wallet: params.wallet as string } };
    default:
      // Of a newer contract, or none: for the server to refuse.
      kind satisfies never;
  }
  const { recovered, ...name } = channel as Channel;
  return { ...name, params } as Channel;
}

function canonicalId(id: MarketId): MarketId {
  return parseMarketId(id) ?? id;
}

/** By value where both are ids; the rest is for the server to refuse. */
function compareIds(a: MarketId, b: MarketId): number {
  const sound = parseMarketId(a) !== undefined && parseMarketId(b) !== undefined;
  return sound ? compareMarketIds(a, b) : 0;
}
