import { join } from "node:path";

const SEGMENT = /^(\d{10})\.journal$/;

/** Where a segment is made, before it has its name. */
export const DRAFT = "preparing";

/** Where the segment with an index is. */
export function segmentPath(dir: string, index: number): string {
  return join(dir, `${String(index).padStart(10, "0")}.journal`);
}

/** The indexes of the segments among some names, ascending. */
export function segmentIndexes(names: readonly string[]): number[] {
  return names.flatMap((name) => Number(SEGMENT.exec(name)?.[1] ?? [])).sort((a, b) => a - b);
}
