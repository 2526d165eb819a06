import type { Channel } from "../../codec/channels.js";
import type { FrameWriter } from "../../codec/frame-writer.js";
import type { PushEncoder } from "../../codec/push-encoder.js";
import type { MarketId } from "../../shared/market-id.js";
import { matchesFilter } from "./filter-registry.js";
import type { Mirror } from "./mirror.js";
import type { Subscriptions } from "./subscriptions.js";

/**
 * Writes what a subscriber of the channels gets at once, from the mirror as it stands between two
 * rounds, so that the next message of each stream is the one after it. Returns how many messages.
 * SystemStatus is not market data; see the shard.
 */
export function writeFirstData(
  out: FrameWriter,
  encoder: PushEncoder,
  mirror: Mirror,
  channels: Iterable<Channel>,
): number {
  let messages = 0;
  /** Markets of any PriceFeed here: where several name a market, it is told once. */
  const prices = new Set<MarketId>();
  for (const channel of channels) {
    if (channel.type === "Markets") {
      const filter = channel.params?.filter ?? null;
      encoder.marketSnapshot(
        out,
        mirror.markets.filter((market) => matchesFilter(filter, market)),
      );
      messages++;
    } else if (channel.type === "Market") {
      messages += writeMarket(out, encoder, mirror, channel.params.market_id);
    } else if (channel.type === "PriceFeed") {
      for (const id of channel.params.market_ids) prices.add(id);
    }
  }
  return messages + writePrices(out, encoder, mirror, prices);
}

/** The channels that a set of subscriptions stands for, as far as their markets are listed. */
export function* channelsOf(subscriptions: Subscriptions): Generator<Channel> {
  for (const filter of subscriptions.filters.values()) {
    yield { type: "Markets", params: filter === null ? null : { filter } };
  }
  for (const market_id of subscriptions.states) yield { type: "Market", params: { market_id } };
  if (subscriptions.prices.size > 0) {
    yield { type: "PriceFeed", params: { market_ids: [...subscriptions.prices] } };
  }
}

function writeMarket(
  out: FrameWriter,
  encoder: PushEncoder,
  mirror: Mirror,
  marketId: MarketId,
): number {
  const market = mirror.find(marketId);
  if (market === undefined) return 0;
  encoder.marketSnapshot(out, [market]);
  encoder.orderBook(out, market, market.book ?? { ...EMPTY_BOOK, ts: market.ts });
  return 2;
}

const EMPTY_SIDE = { price: new Float64Array(), quantity: new Float64Array(), length: 0 };
/** The book of a market that has published none; the first one published follows it with seq 1. */
const EMPTY_BOOK = { bids: EMPTY_SIDE, asks: EMPTY_SIDE, seq: 0 };

function writePrices(
  out: FrameWriter,
  encoder: PushEncoder,
  mirror: Mirror,
  marketIds: Iterable<MarketId>,
): number {
  let messages = 0;
  for (const marketId of marketIds) {
    const market = mirror.find(marketId);
    if (market === undefined || !market.hasQuote) continue;
    encoder.priceUpdate(out, market);
    messages++;
  }
  return messages;
}
