import { expect, it } from "vitest";
import { counterBlockOf, createCounterBuffer, PRODUCER } from "../../../src/counters/counters.js";
import { toldTo } from "../../../src/workers/archivist/told-to.js";

it("told to - it is later than the clock, than what this run has told, and than what is noted of an earlier one", () => {
  const { producer } = counterBlockOf(createCounterBuffer(1));
  expect(toldTo(producer, 0, () => 100)).toBe(101);
  producer[PRODUCER.latestTs] = 200;
  expect(toldTo(producer, 0, () => 100)).toBe(201);
  expect(toldTo(producer, 300, () => 100)).toBe(301);
  expect(toldTo(producer, 300, () => 400)).toBe(401);
});
