import { beforeEach, expect, it } from "vitest";
import { temporaryDirectory } from "../store/directories.js";
import { until } from "../support/until.js";
import { ExchangeWorld } from "./exchange-world.js";

let dir: string;
beforeEach(() => {
  dir = temporaryDirectory();
});

it("exchange lease - no order is executed while it is not certain, and all are when it is again", async () => {
  const world = await ExchangeWorld.start(dir);
  const shard = world.shard();
  await shard.placed("w1");
  const commits = world.store.commits.length;
  world.lease.end();
  const order = shard.place("w1");
  shard.send(order);
  await world.quiet();
  const replied = (): boolean =>
    shard.news.some((news) => news.type === "reply" && news.request === order.request);
  expect([world.store.commits.length, replied()]).toEqual([commits, false]);
  world.lease.extend(Number.POSITIVE_INFINITY);
  await until("the answer", replied);
  expect(world.store.commits.length).toBe(commits + 1);
});

it("exchange lease - what is on disk when it ends is neither acknowledged nor published", async () => {
  const world = await ExchangeWorld.start(dir);
  const shard = world.shard();
  await shard.placed("w1", { side: "Sell" });
  await world.quiet();
  world.store.hold();
  const order = shard.place("w2", { side: "Buy" });
  shard.send(order);
  await until("a commit that is held back", () => world.store.waiting === 1);
  world.lease.end();
  const trades = world.published.trades.length;
  world.store.release();
  await world.quiet();
  const replied = (): boolean =>
    shard.news.some((news) => news.type === "reply" && news.request === order.request);
  expect([replied(), world.published.trades.length]).toEqual([false, trades]);
  world.lease.extend(Number.POSITIVE_INFINITY);
  await until("the answer", replied);
  expect(world.published.trades.length).toBe(trades + 1);
});
