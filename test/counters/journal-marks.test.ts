import { describe, expect, it } from "vitest";
import { createJournalMarks, JournalMarks } from "../../src/counters/journal-marks.js";

describe("journal marks", () => {
  it("journal marks - who waits for a record hears of it, and of a confirmation", async () => {
    const memory = createJournalMarks();
    const [exchange, relay] = [new JournalMarks(memory), new JournalMarks(memory)];
    expect([relay.timelines, relay.stored, exchange.confirmed]).toEqual([0, 0, -1]);
    exchange.begin(7);
    expect([relay.timelines, relay.stored]).toEqual([1, 7]);
    const stored = relay.untilStoredBehind(7, 10_000);
    const confirmed = exchange.untilConfirmed(8, 10_000);
    exchange.store(8);
    await stored;
    relay.confirm(7);
    relay.confirm(8);
    expect(await confirmed).toBe(true);
    await relay.untilStoredBehind(7, 10_000);
    relay.confirmNothing();
    expect(await exchange.untilConfirmed(0, 20)).toBe(false);
  });
});
