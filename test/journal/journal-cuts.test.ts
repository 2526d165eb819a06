import { closeSync, openSync, readFileSync, truncateSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import type { JournalError } from "../../src/journal/journal-error.js";
import { readJournal } from "../../src/journal/journal-reader.js";
import { isZero, recordBytes, SECTOR_BYTES } from "../../src/journal/segment-format.js";
import { append, openJournal, temporaryDirectory } from "./directories.js";

/*
 * A journal is cut, or changed, at each byte of its last two records, and opened. It must be found in a state
 * that it once had, or refused as damaged; and where nothing but whole sectors of the last write are missing,
 * it is never refused.
 */

const SEGMENT_BYTES = 10 * SECTOR_BYTES;
const SEGMENT = "0000000001.journal";

const PAYLOADS = [
  "one ".padEnd(200, "1"),
  // Zeros by the sector: what was never written looks the same.
  "\0".repeat(1200),
  "three".padEnd(400, "\0"),
  `${"\0".repeat(700)}four`.padEnd(900, "\0"),
];

/** A closed journal of one segment, which is overwritten and opened again and again. */
class Trial {
  readonly dir = temporaryDirectory();
  readonly path = join(this.dir, SEGMENT);
  /** Where each record begins, and the last one ends. */
  readonly begins = [SECTOR_BYTES];
  bytes = Buffer.alloc(0);
  #descriptor = -1;

  static async with(payloads: readonly string[] = PAYLOADS): Promise<Trial> {
    const trial = new Trial();
    const { journal } = await openJournal(trial.dir, { segmentBytes: SEGMENT_BYTES });
    for (const payload of payloads) {
      await append(journal, payload);
      trial.begins.push((trial.begins.at(-1) as number) + recordBytes(payload.length));
    }
    await journal.close();
    trial.bytes = readFileSync(trial.path);
    trial.#descriptor = openSync(trial.path, "r+");
    return trial;
  }

  /** The places of the last two records. */
  get lastTwo(): [third: number, fourth: number, end: number] {
    return this.begins.slice(-3) as [number, number, number];
  }

  /** The same bytes, one of them changed. */
  changed(at: number, change: number): Buffer {
    const bytes = Buffer.from(this.bytes);
    bytes.writeUInt8((bytes[at] as number) ^ change, at);
    return bytes;
  }

  /** The segment with other bytes, as the recovery reads it. */
  async read(bytes: Buffer): Promise<string[]> {
    truncateSync(this.path, bytes.length);
    writeSync(this.#descriptor, bytes, 0, bytes.length, 0);
    const records: string[] = [];
    for await (const { payload } of readJournal(this.dir, 0, { alone: true }))
      records.push(payload.toString("latin1"));
    return records;
  }

  async requireRecords(bytes: Buffer, expected: readonly string[], what: string): Promise<void> {
    const records = await this.read(bytes).catch((error: Error) => error.message);
    if (JSON.stringify(records) !== JSON.stringify(expected))
      throw new Error(`${what}: ${records}`);
  }

  async requireDamage(bytes: Buffer, what: string): Promise<void> {
    let found: unknown;
    try {
      found = `opened with ${(await this.read(bytes)).length} records`;
    } catch (error) {
      const { code, message } = error as JournalError;
      const says =
        /0000000001\.journal is damaged at byte \d+: .+; restore the data directory from/;
      if (code === "JOURNAL_DAMAGED" && says.test(message)) return;
      found = error;
    }
    throw new Error(`${what}: ${found}`);
  }

  close(): void {
    closeSync(this.#descriptor);
  }
}

describe("journal cuts", () => {
  let trial: Trial;
  afterEach(() => trial.close());

  it("journal cuts - zeros from any byte of the last two records on: a state that was, or damage", async () => {
    trial = await Trial.with();
    const [third, , end] = trial.lastTwo;
    let torn = 0;
    for (let cut = third; cut < end; cut++) {
      const bytes = Buffer.from(trial.bytes).fill(0, cut);
      const whole = trial.begins.filter((begin) => begin <= cut).length - 1;
      // A sector that has something, but not its stamp, which is at its end, is no disk's doing.
      const isTorn = isZero(bytes, cut - (cut % SECTOR_BYTES), cut);
      if (isTorn) await trial.requireRecords(bytes, PAYLOADS.slice(0, whole), `cut at ${cut}`);
      else await trial.requireDamage(bytes, `cut at ${cut}`);
      if (isTorn) torn++;
    }
    expect(torn).toBeGreaterThan(2);
  });

  it("journal cuts - a file that ends at any byte of the last two records is damaged", async () => {
    trial = await Trial.with();
    const [third, , end] = trial.lastTwo;
    for (let cut = third; cut <= end; cut++)
      await trial.requireDamage(trial.bytes.subarray(0, cut), `ends at ${cut}`);
    for (const cut of [0, 1, 511, 512, SEGMENT_BYTES - 1])
      await trial.requireDamage(trial.bytes.subarray(0, cut), `ends at ${cut}`);
  });

  it("journal cuts - any byte of the last two records that is changed is damage", async () => {
    trial = await Trial.with();
    const [third, , end] = trial.lastTwo;
    for (const change of [0x01, 0xff])
      for (let at = third; at < end; at++)
        await trial.requireDamage(trial.changed(at, change), `byte ${at} changed by ${change}`);
    await trial.requireRecords(trial.bytes, PAYLOADS, "unchanged");
  });

  it("journal cuts - any byte of a header, of an earlier record and of what is behind is damage", async () => {
    trial = await Trial.with();
    const end = trial.begins.at(-1) as number;
    const header = Array.from({ length: SECTOR_BYTES }, (_, at) => at);
    const others = [
      SECTOR_BYTES,
      SECTOR_BYTES + 30,
      1100,
      end,
      end + 1,
      end + 511,
      SEGMENT_BYTES - 1,
    ];
    for (const at of [...header, ...others])
      await trial.requireDamage(trial.changed(at, 0x01), `byte ${at}`);
  });

  it("journal cuts - whichever sectors of the last write are missing, it is cut off; of one before, damage", async () => {
    trial = await Trial.with(PAYLOADS.toSpliced(2, 1, "three".padEnd(900, "\0")));
    const [third, fourth, end] = trial.lastTwo;
    const kept = [PAYLOADS[0] as string, PAYLOADS[1] as string, "three".padEnd(900, "\0")];
    const without = (begin: number, subset: number): Buffer => {
      const bytes = Buffer.from(trial.bytes);
      for (let at = begin, bit = 1; at < end; at += SECTOR_BYTES, bit <<= 1)
        if ((subset & bit) !== 0) bytes.fill(0, at, at + SECTOR_BYTES);
      return bytes;
    };
    for (let subset = 1; subset < 1 << ((end - fourth) / SECTOR_BYTES); subset++)
      await trial.requireRecords(without(fourth, subset), kept, `sectors ${subset.toString(2)}`);
    for (let subset = 1; subset < 1 << ((fourth - third) / SECTOR_BYTES); subset++)
      await trial.requireDamage(without(third, subset), `sectors ${subset.toString(2)}`);
  });

  it("journal cuts - a record in the place of another, or once more, is damage", async () => {
    trial = await Trial.with(["first", "second", "third"]);
    const { bytes } = trial;
    const third = bytes.subarray(3 * SECTOR_BYTES, 4 * SECTOR_BYTES);
    const swapped = Buffer.from(bytes);
    third.copy(swapped, 2 * SECTOR_BYTES);
    await trial.requireDamage(swapped, "the third in place of the second");
    const repeated = Buffer.from(bytes);
    third.copy(repeated, 4 * SECTOR_BYTES);
    await trial.requireDamage(repeated, "the third once more");
  });

  it("journal cuts - what is cut off stays cut off", async () => {
    trial = await Trial.with();
    const { dir, path } = trial;
    const [, fourth, end] = trial.lastTwo;
    writeFileSync(path, Buffer.from(trial.bytes).fill(0, fourth + SECTOR_BYTES, end));
    for (const goesOn of [false, false, true]) {
      const { journal, records } = await openJournal(dir, { segmentBytes: SEGMENT_BYTES });
      expect(records).toEqual(PAYLOADS.slice(0, 3));
      expect(journal.torn).toEqual({ path, offset: fourth });
      if (goesOn) expect(await append(journal, "in its place")).toBe(4);
      await journal.close();
    }
    // Even where it comes back: the next segment says which record it begins with.
    writeFileSync(path, trial.bytes);
    const { journal, records } = await openJournal(dir);
    expect(records).toEqual([...PAYLOADS.slice(0, 3), "in its place"]);
    expect(journal.torn).toBeUndefined();
    await journal.close();
    truncateSync(path, SEGMENT_BYTES - 1);
    await expect(openJournal(dir)).rejects.toMatchObject({ code: "JOURNAL_DAMAGED" });
  });
});
