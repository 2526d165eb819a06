import { JournalMarks } from "../../counters/journal-marks.js";
import { StandbyAcks } from "../../exchange/standby-acks.js";
import { journalKeys } from "../../relay/journal/journal-keys.js";
import { JournalScripts } from "../../relay/journal/journal-scripts.js";
import type { JournalHead } from "../../relay/journal/journal-words.js";
import { objectionTo, readHead } from "../../relay/journal/succession.js";
import { openRedis } from "../../relay/redis-link.js";
import type { Logger } from "../../shared/log.js";
import { dataDirectoryId } from "../../store/data-directory-id.js";
import { isBeginning } from "../../store/lineage.js";
import type { Store } from "../../store/store.js";
import { StoreError } from "../../store/store-error.js";
import type { FollowedTask } from "./messages.js";

/**
 * The journal of an exchange that others follow: who may go on with it, and up to where it is on disks.
 */
export class ExchangeHistory {
  readonly acks: StandbyAcks;
  readonly keptJournalBytes: number;
  readonly #task: FollowedTask;
  readonly #dataDir: string;
  readonly #marks: JournalMarks;
  readonly #log: Logger;

  constructor(task: FollowedTask, dataDir: string, log: Logger) {
    this.#task = task;
    this.#dataDir = dataDir;
    this.#marks = new JournalMarks(task.marks);
    this.#log = log;
    const { required, timeoutMs, keptJournalBytes } = task;
    this.keptJournalBytes = keptJournalBytes;
    this.acks = new StandbyAcks({ marks: this.#marks, required, timeoutMs });
  }

  /**
   * Begins this exchange's part of the history that its store has, before anything is told. Rejects with STORE_LOCKED
   * where another node has more of it; and with RedisLinkError where nobody can tell.
   */
  readonly begin = async (store: Store): Promise<void> => {
    const { lineage, last } = store;
    const id = await dataDirectoryId(this.#dataDir);
    const head = this.#task.claims ? await this.#permission(id, store) : undefined;
    try {
      await lineage.begin(last);
    } catch (error) {
      this.#log.warn(
        { err: error },
        "the store cannot be written; its journal is not relayed until a restart",
      );
      return;
    }
    if (head !== undefined) await this.#claim({ ...head, timelines: [...lineage.timelines] });
    this.#marks.begin(last);
  };

  /** What is to be said of the history from now on. */
  async #permission(id: string, { lineage, last }: Store): Promise<JournalHead> {
    const { target, prefix, required } = this.#task;
    const link = await openRedis(target);
    try {
      const keys = journalKeys(prefix);
      const head = await readHead(link, keys);
      const { timelines } = lineage;
      const objection = objectionTo(
        { id, last, timelines, isBeginningOf: (theirs) => isBeginning(timelines, last, theirs) },
        head,
      );
      if (objection !== undefined)
        throw new StoreError(
          "STORE_BEHIND",
          `this node may not take over: ${objection}; start that one, or remove the key ${keys.head} in Redis to do without`,
        );
      return {
        origin: id,
        ack: required ? "standby" : "none",
        last,
        from: last + 1,
        timelines: [],
        heirs: [],
        followed: head?.followed === true,
      };
    } finally {
      link.close();
    }
  }

  async #claim(head: JournalHead): Promise<void> {
    const { target, prefix, fence } = this.#task;
    const link = await openRedis(target);
    try {
      const scripts = await JournalScripts.load(link, journalKeys(prefix), fence);
      await scripts.setHead(JSON.stringify(head));
    } finally {
      link.close();
    }
  }
}
