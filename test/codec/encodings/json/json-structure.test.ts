import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { findJsonBoundsFault } from "../../../../src/codec/encodings/json/json-structure.js";

const fault = (text: string, valuesMax = 1000) => findJsonBoundsFault(Buffer.from(text), valuesMax);

/** What the parsed value holds: values, keys not counted, and fields. */
function countOf(value: unknown): { values: number; fields: number } {
  if (typeof value !== "object" || value === null) return { values: 1, fields: 0 };
  const inner = Object.values(value).map(countOf);
  const sum = (of: "values" | "fields") => inner.reduce((total, one) => total + one[of], 0);
  return {
    values: 1 + sum("values"),
    fields: sum("fields") + (Array.isArray(value) ? 0 : inner.length),
  };
}

describe("json-structure", () => {
  it("json-structure - counts what is there, whatever the texts and the spaces are", () => {
    const texts = fc.oneof(fc.string(), fc.constantFrom('"', "\\", '\\"', "[{,:}]", "\u2028", "é"));
    const { json } = fc.letrec((tie) => ({
      json: fc.oneof(
        { depthSize: "small", withCrossShrink: true },
        texts,
        fc.double({ noNaN: true, noDefaultInfinity: true }),
        fc.constantFrom(null, true),
        fc.array(tie("json"), { maxLength: 5 }),
        fc.dictionary(texts, tie("json"), { maxKeys: 5 }),
      ),
    }));
    fc.assert(
      fc.property(json, fc.constantFrom(0, 1, "\t"), (value, space) => {
        const text = JSON.stringify(value, undefined, space);
        const { values } = countOf(JSON.parse(text));
        expect(fault(text, values)).toBeUndefined();
        if (values > 1)
          expect(fault(text, values - 1)).toBe(`it has more than ${values - 1} values`);
      }),
    );
  });

  it("json-structure - nesting and fields are bounded", () => {
    const nested = (depth: number) => "[".repeat(depth) + "]".repeat(depth);
    expect(fault(nested(16))).toBeUndefined();
    expect(fault(nested(17))).toBe("nested more than 16 deep");
    expect(fault(`${"[]".repeat(17)}`)).toBeUndefined();
    const fields = (count: number) => `{${Array.from({ length: count }, () => '"a":0').join()}}`;
    expect(fault(fields(1024), 1e6)).toBeUndefined();
    expect(fault(fields(1025), 1e6)).toBe("it has more than 1024 fields");
  });

  it("json-structure - what is no JSON is left to the parser, in little time", () => {
    for (const text of ["", '"', '"\\', "]]]]", "{,,,", "[\u0000", `"${"\\".repeat(60_000)}`])
      expect(fault(text)).toBeUndefined();
  });
});
