import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { locateInJson, parseExactJson, parseUniqueJson } from "../../src/shared/exact-json.js";
import { LongNumber } from "../../src/shared/exact-number.js";
import { showPosition, TextFault } from "../../src/shared/text-fault.js";

function faultOf(text: string, parse: (text: string) => unknown = parseExactJson): string {
  try {
    parse(text);
  } catch (error) {
    if (error instanceof TextFault) return `${showPosition(error.position)}: ${error.message}`;
    throw error;
  }
  return "none";
}

/** A value with its long numbers as `JSON.parse` has them. */
function rounded(value: unknown): unknown {
  if (value instanceof LongNumber) return Number(value.text);
  if (Array.isArray(value)) return value.map(rounded);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, field]) => [key, rounded(field)]));
}

/** What is valid or nearly so. */
const pieces = fc.constantFrom(
  ..."{}[]:,\"'-.0129eE+/*\\ \n\r\t\f\u0000\u00a0\ufeff\u2028x".split(""),
  '"a"',
  '"b"',
  "true",
  "null",
  "fals",
  "12",
  "\\u12",
  "//",
  "1e5",
  "[1]",
  '{"a":1}',
);

describe("exact-json", () => {
  it("exact-json - takes what JSON.parse takes, gives the same, and names a place for the rest", () => {
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 9 }), (parts) => {
        const text = parts.join("");
        let expected: unknown;
        try {
          expected = JSON.parse(text);
        } catch {
          expect(faultOf(text)).toMatch(/^line \d+, column \d+: found /);
          return;
        }
        expect(rounded(parseExactJson(text))).toEqual(expected);
      }),
      { numRuns: 5000 },
    );
  });

  it("exact-json - both ways of reading give what was written", () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 4 }), (value) => {
        const text = JSON.stringify(value);
        expect(rounded(parseExactJson(text))).toEqual(JSON.parse(text));
        // A long number beside it has all of it read in the other way.
        const [read, long] = parseExactJson(`[${text},\n12345678901234567890]`) as unknown[];
        expect(long).toEqual(new LongNumber("12345678901234567890"));
        expect(rounded(read)).toEqual(JSON.parse(text));
      }),
    );
  });

  it.each([
    ["9007199254740992"],
    ["-9007199254740993"],
    ["0.1000000000000000055"],
    ["1e400"],
    ["1E-400"],
    ["1234567890123456e5"],
    ["123456789.0123456789"],
  ])("exact-json - %s is kept as it was written, wherever it stands", (number) => {
    const long = new LongNumber(number);
    expect(parseExactJson(number)).toEqual(long);
    expect(parseExactJson(`  [ 1,${number}\t]`)).toEqual([1, long]);
    expect(parseExactJson(`{"a":{"b\\"":${number},"c":[${number}]}}`)).toEqual({
      a: { 'b"': long, c: [long] },
    });
    for (let width = 0; width < 40; width++) {
      expect(parseExactJson(`["${"x".repeat(width)}",${number}]`)).toEqual([
        "x".repeat(width),
        long,
      ]);
    }
  });

  it("exact-json - digits in strings are no numbers, and times in microseconds are exact", () => {
    const id = "340282366920938463463374607431768211455";
    const text = `{"id":"${id}","note":"about ${id}","ts":1340270000123456,"price":1.5}`;
    expect(parseExactJson(text)).toEqual(JSON.parse(text));
    expect(parseExactJson(text)).toMatchObject({ ts: 1_340_270_000_123_456 });
  });

  it("exact-json - __proto__ is a key like others", () => {
    const value = parseUniqueJson('{"__proto__":{"polluted":1},"a":2}') as object;
    expect(Object.keys(value)).toEqual(["__proto__", "a"]);
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
  });

  it("exact-json - a key that stands twice is a fault where keys are to be unique", () => {
    const text = '{"a":{"b":1,\n "b":2}}';
    expect(parseExactJson(text)).toEqual({ a: { b: 2 } });
    expect(faultOf(text, parseUniqueJson)).toBe('line 2, column 2: found the key "b" again');
    expect(faultOf('[{"a":1},{"a":2}]', parseUniqueJson)).toBe("none");
    expect(faultOf('{"a":1,"\\u0061":2}', parseUniqueJson)).toContain('"a" again');
  });

  it.each([
    ["", "line 1, column 1: found the end, expected a value"],
    ["\n \n", "line 3, column 1: found the end, expected a value"],
    ["\r\n{\r\n,}", "line 3, column 1: found a comma, expected a value"],
    ['{"a":1,}', "line 1, column 8: found a closing brace, expected a key in double quotes"],
    ["[1,]", "line 1, column 4: found a closing bracket, expected a value"],
    ["[1 2]", "line 1, column 4: found a digit, expected a comma or the end of the list"],
    ['{"a" 1}', "line 1, column 6: found a digit, expected a colon"],
    ["[1", "line 1, column 3: found the end, expected a closing bracket"],
    ["{} {}", "line 1, column 4: found an opening brace, expected the end"],
    ["hello", "line 1, column 1: found a letter"],
    ["[щ]", "line 1, column 2: found a letter"],
    ["[“a”]", "line 1, column 2: found a typographic quote"],
    ["[#]", "line 1, column 2: found a symbol"],
    ["[+1]", "line 1, column 2: found a plus sign"],
    ["[.5]", "line 1, column 2: found a point"],
    ["[-]", "line 1, column 2: found a minus sign"],
    ["[1.]", "line 1, column 2: found a number without digits behind its point or exponent"],
    ["[01]", "line 1, column 3: found a digit, expected a comma or the end of the list"],
    ["[1] // x", "line 1, column 5: found a comment"],
    ["/* x", "line 1, column 1: found a comment"],
    ['["🐟", x]', "line 1, column 7: found a letter"],
    ['["a\tb"]', "line 1, column 4: found the character U+0009"],
    ['["a\nb"]', "line 1, column 2: found a string without its closing quote"],
    ['["a\\\\\\x"]', "line 1, column 6: found a backslash before a character that needs none"],
    ['["\\u12g4"]', "line 1, column 3: found a \\u without four hexadecimal digits"],
    ["\u0000", "line 1, column 1: found the character U+0000"],
    ["[1\u00a0]", "line 1, column 3: found the character U+00A0"],
    ["[".repeat(100_000), "line 1, column 65: found more than 64 levels"],
  ])("exact-json - of %j place and cause are told", (text, fault) => {
    expect(faultOf(text)).toBe(fault);
  });

  it("exact-json - a value is found by its path, or what of the way to it there is", () => {
    const text = '{\n  "a": [1, {"b": "🐟", "c": 2}],\n  "d": {}\n}';
    const placeOf = (...path: (string | number)[]) => showPosition(locateInJson(text, path));
    expect(placeOf()).toBe("line 1, column 1");
    expect(placeOf("a", 0)).toBe("line 2, column 9");
    expect(placeOf("a", 1, "c")).toBe("line 2, column 28");
    expect(placeOf("a", 1, "x", "y")).toBe("line 2, column 12");
    expect(placeOf("d", "e")).toBe("line 3, column 8");
    expect(placeOf("nowhere")).toBe("line 1, column 1");
    expect(locateInJson(`{"a":${"[".repeat(9999)}${"]".repeat(9999)},"b":1}`, ["b"])).toEqual({
      line: 1,
      column: 1,
    });
  });

  it("exact-json - no length of digits or backslashes takes long", () => {
    const digits = "1".repeat(60_000);
    const start = performance.now();
    parseExactJson(`["${digits}"]`);
    parseExactJson(`["${"1".repeat(15)} ${digits}",1]`);
    parseExactJson(`[${digits}]`);
    faultOf(`["${"\\\\".repeat(30_000)}\\x"]`);
    expect(performance.now() - start).toBeLessThan(1000);
  });
});
