import { JournalError } from "../journal/journal-error.js";
import { JournalFollower } from "../journal/journal-follower.js";
import { Lineage, type Timeline } from "./lineage.js";
import { journalDirectory } from "./store-journal.js";

/** The journal of a store that another thread writes to, and who wrote which of its records. */
export class FollowedStore {
  /** Of the data directory. */
  readonly id: string;
  readonly #dir: string;
  #lineage: Lineage | undefined;

  /** @param dir of the store */
  constructor(dir: string, id: string) {
    this.id = id;
    this.#dir = dir;
  }

  /** Reads the timelines again, as one has begun. Rejects with StoreError. */
  async refresh(): Promise<void> {
    this.#lineage = await Lineage.read(this.#dir);
  }

  get timelines(): readonly Timeline[] {
    return this.#lineage?.timelines ?? [];
  }

  timelineOf(number: number): string {
    return this.#lineage?.timelineOf(number) ?? "";
  }

  /** Reads its journal from a record on; undefined where that does not reach back to it. Rejects with JournalError. */
  async follow(next: number): Promise<JournalFollower | undefined> {
    try {
      return await JournalFollower.open(journalDirectory(this.#dir), next);
    } catch (error) {
      if (error instanceof JournalError && error.code === "JOURNAL_GAP") return undefined;
      throw error;
    }
  }
}
