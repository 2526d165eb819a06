import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ENCODINGS } from "../../src/contract/encodings.js";
import type { Channel, ServerMessage, Trade } from "../../src/contract/messages.js";
import { type Flags, type ServerProcess, startServerProcess } from "../support/server-process.js";
import { TestClient } from "../support/test-client.js";
import { until } from "../support/until.js";

/** The least window that there is: some 600 trades. */
const SMALL = { "replay-window": 65_536 };

let folder: string;
let server: ServerProcess | undefined;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "since-archive-"));
});
afterEach(async () => {
  await server?.dispose();
  await rm(folder, { recursive: true, force: true });
});

async function start(flags: Flags = {}): Promise<ServerProcess> {
  const usual = { feed: "stdin", shards: 2, "data-dir": join(folder, "data") };
  server = await startServerProcess({ ...usual, ...flags }, { threadEnds: true, stdin: "pipe" });
  return server;
}

const market = (market_id: number) =>
  ({
    type: "market",
    market_id,
    title: `M ${market_id}`,
    status: "Active",
    tick_size: 0.01,
    lot_size: 1,
  }) as const;

/** Trades with these numbers, on two markets in turn. */
const trades = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, index) => ({
    type: "trade",
    market_id: 1001 + ((from + index) % 2),
    price: 5,
    quantity: 1,
    taker_side: "Buy",
    trade_id: `${from + index}`,
  }));

/** What the trades channels that are asked for bring, up to a trade with a number. */
async function resume(
  port: number,
  last: number,
  encoding: (typeof ENCODINGS)[number],
  ...channels: readonly Channel[]
): Promise<{ readonly recovered: unknown; readonly trades: readonly Trade[]; client: TestClient }> {
  const client = await TestClient.connect(port, { encoding });
  client.send({ type: "Subscribe", data: { channels } });
  const { data } = await client.take("Subscribed");
  const told: Trade[] = [];
  while (told.at(-1)?.trade_id !== `${last}`)
    told.push((await client.take("TradeExecution")).data.trade);
  return { recovered: data.channels.map((channel) => channel.recovered), trades: told, client };
}

const ids = (told: readonly Trade[]): number[] => told.map(({ trade_id }) => Number(trade_id));
const idsOf = (messages: readonly ServerMessage[]): number[] =>
  ids(messages.flatMap((one) => (one.type === "TradeExecution" ? [one.data.trade] : [])));
const range = (from: number, to: number, step = 1): number[] =>
  Array.from({ length: Math.ceil((to - from) / step) }, (_, index) => from + index * step);

async function untilListed(port: number): Promise<void> {
  await until(
    "the markets are listed",
    async () => (await fetch(`http://127.0.0.1:${port}/v3/markets/1002`)).ok,
  );
}

async function untilTold(port: number, number: number): Promise<Trade> {
  return until(`trade ${number} is told`, async () => {
    const path = `/v3/markets/${1001 + (number % 2)}/trades?limit=1000`;
    const answer = await fetch(`http://127.0.0.1:${port}${path}`);
    if (answer.status !== 200) return undefined;
    const page = (await answer.json()) as { readonly trades: readonly Trade[] };
    return page.trades.find(({ trade_id }) => trade_id === `${number}`);
  });
}

/** Feeds trades, so many at a time that the archivist is not lapped. */
async function feedTrades(running: ServerProcess, to: number, atOnce = 300): Promise<void> {
  running.feed(market(1001), market(1002));
  for (let from = 0; from < to; from += atOnce) {
    running.feed(...trades(from, Math.min(to, from + atOnce)));
    await untilTold(running.port, Math.min(to, from + atOnce) - 1);
  }
}

const OF_ONE = { type: "Trades", params: { market_id: 1001 } } as const;
const OF_OTHER = { type: "Trades", params: { market_id: 1002 } } as const;
const OF_ALL = { type: "Trades", params: null } as const;

test("since - behind the window trades come out of the archive, then live, each once and in order", async () => {
  const running = await start(SMALL);
  const { port } = running;
  await feedTrades(running, 5000);
  const { ts: since } = await untilTold(port, 4300);
  for (const encoding of ENCODINGS) {
    const one = await resume(port, 4998, encoding, { ...OF_ONE, since: 0 });
    expect([one.recovered, ids(one.trades)]).toEqual([[true], range(0, 5000, 2)]);
  }
  const all = await resume(port, 4999, "json", { ...OF_ALL, since: 0 });
  expect(ids(all.trades)).toEqual(range(0, 5000));
  expect(all.trades.every(({ epoch }) => epoch === undefined)).toBe(true);
  // Of both together each trade comes once.
  const both = await resume(port, 4999, "json", { ...OF_ONE, since: 0 }, { ...OF_ALL, since });
  expect(both.recovered).toEqual([true, true]);
  const first = both.trades[0]?.ts;
  expect(first).toBeLessThan(since);
  const [before, from] = [
    ids(both.trades.filter(({ ts }) => ts < since)),
    both.trades.filter(({ ts }) => ts >= since),
  ];
  expect(before).toEqual(range(0, 5000, 2).slice(0, before.length));
  expect(ids(from)).toEqual(range(5000 - from.length, 5000));
  running.feed(...trades(5000, 5010));
  for (const { client } of [all, both]) {
    const live: Trade[] = [];
    while (live.length < 10) live.push((await client.take("TradeExecution")).data.trade);
    expect(ids(live)).toEqual(range(5000, 5010));
  }
  const refused = 'marketcast_replays_refused_total{reason="archive"}';
  expect(await running.metric(refused)).toBe(0);
});

test("since - over restarts every trade comes once, with the epoch that it was told in", async () => {
  let running = await start();
  running.feed(market(1001), market(1002), ...trades(0, 300));
  const { ts: since } = await untilTold(running.port, 99);
  await untilTold(running.port, 299);
  const { epoch } = (await (
    await fetch(`http://127.0.0.1:${running.port}/v3/markets/1001`)
  ).json()) as { epoch: string };
  await running.stop();
  running = await start();
  running.feed(market(1001), market(1002));
  const quiet = await resume(running.port, 299, "msgpack", { ...OF_ALL, since });
  expect([quiet.recovered, ids(quiet.trades)]).toEqual([[true], range(99, 300)]);
  expect(new Set(quiet.trades.map((trade) => trade.epoch))).toEqual(new Set([epoch]));
  running.feed(...trades(300, 400));
  await untilTold(running.port, 399);
  await running.stop();
  running = await start();
  running.feed(market(1001), market(1002), ...trades(400, 500));
  await untilListed(running.port);
  const ts = { since };
  const again = await resume(
    running.port,
    499,
    "protobuf",
    { ...OF_OTHER, ...ts },
    { ...OF_ONE, ...ts },
  );
  expect(again.recovered).toEqual([true, true]);
  expect(ids(again.trades).sort((a, b) => a - b)).toEqual(range(99, 500));
  for (const id of [1001, 1002]) {
    const ofMarket = ids(again.trades.filter(({ market_id }) => market_id === id));
    expect(ofMarket).toEqual([...ofMarket].sort((a, b) => a - b));
  }
  const later = await resume(running.port, 499, "json", { ...OF_ALL, since: 0 });
  expect(ids(later.trades)).toEqual(range(0, 500));
  await untilTold(running.port, 499);

  // Of a feed nobody knows what was told last before a kill.
  running.child.kill("SIGKILL");
  await once(running.child, "exit");
  running = await start();
  const client = await TestClient.connect(running.port);
  client.send({ type: "Subscribe", data: { channels: [{ ...OF_ALL, since }] } });
  expect((await client.take("Subscribed")).data.channels[0]?.recovered).toBe(false);
  expect(await running.metric('marketcast_replays_refused_total{reason="archive"}')).toBe(1);
});

test("since - beyond what the archive keeps, and beyond the most that are replayed, the client is told so", async () => {
  const running = await start({ ...SMALL, "max-replay-messages": 1000 });
  await feedTrades(running, 4000);
  const client = await TestClient.connect(running.port);
  client.send({ type: "Subscribe", data: { channels: [{ ...OF_ALL, since: 0 }] } });
  const { channels } = (await client.take("Subscribed")).data;
  expect(channels).toEqual([{ ...OF_ALL, since: 0, recovered: false }]);
  expect(await running.metric('marketcast_replays_refused_total{reason="messages"}')).toBe(1);
  running.feed(...trades(4000, 4001));
  expect((await client.take("TradeExecution")).data.trade.trade_id).toBe("4000");
});

/** Markets and numbers of the trades that come until another producer does, and so many of that one's. */
async function overEpochs(client: TestClient, more: number): Promise<string[]> {
  const told: string[] = [];
  for (let left = Number.POSITIVE_INFINITY; left > 0; ) {
    const message = await client.next();
    if (message.type === "EpochChanged") left = more;
    if (message.type !== "TradeExecution") continue;
    const { market_id, seq } = message.data.trade;
    told.push(`${market_id} ${seq}`);
    left--;
  }
  return told;
}

test("since - a producer that dies while the archive is replayed leaves nothing out", async () => {
  const running = await start({
    feed: "synthetic",
    "feed-rate": 5000,
    "feed-markets": 2,
    shards: 1,
    // Some 3,000 trades.
    "replay-window": 262_144,
    "send-buffer-size": 8192,
  });
  const fast = await TestClient.connect(running.port);
  await fast.subscribe({ ...OF_ALL, since: 0 });
  const truth = overEpochs(fast, 200);
  const told = "marketcast_trades_total";
  await until("the window has moved on", async () => (await running.metric(told)) > 10_000, 20_000);
  const slow = await TestClient.connect(running.port);
  slow.ws.pause();
  slow.send({ type: "Subscribe", data: { channels: [{ ...OF_ALL, since: 0 }] } });
  await until(
    "it is blocked",
    async () => (await running.metric('marketcast_blocked_connections{shard="0"}')) > 0,
  );
  running.command({ restartProducer: true });
  const expected = await truth;
  slow.ws.resume();
  expect(await overEpochs(slow, 200)).toEqual(expected);
});

test("since - asked for again while the archive is replayed, the answer waits for that", async () => {
  const running = await start({ ...SMALL, shards: 1, "send-buffer-size": 8192 });
  await feedTrades(running, 3000);
  const client = await TestClient.connect(running.port);
  client.ws.pause();
  const { ts: since } = await untilTold(running.port, 2900);
  for (const from of [0, since, 0])
    client.send({ type: "Subscribe", data: { channels: [{ ...OF_ALL, since: from }] } });
  client.ws.resume();
  await client.take("Subscribed");
  const answered = ({ type }: { readonly type: string }) => type === "Subscribed";
  const first = idsOf(await client.takeUntil(answered));
  const again = idsOf(await client.takeUntil(answered));
  const whole: number[] = [];
  while (whole.length < 3000) whole.push(...idsOf([await client.next()]));
  // What the first one lacks of the window the second one brings.
  expect(first).toEqual(range(0, first.length));
  expect(first.length).toBeGreaterThan(2900);
  expect(again).toEqual(range(2900, 3000));
  expect(whole).toEqual(range(0, 3000));
});
