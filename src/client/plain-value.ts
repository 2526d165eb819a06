/**
 * A copy of what a program passes, as both encodings can carry it: undefined fields do not exist.
 * Throws TypeError, which names the place, for what cannot be sent.
 */
export function plainValue(value: unknown, place = "", within: readonly unknown[] = []): unknown {
  if (typeof value === "string" || typeof value === "boolean" || value === null) return value;
  if (typeof value === "number" && Number.isFinite(value)) return value;
  const inside = [...within, value];
  if (typeof value === "object" && within.includes(value))
    throw new TypeError(`${place}: a value that holds itself cannot be sent`);
  if (Array.isArray(value))
    return Array.from(value, (item, index) => plainValue(item, `${place}[${index}]`, inside));
  const kind = Object.prototype.toString.call(value).slice(8, -1);
  if (kind === "Object") {
    const fields = Object.entries(value as object).filter(([, field]) => field !== undefined);
    const path = place === "" ? "" : `${place}.`;
    return Object.fromEntries(
      fields.map(([name, field]) => [name, plainValue(field, `${path}${name}`, inside)]),
    );
  }
  const text = kind === "Number" || kind === "BigInt" ? ` ${String(value)}` : "";
  throw new TypeError(`${place}: ${kind}${text} cannot be sent`);
}

/** The fields of an object that are there: one that is undefined or null is absent. */
export function given<T extends object>(fields: T): T {
  const there = Object.entries(fields).filter(([, field]) => (field ?? undefined) !== undefined);
  return Object.fromEntries(there) as T;
}
