import { constants, deflateRawSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CLOSE } from "../../../../src/contract/closings.js";
import { inflateMessage } from "../../../../src/workers/shard/connections/inflate.js";

const MAX = 1000;

/** As a sender does it (RFC 7692, section 7.2.1). */
function deflate(payload: Buffer, level = 6): Buffer {
  const finishFlush = constants.Z_SYNC_FLUSH;
  const deflated = deflateRawSync(payload, { level, finishFlush });
  return deflated.subarray(0, deflated.length - 4);
}

describe("inflate", () => {
  it("inflate - whatever was deflated comes back, at any level", () => {
    const bytes = fc.uint8Array({ maxLength: MAX });
    fc.assert(
      fc.property(bytes, fc.integer({ min: 0, max: 9 }), (payload, level) => {
        const compressed = deflate(Buffer.from(payload), level);
        expect(inflateMessage(compressed, "binary", MAX)).toEqual(Buffer.from(payload));
      }),
    );
  });

  it.each([
    ["RFC 7692's example", "f248cdc9c90700", "Hello"],
    ["without compression", "000500faff48656c6c6f00", "Hello"],
    ["with a last block", "f348cdc9c9070000", "Hello"],
    ["in two blocks", "f24805000000ffffcac9c90700", "Hello"],
    ["an empty block", "00", ""],
  ])("inflate - %s", (_, hex, text) => {
    expect(String(inflateMessage(Buffer.from(hex, "hex"), "text", MAX))).toBe(text);
  });

  it("inflate - as much as may be is taken, and a byte more is too large", () => {
    const most = deflate(Buffer.alloc(MAX, 1));
    expect(inflateMessage(most, "binary", MAX)).toHaveLength(MAX);
    const more = deflate(Buffer.alloc(MAX + 1, 1));
    expect(inflateMessage(more, "binary", MAX)).toEqual(CLOSE.inflatesTooLarge(MAX));
  });

  it("inflate - a bomb costs what its bound costs, not what it stands for", () => {
    const bomb = deflate(Buffer.alloc(64 * 1024 * 1024));
    expect(bomb.length).toBeLessThan(70_000);
    const before = process.memoryUsage().arrayBuffers;
    for (let round = 0; round < 10; round++)
      expect(inflateMessage(bomb, "binary", 65_536)).toEqual(CLOSE.inflatesTooLarge(65_536));
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(16 * 1024 * 1024);
  });

  it("inflate - what is cut off, or is no such data, is told", () => {
    const whole = deflate(Buffer.from(JSON.stringify({ type: "Ping", text: "x".repeat(50) })));
    for (let length = 1; length < whole.length - 1; length++) {
      const cut = inflateMessage(whole.subarray(0, length), "binary", MAX);
      expect(cut, `cut at ${length} of ${whole.length}`).toEqual(CLOSE.notDeflated);
    }
    for (const hex of ["", "ff", "06", "ffffffff", "4a00ff00ff"])
      expect(inflateMessage(Buffer.from(hex, "hex"), "binary", MAX)).toEqual(CLOSE.notDeflated);
  });

  it("inflate - a text is UTF-8", () => {
    const wrong = deflate(Buffer.from("22c32822", "hex"));
    expect(inflateMessage(wrong, "text", MAX)).toEqual(CLOSE.inflatedNotUtf8);
    expect(inflateMessage(wrong, "binary", MAX)).toHaveLength(4);
  });
});
