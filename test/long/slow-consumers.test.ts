import { afterEach, expect, it } from "vitest";
import { HAS_PROC, residentBytes } from "../support/process-figures.js";
import { Sequences } from "../support/sequences.js";
import { type ServerProcess, startServerProcess } from "../support/server-process.js";
import { TestClient } from "../support/test-client.js";

const MARKETS = 200;
const MARKET_IDS = Array.from({ length: MARKETS }, (_, index) => 1001 + index);
const RATE = 50_000;
const DEAF_CLIENTS = 8;
const SOAK_S = 12;
const WINDOW_BYTES = 8 * 1024 * 1024;
/** What a server that kept everything would hold by then is several times as much. */
const GROWTH_BYTES_MAX = 64 * 1024 * 1024;
const FRESH_WITHIN_MS = 1000;
const MARKET_RATE = RATE / MARKETS;

let server: ServerProcess | undefined;

afterEach(async () => {
  await server?.dispose();
  server = undefined;
});

const conflatedOf = (running: ServerProcess): Promise<number> =>
  running.metric('marketcast_conflated_total{shard="0"}');

it.runIf(HAS_PROC)(
  "slow consumers - eight deaf clients at 50,000 updates a second: memory bounded, others undisturbed, fresh prices in the end",
  async () => {
    // A window that has been passed through by then: its memory is no client's.
    const flags = { "feed-markets": MARKETS, "feed-rate": RATE, "replay-window": WINDOW_BYTES };
    server = await startServerProcess(flags);
    const running = server;
    // Each has subscriptions of its own, so that what is kept for one is kept for no other.
    const deaf = await Promise.all(
      Array.from({ length: DEAF_CLIENTS }, async (_, index) => {
        const client = await TestClient.connect(running.port);
        const market_ids = MARKET_IDS.filter((id) => id !== 1002 + index);
        await client.subscribe({ type: "PriceFeed", params: { market_ids } });
        client.ws.pause();
        client.inbox.length = 0;
        return client;
      }),
    );
    const healthy = await TestClient.connect(running.port);
    await healthy.subscribe({ type: "PriceFeed", params: { market_ids: [1001] } });

    const sequences = new Sequences();
    const latencies: number[] = [];
    const hear = async (updates: number): Promise<void> => {
      for (let taken = 0; taken < updates; taken++) {
        const { data } = await healthy.take("PriceUpdate");
        sequences.take({ type: "PriceUpdate", data });
        latencies.push(Date.now() - data.ts / 1000);
      }
    };
    // After the first third the kernels' buffers are full and the heap has found its size.
    await hear((SOAK_S / 3) * MARKET_RATE);
    const before = residentBytes(running.pid);
    const conflatedBefore = await conflatedOf(running);
    await hear(((SOAK_S * 2) / 3) * MARKET_RATE);
    expect(residentBytes(running.pid) - before).toBeLessThan(GROWTH_BYTES_MAX);
    expect(sequences.jumps).toEqual([]);
    latencies.sort((a, b) => a - b);
    expect(latencies[Math.floor(latencies.length / 2)]).toBeLessThan(50);

    const reader = deaf[0] as TestClient;
    const resumedAt = Date.now();
    reader.ws.resume();
    const last = new Map<string | number, number>();
    for (;;) {
      const { data } = await reader.take("PriceUpdate");
      expect(data.seq).toBeGreaterThan(last.get(data.market_id) ?? 0);
      last.set(data.market_id, data.seq);
      if (data.ts / 1000 > resumedAt) break;
    }
    expect(Date.now() - resumedAt).toBeLessThan(FRESH_WITHIN_MS);
    // What a connection missed is counted when it is caught up.
    expect((await conflatedOf(running)) - conflatedBefore).toBeGreaterThan(SOAK_S * 1000);
    for (const client of deaf) client.ws.terminate();
    await healthy.close();
  },
);
