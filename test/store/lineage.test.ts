import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { isBeginning, Lineage, NO_TIMELINE } from "../../src/store/lineage.js";
import { temporaryDirectory } from "./directories.js";

describe("lineage", () => {
  it("lineage - a store is the beginning of another where the last record of it is of the same timeline there", async () => {
    const [one, other] = [temporaryDirectory(), temporaryDirectory()];
    const exchange = await Lineage.read(one);
    const first = await exchange.begin(10);
    const standby = await Lineage.read(other);
    await standby.take({ id: first, first: 11 });
    // It takes over behind record 15, and the former exchange has written up to 17.
    const second = await standby.begin(15);
    const isSo = (last: number) => isBeginning(exchange.timelines, last, standby.timelines);
    expect([11, 15, 16, 17].map(isSo)).toEqual([true, true, false, false]);
    // Records that were written before anybody followed may be anybody's.
    expect(isSo(10)).toBe(false);
    expect(standby.timelineOf(10)).toBe(NO_TIMELINE);
    expect((await Lineage.read(other)).timelines).toEqual([
      { id: first, first: 11 },
      { id: second, first: 16 },
    ]);
  });

  it("lineage - a timeline without a record gives way to the next one, and a list that is damaged is told", async () => {
    const dir = temporaryDirectory();
    const lineage = await Lineage.read(dir);
    await lineage.begin(4);
    const id = await lineage.begin(4);
    expect(lineage.timelines).toEqual([{ id, first: 5 }]);
    await expect(lineage.take({ id: "0123456789abcdef", first: 3 })).rejects.toThrow(/begins/);
    writeFileSync(join(dir, "lineage.json"), '{"timelines":[{"id":1}]}');
    await expect(Lineage.read(dir)).rejects.toMatchObject({ code: "STORE_DAMAGED" });
  });
});
