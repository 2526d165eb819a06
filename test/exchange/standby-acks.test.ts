import { beforeEach, describe, expect, it } from "vitest";
import { createJournalMarks, JournalMarks } from "../../src/counters/journal-marks.js";
import { StandbyAcks } from "../../src/exchange/standby-acks.js";
import { temporaryDirectory } from "../store/directories.js";
import { ExchangeWorld } from "./exchange-world.js";

let dir: string;
let marks: JournalMarks;
beforeEach(() => {
  dir = temporaryDirectory();
  marks = new JournalMarks(createJournalMarks());
});

/** An exchange whose standby is the test's hand. */
async function strictWorld(timeoutMs: number): Promise<ExchangeWorld> {
  marks.confirm(1e9);
  const standbyAcks = new StandbyAcks({ marks, required: true, timeoutMs });
  return ExchangeWorld.start(dir, undefined, {}, undefined, { standbyAcks });
}

describe("standby acks", () => {
  it("standby acks - nothing is told or published before a standby has it", async () => {
    const world = await strictWorld(30_000);
    const shard = world.shard();
    await shard.placed("w1", { side: "Sell" });
    marks.confirm(world.store.last);
    const order = shard.place("w2");
    shard.send(order);
    await marks.untilStoredBehind(marks.confirmed, 10_000);
    await world.quiet();
    expect(world.store.commits.at(-1)?.trades).toHaveLength(1);
    const { trades } = world.published;
    expect(trades).toHaveLength(0);
    marks.confirm(marks.stored);
    expect(await shard.answer(order)).toMatchObject({ order: { status: "Filled" } });
    expect(world.published.trades).toHaveLength(1);
    marks.confirm(1e9);
  });

  it("standby acks - what waits for too long is refused, and told to everybody when a standby has it", async () => {
    const world = await strictWorld(50);
    const shard = world.shard();
    await shard.snapshot("w1");
    marks.confirm(world.store.last);
    const held = shard.place("w1", { client_order_id: "held" });
    shard.send(held);
    expect(await shard.answer(held)).toMatchObject({ refusal: { code: "UNAVAILABLE" } });
    const behind = shard.place("w1", { client_order_id: "behind" });
    shard.send(behind);
    expect(await shard.answer(behind)).toMatchObject({ refusal: { code: "UNAVAILABLE" } });
    marks.confirm(1e9);
    const again = shard.place("w1", { client_order_id: "held" });
    shard.send(again);
    expect(await shard.answer(again)).toMatchObject({ duplicate: true, order: { order_id: "1" } });
    const told = shard.news.filter(({ type }) => type === "order");
    expect(told).toMatchObject([{ order: { client_order_id: "held" } }]);
    expect((await shard.snapshot("w1")).orders).toHaveLength(1);
  });

  it("standby acks - while no standby is there orders are refused, and nothing of them is stored", async () => {
    const world = await strictWorld(50);
    const shard = world.shard();
    marks.confirmNothing();
    const order = shard.place("w1");
    shard.send(order);
    expect(await shard.answer(order)).toMatchObject({ refusal: { code: "UNAVAILABLE" } });
    expect(world.store.commits).toEqual([]);
    marks.confirm(1e9);
    const later = shard.place("w1");
    shard.send(later);
    expect(await shard.answer(later)).toMatchObject({ order: { order_id: "1" } });
  });
});
