import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it } from "vitest";
import { JournalError } from "../../src/journal/journal-error.js";
import { readJournal } from "../../src/journal/journal-reader.js";
import { Random } from "../../src/shared/random.js";
import { drawSeed } from "../support/seeds.js";
import { openJournal, SMALL_SEGMENT, temporaryDirectory } from "./directories.js";

const WRITER = fileURLToPath(new URL("journal-writer.mjs", import.meta.url));
const KILLS = 4;

let writer: ChildProcess | undefined;
afterEach(async () => {
  if (writer === undefined || writer.exitCode !== null || writer.signalCode !== null) return;
  writer.kill("SIGKILL");
  await once(writer, "exit");
});

/** The last record that a writer in another process has told. */
interface Told {
  last: number;
}

/** Starts a writer; resolves when it has told some records. */
async function startWriter(dir: string, after: number): Promise<Told> {
  const told = { last: 0 };
  const started = spawn(process.execPath, [WRITER, dir, String(2 * SMALL_SEGMENT), String(after)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  writer = started;
  const lines = createInterface(started.stdout).on("line", (line) => {
    told.last = Number(line);
  });
  for (let line = 0; line < 3; line++) await once(lines, "line");
  return told;
}

/** Resolves when all that a killed writer told has been heard. */
async function kill(): Promise<void> {
  const killed = writer as ChildProcess;
  const ends = [once(killed, "exit"), once(killed.stdout as NodeJS.ReadableStream, "close")];
  killed.kill("SIGKILL");
  await Promise.all(ends);
}

function requireRecord(number: number, payload: Buffer): void {
  const expected = `${number}:`.padEnd((number * 37) % 3000, "x");
  if (payload.toString("latin1") !== expected) throw new Error(`record ${number} is another`);
}

describe("journal of another process", () => {
  it("journal of another process - killed at any moment it has all that was told, and nothing in part", async () => {
    const dir = temporaryDirectory();
    const seed = drawSeed("journal process");
    const random = new Random(seed);
    let after = 0;
    for (let life = 0; life < KILLS; life++) {
      const told = await startWriter(dir, after);
      await sleep(random.below(60));
      await kill();
      after = Math.max(0, told.last - 100);
      const { journal, records } = await openJournal(dir, { after });
      records.forEach((payload, at) => {
        requireRecord(after + at + 1, Buffer.from(payload, "latin1"));
      });
      // The last one may be there without the news of it having come.
      expect(journal.last - told.last, `seed ${seed}`).toBeOneOf([0, 1]);
      await journal.close();
    }
  });

  it("journal of another process - read meanwhile, it is found as it was at some moment", async () => {
    const dir = temporaryDirectory();
    const told = await startWriter(dir, 0);
    let whole = 0;
    const begun = told.last;
    while (whole < 30 || told.last < begun + 300) {
      const toldBefore = told.last;
      // The writer has released no more than that, unless it has gone on meanwhile.
      const after = Math.max(0, toldBefore - 60);
      let last = after;
      try {
        for await (const { number, payload } of readJournal(dir, after)) {
          expect(number).toBe(++last);
          requireRecord(number, payload);
        }
      } catch (error) {
        if (!(error instanceof JournalError && error.code === "JOURNAL_GAP")) throw error;
        // It has gone on: a gap that was there from the beginning would wait for ever.
        while (told.last === toldBefore) await sleep(1);
        continue;
      }
      expect(last).toBeGreaterThanOrEqual(toldBefore);
      whole++;
    }
  });
});
