import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FRAME, FrameWriter } from "../../src/codec/frame-writer.js";
import { parseFrames } from "../support/frames.js";

/** Writes a payload in pieces between begin() and end(). */
function writeInPieces(out: FrameWriter, payload: Buffer, piece: number): number {
  out.begin();
  for (let at = 0; at < payload.length; at += piece) {
    const part = payload.subarray(at, at + piece);
    out.reserve(part.length);
    out.bytes.set(part, out.position);
    out.position += part.length;
  }
  return out.end(FRAME.binary);
}

/** Writes a whole text frame; returns its start. */
function textFrame(out: FrameWriter, text: string, ascii: boolean): number {
  out.begin();
  if (ascii) out.ascii(text);
  else out.utf8(text);
  return out.end(FRAME.text);
}

const bytesOf = (length: number): Buffer =>
  Buffer.from(Array.from({ length }, (_, at) => (at * 31 + length) & 0xff));

describe("frame-writer", () => {
  for (const [length, header] of [
    [0, "82 00"],
    [1, "82 01"],
    [125, "82 7d"],
    [126, "82 7e 00 7e"],
    [65_535, "82 7e ff ff"],
    [65_536, "82 7f 00 00 00 00 00 01 00 00"],
  ] as const) {
    it(`frame-writer - ${length} bytes have the header ${header}`, () => {
      const payload = bytesOf(length);
      const out = new FrameWriter();
      const start = writeInPieces(out, payload, 1000);
      const expected = Buffer.concat([Buffer.from(header.replaceAll(" ", ""), "hex"), payload]);
      expect(out.bytes.subarray(start, out.position).equals(expected)).toBe(true);
      const text = new FrameWriter();
      textFrame(text, "a".repeat(length), true);
      expected.writeUInt8(FRAME.text, 0);
      const head = text.bytes.subarray(0, expected.length - length);
      expect(head.equals(expected.subarray(0, head.length))).toBe(true);
      expect(text.position).toBe(expected.length);
    });
  }

  it("frame-writer - frames stand one behind the other, whatever they are and however it grew", () => {
    const frame = fc.record({
      kind: fc.constantFrom("binary", "text", "ascii"),
      length: fc.oneof(
        fc.integer({ min: 0, max: 200 }),
        fc.constantFrom(125, 126, 65_535, 65_536),
        fc.integer({ min: 0, max: 200_000 }),
      ),
      piece: fc.integer({ min: 1, max: 70_000 }),
    });
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 12 }), (frames) => {
        const out = new FrameWriter();
        const starts: number[] = [];
        const ends: number[] = [];
        const payloads = frames.map(({ kind, length, piece }) => {
          if (kind === "binary") {
            const payload = bytesOf(length);
            starts.push(writeInPieces(out, payload, Math.max(piece, length >>> 6)));
            ends.push(out.position);
            return payload;
          }
          const text = (kind === "text" ? "é€x" : "abc").repeat(length / 3);
          starts.push(textFrame(out, text, kind === "ascii"));
          ends.push(out.position);
          return Buffer.from(text);
        });
        expect(starts).toEqual([0, ...ends].slice(0, starts.length));
        const parsed = parseFrames(out.bytes.subarray(0, out.position));
        expect(parsed.map(({ head }) => head)).toEqual(
          frames.map(({ kind }) => (kind === "binary" ? FRAME.binary : FRAME.text)),
        );
        expect(parsed.every(({ payload }, at) => payload.equals(payloads[at] as Buffer))).toBe(
          true,
        );
        // The shortest header is the only right one.
        for (const { payload, headerBytes } of parsed) {
          expect(headerBytes).toBe(payload.length < 126 ? 2 : payload.length < 65_536 ? 4 : 10);
        }
      }),
      { numRuns: 60 },
    );
  });

  it("frame-writer - a reset starts anew, in the same memory unless that has become huge", () => {
    const out = new FrameWriter();
    const initial = out.bytes;
    textFrame(out, "one", true);
    out.reset();
    expect(out.position).toBe(0);
    expect(out.bytes).toBe(initial);
    textFrame(out, "x".repeat(3_000_000), true);
    out.reset();
    expect(out.bytes.length).toBe(initial.length);
    expect(textFrame(out, "two", true)).toBe(0);
    expect(
      parseFrames(out.bytes.subarray(0, out.position)).map(({ payload }) => `${payload}`),
    ).toEqual(["two"]);
  });
});
