import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { crc32c } from "@node-rs/crc32";
import { describe, expect, it } from "vitest";
import type { Journal } from "../../src/journal/journal.js";
import { readJournal } from "../../src/journal/journal-reader.js";
import { append, openJournal, readAll, SMALL_SEGMENT, temporaryDirectory } from "./directories.js";
import { Gate, TrialFiles } from "./trial-files.js";

/** Appends records "a 1", "a 2" and so on, of about that many bytes. */
async function fill(journal: Journal, count: number, bytes = 900): Promise<string[]> {
  const payloads: string[] = [];
  for (let at = 0; at < count; at++) {
    const payload = `a ${journal.last + 1} `.padEnd(bytes, "x");
    payloads.push(payload);
    expect(await append(journal, payload)).toBe(journal.last);
  }
  return payloads;
}

const segments = (dir: string) => readdirSync(dir).filter((name) => name.endsWith(".journal"));

describe("journal", () => {
  it("journal - what was appended is read again, in order, over restarts and segments", async () => {
    const dir = temporaryDirectory();
    const all: string[] = [];
    for (let start = 0; start < 4; start++) {
      const { journal, records } = await openJournal(dir);
      expect(records).toEqual(all);
      expect(journal.last).toBe(all.length);
      expect(journal.torn).toBeUndefined();
      all.push(...(await fill(journal, 11)));
      await journal.close();
    }
    expect(segments(dir).length).toBeGreaterThan(5);
    expect((await openJournal(dir, { after: 17 })).records).toEqual(all.slice(17));
  });

  it("journal - what a killed writer has left and nobody needs goes with the next that is released", async () => {
    const dir = temporaryDirectory();
    const { journal } = await openJournal(dir);
    await fill(journal, 40);
    await journal.close();
    const before = segments(dir);
    const { journal: next, records } = await openJournal(dir, { after: 38 });
    expect(records).toHaveLength(2);
    expect(segments(dir)).toEqual(expect.arrayContaining(before));
    await next.release(39);
    const [first] = segments(dir);
    expect(Number.parseInt(first as string, 10)).toBeGreaterThan(4);
    expect(await append(next, "on")).toBe(41);
    await next.close();
    expect((await openJournal(dir, { after: 39 })).records).toHaveLength(2);
  });

  it("journal - a record may be empty, or fill a segment, and no more", async () => {
    const dir = temporaryDirectory();
    const { journal } = await openJournal(dir);
    const largest = "y".repeat(journal.payloadBytesMax);
    await append(journal, "");
    await append(journal, largest);
    await append(journal, largest);
    await append(journal, "");
    await expect(append(journal, `${largest}y`)).rejects.toMatchObject({
      code: "JOURNAL_RECORD_TOO_LARGE",
      message: expect.stringContaining(dir),
    });
    expect(await append(journal, "z")).toBe(5);
    await journal.close();
    expect((await openJournal(dir)).records).toEqual(["", largest, largest, "", "z"]);
  });

  it("journal - segments have their size before they are written to, and one is ahead", async () => {
    const dir = temporaryDirectory();
    const { journal } = await openJournal(dir);
    await fill(journal, 20);
    await journal.probe();
    const names = segments(dir);
    for (const name of names) expect(statSync(join(dir, name)).size).toBe(SMALL_SEGMENT);
    const ahead = readFileSync(join(dir, names.at(-1) as string));
    expect(ahead.every((byte) => byte === 0)).toBe(true);
    expect(readFileSync(join(dir, names.at(-2) as string)).some((byte) => byte !== 0)).toBe(true);
  });

  it("journal - nothing is appended before its flush, and one thing is written at a time", async () => {
    const dir = temporaryDirectory();
    const files = new TrialFiles();
    const { journal } = await openJournal(dir, { files });
    await append(journal, "first");
    const gate = new Gate();
    files.before = (operation) => (operation === "datasync" ? gate.pass() : undefined);
    gate.close();
    let isDown = false;
    const appended = append(journal, "second").then(() => {
      isDown = true;
    });
    await gate.arrival();
    // It is in the file, and a reader may see it, but nobody has been told.
    expect(await readAll(dir)).toEqual(["first", "second"]);
    expect([isDown, journal.last]).toEqual([false, 1]);
    await expect(append(journal, "third")).rejects.toThrow("something else is being written");
    await expect(journal.probe()).rejects.toThrow("something else is being written");
    gate.open();
    await appended;
    expect(journal.last).toBe(2);
    expect(await append(journal, "third")).toBe(3);
  });

  it("journal - a payload may be written over as soon as it is appended", async () => {
    const dir = temporaryDirectory();
    const { journal } = await openJournal(dir);
    const payload = Buffer.from("x".repeat(3000));
    for (const letter of ["a", "b", "c", "d"]) {
      payload.fill(letter);
      const appended = journal.append(payload);
      payload.fill("?");
      await appended;
    }
    expect(await readAll(dir)).toEqual(["a", "b", "c", "d"].map((letter) => letter.repeat(3000)));
  });

  it("journal - a flush a record, and a write a record", async () => {
    const files = new TrialFiles();
    const { journal } = await openJournal(temporaryDirectory(), { files });
    await append(journal, "first");
    await journal.probe();
    const seen: string[] = [];
    files.before = (operation) => {
      seen.push(operation);
    };
    await append(journal, "x".repeat(3000));
    expect(seen).toEqual(["write", "datasync"]);
  });

  it("journal - segments that the store contains are removed, and no other", async () => {
    const dir = temporaryDirectory();
    const { journal } = await openJournal(dir);
    const all = await fill(journal, 30);
    await journal.probe();
    const before = segments(dir);
    await journal.release(3);
    expect(segments(dir)).toEqual(before);
    await journal.release(16);
    expect(segments(dir).length).toBeLessThan(before.length);
    expect(before).toEqual(expect.arrayContaining(segments(dir)));
    expect(await readAll(dir, 16)).toEqual(all.slice(16));
    await expect(readAll(dir, 2)).rejects.toMatchObject({ code: "JOURNAL_GAP" });
    await journal.release(30);
    expect(segments(dir)).toHaveLength(2);
    expect(() => journal.release(31)).toThrow("no record 31");
    expect(await append(journal, "after")).toBe(31);
    await journal.close();
    expect((await openJournal(dir, { after: 30 })).records).toEqual(["after"]);
    await expect(openJournal(dir, { after: 3 })).rejects.toMatchObject({
      code: "JOURNAL_GAP",
      message: expect.stringMatching(/those from 4 on are needed/),
    });
  });

  it("journal - whoever reads more slowly than segments are removed is told so, and of no damage", async () => {
    const dir = temporaryDirectory();
    const { journal } = await openJournal(dir);
    await fill(journal, 3);
    const files = new TrialFiles();
    const looks = { open: 0, read: 0 };
    // The header of the first segment has been read, and the second one's, which was empty.
    files.before = async (operation, path) => {
      if (!path.endsWith("01.journal") || operation !== "open") return;
      if (++looks.open === 2) await fill(journal, 40);
    };
    files.after = async (operation, path) => {
      if (!path.endsWith("01.journal") || operation !== "read") return;
      if (++looks.read === 2) await journal.release(43);
    };
    await expect(drain(readJournal(dir, 0, { files }))).rejects.toMatchObject({
      code: "JOURNAL_GAP",
    });
  });

  it("journal - a running one gives what is on disk behind a number", async () => {
    const dir = temporaryDirectory();
    const { journal } = await openJournal(dir);
    const all = await fill(journal, 25);
    const read = async (after: number) => {
      const payloads: string[] = [];
      for await (const { payload } of readJournal(dir, after))
        payloads.push(payload.toString("latin1"));
      return payloads;
    };
    expect(await read(0)).toEqual(all);
    expect(await read(12)).toEqual(all.slice(12));
    expect(await read(25)).toEqual([]);
  });

  it("journal - another size of segments goes for new ones", async () => {
    const dir = temporaryDirectory();
    const { journal } = await openJournal(dir);
    const all = await fill(journal, 3);
    await journal.close();
    const again = await openJournal(dir, { segmentBytes: 2 * SMALL_SEGMENT });
    all.push(...(await fill(again.journal, 30)));
    await again.journal.close();
    expect((await openJournal(dir)).records).toEqual(all);
    const sizes = segments(dir).map((name) => statSync(join(dir, name)).size);
    expect(new Set(sizes)).toEqual(new Set([SMALL_SEGMENT, 2 * SMALL_SEGMENT]));
    await expect(openJournal(dir, { segmentBytes: 1000 })).rejects.toThrow(RangeError);
  });

  it("journal - one of a later version, or that ends before the store does, is not opened", async () => {
    const dir = temporaryDirectory();
    const { journal } = await openJournal(dir);
    await fill(journal, 3);
    await journal.close();
    await expect(openJournal(dir, { after: 4 })).rejects.toMatchObject({
      code: "JOURNAL_GAP",
      message: expect.stringMatching(/ends with record 3, but the store contains records up to 4/),
    });
    const path = join(dir, segments(dir)[0] as string);
    const bytes = readFileSync(path);
    bytes.writeUInt32LE(2, 8);
    bytes.writeUInt32LE(crc32c(bytes.subarray(0, 506)), 506);
    writeFileSync(path, bytes);
    await expect(openJournal(dir)).rejects.toMatchObject({
      code: "JOURNAL_VERSION",
      message: expect.stringMatching(/0000000001\.journal has format version 2/),
    });
  });

  it("journal - any segment that is missing shows, the last one too", async () => {
    for (const which of [0, 1, 2, 3]) {
      const dir = temporaryDirectory();
      const { journal } = await openJournal(dir);
      // The fifth is the one ahead.
      while (segments(dir).length < 5) {
        await fill(journal, 1);
        await journal.probe();
      }
      await journal.close();
      expect(segments(dir)).toHaveLength(5);
      rmSync(join(dir, segments(dir)[which] as string));
      if (which === 3) rmSync(join(dir, segments(dir).at(-1) as string));
      await expect(openJournal(dir), `segment ${which + 1}`).rejects.toMatchObject({
        code: which === 0 ? "JOURNAL_GAP" : "JOURNAL_DAMAGED",
      });
    }
  });

  it("journal - segments of two journals do not make one", async () => {
    const [one, other] = [temporaryDirectory(), temporaryDirectory()];
    for (const dir of [one, other]) {
      const { journal } = await openJournal(dir);
      await fill(journal, 12);
      await journal.close();
    }
    const name = segments(one)[1] as string;
    writeFileSync(join(one, name), readFileSync(join(other, name)));
    await expect(openJournal(one)).rejects.toMatchObject({
      code: "JOURNAL_DAMAGED",
      message: expect.stringMatching(/0000000002\.journal is damaged at byte 0: it is of another/),
    });
  });
});

async function drain(reading: AsyncGenerator<unknown, unknown>): Promise<void> {
  while ((await reading.next()).done !== true);
}
