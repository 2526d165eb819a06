import { expect, it } from "vitest";
import type { ExchangeCore } from "../../src/exchange/exchange-core.js";
import type { AttachedShard } from "../../src/exchange/exchange-shards.js";
import { SnapshotDesk } from "../../src/exchange/snapshot-desk.js";
import type { ExchangeNews } from "../../src/workers/messages.js";
import { temporaryDirectory } from "../store/directories.js";
import { until } from "../support/until.js";
import { ExchangeWorld } from "./exchange-world.js";

/** Longer than snapshots may keep the exchange between two batches. */
const LONG_MS = 4;

type Snapshot = Extract<ExchangeNews, { readonly type: "snapshot" }>;

/** A desk of wallets of which each takes as long as a turn has, and what shards are told by it. */
function slowDesk() {
  const made: string[] = [];
  const desk = new SnapshotDesk({
    openOrders: (wallet) => {
      made.push(wallet);
      for (const end = performance.now() + LONG_MS; performance.now() < end; );
      return [];
    },
    positions: () => [],
    listed: (() => undefined) as unknown as ExchangeCore["listed"],
  });
  const told: Snapshot[][] = [];
  const shard = (number: number): AttachedShard => {
    const port = { postMessage: (news: Snapshot[]) => told.push(news) };
    return { shard: number, port: port as unknown as AttachedShard["port"] };
  };
  let requests = 0;
  const watch = (wallet: string) => ({ type: "watch", request: ++requests, wallet }) as const;
  return { desk, made, told, shard, watch };
}

it("snapshot desk - a large wallet at a time keeps the exchange, in the order of asking", () => {
  const { desk, made, told, shard, watch } = slowDesk();
  const one = shard(1);
  for (const wallet of ["a", "b", "a", "c"]) desk.ask(one, watch(wallet));
  for (const wallet of ["a", "b", "c"]) {
    expect([desk.isDue, desk.isDueOf(wallet)]).toEqual([true, true]);
    desk.serve();
    expect([made.at(-1), desk.isDueOf(wallet)]).toEqual([wallet, false]);
  }
  expect([made, desk.isDue]).toEqual([["a", "b", "c"], false]);
  expect(told.map((news) => news.map(({ request }) => request))).toEqual([[1, 3], [2], [4]]);
  desk.serve();
  expect(told).toHaveLength(3);
});

it("snapshot desk - what many wait for is made once, and is one in each shard's message", () => {
  const { desk, made, told, shard, watch } = slowDesk();
  const [one, two] = [shard(1), shard(2)];
  for (const from of [one, two, one, one]) desk.ask(from, watch("a"));
  desk.serve();
  expect(made).toEqual(["a"]);
  expect(told.map((news) => news.map(({ request }) => request))).toEqual([[1, 3, 4], [2]]);
  expect(new Set(told.flat().map(({ orders }) => orders)).size).toBe(1);
});

it("snapshot desk - an order that is asked behind snapshots does not wait for them, and they have it", async () => {
  const world = await ExchangeWorld.start(temporaryDirectory());
  const shard = world.shard();
  const watches = ["w1", "w2", "w3"].map((wallet) => shard.watch(wallet));
  const order = shard.place("w2");
  shard.send(...watches, order);
  const answers = await until("all answers", () => {
    const some = shard.news.filter((one) => one.type === "reply" || one.type === "snapshot");
    return some.length === 4 && some;
  });
  expect(answers.map((one) => "request" in one && one.request)).toEqual([
    order.request,
    ...watches.map(({ request }) => request),
  ]);
  expect(answers).toMatchObject([
    {},
    { orders: [] },
    { orders: [{ order_id: "1" }] },
    { orders: [] },
  ]);
});
