import { readFileSync } from "node:fs";
import { open, readFile, rename } from "node:fs/promises";
import { join } from "node:path";

/*
 * Beside an archive's file, and apart from what may become of it: where epochs began, and how far `ts` has
 * come. Both are small and written whole under another name first, so that they are there or are not.
 */

const EPOCHS_FILE = "epochs.json";
const TS_FILE = "told-ts";
const AHEAD_MICROS = 1_000_000;
/** Epochs that are remembered, the latest. */
const EPOCHS_MAX = 1000;

/** Where the exchange's trades were told from a number on; see {@link unknownEpoch}. */
interface EpochBegin {
  readonly epoch: string;
  /** Number of the first trade that was told in it, if one was. */
  readonly first: number;
}

/** In the notes, a stretch whose epochs nobody knows. */
const UNKNOWN = "unknown";

/**
 * The epoch of trades from a number on of which nobody knows any more in which they were told: their `seq` counts
 * up from 1, each market's by itself. Each such stretch has a name of its own, as clients compare a `seq` with
 * others of its epoch.
 */
export function unknownEpoch(first: number): string {
  return `${UNKNOWN}-${first}`;
}

/** Whether an epoch is such a stretch; those of producers have other names. */
export function isUnknownEpoch(epoch: string | undefined): boolean {
  return epoch?.startsWith(`${UNKNOWN}-`) === true;
}

/** Where the epochs of the exchange's trades began, in order. */
export class EpochNotes {
  readonly #dir: string;
  #epochs: readonly EpochBegin[];

  private constructor(dir: string, epochs: readonly EpochBegin[]) {
    this.#dir = dir;
    this.#epochs = epochs;
  }

  /** The notes of an archive's directory; none where they are missing or cannot be understood. */
  static async load(dir: string): Promise<EpochNotes> {
    try {
      const text = await readFile(join(dir, EPOCHS_FILE), "utf8");
      const epochs = JSON.parse(text) as EpochBegin[];
      return new EpochNotes(dir, epochs.filter(isEpochBegin));
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== undefined && code !== "ENOENT") throw error;
      return new EpochNotes(dir, []);
    }
  }

  /** Where an epoch began; undefined where that is not known. */
  find(epoch: string): EpochBegin | undefined {
    return this.#epochs.find((one) => one.epoch === epoch);
  }

  /** The epoch that a trade was told in; undefined where that is not known. */
  of(number: number): EpochBegin | undefined {
    const begin = this.#epochs.findLast(({ first }) => first <= number);
    return begin?.epoch === UNKNOWN ? undefined : begin;
  }

  /** Notes that from a number on, and behind the last begin, nobody knows; see {@link add}. */
  async addUnknown(from: number): Promise<void> {
    const first = Math.max(from, this.#epochs.at(-1)?.first ?? 0);
    await this.add({ epoch: UNKNOWN, first });
  }

  /** Resolves when it is on disk; rejects with Node's error. Those before begin no later. */
  async add(begin: EpochBegin): Promise<void> {
    const before = this.#epochs.filter(({ first }) => first <= begin.first);
    this.#epochs = [...before, begin].slice(-EPOCHS_MAX);
    await writeWhole(this.#dir, EPOCHS_FILE, `${JSON.stringify(this.#epochs)}\n`);
  }
}

function isEpochBegin(value: EpochBegin): boolean {
  return typeof value?.epoch === "string" && Number.isSafeInteger(value.first);
}

/**
 * Notes how far `ts` has come, ahead of it, so that this takes one write in a second. What comes too
 * soon after a server that was killed waits for the rest of that second; see PositionClock.
 */
export class TsNote {
  readonly #dir: string;
  #noted = 0;

  constructor(dir: string) {
    this.#dir = dir;
  }

  /** Resolves when a `ts` in µs, or a later one, is noted on disk; rejects with Node's error. */
  async cover(ts: number): Promise<void> {
    if (ts > this.#noted) await this.#write(ts + AHEAD_MICROS);
  }

  /** Notes the last `ts` that there will be. */
  async end(ts: number): Promise<void> {
    if (ts > 0) await this.#write(ts);
  }

  async #write(ts: number): Promise<void> {
    await writeWhole(this.#dir, TS_FILE, `${ts}\n`);
    this.#noted = ts;
  }
}

/** How far `ts` had come in an archive's directory, in µs; 0 where nobody has noted it. */
export function notedTs(dir: string): number {
  try {
    const ts = Number(readFileSync(join(dir, TS_FILE), "utf8"));
    return Number.isSafeInteger(ts) ? ts : 0;
  } catch {
    // Without it a producer starts where the clock is.
    return 0;
  }
}

async function writeWhole(dir: string, name: string, text: string): Promise<void> {
  const path = join(dir, name);
  const file = await open(`${path}.new`, "w", 0o600);
  try {
    await file.writeFile(text);
    await file.datasync();
  } finally {
    await file.close();
  }
  await rename(`${path}.new`, path);
  const directory = await open(dir);
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
