import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import type { Candle } from "../../src/contract/messages.js";
import { startServerProcess } from "../support/server-process.js";
import { TestClient } from "../support/test-client.js";

const MARKET = { market_id: 1001, title: "A", status: "Active", tick_size: 0.01, lot_size: 1 };
type Interval = "1s" | "1m";

/** All closed candles of an interval in history. */
async function history(client: TestClient, interval: Interval): Promise<Map<number, Candle>> {
  const found = new Map<number, Candle>();
  let before: string | undefined;
  do {
    const data = { market_id: 1001, interval, ...(before !== undefined && { before }) };
    const page = await client.request({ type: "CandleHistory", data });
    if (page.type !== "CandlePage") throw new Error(JSON.stringify(page));
    for (const candle of page.data.candles) found.set(candle[0], candle);
    before = page.data.next;
  } while (before !== undefined);
  return found;
}

/** Trades of a market in history from one `ts` on and before another. */
async function trades(client: TestClient, from: number, to: number): Promise<number> {
  let count = 0;
  let before: string | undefined;
  do {
    const data = {
      market_id: 1001,
      limit: 1000,
      from,
      to,
      ...(before !== undefined && { before }),
    };
    const page = await client.request({ type: "TradeHistory", data });
    if (page.type !== "TradePage") throw new Error(JSON.stringify(page));
    count += page.data.trades.length;
    before = page.data.next;
  } while (before !== undefined);
  return count;
}

const subscribe = (client: TestClient, interval: Interval) =>
  client.subscribe({ type: "Candles", params: { market_id: 1001, interval, limit: 1000 } });

it("candles - one is in history when all of its trades are", async () => {
  const server = await startServerProcess({ "feed-rate": 5000, "feed-markets": 4, shards: 1 });
  try {
    const client = await TestClient.connect(server.port);
    const found = new Map<number, Candle>();
    while (found.size < 4) {
      const data = { market_id: 1001, interval: "1s", limit: 2 };
      const page = await client.request({ type: "CandleHistory", data });
      if (page.type !== "CandlePage") throw new Error(JSON.stringify(page));
      for (const candle of page.data.candles) {
        const [start] = candle;
        expect(candle).toEqual(found.get(start) ?? candle);
        found.set(start, candle);
      }
    }
    for (const [start, candle] of found)
      expect(await trades(client, start, start + 1_000_000)).toBe(candle[6]);
  } finally {
    await server.dispose();
  }
}, 30_000);

it("candles - they go on over kill -9 in the middle of one, and are those of history", async () => {
  const folder = await mkdtemp(join(tmpdir(), "candles-"));
  const file = join(folder, "markets.json");
  await writeFile(file, JSON.stringify([MARKET]));
  const flags = {
    feed: "exchange",
    shards: 1,
    "data-dir": join(folder, "data"),
    "feed-rate": 500,
    "markets-file": file,
  };
  const first = await startServerProcess(flags);
  let last: Candle;
  try {
    const client = await TestClient.connect(first.port);
    await subscribe(client, "1m");
    const { data } = await client.take("CandleUpdate", ({ data: { candle } }) => candle[6] > 20);
    last = data.candle;
    first.child.kill("SIGKILL");
    await once(first.child, "exit");
  } finally {
    await first.dispose();
  }
  const second = await startServerProcess(flags);
  try {
    const client = await TestClient.connect(second.port);
    await subscribe(client, "1m");
    const minutes = (await client.take("CandleSnapshot")).data.candles;
    const minute = minutes.find(([start]) => start === last[0]);
    expect(minute?.[1]).toBe(last[1]);
    expect(minute?.[6]).toBeGreaterThanOrEqual(last[6]);

    await subscribe(client, "1s");
    const told = new Map<number, Candle>();
    const snapshot = await client.take("CandleSnapshot");
    for (const candle of snapshot.data.candles.slice(0, -1)) told.set(candle[0], candle);
    expect(told.size).toBeGreaterThan(0);
    const closings = 2;
    for (let closed = 0; closed < closings; ) {
      const { data } = await client.take(
        "CandleUpdate",
        ({ data: one }) => one.closed && one.interval === "1s",
      );
      told.set(data.candle[0], data.candle);
      closed++;
    }
    const newest = Math.max(...told.keys());
    // History is at most a second behind.
    const asker = await TestClient.connect(second.port);
    while ((await trades(asker, newest + 1_000_000, Number.MAX_SAFE_INTEGER)) === 0);
    const found = await history(asker, "1s");
    for (const [start, candle] of told) expect(found.get(start)).toEqual(candle);
    for (const start of found.keys()) if (start <= newest) expect(told.has(start)).toBe(true);
    for (const [start, candle] of told)
      expect(await trades(asker, start, start + 1_000_000)).toBe(candle[6]);
  } finally {
    await second.dispose();
    await rm(folder, { recursive: true, force: true });
  }
}, 30_000);
