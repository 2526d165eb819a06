import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { readinessOf, untilReady } from "../support/figures.js";
import { Sequences } from "../support/sequences.js";
import { type ServerProcess, startServerProcess } from "../support/server-process.js";
import { TestClient } from "../support/test-client.js";
import { until } from "../support/until.js";

let server: ServerProcess | undefined;
let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "marketcast-restarts-"));
});
afterEach(() => server?.dispose());
afterAll(() => rm(folder, { recursive: true, force: true }));

const CHANNELS = [
  { type: "Markets", params: null },
  { type: "Market", params: { market_id: 1001 } },
  { type: "PriceFeed", params: { market_ids: [1001, 1002, 1003] } },
  { type: "Trades" },
] as const;

test.each(["json", "msgpack"] as const)(
  "restarts - a producer that dies: EpochChanged, fresh snapshots, and every %s stream from its start",
  async (encoding) => {
    server = await startServerProcess({ shards: 2, "feed-rate": 2000 }, { threadEnds: true });
    const client = await TestClient.connect(server.port, { encoding });
    const { epoch } = (await client.take("Connected")).data;
    await client.subscribe(...CHANNELS);
    await client.take("TradeExecution");

    server.command({ restartProducer: true });
    const changed = await client.take("EpochChanged");
    expect(changed.data.epoch).not.toBe(epoch);

    const first = await client.takeUntil((message) => message.type === "PriceUpdate");
    // Trades need no first data, and may come before it.
    const [all, one, book] = first.filter(({ type }) => type !== "TradeExecution");
    expect(all?.type === "MarketSnapshot" && all.data.markets.length).toBe(50);
    expect(one?.type === "MarketSnapshot" && one.data.markets[0]?.market_id).toBe(1001);
    expect(book?.type).toBe("OrderBook");

    const sequences = new Sequences();
    for (const message of first) if (message !== all) sequences.take(message);
    const rest = await client.takeUntil(
      (message) => message.type === "TradeExecution" && message.data.trade.seq > 1,
    );
    for (const message of rest) sequences.take(message);
    expect(sequences.jumps).toEqual([]);
    await untilReady(server);

    const late = await TestClient.connect(server.port, { encoding });
    expect((await late.take("Connected")).data.epoch).toBe(changed.data.epoch);
    await Promise.all([client.close(), late.close()]);
  },
);

test("restarts - a connection without subscriptions hears of a new epoch as well", async () => {
  server = await startServerProcess({}, { threadEnds: true });
  const client = await TestClient.connect(server.port);
  await client.take("Connected");
  server.command({ restartProducer: true });
  await client.take("EpochChanged");
  await client.close();
});

/** A user's feed that lists one market and then does what `body` says. */
async function moduleFeed(body: string): Promise<string> {
  const file = join(folder, "feed.mjs");
  const source = `
    let market;
    export function createFeed() {
      return {
        open(sink) { market = sink.list({ marketId: 5, title: "Five", tickSize: 1, lotSize: 1 }); sink.quote(market, 1, 3); },
        async run(sink, { signal, firstSubscriber }) { await firstSubscriber; ${body} },
      };
    }`;
  await writeFile(file, source);
  return file;
}

test.each([
  ["ends", "return;", "feed module ended"],
  ["rejects", 'throw new Error("no more quotes");', "feed module failed: no more quotes"],
])(
  "restarts - a feed that %s: degraded with the reason, readyz 200, connections stay",
  async (_, body, reason) => {
    const file = await moduleFeed(body);
    server = await startServerProcess({ feed: "module", "feed-module": file });
    const client = await TestClient.connect(server.port);
    await client.subscribe(
      { type: "SystemStatus" },
      { type: "PriceFeed", params: { market_ids: [5] } },
    );
    const degraded = await client.take(
      "SystemStatus",
      ({ data }) => data.status.state === "degraded",
    );
    expect(degraded.data.status.reasons).toEqual([reason]);
    expect(await readinessOf(server)).toEqual({ code: 200, state: "degraded", reasons: [reason] });
    expect((await client.request({ type: "Ping", data: { timestamp: 1 } })).type).toBe("Pong");
    await client.close();
  },
);

test("restarts - a feed that throws where nobody catches it ends its producer; another one takes over", async () => {
  const file = await moduleFeed(
    'setTimeout(() => { throw new Error("out of nowhere"); }); await new Promise(() => {});',
  );
  server = await startServerProcess({ feed: "module", "feed-module": file });
  const client = await TestClient.connect(server.port);
  await client.subscribe({ type: "PriceFeed", params: { market_ids: [5] } });
  await client.take("EpochChanged");
  const { data } = await client.take("PriceUpdate");
  expect(data).toMatchObject({ market_id: 5, best_bid: 1, best_ask: 3, seq: 1 });
  await server.logged((line) => JSON.stringify(line).includes("out of nowhere"));
  await client.close();
});

test("restarts - a shard that dies is back, and the state says so meanwhile and no longer", async () => {
  server = await startServerProcess({ shards: 2 }, { threadEnds: true });
  const running = server;
  running.command({ restartShard: 1 });
  await running.logged((line) => line["msg"] === "the shard ended");
  await untilReady(running);
  const client = await until("a client is served", async () => TestClient.connect(running.port));
  await client.subscribe({ type: "SystemStatus" });
  await client.take("SystemStatus", ({ data }) => data.status.state === "ok");
  await client.close();
});
