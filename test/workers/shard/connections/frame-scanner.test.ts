import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FrameScanner } from "../../../../src/workers/shard/connections/frame-scanner.js";
import { maskedFrame } from "../../../support/client-frames.js";
import { clientFrame, OPCODE } from "../../../support/raw-client.js";

/** Scans bytes in chunks of the given lengths and returns the offsets at which frames end. */
function frameEnds(bytes: Buffer, chunks: readonly number[], scanner = new FrameScanner()) {
  const ends: number[] = [];
  let from = 0;
  for (let turn = 0; from < bytes.length; turn++) {
    const chunk = bytes.subarray(from, from + (chunks[turn % chunks.length] ?? bytes.length));
    for (let at = 0; at < chunk.length; ) {
      at = scanner.scan(chunk, at);
      if (scanner.betweenFrames) ends.push(from + at);
    }
    from += chunk.length;
  }
  return ends;
}

const frame = fc.record({
  opcode: fc.constantFrom(...Object.values(OPCODE)),
  fin: fc.boolean(),
  length: fc.oneof(fc.nat(130), fc.constantFrom(125, 126, 127, 65_535, 65_536, 70_000)),
});

describe("frame-scanner", () => {
  it("frame-scanner - finds where each frame ends, however the bytes are cut", () => {
    const cuts = fc.array(fc.integer({ min: 1, max: 40_000 }), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(fc.array(frame, { minLength: 1, maxLength: 6 }), cuts, (frames, chunks) => {
        const parts = frames.map(({ opcode, fin, length }) =>
          clientFrame(opcode, Buffer.alloc(length, 0xff), fin),
        );
        let end = 0;
        const ends = parts.map(({ length }) => (end += length));
        expect(frameEnds(Buffer.concat(parts), chunks)).toEqual(ends);
      }),
    );
  });

  it("frame-scanner - fed byte by byte it finds the same", () => {
    const bytes = Buffer.concat([
      clientFrame(OPCODE.text, "ab"),
      clientFrame(OPCODE.ping, ""),
      clientFrame(OPCODE.binary, Buffer.alloc(300)),
    ]);
    expect(frameEnds(bytes, [1])).toEqual([8, 14, bytes.length]);
  });

  it("frame-scanner - a frame without a mask ends with its payload", () => {
    expect(frameEnds(Buffer.from([0x81, 0x01, 0x61, 0x8a, 0x00]), [5])).toEqual([3, 5]);
  });

  it("frame-scanner - tells control frames, fragments, and what is unfinished", () => {
    const scanner = new FrameScanner();
    const scan = (bytes: Buffer) => {
      scanner.scan(bytes, 0);
      const { control, close, fragment, unfinished } = scanner;
      return { control, close, fragment, unfinished };
    };
    const none = { control: false, close: false, fragment: false, unfinished: false };
    expect(scan(clientFrame(OPCODE.text, "a"))).toEqual(none);
    const begun = { ...none, fragment: true, unfinished: true };
    expect(scan(clientFrame(OPCODE.text, "a", false))).toEqual(begun);
    expect(scan(clientFrame(OPCODE.pong, ""))).toEqual({
      ...none,
      control: true,
      unfinished: true,
    });
    expect(scan(clientFrame(OPCODE.continuation, "a", false))).toEqual(begun);
    expect(scan(clientFrame(OPCODE.continuation, ""))).toEqual({ ...none, fragment: true });
    expect(scan(clientFrame(OPCODE.close, ""))).toEqual({ ...none, control: true, close: true });
    expect(scan(Buffer.from([0x81]))).toMatchObject({ unfinished: true });
  });
});

describe("frame scanner with compression", () => {
  const RSV1 = 4;
  const scanAll = (scanner: FrameScanner, bytes: Buffer) => {
    const kinds: unknown[] = [];
    for (let at = 0; at < bytes.length; ) {
      at = scanner.scan(bytes, at);
      if (scanner.betweenFrames) kinds.push(scanner.compressed);
    }
    return kinds;
  };

  it("frame scanner - a compressed message is known, and comes as a plain binary one", () => {
    const frames = [
      maskedFrame(1, "a", { reserved: RSV1 }),
      maskedFrame(2, "b", { reserved: RSV1, fin: false }),
      maskedFrame(9, "ping"),
      maskedFrame(0, "c"),
      maskedFrame(1, "d"),
    ];
    const bytes = Buffer.concat(frames);
    const kinds = scanAll(new FrameScanner(true), bytes);
    expect(kinds).toEqual(["text", "binary", "binary", "binary", undefined]);
    const firsts: number[] = [];
    let at = 0;
    for (const frame of frames) {
      firsts.push(bytes[at] as number);
      at += frame.length;
    }
    expect(firsts).toEqual([0x82, 0x02, 0x89, 0x80, 0x81]);
  });

  it("frame scanner - the bit anywhere else, and other bits, stay as they are, to be refused", () => {
    const odd = [
      maskedFrame(0, "", { reserved: RSV1 }),
      maskedFrame(8, "", { reserved: RSV1 }),
      maskedFrame(9, "", { reserved: RSV1 }),
      maskedFrame(3, "", { reserved: RSV1 }),
    ];
    for (const frame of odd) {
      const bytes = Buffer.from(frame);
      scanAll(new FrameScanner(true), bytes);
      expect(bytes).toEqual(frame);
    }
    const both = maskedFrame(1, "", { reserved: RSV1 | 2 });
    scanAll(new FrameScanner(true), both);
    expect(both[0]).toBe(0xa2);
    const none = maskedFrame(1, "a", { reserved: RSV1 });
    const before = Buffer.from(none);
    expect(scanAll(new FrameScanner(), none)).toEqual([undefined]);
    expect(none).toEqual(before);
  });
});
