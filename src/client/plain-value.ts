/**
 * A copy of what a program passes, as every encoding can carry it: undefined fields do not exist.
 * Throws TypeError for what cannot be sent.
 */
export function plainValue<T>(value: T): T {
  return JSON.parse(JSON.stringify(value, refuseUnsendable)) as T;
}

/** JSON would leave out, or take for null, what a program may have meant. */
function refuseUnsendable(this: unknown, key: string, field: unknown): unknown {
  const inList = Array.isArray(this);
  const sendable =
    field === undefined
      ? !inList
      : typeof field === "number"
        ? Number.isFinite(field)
        : !["bigint", "function", "symbol"].includes(typeof field);
  if (sendable) return field;
  throw new TypeError(`${inList ? "item " : ""}${key}: ${String(field)} cannot be sent`);
}

/** The fields of an object that are there: one that is undefined or null is absent. */
export function given<T extends object>(fields: T): T {
  const there = Object.entries(fields).filter(([, field]) => (field ?? undefined) !== undefined);
  return Object.fromEntries(there) as T;
}
