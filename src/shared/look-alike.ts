/** Characters of a name for each slip that may be in it. */
const CHARACTERS_PER_SLIP = 6;
const SLIPS_MAX = 3;
/** The unit that the names in code end in, and those of flags and variables do not. */
const UNIT = /_?MS$/;

function squeezed(name: string): string {
  return name.toUpperCase().replace(/[^A-Z0-9]/g, "");
}

/**
 * The least number of characters to insert, leave out, replace or swap with their neighbour that
 * makes one text of the other (Damerau 1964, as optimal string alignment).
 */
function editDistance(one: string, other: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: other.length + 1 }, (_, column) => column);
  for (let row = 1; row <= one.length; row++) {
    const current = [row];
    for (let column = 1; column <= other.length; column++) {
      const same = one[row - 1] === other[column - 1];
      let least = Math.min(
        (last[column] as number) + 1,
        (current[column - 1] as number) + 1,
        (last[column - 1] as number) + (same ? 0 : 1),
      );
      const swapped = one[row - 1] === other[column - 2] && one[row - 2] === other[column - 1];
      if (row > 1 && column > 1 && swapped) {
        least = Math.min(least, (beforeLast[column - 2] as number) + 1);
      }
      current.push(least);
    }
    beforeLast = last;
    last = current;
  }
  return last[other.length] as number;
}

function distance(one: string, other: string): number {
  // Whatever else is in a long name, it is not a slip of the finger.
  return Math.abs(one.length - other.length) > SLIPS_MAX
    ? Number.POSITIVE_INFINITY
    : editDistance(one, other);
}

/**
 * The one among `known` names that somebody who wrote `name` most likely meant: the same but for
 * case, separators, a unit at its end, or one to three slips, by its length. Undefined where none
 * is that close.
 */
export function lookAlike(name: string, known: readonly string[]): string | undefined {
  const spellings = [squeezed(name), squeezed(name.replace(UNIT, ""))];
  let closest: { readonly name: string; readonly away: number } | undefined;
  for (const candidate of known) {
    const meant = squeezed(candidate);
    const away = Math.min(...spellings.map((spelling) => distance(spelling, meant)));
    const allowed = Math.min(SLIPS_MAX, Math.ceil(meant.length / CHARACTERS_PER_SLIP));
    if (away <= allowed && away < (closest?.away ?? Number.POSITIVE_INFINITY))
      closest = { name: candidate, away };
  }
  return closest?.name;
}
