import { expect, test } from "vitest";
import { Backlog } from "../../../../src/workers/shard/connections/backlog.js";

test("backlog - keeps its order, and what was asked for counts neither as messages nor as bytes", () => {
  const backlog = new Backlog();
  const [first, asked, last] = [10, 1000, 20].map((length) => ({
    bytes: Buffer.alloc(length),
    messages: 2,
  })) as [never, never, never];
  backlog.add(first, false);
  backlog.add(asked, true);
  backlog.add(last, false);
  expect([backlog.messages, backlog.bytes]).toEqual([6, 1030]);
  expect(backlog.exceeds(4, 30)).toBe(false);
  expect(backlog.exceeds(3, 30)).toBe(true);
  expect(backlog.exceeds(4, 29)).toBe(true);
  expect(backlog.take()).toEqual([first, asked, last]);
  expect([backlog.empty, backlog.messages, backlog.bytes]).toEqual([true, 0, 0]);
  expect(backlog.exceeds(0, 0)).toBe(false);
});

test("backlog - what is behind something waits for it, with all that comes later", () => {
  const backlog = new Backlog();
  const batches = [1, 2, 3, 4].map((length) => ({ bytes: Buffer.alloc(length), messages: 1 }));
  const [first, second] = [{}, {}];
  const behind = [undefined, first, second, second];
  for (const [index, batch] of batches.entries()) backlog.add(batch, false, behind[index]);
  expect(backlog.take(first)).toEqual(batches.slice(0, 1));
  expect(backlog.take(first)).toEqual([]);
  expect(backlog.take(second)).toEqual(batches.slice(1, 2));
  expect([backlog.empty, backlog.messages, backlog.bytes]).toEqual([false, 2, 7]);
  expect(backlog.take()).toEqual(batches.slice(2));
});
