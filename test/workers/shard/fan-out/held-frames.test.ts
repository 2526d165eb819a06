import { beforeEach, describe, expect, it, test } from "vitest";
import { FrameRanges } from "../../../../src/workers/shard/fan-out/frame-ranges.js";
import { HeldFrames } from "../../../../src/workers/shard/fan-out/held-frames.js";
import { type Client, ShardWorld } from "../../../support/shard-world.js";
import { until } from "../../../support/until.js";

const PRICES = { type: "PriceFeed", params: { market_ids: [1] } };
const FRAMING = { batched: true, windowBits: undefined, shift: 0 };
const FOREVER_MS = 1e6;

let world: ShardWorld;
function start(batchDelayMs: number): void {
  world = new ShardWorld({ framing: FRAMING, batchDelayMs });
  world.list(1);
  world.quote(1, 100);
  world.flush();
  world.round();
}

function subscribed(): Client {
  const client = world.connect(0);
  world.subscribe(client, PRICES);
  return client;
}

/** Has a quote read in a round of its own. */
function quote(middle: number): void {
  world.quote(1, middle);
  world.flush();
  world.round();
}

/** The best bids that a client was told in prices, in order. */
const bids = ({ messages }: Client) =>
  messages.flatMap((message) => (message.type === "PriceUpdate" ? [message.data.best_bid] : []));

describe("held frames", () => {
  beforeEach(() => start(FOREVER_MS));

  it("held frames - rounds wait for more and come as one frame, in order", () => {
    const client = subscribed();
    const calls = client.socket.calls.length;
    for (const middle of [101, 102, 103]) quote(middle);
    expect(client.socket.calls.length).toBe(calls);
    world.fanOut.flushHeld();
    expect(client.socket.calls.length).toBe(calls + 1);
    expect(bids(client)).toEqual([0.99, 1, 1.01, 1.02]);
    world.fanOut.flushHeld();
    expect(client.socket.calls.length).toBe(calls + 1);
  });

  it("held frames - who joins is not sent what its first data knew already", () => {
    const first = subscribed();
    quote(101);
    const late = subscribed();
    expect(bids(first)).toEqual([0.99, 1]);
    world.fanOut.flushHeld();
    expect(bids(late)).toEqual([1]);
    quote(102);
    world.fanOut.flushHeld();
    expect(bids(late)).toEqual([1, 1.01]);
  });

  it("held frames - who was blocked gets the latest once, and never an older one behind it", () => {
    const client = subscribed();
    client.socket.congested = true;
    client.model.conflated = true;
    quote(101);
    world.fanOut.flushHeld();
    quote(102);
    world.fanOut.flushHeld();
    quote(103);
    client.socket.drain();
    world.round();
    expect(bids(client).at(-1)).toBe(1.02);
    const told = bids(client).length;
    world.fanOut.flushHeld();
    expect(bids(client).length).toBe(told);
  });

  it("held frames - what changes a connection's subscriptions comes behind what waited", () => {
    const client = subscribed();
    quote(101);
    world.unsubscribe(client, PRICES);
    expect(client.messages.slice(-2).map(({ type }) => type)).toEqual([
      "PriceUpdate",
      "Unsubscribed",
    ]);
  });

  it("held frames - the time ends by itself, however little came", async () => {
    start(5);
    const client = subscribed();
    quote(101);
    await until("what waited is written", async () => bids(client).length === 2);
    expect(bids(client)).toEqual([0.99, 1]);
  });
});

test("held frames - what waits takes no more memory than its frames ask for", () => {
  const held = new HeldFrames({ round: 1, offeredBefore: 0, tradesFrom: 0 }, 0);
  expect(held.bytes.length).toBe(0);
  const states = new FrameRanges();
  states.add({ start: 0, end: 100 });
  held.add(Buffer.alloc(100, 1), states, new FrameRanges());
  expect(held.bytes.length).toBeLessThanOrEqual(200);
  for (let round = 0; round < 100; round++)
    held.add(Buffer.alloc(100, 2), states, new FrameRanges());
  expect(held.length).toBe(10_100);
  expect([held.bytes[99], held.bytes[100], held.bytes[10_099]]).toEqual([1, 2, 2]);
});
