import { expect, it } from "vitest";
import { FrameRanges } from "../../../../src/workers/shard/fan-out/frame-ranges.js";
import { LentFrames } from "../../../../src/workers/shard/fan-out/lent-frames.js";

function ranges(...bounds: readonly (readonly [start: number, end: number])[]): FrameRanges {
  const all = new FrameRanges();
  for (const [start, end] of bounds) all.add({ start, end });
  return all;
}

const textOf = ({ buffer, length }: LentFrames): string => buffer.toString("latin1", 0, length);

it("lent-frames - states come before trades, counted as they are", () => {
  const lent = new LentFrames();
  lent.gather(Buffer.from("abcdefgh"), ranges([4, 6], [0, 1]), ranges([6, 8]));
  expect([textOf(lent), lent.messages]).toEqual(["efagh", 3]);
});

it("lent-frames - one buffer serves all audiences, and grows for a larger one", () => {
  const lent = new LentFrames();
  const none = ranges();
  lent.gather(Buffer.from("abc"), ranges([0, 3]), none);
  const { buffer } = lent;
  lent.gather(Buffer.from("de"), ranges([0, 2]), none);
  expect(lent.buffer).toBe(buffer);
  expect([textOf(lent), lent.messages]).toEqual(["de", 1]);
  const large = Buffer.alloc(buffer.length + 1, "x");
  lent.gather(large, ranges([0, large.length]), none);
  expect(textOf(lent)).toBe(large.toString("latin1"));
});

it("lent-frames - who keeps some share a copy, which what is gathered next leaves alone", () => {
  const lent = new LentFrames();
  lent.gather(Buffer.from("first"), ranges([0, 5]), ranges());
  const copy = lent.copy();
  expect(lent.copy()).toBe(copy);
  lent.release();
  lent.gather(Buffer.from("other"), ranges([0, 5]), ranges());
  expect(copy.toString()).toBe("first");
  expect(lent.copy().toString()).toBe("other");
});

it("lent-frames - frames that were never released are not copied in place of the next", () => {
  const lent = new LentFrames();
  for (const text of ["first", "other"]) {
    lent.gather(Buffer.from(text), ranges([0, 5]), ranges());
    expect(lent.copy().toString()).toBe(text);
  }
});

it("lent-frames - one huge round does not hold its memory for good", () => {
  const lent = new LentFrames();
  const { length } = lent.buffer;
  const huge = Buffer.alloc(16 * length, "x");
  lent.gather(huge, ranges([0, huge.length]), ranges());
  expect(lent.buffer.length).toBeGreaterThan(16 * length);
  lent.release();
  expect(lent.buffer.length).toBe(length);
});
