import { expect, test } from "vitest";
import type { Mirror } from "../../../../src/workers/shard/fan-out/mirror.js";
import { endOf } from "../../../../src/workers/shard/fan-out/replay-streams.js";

const CAPACITY = 1 << 13;
const PRICES = { kind: "price", marketId: 1 } as const;

/** A mirror that has read the states to a position, with a market whose newest is at another. */
function mirrorAt(statesRead: number, statePosition: number): Mirror {
  const market = { slot: 0, book: undefined, stateSeq: 1, statePosition };
  const mirror = { statesRead, statesCapacity: CAPACITY, find: () => market };
  return mirror as unknown as Mirror;
}

test.each([
  ["behind what was read", 1000, 400, 1000],
  ["ahead, as the table had it", 1000, 1600, 1601],
  ["ahead over the wrap of positions", 2 ** 32 - 10, 20, 21],
  ["as far behind as makes it look ahead", 2 ** 31 + 1000, 400, 2 ** 31 + 1000],
  ["nearly a whole turn of positions behind", 1000, 1000 + CAPACITY + 1, 1000],
])("replay-streams - a stream whose newest record is %s ends there", (_, read, newest, end) => {
  expect(endOf(mirrorAt(read, newest), PRICES)).toBe(end);
});
