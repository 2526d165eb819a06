import type { FeedOptions } from "../config/thread-options.js";
import type { Feed } from "./feed.js";
import { createModuleFeed } from "./module-feed.js";
import { planReplay, ReplayFeed } from "./replay.js";
import { StdinFeed } from "./stdin.js";
import { SyntheticFeed } from "./synthetic.js";

/**
 * Makes the feed that the options describe; it does nothing before `open` and `run`. Throws
 * `FeedConfigurationError`.
 */
export async function createFeed(options: FeedOptions): Promise<Feed> {
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
