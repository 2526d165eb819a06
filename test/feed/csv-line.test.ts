import { describe, expect, it } from "vitest";
import { csvColumn, splitCsvLine } from "../../src/feed/csv-line.js";
import { RejectedInput } from "../../src/feed/rejected-input.js";

describe("csv-line", () => {
  it("csv-line - splits cells, quoted or not, and finds where each begins", () => {
    for (const [text, cells, columns] of [
      ["a,b,,c", ["a", "b", "", "c"], [1, 3, 5, 6]],
      ['"a,1",b,"c""d"', ["a,1", "b", 'c"d'], [1, 7, 9]],
      ['🐟,"é",x', ["🐟", "é", "x"], [1, 3, 7]],
    ] as const) {
      expect(splitCsvLine(text, ",")).toEqual(cells);
      expect(cells.map((_, cell) => csvColumn(text, ",", cell))).toEqual(columns);
    }
  });

  it.each([
    ['a,b,"c', "a quoted cell is not closed on its line", 5],
    ['a,"b"x,c', "there is more behind the closing quote of a cell", 3],
    ['a,b"c"', "a quote stands within a cell that did not begin with one", 3],
  ])("csv-line - %s is refused where it is wrong", (text, message, column) => {
    expect(() => splitCsvLine(text, ",")).toThrow(
      new RejectedInput("INVALID_ROW", message, column),
    );
  });
});
