import { describe, expect, it } from "vitest";
import { z } from "zod";
import { nullIsAbsent } from "../../src/shared/null-is-absent.js";

describe("null-is-absent", () => {
  const schema = nullIsAbsent(
    z.strictObject({
      needed: z.number().nullable(),
      text: z.string().optional(),
      count: z.number().default(7),
      both: z.string().nullish(),
    }),
  );

  it("null-is-absent - null for an optional field leaves it away, or gives its default", () => {
    const value = { needed: null, text: null, count: null, both: null };
    expect(schema.parse(value)).toStrictEqual({ needed: null, count: 7 });
    expect(value).toStrictEqual({ needed: null, text: null, count: null, both: null });
    expect(schema.parse({ needed: 1, text: "a" })).toStrictEqual({
      needed: 1,
      text: "a",
      count: 7,
    });
  });

  it("null-is-absent - null stays null for other fields, known or not, and in other places", () => {
    for (const value of [{}, { needed: "1" }, { needed: 1, more: null }, null, [], [null], "a"]) {
      expect(schema.safeParse(value).success).toBe(false);
    }
  });
});
