import type { Channel, MarketId } from "../codec/wire/messages.js";
import { compareMarketIds, parseMarketId } from "../shared/market-id.js";
import { canonicalFilter } from "./markets-filter.js";

/**
 * A channel in the server's spelling, so that equal channels have equal JSON; as it is where the
 * server will not take it.
 */
export function canonicalChannel(channel: Channel): Channel {
  switch (channel.type) {
    case "Markets": {
      const filter = canonicalFilter(channel.params?.filter);
      return { type: channel.type, params: filter === null ? null : { filter } };
    }
    case "PriceFeed": {
      const ids = new Set(channel.params.market_ids.map(canonicalId));
      return { type: channel.type, params: { market_ids: [...ids].sort(compareIds) } };
    }
    case "Market":
      return { type: channel.type, params: { market_id: canonicalId(channel.params.market_id) } };
    case "Trades": {
      const id = channel.params?.market_id ?? undefined;
      return {
        type: channel.type,
        params: id === undefined ? null : { market_id: canonicalId(id) },
      };
    }
    case "SystemStatus":
      return { type: channel.type, params: null };
    case "Orders":
    case "Positions":
      return { type: channel.type, params: { wallet: channel.params.wallet } };
  }
}

function canonicalId(id: MarketId): MarketId {
  return parseMarketId(id) ?? id;
}

/** By value where both are ids; the rest is for the server to refuse. */
function compareIds(a: MarketId, b: MarketId): number {
  const sound = parseMarketId(a) !== undefined && parseMarketId(b) !== undefined;
  return sound ? compareMarketIds(a, b) : 0;
}
