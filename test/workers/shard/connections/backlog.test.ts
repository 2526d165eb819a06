import { expect, test } from "vitest";
import { Backlog } from "../../../../src/workers/shard/connections/backlog.js";

test("backlog - keeps its order, and what was asked for counts as messages but not as bytes", () => {
  const backlog = new Backlog();
  const [first, asked, last] = [10, 1000, 20].map((length) => ({
    bytes: Buffer.alloc(length),
    messages: 2,
  })) as [never, never, never];
  backlog.add(first, false);
  backlog.add(asked, true);
  backlog.add(last, false);
  expect(backlog.batches).toEqual([first, asked, last]);
  expect([backlog.messages, backlog.bytes]).toEqual([6, 1030]);
  expect(backlog.exceeds(6, 30)).toBe(false);
  expect(backlog.exceeds(5, 30)).toBe(true);
  expect(backlog.exceeds(6, 29)).toBe(true);
});
