import { setImmediate } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { counted, SHARD } from "../../../../src/counters/counters.js";
import { nowMicros } from "../../../../src/shared/clock.js";
import { RoundLoop } from "../../../../src/workers/shard/fan-out/round-loop.js";
import { type Client, ShardWorld } from "../../../support/shard-world.js";
import { until } from "../../../support/until.js";

const PRICES = { type: "PriceFeed", params: { market_ids: [1] } };

let world: ShardWorld;
let client: Client;
let loop: RoundLoop;
let waits: { mock: { calls: unknown[] } };

beforeEach(() => {
  world = new ShardWorld();
  world.list(1);
  world.flush();
  world.round();
  world.nowMicros = nowMicros();
  client = world.connect(0);
  world.subscribe(client, PRICES);
  waits = vi.spyOn(Atomics, "waitAsync");
  loop = new RoundLoop(world.fanOut, world.memory.doorbell);
});
afterEach(() => {
  loop.stop();
  vi.restoreAllMocks();
});

const seq = () => client.model.last("price", 1) ?? 0;
/** Lets the loop turn until it waits for the doorbell. */
async function idle(): Promise<void> {
  loop.wake();
  while (waits.mock.calls.length === 0) await setImmediate();
}

describe("round-loop", () => {
  it("round-loop - a publication wakes the loop that waits for it, again and again", async () => {
    await idle();
    for (let count = 1; count <= 5; count++) {
      world.quote(1, 100 + count);
      world.flush();
      await until("a price", () => seq() === count);
    }
  });

  it("round-loop - turns that find nothing to do do not pile up waits", async () => {
    await idle();
    for (let count = 0; count < 20; count++) {
      loop.tellMarkets();
      await setImmediate();
      await setImmediate();
    }
    expect(waits.mock.calls).toHaveLength(1);
    world.quote(1, 100);
    world.flush();
    await until("a price", () => seq() === 1);
    await until("another wait", () => waits.mock.calls.length === 2);
  });

  it("round-loop - more than a round's records are read in several, and nothing is conflated", async () => {
    // Ahead of the clock: a slow machine must not pass for a late shard.
    world.nowMicros = nowMicros() + 60_000_000;
    for (let count = 0; count < 2400; count++) world.quote(1, 100 + (count & 1));
    world.flush();
    const before = world.fanOut.round;
    loop.wake();
    await until("all prices", () => seq() === 2400);
    expect(world.fanOut.round - before).toBeGreaterThanOrEqual(3);
    expect(counted(world.counters, SHARD.conflated)).toBe(0);
  });

  it("round-loop - a shard that is late conflates until it has caught up", async () => {
    world.nowMicros = nowMicros() - 1_000_000;
    client.model.conflated = true;
    for (let count = 0; count < 3000; count++) world.quote(1, 100 + (count & 1));
    world.flush();
    loop.wake();
    await until("the last price", () => seq() === 3000);
    const conflated = counted(world.counters, SHARD.conflated);
    expect(conflated).toBe(client.model.skipped);
    expect(conflated).toBeGreaterThan(1000);
    // Fresh again, it tells everything again.
    await until("caught up", () => !world.fanOut.mirror.pending);
    world.nowMicros = nowMicros() + 60_000_000;
    for (let count = 0; count < 10; count++) {
      world.quote(1, 200 + count);
      world.flush();
      await until("a price", () => seq() === 3001 + count);
    }
    expect(counted(world.counters, SHARD.conflated)).toBe(conflated);
  });

  it("round-loop - a shard a quarter of the ring behind conflates, however fresh that is", async () => {
    client.model.conflated = true;
    world.nowMicros = nowMicros() + 60_000_000;
    // 72 bytes each on a ring of a mebibyte.
    for (let count = 0; count < 8000; count++) world.quote(1, 100 + (count & 1));
    world.flush();
    loop.wake();
    await until("the last price", () => seq() === 8000);
    expect(counted(world.counters, SHARD.conflated)).toBe(client.model.skipped);
    expect(client.model.skipped).toBeGreaterThan(1000);
  });

  it("round-loop - sockets that have drained and Markets that are due need no publication", async () => {
    client.model.conflated = true;
    client.socket.congested = true;
    world.quote(1, 100);
    world.flush();
    await idle();
    await until("blocked", () => client.connection.blocked);
    world.quote(1, 101);
    world.flush();
    await until("behind", () => client.connection.behind);
    client.socket.drain();
    loop.wake();
    await until("the last price", () => seq() === 2);
    const markets = world.connect(0);
    world.subscribe(markets, { type: "Markets" });
    world.quote(1, 102);
    world.flush();
    await until("a price", () => seq() === 3);
    expect(markets.messages).toHaveLength(2);
    loop.tellMarkets();
    await until("an update", () => markets.messages.length === 3);
  });

  it("round-loop - it goes on with another producer's doorbell", async () => {
    await idle();
    world.restartProducer(() => world.list(1));
    loop.setDoorbell(world.memory.doorbell);
    for (let count = 1; count <= 3; count++) {
      world.quote(1, 100 + count);
      world.flush();
      await until("a price", () => seq() === count);
    }
  });

  it("round-loop - stopped, it runs no more rounds", async () => {
    await idle();
    const { round } = world.fanOut;
    loop.stop();
    world.quote(1, 100);
    world.flush();
    loop.tellMarkets();
    for (let turn = 0; turn < 10; turn++) await setImmediate();
    expect(world.fanOut.round).toBe(round);
  });
});
