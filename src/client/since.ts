import type { Channel, MarketId } from "../contract/messages.js";
import type { SequenceTracker } from "./sequence-tracker.js";
import { isPriceFeed, type PriceFeed, priceFeed } from "./subscriptions.js";

/**
 * Markets of a `PriceFeed` whose positions are this close together, in microseconds, are asked for as one
 * channel: from the earliest of them on.
 */
const PRICE_FEED_SPAN_US = 1_000_000;

/** Channels as they are to be asked for again: each from where its streams stand, if that is known. */
export function since(channels: readonly Channel[], tracker: SequenceTracker): Channel[] {
  return channels.flatMap((channel): Channel[] => {
    if (isPriceFeed(channel)) return pricesSince(channel, tracker);
    if (channel.type === "Orders") {
      const since = tracker.ordersSince(channel);
      return [since === undefined ? channel : { ...channel, since }];
    }
    const known = tracker
      .streamsOf(channel)
      .flatMap(([stream, id]) => tracker.tsOf(stream, id) ?? []);
    return [known.length === 0 ? channel : { ...channel, since: Math.min(...known) }];
  });
}

/** A quiet market's position may be far back: those that are close together go together. */
function pricesSince(channel: PriceFeed, tracker: SequenceTracker): Channel[] {
  const known = channel.params.market_ids
    .map((id) => ({ id, ts: tracker.tsOf("price", id) ?? 0 }))
    .sort((a, b) => a.ts - b.ts);
  const parts: { readonly since: number; readonly ids: MarketId[] }[] = [];
  for (const { id, ts } of known) {
    const last = parts.at(-1);
    if (last !== undefined && ts - last.since <= PRICE_FEED_SPAN_US) last.ids.push(id);
    else parts.push({ since: ts, ids: [id] });
  }
  return parts.map(({ since, ids }) => ({
    ...priceFeed(ids, channel),
    ...(since > 0 && { since }),
  }));
}
