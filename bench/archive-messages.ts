import type { MarketMemory } from "../src/ring/market-memory.js";

/** What a thread is told that trades as fast as trades are due. */
export interface ArchiveProducerInput {
  readonly memory: MarketMemory;
  readonly counters: SharedArrayBuffer;
  readonly markets: number;
  readonly tradesPerSecond: number;
  readonly trades: number;
}
