import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ENCODING_TABLE } from "../../../../src/codec/encodings.js";
import { FRAME, FrameWriter } from "../../../../src/codec/frame-writer.js";
import { ENCODINGS, type Encoding } from "../../../../src/contract/encodings.js";
import type { ServerMessage } from "../../../../src/contract/messages.js";
import { Compressor } from "../../../../src/workers/shard/connections/compressor.js";
import {
  BATCH_BYTES_MAX,
  type Framing,
  Framings,
} from "../../../../src/workers/shard/connections/framing.js";
import { WINDOW_BITS } from "../../../../src/workers/shard/http/deflate-offer.js";
import { framedPayloads, messagesIn } from "../../../support/framed-payloads.js";

function framingsFrom(thresholdBytes: number): Framings {
  return new Framings(new Compressor(thresholdBytes, new Float64Array(256), { now: () => 0 }));
}

/** Messages as plain frames, as everybody else is sent them. */
function plainFrames(messages: readonly ServerMessage[], encoding: Encoding): Buffer {
  const { encoder, frames } = ENCODING_TABLE[ENCODINGS.indexOf(encoding)] as never as {
    encoder: (typeof ENCODING_TABLE)[number]["encoder"];
    frames: "text" | "binary";
  };
  const out = new FrameWriter();
  for (const message of messages) {
    out.begin();
    encoder.message(out, message);
    out.end(FRAME[frames]);
  }
  return out.copy();
}

const notification = (message: string): ServerMessage => ({
  type: "Notification",
  data: { level: "info", message },
});

/** What a client takes from messages in a framing: of each frame whether it is compressed, and its messages. */
function taken(framing: Framing, messages: readonly ServerMessage[], encoding: Encoding) {
  const plain = plainFrames(messages, encoding);
  const bytes = framing.write(plain, plain.length, ENCODINGS.indexOf(encoding));
  return framedPayloads(Buffer.from(bytes)).map(({ head, compressed, payload }) => ({
    head,
    compressed,
    messages: messagesIn(payload, encoding, framing.batched),
    hex: payload.toString("hex"),
  }));
}

describe("framing", () => {
  it("framing - any messages come back the same, in every framing, encoding and threshold", () => {
    const texts = fc.array(fc.string({ maxLength: 3000, unit: "grapheme" }), { minLength: 1 });
    const threshold = fc.constantFrom(0, 512, 1e9);
    const asked = fc.record({
      batched: fc.boolean(),
      windowBits: fc.constantFrom(undefined, ...WINDOW_BITS),
    });
    const encodings = fc.constantFrom(...ENCODINGS);
    fc.assert(
      fc.property(texts, threshold, asked, encodings, (all, bytes, want, encoding) => {
        const framing = framingsFrom(bytes).of(want.batched, want.windowBits);
        if (framing === undefined) {
          expect(want).toEqual({ batched: false });
          return;
        }
        const messages = all.map(notification);
        const frames = taken(framing, messages, encoding);
        expect(frames.flatMap((frame) => frame.messages)).toEqual(messages);
        if (!want.batched) expect(frames.length).toBe(messages.length);
        const head = encoding === "json" ? FRAME.text : FRAME.binary;
        expect(frames.every((frame) => frame.head === head)).toBe(true);
      }),
      { numRuns: 200 },
    );
  });

  it("framing - plain frames need none, and each other way has its own, whoever asks", () => {
    const framings = framingsFrom(0);
    expect(framings.of(false, undefined)).toBeUndefined();
    const all = [true, false].flatMap((batched) =>
      [undefined, ...WINDOW_BITS].map((windowBits) => framings.of(batched, windowBits)),
    );
    expect(new Set(all).size).toBe(6);
    expect(new Set(all.map((framing) => framing?.key)).size).toBe(6);
    expect(framings.of(true, 12)).toBe(framings.of(true, 12));
  });

  it.each([
    ["json", 1, /^7b/],
    ["json", 2, /^5b7b.*7d2c7b.*7d5d$/],
    ["msgpack", 1, /^82/],
    ["msgpack", 2, /^9282/],
    ["msgpack", 16, /^dc001082/],
    ["msgpack", 65_536, /^dc/],
    ["protobuf", 1, /^0a/],
    ["protobuf", 2, /^0a/],
  ] as const)(
    "framing - a batch in %s of %d messages begins as its form says",
    (encoding, count, form) => {
      const framing = framingsFrom(0).of(true, undefined) as Framing;
      const messages = Array.from({ length: count }, () => notification(""));
      const frames = taken(framing, messages, encoding);
      expect(frames[0]?.hex).toMatch(form);
      expect(frames.flatMap((frame) => frame.messages).length).toBe(count);
    },
  );

  it("framing - a batch has no more bytes of messages than fit, but for one that has more alone", () => {
    const framing = framingsFrom(1e9).of(true, undefined) as Framing;
    const third = notification("x".repeat(BATCH_BYTES_MAX / 3));
    const huge = notification("y".repeat(2 * BATCH_BYTES_MAX));
    const small = notification("z");
    const messages = [third, third, third, third, huge, small, huge];
    for (const encoding of ENCODINGS) {
      const frames = taken(framing, messages, encoding);
      expect(frames.map((frame) => frame.messages.length)).toEqual([2, 2, 1, 1, 1]);
      expect(frames.flatMap((frame) => frame.messages)).toEqual(messages);
    }
  });

  it("framing - from the threshold on, and only then, a payload is compressed and its frame says so", () => {
    const short = notification("a");
    const long = notification("a".repeat(600));
    const compressed = (batched: boolean, messages: readonly ServerMessage[]) =>
      taken(framingsFrom(512).of(batched, 15) as Framing, messages, "json").map(
        (frame) => frame.compressed,
      );
    expect(compressed(false, [short, long, short])).toEqual([false, true, false]);
    expect(compressed(true, [short])).toEqual([false]);
    expect(
      compressed(
        true,
        Array.from({ length: 10 }, () => short),
      ),
    ).toEqual([true]);
  });

  it("framing - who is sent the same batch shares what was made of it", () => {
    const framings = framingsFrom(0);
    const bytes = plainFrames([notification("a".repeat(99))], "json");
    const batch = { bytes, messages: 1 };
    const framing = framings.of(true, 15) as Framing;
    const formed = framing.form(batch, 0);
    expect(framing.form(batch, 0)).toBe(formed);
    expect(formed.messages).toBe(1);
    const plain = (framings.of(true, undefined) as Framing).form(batch, 0);
    expect(plain.bytes).not.toEqual(formed.bytes);
    expect(framing.form(batch, 0)).toBe(formed);
  });
});
