import { describe, expect, it } from "vitest";
import { canonicalFilter } from "../../src/contract/canonical-filter.js";

describe("canonical-filter", () => {
  it.each([
    [{ status: "Closed" }, { status: ["Closed"] }],
    [{ status: ["Closed", "Active", "Closed"] }, { status: ["Active", "Closed"] }],
    [
      { search: "Rain", max_volume: 2, min_volume: 0 },
      { min_volume: 0, max_volume: 2, search: "rain" },
    ],
    [{ search: null, min_volume: null, max_volume: 1 }, { max_volume: 1 }],
  ] as const)("canonical-filter - %j is spelled in one way", (filter, canonical) => {
    expect(JSON.stringify(canonicalFilter(filter))).toBe(JSON.stringify(canonical));
    expect(canonicalFilter(canonical)).toEqual(canonical);
  });

  it.each([undefined, null, {}, { search: "" }, { status: null }])(
    "canonical-filter - %j asks for nothing",
    (filter) => {
      expect(canonicalFilter(filter)).toBe(null);
    },
  );

  it("canonical-filter - a status that no market has stays, for a server to refuse", () => {
    const status = ["Active", "Open" as "Closed"] as const;
    expect(canonicalFilter({ status })).toEqual({ status: ["Open", "Active"] });
  });
});
