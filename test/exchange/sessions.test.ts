import { expect, it } from "vitest";
import { isOfRun, sessionOf, shardPrefix } from "../../src/exchange/sessions.js";

it("sessions - those of another run, shard or connection have other names", () => {
  const names = ["a", "b", "a/1"].flatMap((run) =>
    [0, 1, 11].flatMap((shard) => [1, 11].map((connection) => sessionOf(run, shard, connection))),
  );
  expect(new Set(names).size).toBe(names.length);
});

it("sessions - a shard's begin with its prefix, and no other's do", () => {
  expect(sessionOf("a", 1, 7).startsWith(shardPrefix("a", 1))).toBe(true);
  expect(sessionOf("a", 11, 7).startsWith(shardPrefix("a", 1))).toBe(false);
  expect(sessionOf("b", 1, 7).startsWith(shardPrefix("a", 1))).toBe(false);
});

it("sessions - a run knows its own, also from a run whose name begins alike", () => {
  expect(isOfRun(sessionOf("a", 1, 7), "a")).toBe(true);
  expect(isOfRun(sessionOf("ab", 1, 7), "a")).toBe(false);
});
