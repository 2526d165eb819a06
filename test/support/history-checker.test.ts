import { describe, expect, it } from "vitest";
import { publicationFaults, SeqWatch, tradeFaults } from "./history-checker.js";

const ALL = new Map([
  ["1", ["1", "3", "4", "7"]],
  ["2", ["2", "5", "6"]],
]);
const MARKET_OF = new Map([...ALL].flatMap(([market, ids]) => ids.map((id) => [id, market])));

/** The faults of what one client was told, by the trades' ids. */
function faultsOf(ids: readonly string[], losses: readonly number[] = []): string[] {
  const trades = ids.map((trade_id) => ({
    trade_id,
    market_id: Number(MARKET_OF.get(trade_id) ?? 1),
  }));
  return tradeFaults([{ client: "c", trades, losses }], ALL);
}

describe("history checker", () => {
  it("history checker - all trades from some on, in the order of each market, are right", () => {
    expect(faultsOf(["1", "2", "3", "4", "5", "6", "7"])).toEqual([]);
    expect(faultsOf(["2", "1", "5", "3", "6", "4", "7"])).toEqual([]);
    expect(faultsOf(["4", "6", "7"])).toEqual([]);
    expect(faultsOf([])).toEqual([]);
  });

  it.each([
    [["1", "4", "7"], "1 are missing between 1 and 4"],
    [["1", "3", "4"], "1 are missing behind 4"],
    [["1", "3", "3", "4", "7"], "3 behind 3"],
    [["1", "3", "1", "3", "4", "7"], "1 behind 3"],
    [["4", "3", "7"], "3 behind 4"],
    [["1", "3", "4", "7", "8"], "there was no 8"],
  ])("history checker - of trades %j it says: %s", (ids, fault) => {
    expect(faultsOf(ids).join("\n")).toContain(fault);
  });

  it("history checker - what was said to be missing may be missing, there and nowhere else", () => {
    expect(faultsOf(["1", "4", "7"], [1])).toEqual([]);
    expect(faultsOf(["1", "4", "7"], [2])).toEqual([]);
    expect(faultsOf(["1", "4", "7"], [3])).toHaveLength(1);
    expect(faultsOf(["1", "3"], [2])).toEqual([]);
    expect(faultsOf(["1", "3", "3", "4", "7"], [2])).toHaveLength(1);
  });

  const publication = (seq: number, data: unknown = seq) => ({ channel: "a", seq, data });
  const told = (client: string, seqs: readonly number[], losses: readonly number[] = []) => ({
    client,
    publications: seqs.map((seq) => publication(seq)),
    losses,
  });

  it("history checker - publications are the same for all, and acknowledged ones reach everybody", () => {
    const published = [publication(10), publication(30)];
    expect(publicationFaults([told("c", [10, 20, 30]), told("d", [20, 30])], published)).toEqual(
      [],
    );
    expect(publicationFaults([told("c", [10, 30]), told("d", [10, 20, 30])], []).join()).toContain(
      "1 are missing between 10 and 30",
    );
    expect(publicationFaults([told("c", [10])], published).join()).toContain("missing behind 10");
    expect(publicationFaults([told("c", [10], [1])], published)).toEqual([]);
    const other = { client: "d", publications: [publication(10, "other")], losses: [] };
    expect(publicationFaults([told("c", [10]), other], []).join()).toContain(
      'publication a 10 is 10, and "other" for d',
    );
  });

  it("history checker - a seq goes back within an epoch of a connection, or it does not", () => {
    const watch = new SeqWatch("c");
    watch.begin("e");
    for (const seq of [4, 4, 9]) watch.take("price 1", seq);
    watch.take("price 2", 1);
    watch.begin("f");
    watch.take("price 1", 1);
    expect(watch.faults).toEqual([]);
    watch.take("price 1", 0);
    expect(watch.faults).toEqual(["price 1 of c in f: 1 -> 0"]);
  });
});
