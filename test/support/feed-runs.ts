import { setImmediate } from "node:timers/promises";
import type { FeedOptions } from "../../src/config/thread-options.js";
import type { FeedContext } from "../../src/feed/feed.js";
import type { Timing } from "../../src/feed/pacer.js";

/** Options of a synthetic feed on the defaults; `changes` make other ones of it. */
export function feedOptions(changes: Partial<FeedOptions> = {}): FeedOptions {
  return {
    feed: "synthetic",
    feedMarkets: 50,
    feedRate: 200,
    feedSeed: 1,
    feedFile: undefined,
    feedMap: undefined,
    feedMode: "max",
    feedSpeed: 1,
    feedLoop: false,
    feedStart: "ready",
    feedModule: undefined,
    bookIntervalMs: 100,
    maxWaitingSessions: 100,
    ...changes,
  };
}

/** A context that nothing aborts and whose first subscriber is there, unless told otherwise. */
export function feedContext(changes: Partial<FeedContext> = {}): FeedContext {
  return {
    signal: new AbortController().signal,
    firstSubscriber: Promise.resolve(),
    ...changes,
  };
}

/** A clock that stands still but for waiting, which takes exactly its time. */
export class ManualTiming implements Timing {
  timeMs = 0;
  /** Every wait asked for, in ms. */
  readonly waits: number[] = [];
  /** Runs before each wait; to abort, or to let more time go by. */
  onWait: (ms: number) => void = () => {};

  nowMs(): number {
    return this.timeMs;
  }

  async wait(ms: number): Promise<void> {
    this.waits.push(ms);
    this.timeMs += ms;
    this.onWait(ms);
    if (this.waits.length % 256 === 0) await setImmediate();
  }
}
