import type { BurstOptions } from "../support/burst.js";
import type { ServerName } from "../support/server-under-test.js";

/** What the fan-out bench is run with. */
export interface FanoutParameters {
  readonly connections: number;
  /** Markets in the one `PriceFeed` that every connection subscribes to: the most it may name. */
  readonly markets: number;
  readonly warmupSeconds: number;
  readonly windowSeconds: number;
  /** Updates a second at which latency is taken. */
  readonly steadyRates: readonly number[];
  /** The window at the steady rates, where the rare latencies count. */
  readonly steadyWindowSeconds: number;
  readonly rounds: number;
  /** Updates a second offered to Marketcast in search of its saturation. */
  readonly saturationRates: readonly number[];
  /** Updates that a baseline publishes in each turn of its event loop, for the same purpose. */
  readonly saturationBatches: Readonly<
    Record<Exclude<ServerName, "marketcast">, readonly number[]>
  >;
  /** Bisections in search of the highest rate delivered in full. */
  readonly bisections: number;
  readonly burst: BurstOptions;
  readonly idleConnections: number;
  /** Clients that connect, subscribe and wait for their first data. */
  readonly firstDataClients: number;
  /** Updates a second at which batches and compression are measured. */
  readonly framingRates: readonly number[];
}

export const FULL: FanoutParameters = {
  connections: 500,
  markets: 1000,
  warmupSeconds: 2,
  windowSeconds: 4,
  steadyRates: [20, 100, 1000, 2000, 4000],
  steadyWindowSeconds: 8,
  rounds: 5,
  saturationRates: [16_000, 24_000, 32_000, 40_000, 48_000, 64_000],
  saturationBatches: { "uWebSockets.js": [16, 32, 64, 256], ws: [1, 16] },
  bisections: 5,
  burst: { count: 500, repeats: 3, timeoutMs: 10_000 },
  idleConnections: 5000,
  firstDataClients: 5000,
  framingRates: [10, 1000, 10_000],
};

export const SHORT: FanoutParameters = {
  ...FULL,
  warmupSeconds: 0.5,
  windowSeconds: 0.5,
  steadyRates: [20, 1000],
  steadyWindowSeconds: 0.5,
  rounds: 1,
  saturationRates: [32_000],
  saturationBatches: { "uWebSockets.js": [64], ws: [1] },
  bisections: 1,
  burst: { count: 500, repeats: 1, timeoutMs: 2000 },
  idleConnections: 1000,
  firstDataClients: 500,
  framingRates: [1000],
};
