import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FrameRanges } from "../../../../src/workers/shard/fan-out/frame-ranges.js";

const SOURCE = Buffer.from(Array.from({ length: 256 }, (_, at) => at));

function rangesOf(...all: readonly (readonly [start: number, end: number])[]): FrameRanges {
  const ranges = new FrameRanges();
  for (const [start, end] of all) ranges.add({ start, end });
  return ranges;
}

const bytesOf = (...all: readonly FrameRanges[]): number[] => [
  ...FrameRanges.concat(SOURCE, ...all).bytes,
];

describe("frame-ranges", () => {
  it("frame-ranges - ranges of frames become one buffer with all of them, in order", () => {
    const range = fc
      .tuple(fc.nat(256), fc.nat(256))
      .map(([a, b]) => ({ start: Math.min(a, b), end: Math.max(a, b) }));
    // Neighbours, which are merged, are as likely as not.
    const neighbours = fc
      .uniqueArray(fc.nat(256), { minLength: 2 })
      .map((cuts) => cuts.sort((a, b) => a - b))
      .map((cuts) => cuts.slice(1).map((end, at) => ({ start: cuts[at] as number, end })));
    const lists = fc.array(fc.oneof(fc.array(range), neighbours), { maxLength: 3 });
    fc.assert(
      fc.property(lists, (all) => {
        const ranges = all.map((list) => {
          const one = new FrameRanges();
          one.add({ start: 1, end: 9 });
          one.clear();
          for (const entry of list) one.add(entry);
          return one;
        });
        const { bytes, messages } = FrameRanges.concat(SOURCE, ...ranges);
        const expected = all.flat().map(({ start, end }) => SOURCE.subarray(start, end));
        expect(messages).toBe(expected.length);
        expect(bytes.equals(Buffer.concat(expected))).toBe(true);
      }),
    );
  });

  it("frame-ranges - each added frame is a message, whether it is merged with its neighbour or not", () => {
    expect(rangesOf().messages).toBe(0);
    expect(rangesOf([0, 2], [2, 4], [6, 8]).messages).toBe(3);
    expect(bytesOf(rangesOf([0, 2], [2, 4], [6, 8]))).toEqual([0, 1, 2, 3, 6, 7]);
  });

  it("frame-ranges - a frame comes as often as it is added, and where it is added", () => {
    expect(bytesOf(rangesOf([4, 6], [0, 2], [4, 6], [6, 7]))).toEqual([4, 5, 0, 1, 4, 5, 6]);
  });

  it("frame-ranges - the batch has memory of its own, no view of the source or part of a pool", () => {
    const source = Buffer.from(SOURCE);
    const { bytes } = FrameRanges.concat(source, rangesOf([3, 6]));
    source.fill(0);
    expect([...bytes]).toEqual([3, 4, 5]);
    expect(bytes.buffer.byteLength).toBe(3);
  });

  it("frame-ranges - copied into a buffer, they lie from where they are to begin, and others go on there", () => {
    const target = Buffer.alloc(8, 0xff);
    const [first, second] = [rangesOf([3, 5], [9, 10]), rangesOf([0, 2])];
    expect([first.bytes, second.bytes, rangesOf().bytes]).toEqual([3, 2, 0]);
    const end = first.copyTo(target, 1, SOURCE);
    expect(end).toBe(4);
    expect(rangesOf().copyTo(target, end, SOURCE)).toBe(end);
    expect(second.copyTo(target, end, SOURCE)).toBe(6);
    expect([...target]).toEqual([0xff, 3, 4, 9, 0, 1, 0xff, 0xff]);
  });

  it("frame-ranges - nothing makes an empty batch of no messages", () => {
    for (const all of [[], [rangesOf()], [rangesOf(), rangesOf()]]) {
      const { bytes, messages } = FrameRanges.concat(SOURCE, ...all);
      expect([bytes.length, messages]).toEqual([0, 0]);
    }
  });

  it("frame-ranges - cleared, they begin anew; made into a batch, they stay", () => {
    const ranges = rangesOf([0, 4]);
    expect(bytesOf(ranges)).toEqual(bytesOf(ranges));
    ranges.clear();
    expect([ranges.messages, bytesOf(ranges)]).toEqual([0, []]);
    // No neighbour of what was there before.
    ranges.add({ start: 4, end: 5 });
    expect([ranges.messages, bytesOf(ranges)]).toEqual([1, [4]]);
  });
});
