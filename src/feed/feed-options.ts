/** What `createFeed` needs to know; filled from the configuration keys of the same names. */
export interface FeedOptions {
  readonly feed: "synthetic" | "replay" | "stdin" | "module";
  /** Markets of the synthetic feed. */
  readonly feedMarkets: number;
  /** `PriceUpdate`s a second over all markets (synthetic), or rows a second (replay by rate). */
  readonly feedRate: number;
  readonly feedSeed: number;
  readonly feedFile: string | undefined;
  /** Name of a shipped map or path of one. */
  readonly feedMap: string | undefined;
  readonly feedMode: "recorded" | "rate" | "max";
  /** How many times faster than recorded. */
  readonly feedSpeed: number;
  readonly feedLoop: boolean;
  readonly feedStart: "ready" | "first-subscriber";
  /** Path or specifier of a user's module. */
  readonly feedModule: string | undefined;
  /** Shortest time between two books of a market, in ms; a feed need not make books faster. */
  readonly bookIntervalMs: number;
}
