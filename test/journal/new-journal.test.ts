import { statSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { writeJournal } from "../../src/journal/new-journal.js";
import { append, openJournal, readAll, temporaryDirectory } from "./directories.js";
import { nodeError, TrialFiles } from "./trial-files.js";

const RECORDS = ["one", "two".padEnd(900, "2"), "", "four".padEnd(511, "4")];

describe("new journal", () => {
  it.each([0, 41])(
    "new journal - of records from number %i + 1 on, it is found whole, and goes on",
    async (after) => {
      const dir = temporaryDirectory();
      const payloads = RECORDS.map((record) => Buffer.from(record));
      const path = await writeJournal(dir, after + 1, payloads);
      expect(statSync(path).size % 512).toBe(0);
      expect(await readAll(dir, after)).toEqual(RECORDS);
      const { journal, records } = await openJournal(dir, { after });
      expect(records).toEqual(RECORDS);
      expect(journal.torn).toBeUndefined();
      expect(await append(journal, "five")).toBe(after + 5);
      await journal.close();
      expect(await readAll(dir, after + 2)).toEqual([...RECORDS.slice(2), "five"]);
    },
  );

  it("new journal - of no records, it is known from which number on it is", async () => {
    const dir = temporaryDirectory();
    await writeJournal(dir, 8, []);
    expect(await readAll(dir, 7)).toEqual([]);
    await expect(readAll(dir, 6)).rejects.toMatchObject({ code: "JOURNAL_GAP" });
    await expect(readAll(dir, 8)).rejects.toMatchObject({ code: "JOURNAL_GAP" });
    const { journal } = await openJournal(dir, { after: 7 });
    expect(await append(journal, "eight")).toBe(8);
  });

  it("new journal - one that cannot be written is told with its path", async () => {
    const files = new TrialFiles();
    files.before = (operation) => {
      if (operation === "write") throw nodeError("ENOSPC");
    };
    const dir = temporaryDirectory();
    await expect(writeJournal(dir, 1, [], files)).rejects.toMatchObject({
      code: "JOURNAL_WRITE_FAILED",
      message: expect.stringMatching(/0000000001\.journal cannot be written: .+; free or add/),
    });
  });
});
