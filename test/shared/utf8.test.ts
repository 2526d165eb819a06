import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { TextFault } from "../../src/shared/text-fault.js";
import { decodeUtf8 } from "../../src/shared/utf8.js";

describe("utf8", () => {
  it("utf8 - decodes whatever is UTF-8, the replacement character too", () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom("a", "é", "🐟", "\uFFFD", "\n") }), (text) => {
        const bytes = Buffer.from(`${text}|behind`);
        expect(decodeUtf8(bytes, Buffer.byteLength(text))).toBe(text);
      }),
    );
  });

  it("utf8 - says where the first byte is that is none", () => {
    for (const [bytes, line, column] of [
      [Buffer.from([0x61, 0xff]), 1, 2],
      [Buffer.from("\uFFFD\né\uFFFDx\xff", "latin1"), 1, 1],
      [
        Buffer.concat([Buffer.from("\uFFFD🐟\né\uFFFDx"), Buffer.from([0xc3]), Buffer.from("x")]),
        2,
        4,
      ],
      [Buffer.from([0x61, 0xed, 0xa0, 0x80]), 1, 2],
    ] as const) {
      const fault = new TextFault("found a byte that is not UTF-8", { line, column });
      expect(() => decodeUtf8(bytes)).toThrow(fault);
    }
  });

  it("utf8 - names UTF-16 by its mark, in either order", () => {
    const little = Buffer.from("\uFEFF{}", "utf16le");
    for (const bytes of [little, Buffer.from(little).swap16()]) {
      expect(() => decodeUtf8(bytes)).toThrow("found the byte order mark of UTF-16");
    }
  });
});
