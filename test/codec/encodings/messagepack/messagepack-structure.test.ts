import fc from "fast-check";
import { Packr, Unpackr } from "msgpackr";
import { describe, expect, it } from "vitest";
import { findMessagePackFault as findFault } from "../../../../src/codec/encodings/messagepack/messagepack-structure.js";

const VALUES_MAX = 1000;
const findMessagePackFault = (bytes: Uint8Array): string | undefined =>
  findFault(bytes, VALUES_MAX);

const packr = new Packr({ useRecords: false, variableMapSize: true, encodeUndefinedAsNil: true });
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true, int64AsType: "bigint" });

const values = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 5, depthSize: "medium" },
    fc.constantFrom(null, true, false),
    fc.integer(),
    fc.maxSafeInteger().map((number) => number),
    fc.bigInt({ min: -(1n << 63n), max: (1n << 64n) - 1n }),
    fc.double({ noNaN: true }),
    fc.string({ unit: "binary", maxLength: 300 }),
    fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
    fc.array(tie("value"), { maxLength: 20 }),
    fc.dictionary(fc.string({ maxLength: 40 }), tie("value"), { maxKeys: 20 }),
  ),
})).value;

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(" ", ""), "hex");

describe("messagepack-structure", () => {
  it("messagepack-structure - whatever an encoder makes of plain values is sound", () => {
    fc.assert(
      fc.property(values, (value) => {
        expect(findMessagePackFault(packr.pack(value))).toBeUndefined();
      }),
      { numRuns: 500 },
    );
  });

  it("messagepack-structure - cut short or with something behind it, it is not", () => {
    fc.assert(
      fc.property(
        values,
        fc.nat(),
        fc.uint8Array({ minLength: 1, maxLength: 4 }),
        (value, cut, rest) => {
          const bytes = packr.pack(value);
          expect(findMessagePackFault(bytes.subarray(0, cut % bytes.length))).toBeTypeOf("string");
          expect(findMessagePackFault(Buffer.concat([bytes, rest]))).toBe(
            `${rest.length} bytes after the value`,
          );
        },
      ),
      { numRuns: 300 },
    );
  });

  it("messagepack-structure - mutated bytes that pass are read by the decoder without a throw", () => {
    fc.assert(
      fc.property(
        values,
        fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { maxLength: 4 }),
        (value, mutations) => {
          const bytes = Buffer.from(packr.pack(value));
          for (const [at, byte] of mutations) bytes[at % bytes.length] = byte;
          if (findMessagePackFault(bytes) === undefined) unpackr.unpack(bytes);
        },
      ),
      { numRuns: 2000 },
    );
  });

  it("messagepack-structure - each format takes its length and no more", () => {
    const sound = [
      "00",
      "7f",
      "80",
      "81 a1 61 c0",
      "90",
      "92 01 ff",
      "a0",
      "a1 61",
      "e0",
      "ff",
      "c0",
      "c2",
      "c3",
      "c4 01 00",
      "c5 00 01 00",
      "c6 00 00 00 01 00",
      "ca 00 00 00 00",
      "cb 00 00 00 00 00 00 00 00",
      "cc ff",
      "cd ff ff",
      "ce ff ff ff ff",
      "cf ff ff ff ff ff ff ff ff",
      "d0 80",
      "d1 80 00",
      "d2 80 00 00 00",
      "d3 80 00 00 00 00 00 00 00",
      "d9 01 61",
      "da 00 01 61",
      "db 00 00 00 01 61",
      "dc 00 01 c0",
      "dd 00 00 00 01 c0",
      "de 00 01 a1 61 c0",
      "df 00 00 00 01 d9 01 61 c0",
    ];
    for (const text of sound) {
      const bytes = hex(text);
      expect({ text, fault: findMessagePackFault(bytes) }).toEqual({ text, fault: undefined });
      if (bytes.length > 1)
        expect(findMessagePackFault(bytes.subarray(0, -1))).toBe("the value is cut off");
    }
  });

  it("messagepack-structure - extensions, keys that are no strings and bad UTF-8 are named", () => {
    const faults = [
      ["c1", "0xc1 is never used"],
      ["d4 00 00", "extension type at byte 0"],
      ["d6 ff 00 00 00 00", "extension type at byte 0"],
      ["91 c7 00 00", "extension type at byte 1"],
      ["81 01 c0", "map key at byte 1 is no string"],
      ["81 c4 01 61 c0", "map key at byte 1 is no string"],
      ["82 a1 61 c0 90 c0", "map key at byte 4 is no string"],
      ["a1 ff", "invalid UTF-8 in the string at byte 1"],
      ["a3 ed a0 80", "invalid UTF-8 in the string at byte 1"],
      ["81 a1 ff c0", "invalid UTF-8 in the string at byte 2"],
    ] as const;
    for (const [text, fault] of faults) expect(findMessagePackFault(hex(text))).toContain(fault);
    for (let format = 0xc7; format <= 0xc9; format++)
      expect(findMessagePackFault(Buffer.of(format))).toContain("extension type");
    for (let format = 0xd4; format <= 0xd8; format++)
      expect(findMessagePackFault(Buffer.of(format))).toContain("extension type");
  });

  it("messagepack-structure - nesting is bounded, however it is made, and checked in little time", () => {
    const nested = (open: string, depth: number) => hex(`${open.repeat(depth)}c0`);
    for (const open of ["91", "81a0", "dc0001"]) {
      expect(findMessagePackFault(nested(open, 16))).toBeUndefined();
      for (const depth of [17, 60_000])
        expect(findMessagePackFault(nested(open, depth))).toBe("nested more than 16 deep");
    }
    // Announced lengths cost nothing until the bytes are there.
    expect(findMessagePackFault(hex("ddffffffff"))).toBe("it has more than 1000 values");
    expect(findMessagePackFault(hex("dc0100"))).toBe("the value is cut off");
    expect(findMessagePackFault(hex("dbffffffff61"))).toBe("the value is cut off");
    expect(findMessagePackFault(Buffer.alloc(0))).toBe("the value is cut off");
  });

  it("messagepack-structure - a view into a larger buffer is checked by itself", () => {
    const bytes = Buffer.concat([hex("c1c1"), packr.pack([1, "a"]), hex("c1")]);
    expect(findMessagePackFault(bytes.subarray(2, -1))).toBeUndefined();
    expect(findMessagePackFault(new Uint8Array(bytes.buffer, bytes.byteOffset, 2))).toContain(
      "0xc1",
    );
  });
});
