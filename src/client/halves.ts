import type { Channel } from "../contract/messages.js";
import { isPriceFeed, priceFeed } from "./subscriptions.js";

/**
 * Two halves of what one request names, as requests are taken whole or not at all; undefined where
 * it is a single subscription.
 */
export function halvesOf(channels: readonly Channel[]): [Channel[], Channel[]] | undefined {
  const [only] = channels;
  if (channels.length > 1) {
    const middle = channels.length >> 1;
    return [channels.slice(0, middle), channels.slice(middle)];
  }
  if (only === undefined || !isPriceFeed(only) || only.params.market_ids.length < 2)
    return undefined;
  const { market_ids } = only.params;
  const middle = market_ids.length >> 1;
  return [
    [priceFeed(market_ids.slice(0, middle), only)],
    [priceFeed(market_ids.slice(middle), only)],
  ];
}
