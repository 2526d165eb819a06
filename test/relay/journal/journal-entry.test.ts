import { describe, expect, it } from "vitest";
import { packJournalEntry, unpackJournalEntry } from "../../../src/relay/journal/journal-entry.js";
import { packPiece, unpackPiece } from "../../../src/relay/journal/journal-words.js";

const ENTRY = {
  number: 2 ** 40 + 7,
  timeline: "0123456789abcdef",
  timelineBefore: "0000000000000000",
  payload: Buffer.from("a batch"),
};

describe("journal entry", () => {
  it("journal entry - says what was packed, and nothing where a byte of it is another", () => {
    const packed = packJournalEntry(ENTRY);
    expect(unpackJournalEntry(packed)).toEqual(ENTRY);
    for (let at = 0; at < packed.length; at++) {
      const damaged = Buffer.from(packed);
      damaged.writeUInt8(packed.readUInt8(at) ^ 0x40, at);
      expect(unpackJournalEntry(damaged), `byte ${at}`).toBeUndefined();
      expect(unpackJournalEntry(packed.subarray(0, at)), `${at} bytes`).toBeUndefined();
    }
    const empty = { ...ENTRY, payload: Buffer.alloc(0) };
    expect(unpackJournalEntry(packJournalEntry(empty))).toEqual(empty);
  });

  it("journal entry - a piece of a copy comes with its head, or not at all", () => {
    const timelines = [{ id: ENTRY.timeline, first: 3 }];
    const head = { type: "piece", size: 10, timelines, checksum: 5 } as const;
    expect(unpackPiece(packPiece(head, ENTRY.payload))).toEqual({ head, bytes: ENTRY.payload });
    expect(unpackPiece(packPiece({ type: "wait" }))?.head).toEqual({ type: "wait" });
    for (const cut of [0, 3, 10])
      expect(unpackPiece(packPiece(head).subarray(0, cut))).toBeUndefined();
  });
});
