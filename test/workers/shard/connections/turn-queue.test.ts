import { beforeEach, expect, it } from "vitest";
import { TurnQueue, type Waiting } from "../../../../src/workers/shard/connections/turn-queue.js";

/** Resolves in the next turn of the event loop, behind what was scheduled before. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A clock that only work moves, in ms. */
let nowMs = 0;
const clock = (): number => nowMs;
beforeEach(() => {
  nowMs = 1000;
});

it("turn queue - serves in order, each once, however often it was added", async () => {
  const served: string[] = [];
  const item = (name: string): Waiting => ({ serve: () => served.push(name) });
  const [a, b, c, removed] = [item("a"), item("b"), item("c"), item("removed")];
  const queue = new TurnQueue(undefined, clock);
  for (const each of [a, b, removed, a, c, b]) queue.add(each);
  queue.remove(removed);
  expect(served).toEqual([]);
  await turn();
  expect(served).toEqual(["a", "b", "c"]);
});

it("turn queue - long work is spread over turns, and none of it is lost", async () => {
  let turns = 0;
  const served: number[] = [];
  const queue = new TurnQueue(() => turns++, clock);
  for (let index = 0; index < 20; index++) {
    queue.add({
      serve: () => {
        nowMs++;
        served.push(index);
      },
    });
  }
  let most = 0;
  while (served.length < 20) {
    const before = served.length;
    await turn();
    most = Math.max(most, served.length - before);
  }
  expect(served).toEqual(Array.from({ length: 20 }, (_, index) => index));
  expect([most, turns]).toEqual([2, 10]);
});

it("turn queue - where everything else takes long, a turn has as much as that", async () => {
  const served: number[] = [];
  const queue = new TurnQueue(undefined, clock);
  const add = (): void => {
    queue.add({
      serve: () => {
        nowMs++;
        served.push(nowMs);
      },
    });
  };
  for (let index = 0; index < 9; index++) add();
  await turn();
  expect(served).toHaveLength(2);
  nowMs += 5;
  await turn();
  expect(served).toHaveLength(7);
  await turn();
  expect(served).toHaveLength(9);
});

it("turn queue - what adds itself again is served once in a turn, behind the others", async () => {
  const served: string[] = [];
  const queue = new TurnQueue(undefined, clock);
  const again: Waiting = {
    serve: () => {
      served.push("again");
      queue.add(again);
    },
  };
  const other: Waiting = { serve: () => served.push("other") };
  queue.add(again);
  queue.add(other);
  await turn();
  expect(served).toEqual(["again", "other"]);
  queue.add(other);
  await turn();
  expect(served).toEqual(["again", "other", "again", "other"]);
  queue.clear();
  await turn();
  expect(served).toHaveLength(4);
});

it("turn queue - a turn's end comes behind the ticks of what it served", async () => {
  const order: string[] = [];
  const queue = new TurnQueue(() => order.push("end"), clock);
  for (const name of ["a", "b"]) {
    queue.add({ serve: () => process.nextTick(() => order.push(`tick of ${name}`)) });
  }
  await turn();
  expect(order).toEqual(["tick of a", "tick of b", "end"]);
});
