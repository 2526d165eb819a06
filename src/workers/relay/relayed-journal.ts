import type { CounterSection } from "../../counters/counters.js";
import { JournalMarks } from "../../counters/journal-marks.js";
import { journalKeys } from "../../relay/journal/journal-keys.js";
import { OriginCopies } from "../../relay/journal/origin-copies.js";
import { OriginJournal } from "../../relay/journal/origin-journal.js";
import { openRedis } from "../../relay/redis-link.js";
import type { Logger } from "../../shared/log.js";
import { dataDirectoryId } from "../../store/data-directory-id.js";
import { FollowedStore } from "../../store/followed-store.js";
import { storeDirectory } from "../../store/store-file.js";
import type { RelayTask } from "./messages.js";
import { copyStore } from "./store-copies.js";

/** Gives the exchange's journal, and copies of its store, to standbys until the signal aborts. Never rejects. */
export async function relayJournal(
  { target, prefix, fence, journal }: RelayTask,
  counters: CounterSection,
  log: Logger,
  signal: AbortSignal,
): Promise<void> {
  if (journal === undefined) return;
  const { dataDir, marks, required, maxBytes } = journal;
  const dir = storeDirectory(dataDir);
  const source = new FollowedStore(dir, await dataDirectoryId(dataDir));
  const keys = journalKeys(prefix);
  const open = () => openRedis(target);
  const copies = new OriginCopies({ open, keys, make: () => copyStore(dir, source), log });
  const origin = new OriginJournal({
    open,
    keys,
    source,
    marks: new JournalMarks(marks),
    ack: required ? "standby" : "none",
    maxBytes,
    fence: () => fence,
    wants: (standby, wanted) => copies.want(standby, wanted),
    counters,
    log,
  });
  await Promise.all([copies.run(signal), origin.run(signal)]);
}
