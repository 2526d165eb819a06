import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Line, LineSplitter } from "../../src/feed/lines.js";

function split(chunks: readonly Buffer[], bytesMax?: number): Line[] {
  const splitter = new LineSplitter(bytesMax);
  return [...chunks.flatMap((chunk) => splitter.push(chunk)), ...splitter.end()];
}

const texts = (lines: readonly Line[]) => lines.map((line) => line.text);

describe("lines", () => {
  it("lines - LF and CRLF end a line, and the last one needs no end", () => {
    const lines = split([Buffer.from("one\ntwo\r\n\nfour")]);
    expect(lines).toEqual([
      { number: 1, text: "one" },
      { number: 2, text: "two" },
      { number: 3, text: "" },
      { number: 4, text: "four" },
    ]);
  });

  it("lines - input that ends with a line end has no further line", () => {
    expect(split([Buffer.from("one\n")])).toHaveLength(1);
    expect(split([])).toHaveLength(0);
  });

  it("lines - a byte order mark is dropped at the start only", () => {
    expect(texts(split([Buffer.from("\uFEFFone\n\uFEFFtwo")]))).toEqual(["one", "\uFEFFtwo"]);
  });

  it("lines - a line over the limit is marked, and the next one is whole", () => {
    const lines = split([Buffer.from("12345\n123456\n1\n123456789")], 5);
    expect(texts(lines)).toEqual(["12345", undefined, "1", undefined]);
  });

  it("lines - the limit does not count the line end", () => {
    for (const size of [1, 3, 100]) {
      const input = Buffer.from("12345\r\n123456\r\n12345\r");
      expect(texts(split(slices(input, size), 5))).toEqual(["12345", undefined, "12345"]);
    }
  });

  it("lines - characters of several bytes survive any cut, fed one byte at a time too", () => {
    const input = Buffer.from("prix 5 €\r\nщука 🐟\n");
    expect(texts(split(slices(input, 1)))).toEqual(["prix 5 €", "щука 🐟"]);
  });

  it("lines - the chunk may be reused after push", () => {
    const splitter = new LineSplitter();
    const chunk = Buffer.from("abc");
    splitter.push(chunk);
    chunk.fill(0x78);
    expect(texts(splitter.push(Buffer.from("d\n")))).toEqual(["abcd"]);
  });

  it("lines - any chunking gives what splitting the whole text gives", () => {
    const line = fc.string({ unit: fc.constantFrom("a", "é", "🐟", ","), maxLength: 12 });
    fc.assert(
      fc.property(fc.array(line), fc.array(fc.nat(9), { minLength: 1 }), (parts, sizes) => {
        const bytesMax = 16;
        const input = Buffer.from(`${parts.join("\n")}\n`);
        const chunks: Buffer[] = [];
        for (let at = 0, i = 0; at < input.length; i++) {
          const end = at + 1 + (sizes[i % sizes.length] as number);
          chunks.push(input.subarray(at, end));
          at = end;
        }
        const expected = parts.map((part, i) => ({
          number: i + 1,
          text: Buffer.byteLength(part) > bytesMax ? undefined : part,
        }));
        expect(split(chunks, bytesMax)).toEqual(
          parts.length === 0 ? [{ number: 1, text: "" }] : expected,
        );
      }),
    );
  });
});

function slices(bytes: Buffer, size: number): Buffer[] {
  const count = Math.ceil(bytes.length / size);
  return Array.from({ length: count }, (_, i) => bytes.subarray(i * size, (i + 1) * size));
}
