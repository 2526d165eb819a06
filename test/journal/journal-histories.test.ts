import { cpSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Journal } from "../../src/journal/journal.js";
import { JournalError } from "../../src/journal/journal-error.js";
import { readJournal } from "../../src/journal/journal-reader.js";
import { SECTOR_BYTES } from "../../src/journal/segment-format.js";
import { Random } from "../../src/shared/random.js";
import { drawSeed } from "../support/seeds.js";
import { openJournal, SMALL_SEGMENT, temporaryDirectory } from "./directories.js";
import { nodeError, TrialFiles } from "./trial-files.js";

const SEEDS = Array.from({ length: 15 }, (_, at) => drawSeed(`journal histories ${at}`));
const LIVES = 4;

/** A payload that follows from its number and from which attempt it was; often with whole sectors of zeros. */
function payloadOf(random: Random, number: number, attempt: number): Buffer {
  const payload = Buffer.alloc(random.below(random.below(4) === 0 ? 4000 : 600));
  const text = `${number}/${attempt}`;
  if (payload.length < text.length) return Buffer.from(text);
  payload.write(text, random.below(payload.length - text.length + 1));
  return payload;
}

/** What a power cut leaves of a directory: of what was not flushed, some sectors. */
function powerCut(dir: string, files: TrialFiles, random: Random): string {
  const left = join(temporaryDirectory(), "left");
  cpSync(dir, left, { recursive: true });
  // The latest first, so that the earliest of what several writes found is what remains.
  for (const { path, position, before } of files.unflushed.toReversed()) {
    const copy = join(left, basename(path));
    if (!existsSync(copy)) continue;
    const bytes = readFileSync(copy);
    const share = random.below(5);
    for (let at = 0; at < before.length; at += SECTOR_BYTES)
      if (random.below(4) < share) before.copy(bytes, position + at, at, at + SECTOR_BYTES);
    writeFileSync(copy, bytes);
  }
  return left;
}

describe("journal histories", () => {
  it.each(SEEDS)(
    "journal histories - seed %i: over power cuts and failures nothing that was told is lost, and nothing else is found",
    async (seed) => {
      const random = new Random(seed);
      let dir = temporaryDirectory();
      const told: Buffer[] = [];
      let contained = 0;
      let attempt = 0;
      for (let life = 0; life < LIVES; life++) {
        const files = new TrialFiles();
        const { journal } = await openJournal(dir, { after: contained, files });
        const failsOneIn = random.below(3) === 0 ? 12 : 0;
        let operationsLeft = 5 + random.below(150);
        const fail = (operation: string): void => {
          if (operation === "read" || operation === "list") return;
          if (--operationsLeft < 0) throw nodeError("EIO");
          if (failsOneIn > 0 && random.below(failsOneIn) === 0) throw nodeError("EIO");
        };
        // Before it is done, or behind it.
        files.before = (operation) => void (random.below(2) === 0 && fail(operation));
        files.after = (operation) => void (random.below(2) === 0 && fail(operation));
        /** What may be found behind what was told. */
        let uncertain: Buffer[] = [];
        while (operationsLeft > 0) {
          const payload = payloadOf(random, told.length + 1, ++attempt);
          try {
            await journal.append(payload);
            told.push(payload);
            uncertain = [];
          } catch (error) {
            if (!(error instanceof JournalError)) throw error;
            // The power goes while it is written, or is as good as gone.
            if (error.maybeStored) uncertain.push(payload);
          }
          if (random.below(20) === 0) {
            contained = Math.max(contained, journal.last - random.below(10));
            await journal.release(contained).catch(() => {});
          }
        }
        expect(journal.last).toBe(told.length);
        dir = powerCut(dir, files, random);
        await journal.close();

        const found = await openedAt(dir, contained);
        const expected = told.slice(contained);
        const isMore = found.length === expected.length + 1;
        if (isMore) {
          const more = found.at(-1) as Buffer;
          expect(uncertain.some((payload) => payload.equals(more))).toBe(true);
          told.push(more);
          expected.push(more);
        }
        expect(found.length).toBe(expected.length);
        expect(Buffer.concat(found).equals(Buffer.concat(expected))).toBe(true);
      }
    },
  );

  it("journal histories - a reader beside a writer finds all that was told, in order, and nothing broken", async () => {
    const seed = SEEDS[0] as number;
    const random = new Random(seed);
    const dir = temporaryDirectory();
    const { journal } = await openJournal(dir, { segmentBytes: 2 * SMALL_SEGMENT });
    const told: Buffer[] = [];
    let released = 0;
    let ended = false;
    const writing = (async () => {
      while (told.length < 1000) {
        const payload = payloadOf(random, told.length + 1, 0);
        told.push(payload);
        await journal.append(payload);
        if (random.below(40) === 0) {
          released = Math.max(released, journal.last - random.below(60));
          await journal.release(released);
        }
      }
      ended = true;
    })();
    const outcome = { whole: 0, overtaken: 0 };
    const reading = (async () => {
      while (!ended) outcome[await readBeside(dir, journal, told, () => released)]++;
    })();
    await Promise.all([writing, reading]).catch((error: Error) => {
      throw new Error(`seed ${seed}: ${error.message}`, { cause: error });
    });
    expect(outcome.whole).toBeGreaterThan(10);
  });
});

async function openedAt(dir: string, after: number): Promise<Buffer[]> {
  const found: Buffer[] = [];
  for await (const { payload } of readJournal(dir, after, { alone: true }))
    found.push(Buffer.from(payload));
  return found;
}

/** Reads from where the store is on; it may be overtaken by what is removed meanwhile. */
async function readBeside(
  dir: string,
  journal: Journal,
  told: readonly Buffer[],
  released: () => number,
): Promise<"whole" | "overtaken"> {
  const [after, toldBefore] = [released(), journal.last];
  let last = after;
  try {
    for await (const { number, payload } of readJournal(dir, after)) {
      if (number !== ++last) throw new Error(`${number} in place of ${last}`);
      if (!payload.equals(told[number - 1] as Buffer)) throw new Error(`${number} is not as told`);
    }
  } catch (error) {
    const isGap = error instanceof JournalError && error.code === "JOURNAL_GAP";
    if (isGap && released() > after) return "overtaken";
    throw error;
  }
  if (last < toldBefore) throw new Error(`${toldBefore} was told, and ${last} is the last`);
  return "whole";
}
