import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { ServerMessage } from "../../src/contract/messages.js";
import { Store } from "../../src/store/store.js";
import { storeDirectory } from "../../src/store/store-file.js";
import { KEEP_ALL } from "../store/directories.js";
import { type ServerProcess, startServerProcess } from "../support/server-process.js";
import { TestClient } from "../support/test-client.js";
import {
  connectTrader,
  limitOrder,
  place,
  QUIET_EXCHANGE,
  temporaryDirectory,
} from "../support/trading.js";
import { until } from "../support/until.js";

const STEPPING_CLOCK = new URL("../support/stepping-clock.mjs", import.meta.url).href;
const SECOND = 1_000_000;
/** How far the clock is set; a token must outlive it. */
const AHEAD_MS = 1_800_000;
const AHEAD = AHEAD_MS * 1000;
const MARKET_ID = 1001;

let folder: Awaited<ReturnType<typeof temporaryDirectory>>;
let server: ServerProcess | undefined;
beforeEach(async () => {
  folder = await temporaryDirectory();
});
afterEach(async () => {
  await server?.dispose();
  await folder.remove();
});

const clockFile = (): string => join(folder.path, "clock");

/** Starts a server whose clock is what the file says; it is as it was before where that is kept. */
async function start(flags = {}): Promise<ServerProcess> {
  server = await startServerProcess(
    { shards: 1, "data-dir": join(folder.path, "data"), ...flags },
    {
      threadEnds: true,
      nodeFlags: ["--import", STEPPING_CLOCK],
      env: { STEPPING_CLOCK: clockFile() },
    },
  );
  return server;
}

/** Sets the server's clock, and waits until it is. */
async function setClock(client: TestClient, aheadMs: number): Promise<void> {
  await writeFile(clockFile(), String(aheadMs));
  await until("the clock is set", async () => {
    const pong = await client.request({ type: "Ping", data: { timestamp: 1 } });
    if (pong.type !== "Pong") return undefined;
    return Math.abs(pong.data.server_time - Date.now() - aheadMs) < 60_000 || undefined;
  });
}

/** Every `ts` of market data in a message. */
function stampsOf(message: ServerMessage): readonly number[] {
  switch (message.type) {
    case "MarketSnapshot":
      return message.data.markets.map(({ ts }) => ts);
    case "MarketUpdate":
      return [message.data.market.ts];
    case "PriceUpdate":
    case "OrderBook":
      return [message.data.ts];
    case "TradeExecution":
      return [message.data.trade.ts];
    default:
      return [];
  }
}

/** Keeps what comes of a server, and holds that no `ts` of a later phase is before one of an earlier. */
class Told {
  readonly trades = new Map<string, number>();
  /** The latest of the phases that have ended, and of the present one. */
  #before = 0;
  latest = 0;

  hear(messages: readonly ServerMessage[]): void {
    for (const message of messages) {
      for (const ts of stampsOf(message)) {
        expect(ts).toBeGreaterThanOrEqual(this.#before);
        this.latest = Math.max(this.latest, ts);
      }
      if (message.type !== "TradeExecution") continue;
      const { trade_id, ts } = message.data.trade;
      this.trades.set(trade_id, ts);
    }
  }

  endPhase(): void {
    this.#before = this.latest;
  }
}

async function watch(port: number): Promise<TestClient> {
  const client = await TestClient.connect(port);
  const params = { market_id: MARKET_ID };
  await client.subscribe(
    { type: "Trades" },
    { type: "Market", params },
    { type: "PriceFeed", params: { market_ids: [MARKET_ID] } },
  );
  return client;
}

test("position - ts never decreases while the clock is set, a producer dies and the server is killed; trades are told as stored", async () => {
  await writeFile(clockFile(), "0");
  let running = await start(QUIET_EXCHANGE);
  const told = new Told();
  /** Trades once, and hears all that comes of it. */
  const trade = async (watching: TestClient): Promise<number> => {
    const [seller, buyer] = await Promise.all(
      ["w1", "w2"].map((wallet) => connectTrader(running.port, { wallet })),
    );
    await place(seller as TestClient, limitOrder("Sell", 0.6, 1));
    const bought = await place(buyer as TestClient, limitOrder("Buy", 0.6, 1));
    const messages = await watching.takeUntil(({ type }) => type === "TradeExecution");
    // Behind what the trade made of the market.
    await watching.request({ type: "Ping", data: { timestamp: 1 } });
    told.hear(messages);
    await Promise.all([seller?.close(), buyer?.close()]);
    const last = messages.at(-1);
    const ts = last?.type === "TradeExecution" ? last.data.trade.ts : 0;
    expect(bought.updated_ts).toBe(ts);
    told.endPhase();
    return ts;
  };
  let watching = await watch(running.port);
  const first = await trade(watching);
  await setClock(watching, AHEAD_MS);
  const ahead = await trade(watching);
  expect(ahead - first).toBeGreaterThan(AHEAD - 60 * SECOND);
  await setClock(watching, 0);
  // It all but stands still.
  expect((await trade(watching)) - ahead).toBeLessThan(10 * SECOND);
  expect(await running.metric("marketcast_ts_ahead_seconds")).toBeGreaterThan(1700);
  expect(await running.logged(({ aheadS }) => Number(aheadS) > 1700)).toMatchObject({ level: 50 });

  running.command({ restartProducer: true });
  told.hear((await watching.takeUntil(({ type }) => type === "EpochChanged")).slice(0, -1));
  told.hear(await watching.takeUntil(({ type }) => type === "OrderBook"));
  await trade(watching);

  const { child } = running;
  child.kill("SIGKILL");
  await watching.closed;
  running = await start(QUIET_EXCHANGE);
  watching = await watch(running.port);
  told.hear(await watching.takeUntil(({ type }) => type === "OrderBook"));
  await trade(watching);
  expect(told.latest - ahead).toBeLessThan(60 * SECOND);

  await running.stop();
  const store = await Store.open(storeDirectory(join(folder.path, "data")), KEEP_ALL);
  try {
    const stored = store.tradesAfter(0).map(({ tradeId, ts }) => [String(tradeId), ts]);
    expect(stored).toHaveLength(5);
    expect(stored).toEqual([...told.trades]);
  } finally {
    await store.close();
  }
});

test("position - a feed's ts goes on behind what its former producer told, though the clock was set back", async () => {
  await writeFile(clockFile(), String(AHEAD_MS));
  const running = await start({ feed: "synthetic", "feed-markets": 1 });
  const client = await TestClient.connect(running.port);
  await client.subscribe({ type: "Markets" });
  const [market] = await client.takeSnapshot();
  await client.subscribe({ type: "PriceFeed", params: { market_ids: [market?.market_id] } });
  await setClock(client, 0);
  let latest = 0;
  for (let epoch = 0; epoch < 3; epoch++) {
    for (let update = 0; update < 100; update++) {
      const { ts } = (await client.take("PriceUpdate")).data;
      expect(ts).toBeGreaterThanOrEqual(latest);
      latest = ts;
    }
    running.command({ restartProducer: true });
    await client.take("EpochChanged");
  }
  expect(latest - Date.now() * 1000).toBeGreaterThan(AHEAD - 60 * SECOND);
});
