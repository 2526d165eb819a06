import { expect, test } from "vitest";
import {
  counted,
  counterBlockOf,
  createCounterBuffer,
  SHARD,
} from "../../../../src/counters/counters.js";
import { Publisher } from "../../../../src/market-data/publisher.js";
import { createMarketMemory } from "../../../../src/ring/market-memory.js";
import { Mirror } from "../../../../src/workers/shard/fan-out/mirror.js";

const MARKETS = 40;
const SIZES = {
  ringSize: 1 << 16,
  tradeRingSize: 1 << 16,
  maxMarkets: MARKETS,
  maxTitleBytes: 16,
  bookDepth: 50,
};

/** A publisher and a mirror that has seen nothing yet, with what its listener was told. */
function world() {
  const memory = createMarketMemory("epoch", SIZES);
  const block = counterBlockOf(createCounterBuffer(1));
  const publisher = new Publisher(memory, block.producer, {
    bookIntervalMs: 0,
    now: () => 1,
    defer: () => {},
    setTimer: () => {},
    reject: () => {},
  });
  const changed: number[] = [];
  const traded: number[] = [];
  const section = block.shards[0] as Float64Array;
  const listener = {
    stateChanged: (market: { slot: number; stateSeq: number }) =>
      changed.push(market.slot * 100 + market.stateSeq),
    sizedChanged: () => {},
    bookChanged: () => {},
    traded: (market: { slot: number }) => traded.push(market.slot),
    tradesLost: () => {},
  };
  const startMirror = () => new Mirror(memory, section, listener, 0);
  return { publisher, startMirror, changed, traded, section };
}

const list = (publisher: Publisher, marketId: number) =>
  publisher.list({ marketId, title: `m${marketId}`, tickSize: 1, lotSize: 1 });

test("mirror - however a round is cut, no market is without its first state, and none is left out", () => {
  for (let records = 1; records <= 2 * MARKETS + 2; records += 7) {
    const { publisher, startMirror, changed, traded } = world();
    const mirror = startMirror();
    // The trade of the last market lies ahead of its definition, which the round may not reach.
    for (let marketId = 0; marketId < MARKETS; marketId++) list(publisher, marketId);
    publisher.trade(list(publisher, MARKETS - 1), { price: 9, quantity: 2, takerSide: "Buy" });
    publisher.flush();
    for (let round = 1; mirror.pending; round++) {
      mirror.poll(round, records, Number.POSITIVE_INFINITY);
      expect(mirror.markets.every((market, slot) => market?.slot === slot)).toBe(true);
      expect(mirror.markets.every(({ stateSeq }) => stateSeq > 0)).toBe(true);
    }
    expect(mirror.markets).toHaveLength(MARKETS);
    expect(mirror.find(MARKETS - 1)).toMatchObject({ price: 9, volume: 2 });
    expect(traded).toEqual([MARKETS - 1]);
    // Each state is told at most once, and every market's first one is.
    expect(new Set(changed).size).toBe(changed.length);
    expect(new Set(changed.map((told) => Math.floor(told / 100))).size).toBe(MARKETS);
  }
});

test("mirror - a round without records leaves the number of the next record as it is", () => {
  const { publisher, startMirror, section } = world();
  for (let marketId = 0; marketId < 5; marketId++) list(publisher, marketId);
  publisher.flush();
  const mirror = startMirror();
  // As the shard sets it when it starts.
  section[SHARD.ringRecordNumber] = 10;
  mirror.poll(1, 100, Number.POSITIVE_INFINITY);
  expect(counted(section, SHARD.ringRecordNumber)).toBe(10);
  list(publisher, 5);
  publisher.flush();
  mirror.poll(2, 100, Number.POSITIVE_INFINITY);
  expect(counted(section, SHARD.ringRecordNumber)).toBe(12);
});
