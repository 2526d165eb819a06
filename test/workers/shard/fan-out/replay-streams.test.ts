import { expect, test } from "vitest";
import type { Mirror } from "../../../../src/workers/shard/fan-out/mirror.js";
import {
  earlierOf,
  endOf,
  placesOf,
  type StreamPlace,
} from "../../../../src/workers/shard/fan-out/replay-streams.js";

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

/** A place of a market's trades; without a market, of all. */
function place(marketId: number | undefined, position: number): StreamPlace {
  return { kind: "trade", marketId, position, exact: false };
}

test("replay-streams - what goes on goes on where it was, what is new begins at present", () => {
  const [one, two, all] = [place(1, 0), place(2, 0), place(undefined, 0)];
  expect(placesOf([one, two], [place(1, 40), place(3, 30)], 90)).toEqual([
    place(1, 40),
    place(2, 90),
  ]);
  // They were among those of all.
  expect(placesOf([one, two], [place(undefined, 60), place(1, 40)], 90)).toEqual([
    place(1, 40),
    place(2, 60),
  ]);
  expect(placesOf([all], [place(1, 40), place(2, 95)], 90)).toEqual([
    place(undefined, 90),
    place(1, 40),
  ]);
});

test("replay-streams - what is asked for goes back, and what is further back stays", () => {
  expect(earlierOf([place(1, 40), place(2, 90)], [place(1, 50), place(2, 20)])).toEqual([
    place(1, 40),
    place(2, 20),
  ]);
  expect(earlierOf([place(undefined, 60)], [place(1, 50), place(2, 70)])).toEqual([
    place(undefined, 60),
    place(1, 50),
  ]);
});

test("replay-streams - the places of many streams are found in time that grows with them", () => {
  const many = Array.from({ length: 50_000 }, (_, id) => place(id, id));
  const from = performance.now();
  const places = placesOf([...many].reverse(), many, 90_000);
  expect(earlierOf(places, many)).toHaveLength(many.length);
  // Comparing each with each takes ten times as long and more.
  expect(performance.now() - from).toBeLessThan(1500);
});
