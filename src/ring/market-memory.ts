import { createRingBuffer } from "./broadcast-transmitter.js";
import { createMarketTable, type MarketTableMemory } from "./market-table.js";

/** The shared memory of one producer's life: made anew, with a new epoch, for every producer. */
export interface MarketMemory {
  readonly epoch: string;
  /** Definitions, states and books. */
  readonly ring: SharedArrayBuffer;
  /** Trades, on a ring of their own so that a flood of states cannot lap them. */
  readonly tradeRing: SharedArrayBuffer;
  /** What users publish to channels, on a ring of its own so that a flood of it can lap nothing else. */
  readonly publicationRing: SharedArrayBuffer;
  readonly table: MarketTableMemory;
  /** One i32 that moves with every publication on any ring: what idle readers wait on. */
  readonly doorbell: SharedArrayBuffer;
}

/** Of a ring that takes the largest publication. */
const PUBLICATION_RING_BYTES_MIN = 1 << 18;

export interface MarketMemorySizes {
  /** Bytes, a power of two. */
  readonly ringSize: number;
  readonly tradeRingSize: number;
  /** The least there can be, where nothing is said. */
  readonly publicationRingSize?: number;
  readonly maxMarkets: number;
  readonly maxTitleBytes: number;
  /** Levels a side that are kept of a book. */
  readonly bookDepth: number;
}

export function createMarketMemory(epoch: string, sizes: MarketMemorySizes): MarketMemory {
  return {
    epoch,
    ring: createRingBuffer(sizes.ringSize),
    tradeRing: createRingBuffer(sizes.tradeRingSize),
    publicationRing: createRingBuffer(sizes.publicationRingSize ?? PUBLICATION_RING_BYTES_MIN),
    table: createMarketTable(sizes.maxMarkets, {
      titleBytesMax: sizes.maxTitleBytes,
      bookDepth: sizes.bookDepth,
    }),
    doorbell: new SharedArrayBuffer(64),
  };
}
