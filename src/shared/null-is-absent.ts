import { z } from "zod";

/** A schema of objects in which null for an optional field is as good as no field. */
export function nullIsAbsent<Schema extends z.ZodObject>(schema: Schema): z.ZodPreprocess<Schema> {
  const fields: Readonly<Record<string, z.ZodType>> = schema.shape;
  const optional = Object.keys(fields).filter((key) => fields[key]?.safeParse(undefined).success);
  return z.preprocess((value) => withoutNulls(value, optional), schema);
}

function withoutNulls(value: unknown, optional: readonly string[]): unknown {
  if (typeof value !== "object" || value === null) return value;
  const fields = value as Record<string, unknown>;
  const absent = optional.filter((key) => fields[key] === null);
  if (absent.length === 0) return value;
  return Object.fromEntries(Object.entries(fields).filter(([key]) => !absent.includes(key)));
}
