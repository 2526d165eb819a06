/** Deepest nesting of objects and lists that is taken; no message of the protocol comes near it. */
export const VALUE_DEPTH_MAX = 16;

export function nestedTooDeep(): string {
  return `nested more than ${VALUE_DEPTH_MAX} deep`;
}

export function tooManyValues(valuesMax: number): string {
  return `it has more than ${valuesMax} values`;
}

/**
 * What is wrong with the size of a parsed value, or undefined: it may have `valuesMax` values in all,
 * keys not counted, and bounded nesting.
 */
export function findBoundsFault(value: unknown, valuesMax: number): string | undefined {
  const counted = countValues(value, 0, valuesMax);
  if (counted === TOO_DEEP) return nestedTooDeep();
  return counted > valuesMax ? tooManyValues(valuesMax) : undefined;
}

const TOO_DEEP = Number.POSITIVE_INFINITY;

/** How many values there are; counts no further than a little beyond `max`. */
function countValues(value: unknown, depth: number, max: number): number {
  if (typeof value !== "object" || value === null) return 1;
  if (depth === VALUE_DEPTH_MAX) return TOO_DEEP;
  let values = 1;
  if (Array.isArray(value)) {
    if (value.length > max) return value.length;
    for (let index = 0; index < value.length && values <= max; index++)
      values += countValues(value[index], depth + 1, max - values);
  } else {
    // Of JSON.parse: no property but its own.
    for (const key in value) {
      values += countValues((value as Record<string, unknown>)[key], depth + 1, max - values);
      if (values > max) break;
    }
  }
  return values;
}
