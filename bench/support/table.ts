export type Cell = string | number | undefined;

/** An aligned text table: numbers to the right, text to the left, a dash where there is nothing. */
export function formatTable(
  headings: readonly string[],
  rows: readonly (readonly Cell[])[],
): string {
  const texts = rows.map((row) => headings.map((_, column) => (row[column] ?? "–").toString()));
  const widths = headings.map((heading, column) =>
    Math.max(heading.length, ...texts.map((row) => (row[column] as string).length)),
  );
  const rightAligned = headings.map(
    (_, column) => column > 0 && rows.some((row) => isNumeric(row[column])),
  );
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => {
        const width = widths[column] as number;
        return rightAligned[column] ? cell.padStart(width) : cell.padEnd(width);
      })
      .join("  ")
      .trimEnd();
  const rule = widths.map((width) => "-".repeat(width));
  return [line(headings), line(rule), ...texts.map(line)].join("\n");
}

function isNumeric(cell: Cell): boolean {
  return typeof cell === "number" || (cell !== undefined && /^[\d><]/.test(cell));
}
