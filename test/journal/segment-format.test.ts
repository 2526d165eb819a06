import { describe, expect, it } from "vitest";
import {
  END,
  payloadBytesMax,
  RECORD,
  readPayload,
  readRecordHeader,
  readSegmentHeader,
  recordBytes,
  SECTOR_BYTES,
  stampOf,
  writeRecord,
  writeSegmentHeader,
} from "../../src/journal/segment-format.js";

const HEADER = { bytes: 8192, index: 3, first: 260, id: "000102030405060708090a0b0c0d0e0f" };

describe("segment format", () => {
  it("segment format - the header's bytes are those of the diagram", () => {
    const sector = Buffer.alloc(SECTOR_BYTES, 0xff);
    writeSegmentHeader(sector, HEADER);
    expect(sector.toString("hex", 0, 48)).toBe(
      [
        Buffer.from("MCASTJNL").toString("hex"),
        "01000000",
        "00200000",
        "0300000000000000",
        "0401000000000000",
        HEADER.id,
      ].join(""),
    );
    expect(sector.subarray(48, 506).every((byte) => byte === 0)).toBe(true);
    expect(readSegmentHeader(sector)).toEqual(HEADER);
  });

  it("segment format - a record's bytes are those of the diagram, with the CRC-32C of the literature", () => {
    const sector = Buffer.alloc(SECTOR_BYTES, 0xff);
    // The check value of CRC-32C (Castagnoli): that of "123456789" is e3069283.
    writeRecord(sector, 0, RECORD, 5, Buffer.from("123456789"));
    expect(sector.toString("hex", 0, 20)).toBe(
      "09000000" + "839206e3" + "0500000000000000" + "01000000",
    );
    expect(sector.toString("latin1", 24, 33)).toBe("123456789");
    expect(sector.subarray(33, 510).every((byte) => byte === 0)).toBe(true);
    expect(sector.readUInt16LE(510)).toBe(stampOf(5));
  });

  it.each([0, 1, 485, 486, 487, 995, 996, 997, 5000])(
    "segment format - a payload of %i bytes is read as it was written",
    (length) => {
      const payload = Buffer.from(Array.from({ length }, (_, at) => (at * 7) % 256));
      const bytes = Buffer.alloc(recordBytes(length) + 2 * SECTOR_BYTES, 0xaa);
      writeRecord(bytes, SECTOR_BYTES, RECORD, 77, payload);
      const header = readRecordHeader(bytes, SECTOR_BYTES);
      expect(header).toMatchObject({ length, number: 77, kind: RECORD });
      if (header === undefined) throw new Error("no header");
      expect(readPayload(bytes, SECTOR_BYTES, header, Buffer.alloc(length))).toEqual(payload);
      expect([bytes[SECTOR_BYTES - 1], bytes[bytes.length - SECTOR_BYTES]]).toEqual([0xaa, 0xaa]);
    },
  );

  it("segment format - the largest payload leaves room for a header and an end", () => {
    const most = payloadBytesMax(8192);
    expect(recordBytes(most)).toBe(8192 - 2 * SECTOR_BYTES);
    expect(recordBytes(most + 1)).toBe(8192 - SECTOR_BYTES);
    const end = Buffer.alloc(SECTOR_BYTES);
    writeRecord(end, 0, END, 9, Buffer.alloc(0));
    expect(readRecordHeader(end, 0)).toMatchObject({ length: 0, number: 9, kind: END });
  });

  it("segment format - no byte of a stamp is zero, and neighbours have different ones", () => {
    for (let number = 1; number < 200_000; number++) {
      const stamp = stampOf(number);
      if (
        (stamp & 0xff) === 0 ||
        stamp >> 8 === 0 ||
        stamp > 0xffff ||
        stamp === stampOf(number + 1)
      )
        throw new Error(`${number} has stamp ${stamp}`);
    }
  });

  it("segment format - a header with any byte changed is none", () => {
    const sector = Buffer.alloc(SECTOR_BYTES);
    writeSegmentHeader(sector, HEADER);
    for (let at = 0; at < SECTOR_BYTES; at++) {
      const changed = Buffer.from(sector);
      changed.writeUInt8((changed[at] as number) ^ 0x10, at);
      expect(readSegmentHeader(changed), `byte ${at}`).toBeUndefined();
    }
  });
});
