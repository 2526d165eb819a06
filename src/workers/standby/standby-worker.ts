import { parentPort, workerData } from "node:worker_threads";
import { beat, count, counterBlockOf, THREAD } from "../../counters/counters.js";
import { journalKeys } from "../../relay/journal/journal-keys.js";
import { StandbyJournal } from "../../relay/journal/standby-journal.js";
import { openRedis } from "../../relay/redis-link.js";
import { createLogger } from "../../shared/log.js";
import { startThreadPulse } from "../../shared/thread-pulse.js";
import { dataDirectoryId } from "../../store/data-directory-id.js";
import { storeDirectory } from "../../store/store-file.js";
import type { MainToStandby, StandbyTask, StandbyToMain } from "./messages.js";
import { OpenStandbyStore } from "./standby-store.js";

/*
 * The thread of a standby: keeps a store like that of the exchange, until this node is the exchange itself.
 */

if (parentPort === null) throw new Error("standby-worker runs as a worker thread");
const port = parentPort;
const task = workerData as StandbyTask;
const { relay: counters } = counterBlockOf(task.counters);
const log = createLogger(task.log, { thread: "standby" }, (lines) =>
  count(counters, THREAD.logDropped, lines),
);
const stop = new AbortController();
let takesOver = false;

port.on("message", (message: MainToStandby) => {
  takesOver = message.type === "take-over";
  stop.abort();
});
startThreadPulse((loopLagS) => beat(counters, loopLagS));

/** Says what is new alone. */
function teller<T>(send: (value: T) => StandbyToMain): (value: T) => void {
  let told: T | null = null;
  return (value) => {
    if (value === told) return;
    told = value;
    port.postMessage(send(value));
  };
}

const { target, prefix, dataDir, archiveDir, retention, keptJournalBytes } = task;
const store = await OpenStandbyStore.open({
  dir: storeDirectory(dataDir),
  archiveDir,
  id: await dataDirectoryId(dataDir),
  retention,
  keptJournalBytes,
  log,
});
const journal = new StandbyJournal({
  open: () => openRedis(target),
  keys: journalKeys(prefix),
  store,
  counters,
  health: teller((reason: string | undefined) => ({ type: "health", reason })),
  heir: teller((isHeir: boolean) => ({ type: "heir", isHeir })),
  log,
});
await journal.run(stop.signal);
if (takesOver) {
  await journal.catchUp().catch((error: unknown) => {
    log.warn({ err: error }, "what the last exchange has relayed cannot be read to its end");
  });
  log.info({ last: store.last }, "the standby takes over");
}
await store.close();
process.exit();
