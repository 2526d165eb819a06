import { existsSync } from "node:fs";
import { type FileHandle, open, readdir, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { JournalEntry } from "../../relay/journal/journal-entry.js";
import type { JournalHead } from "../../relay/journal/journal-words.js";
import type { ReceivedCopy, StandbyStore } from "../../relay/journal/standby-journal.js";
import { nowMicros } from "../../shared/clock.js";
import type { Logger } from "../../shared/log.js";
import { syncDirectory } from "../../shared/sync-directory.js";
import type { Stretch } from "../../shared/time-stretches.js";
import { isBeginning, NO_TIMELINE, writeLineage } from "../../store/lineage.js";
import type { Retention } from "../../store/pruning.js";
import { restoreStore } from "../../store/restore.js";
import { Store } from "../../store/store.js";

/** Stores that were moved aside, of which the last are kept. */
const ASIDE_MAX = 2;
const PRUNE_INTERVAL_MS = 1000;

interface StandbyStoreOptions {
  /** Of the store. */
  readonly dir: string;
  /** Of an archive, which may have trades that the store has no more. */
  readonly archiveDir: string;
  /** Of the data directory. */
  readonly id: string;
  readonly retention: Retention;
  readonly keptJournalBytes: number;
  readonly log: Logger;
}

/**
 * The store of a standby. It is the store of an exchange in all but who gives the batches, so a takeover opens it as
 * any exchange opens its own.
 */
export class OpenStandbyStore implements StandbyStore {
  readonly id: string;
  readonly #options: StandbyStoreOptions;
  /** Undefined while a copy takes its place. */
  #store: Store | undefined;
  /** Of the time until the last record; undefined before there was one, so that nothing is taken for older than it is. */
  #stretches: readonly Stretch[] | undefined;
  readonly #timer: NodeJS.Timeout;

  private constructor(options: StandbyStoreOptions, store: Store) {
    this.id = options.id;
    this.#options = options;
    this.#store = store;
    this.#timer = setInterval(() => void this.#prune(), PRUNE_INTERVAL_MS);
  }

  /** Opens the store of a directory, or makes an empty one. Rejects with StoreError. */
  static async open(options: StandbyStoreOptions): Promise<OpenStandbyStore> {
    await removeDrafts(options.dir);
    return new OpenStandbyStore(options, await openStore(options));
  }

  get last(): number {
    return this.#store?.last ?? 0;
  }

  get timelines(): JournalHead["timelines"] {
    return this.#store?.lineage.timelines ?? [];
  }

  get timeline(): string {
    return this.#store?.lineage.timelineOf(this.last) ?? NO_TIMELINE;
  }

  isBeginningOf(timelines: JournalHead["timelines"]): boolean {
    return isBeginning(this.timelines, this.last, timelines);
  }

  async take({ number, timeline, payload }: JournalEntry): Promise<void> {
    const store = this.#store;
    if (store === undefined) throw new Error("the standby has no store at the moment");
    if (timeline !== this.timeline) await store.lineage.take({ id: timeline, first: number });
    const { stretches } = await store.take(payload);
    this.#stretches = stretches;
  }

  async receive(): Promise<ReceivedCopy> {
    const { dir } = this.#options;
    const path = `${dir}.copy.tar`;
    await rm(path, { force: true });
    const file = await open(path, "wx", 0o600);
    return {
      write: async (bytes) => {
        await file.appendFile(bytes);
      },
      complete: async (timelines) => {
        await file.close();
        await this.#replace(path, timelines);
        await rm(path, { force: true });
      },
      abandon: () => abandon(file, path),
    };
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#store?.close();
  }

  /** A copy takes the place of the store; one that has what the copy lacks is kept beside it. */
  async #replace(copy: string, timelines: JournalHead["timelines"]): Promise<void> {
    const { dir, archiveDir, log } = this.#options;
    const draft = `${dir}.received`;
    await rm(draft, { recursive: true, force: true });
    const { commits } = await restoreStore(copy, draft);
    // The first record that follows may be of the last timeline.
    const known = timelines.filter(({ first }) => first <= commits + 1);
    await writeLineage(draft, known);
    const hasOthers = this.last > 0 && !this.isBeginningOf(timelines);
    const former = this.#store;
    this.#store = undefined;
    await former?.close();
    const aside = `aside-${Date.now()}`;
    await rename(dir, `${dir}.${aside}`);
    await rename(draft, dir);
    // Its trades have numbers that the exchange has given to others.
    if (hasOthers && existsSync(archiveDir)) await rename(archiveDir, `${archiveDir}.${aside}`);
    await syncDirectory(dirname(dir));
    if (hasOthers)
      log.error(
        { aside },
        "the store had records that the exchange does not have; it is kept aside",
      );
    else await rm(`${dir}.${aside}`, { recursive: true, force: true });
    await forgetAside(dir);
    await forgetAside(archiveDir);
    this.#store = await openStore(this.#options);
  }

  async #prune(): Promise<void> {
    if (this.#stretches === undefined) return;
    try {
      await this.#store?.prune(nowMicros(), this.#stretches);
    } catch (error) {
      this.#options.log.debug({ err: error }, "the standby's store cannot be pruned");
    }
  }
}

function openStore({ dir, retention, keptJournalBytes }: StandbyStoreOptions): Promise<Store> {
  return Store.open(dir, { ...retention, keptJournalBytes });
}

async function abandon(file: FileHandle, path: string): Promise<void> {
  await file.close().catch(() => {});
  await rm(path, { force: true }).catch(() => {});
}

/** What a copy has left that was cut short. */
async function removeDrafts(dir: string): Promise<void> {
  await rm(`${dir}.copy.tar`, { force: true });
  await rm(`${dir}.received`, { recursive: true, force: true });
}

async function forgetAside(dir: string): Promise<void> {
  const begin = `${basename(dir)}.aside-`;
  const all = (await readdir(dirname(dir))).filter((name) => name.startsWith(begin)).sort();
  for (const name of all.slice(0, -ASIDE_MAX))
    await rm(join(dirname(dir), name), { recursive: true, force: true });
}
