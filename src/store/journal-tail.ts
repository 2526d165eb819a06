import { setTimeout as sleep } from "node:timers/promises";
import { JournalError } from "../journal/journal-error.js";
import { readJournal } from "../journal/journal-reader.js";
import type { Environment } from "./environment.js";
import { JOURNALED_KEY } from "./records.js";
import { journalDirectory } from "./store-journal.js";

/** How often a server may remove what is about to be read, because its trees contain it by then. */
const ATTEMPTS = 10;
const WAIT_MS = 5;

/** What the journal of a store has that its trees lack. */
interface JournalTail {
  /** Number up to which the trees contained the journal. */
  readonly after: number;
  /** Number of the last record. */
  readonly last: number;
  /** Of the records behind `after`, in their order; empty where they were not asked for. */
  readonly payloads: readonly Buffer[];
}

/** Up to which number the trees contain the journal. */
export function containedBy({ journaled }: Environment): number {
  return journaled?.get(JOURNALED_KEY) ?? 0;
}

/**
 * Reads what the journal has behind the trees, also while a server writes to both. The last of the records may
 * be one that the server has not told yet, as after a kill. Rejects with JournalError.
 */
export async function readJournalTail(
  dir: string,
  environment: Environment,
  { payloads: keep }: { readonly payloads: boolean },
): Promise<JournalTail> {
  for (let attempt = 1; ; attempt++) {
    environment.endReads();
    const after = containedBy(environment);
    const payloads: Buffer[] = [];
    let last = after;
    try {
      for await (const { number, payload } of readJournal(journalDirectory(dir), after)) {
        last = number;
        if (keep) payloads.push(Buffer.from(payload));
      }
      return { after, last, payloads };
    } catch (error) {
      // A store of an earlier version has none.
      const { cause } = error as Error;
      if (after === 0 && (cause as NodeJS.ErrnoException | undefined)?.code === "ENOENT")
        return { after, last: 0, payloads: [] };
      const isGap = error instanceof JournalError && error.code === "JOURNAL_GAP";
      if (!isGap || attempt === ATTEMPTS) throw error;
      await sleep(WAIT_MS);
    }
  }
}
