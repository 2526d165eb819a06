import type { FeedOptions } from "../config/thread-options.js";
import type { Feed } from "./feed.js";
import { FeedConfigurationError } from "./feed-configuration-error.js";
import { createModuleFeed } from "./module-feed.js";
import { planReplay, ReplayFeed } from "./replay.js";
import { StdinFeed } from "./stdin.js";
import { SyntheticFeed } from "./synthetic.js";

/** Most markets of the synthetic feed; the table's capacity may be less and is checked by the sink. */
export const FEED_MARKETS_MAX = 1_000_000;

/** Fastest synthetic feed, and replay by rate, in events a second. */
export const FEED_RATE_MAX = 1_000_000;

/** Fastest playback, as a multiple of the recorded pace. */
export const FEED_SPEED_MAX = 1_000_000;

/**
 * Makes the feed that the options describe; it does nothing before `open` and `run`. Throws
 * {@link FeedConfigurationError}.
 */
export async function createFeed(options: FeedOptions): Promise<Feed> {
  checkNumbers(options);
  switch (options.feed) {
    case "synthetic":
      return new SyntheticFeed(options);
    case "replay":
      return new ReplayFeed(await planReplay(options), options);
    case "stdin":
      return new StdinFeed();
    case "module":
      return createModuleFeed(options);
  }
}

function checkNumbers(options: FeedOptions): void {
  const { feedMarkets, feedRate, feedSeed, feedSpeed } = options;
  const isInteger = (value: number, min: number, max: number) =>
    Number.isSafeInteger(value) && value >= min && value <= max;
  if (!isInteger(feedMarkets, 1, FEED_MARKETS_MAX)) {
    const rule = `must be an integer from 1 to ${FEED_MARKETS_MAX}`;
    throw new FeedConfigurationError("--feed-markets", feedMarkets, rule);
  }
  if (!(feedRate >= 1 && feedRate <= FEED_RATE_MAX)) {
    const rule = `must be a number from 1 to ${FEED_RATE_MAX}`;
    throw new FeedConfigurationError("--feed-rate", feedRate, rule);
  }
  if (!isInteger(feedSeed, 0, Number.MAX_SAFE_INTEGER)) {
    const rule = `must be an integer from 0 to ${Number.MAX_SAFE_INTEGER}`;
    throw new FeedConfigurationError("--feed-seed", feedSeed, rule);
  }
  if (!(feedSpeed > 0 && feedSpeed <= FEED_SPEED_MAX)) {
    const rule = `must be a number above 0, at most ${FEED_SPEED_MAX}`;
    throw new FeedConfigurationError("--feed-speed", feedSpeed, rule);
  }
}
