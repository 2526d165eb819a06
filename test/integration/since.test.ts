import { afterEach, expect, test } from "vitest";
import { ENCODINGS } from "../../src/contract/encodings.js";
import type { Trade } from "../../src/contract/messages.js";
import { type ServerProcess, startServerProcess } from "../support/server-process.js";
import { TestClient } from "../support/test-client.js";
import { until } from "../support/until.js";

let server: ServerProcess | undefined;
afterEach(() => server?.dispose());

const TRADES = { type: "Trades", params: { market_id: 1001 } };
const PRICES = { type: "PriceFeed", params: { market_ids: [1001, 1002] } };
const MARKET = { type: "Market", params: { market_id: 1001 } };

/** The trades that a client gets up to one with a number, or the first so many. */
async function tradesOf(
  client: TestClient,
  enough: (trades: Trade[]) => boolean,
): Promise<Trade[]> {
  const trades: Trade[] = [];
  while (!enough(trades)) trades.push((await client.take("TradeExecution")).data.trade);
  return trades;
}

function expectUnbroken(trades: readonly Trade[]): void {
  const [first] = trades as [Trade];
  expect(trades.map(({ seq }) => seq)).toEqual(trades.map((_, index) => first.seq + index));
}

test("since - connections that are cut lose no trade, whatever shard they come back to", async () => {
  server = await startServerProcess({
    shards: 3,
    "feed-rate": 3000,
    "feed-markets": 3,
    feed: "synthetic",
  });
  const all = new Map<number, Trade>();
  let since = 0;
  for (let visit = 0; visit < 24; visit++) {
    const encoding = ENCODINGS[visit % ENCODINGS.length] as (typeof ENCODINGS)[number];
    const client = await TestClient.connect(server.port, { encoding });
    client.send({ type: "Subscribe", data: { channels: [{ ...TRADES, since }] } });
    const { channels } = (await client.take("Subscribed")).data;
    expect(channels).toEqual([{ ...TRADES, since, recovered: true }]);
    const trades = await tradesOf(client, ({ length }) => length === 1 + 7 * (visit % 5));
    expectUnbroken(trades);
    for (const trade of trades) {
      expect(all.get(trade.seq) ?? trade).toEqual(trade);
      all.set(trade.seq, trade);
      since = trade.ts;
    }
    client.ws.terminate();
  }
  expect([...all.keys()]).toEqual([...all.keys()].map((_, index) => index + 1));
});

test("since - a shard's death loses no trade, and prices and books come each", async () => {
  server = await startServerProcess(
    { shards: 2, "feed-rate": 2000, "feed-markets": 4, feed: "synthetic" },
    { threadEnds: true },
  );
  const running = server;
  const client = await TestClient.connect(running.port);
  await client.subscribe({ ...TRADES, since: 0 }, { ...PRICES, since: 0 }, { ...MARKET, since: 0 });
  const before = await client.takeUntil(
    (message) => message.type === "TradeExecution" && message.data.trade.seq === 20,
  );
  const at = before.at(-1);
  const since = at?.type === "TradeExecution" ? at.data.trade.ts : 0;
  for (const shard of [0, 1]) running.command({ restartShard: shard });
  expect((await client.closed).code).toBe(1006);
  const again = await until("a shard is back", () =>
    TestClient.connect(running.port).catch(() => undefined),
  );
  again.send({
    type: "Subscribe",
    data: { channels: [TRADES, PRICES, MARKET].map((channel) => ({ ...channel, since })) },
  });
  const { channels } = (await again.take("Subscribed")).data;
  expect(channels.map(({ recovered }) => recovered)).toEqual([true, true, true]);
  const after = await again.takeUntil(
    (message) => message.type === "TradeExecution" && message.data.trade.seq === 60,
  );
  const streams = new Map<string, number>();
  for (const message of [...before, ...after]) {
    const [stream, seq] =
      message.type === "TradeExecution"
        ? ["trade", message.data.trade.seq]
        : message.type === "PriceUpdate"
          ? [`price ${message.data.market_id}`, message.data.seq]
          : message.type === "OrderBook"
            ? ["book", message.data.seq]
            : message.type === "MarketUpdate"
              ? ["state", message.data.market.seq]
              : ["", 0];
    if (stream === "") continue;
    const last = streams.get(stream as string) ?? 0;
    // What it has already is repeated; nothing is left out.
    expect(seq as number, stream as string).toBeLessThanOrEqual(last + 1);
    streams.set(stream as string, Math.max(last, seq as number));
  }
  expect([...streams.keys()].sort()).toEqual([
    "book",
    "price 1001",
    "price 1002",
    "state",
    "trade",
  ]);
  // No first data beside what is replayed.
  expect(after.some(({ type }) => type === "MarketSnapshot")).toBe(false);
});

test("since - too far back, too much, or to come: first data, and the client is told so", async () => {
  server = await startServerProcess(
    {
      "feed-rate": 5000,
      "feed-markets": 2,
      feed: "synthetic",
      "replay-window": 65_536,
      "max-replay-messages": 50,
    },
    { threadEnds: true },
  );
  const running = server;
  const early = await TestClient.connect(running.port);
  await early.subscribe(TRADES);
  const [first] = (await tradesOf(early, ({ length }) => length === 1)) as [Trade];
  await tradesOf(early, (trades) => (trades.at(-1)?.seq ?? 0) > first.seq + 3000);
  const client = await TestClient.connect(running.port);
  const recovered = async (...channels: readonly object[]) => {
    client.send({ type: "Subscribe", data: { channels } });
    const { data } = await client.take("Subscribed");
    return data.channels.map((channel) => channel.recovered);
  };
  const future = Date.now() * 1000 + 60_000_000;
  expect(await recovered({ ...TRADES, since: first.ts }, { ...PRICES, since: first.ts })).toEqual([
    false,
    false,
  ]);
  await client.take("PriceUpdate");
  expect(await recovered({ ...MARKET, since: future })).toEqual([false]);
  await client.take("MarketSnapshot");
  const back = (await client.take("TradeExecution")).data.trade.ts - 300_000;
  expect(await recovered({ ...TRADES, since: back }, { type: "SystemStatus", since: 1 })).toEqual([
    false,
    true,
  ]);
  const refused = (reason: string) =>
    running.metric(`marketcast_replays_refused_total{reason="${reason}"}`);
  expect([await refused("window"), await refused("future")]).toEqual([1, 1]);
  // Of trades the archive has what the window has not.
  expect(await refused("messages")).toBe(2);

  running.command({ restartProducer: true });
  await client.take("EpochChanged");
  // Of the former epoch the archive has all, which is too much as well.
  expect(await recovered({ ...TRADES, since: back })).toEqual([false]);
});

test("since - one that does not read gets every trade while the window has them", async () => {
  server = await startServerProcess({ "feed-rate": 20_000, "feed-markets": 4, feed: "synthetic" });
  const running = server;
  const slow = await TestClient.connect(running.port);
  await slow.subscribe({ type: "Trades", since: 0 });
  slow.ws.pause();
  const blocked = 'marketcast_blocked_connections{shard="0"}';
  await until("it is blocked", async () => (await running.metric(blocked)) > 0, 20_000);
  const replayed = 'marketcast_replayed_messages_total{shard="0"}';
  const before = await running.metric(replayed);
  // What it misses is more than its queue would hold.
  const fast = await TestClient.connect(running.port);
  await fast.subscribe(TRADES);
  await tradesOf(fast, ({ length }) => length > 3000);
  slow.ws.resume();
  await until(
    "it is replayed",
    async () => (await running.metric(replayed)) > before + 4096,
    20_000,
  );
  const [last] = (await tradesOf(fast, ({ length }) => length === 1)) as [Trade];
  const seqs = new Map<string | number, number>();
  for (;;) {
    const { trade } = (await slow.take("TradeExecution")).data;
    expect(trade.seq).toBe((seqs.get(trade.market_id) ?? 0) + 1);
    seqs.set(trade.market_id, trade.seq);
    if (trade.market_id === 1001 && trade.seq > last.seq) break;
  }
  expect(await running.metric('marketcast_queued_bytes{shard="0"}')).toBe(0);
});

test("since - one that the window has passed by is closed as a slow consumer", async () => {
  server = await startServerProcess({
    "feed-rate": 20_000,
    "feed-markets": 4,
    feed: "synthetic",
    "replay-window": 65_536,
    "send-buffer-size": 8192,
  });
  const running = server;
  const slow = await TestClient.connect(running.port);
  await slow.subscribe({ type: "Trades" });
  slow.ws.pause();
  const blocked = 'marketcast_blocked_connections{shard="0"}';
  await until("it is blocked", async () => (await running.metric(blocked)) > 0, 20_000);
  const fast = await TestClient.connect(running.port);
  await fast.subscribe(TRADES);
  await tradesOf(fast, ({ length }) => length > 2000);
  slow.ws.resume();
  expect((await slow.closed).code).toBe(4001);
});
