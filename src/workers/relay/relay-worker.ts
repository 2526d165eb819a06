import { randomUUID } from "node:crypto";
import { MessageChannel, parentPort, workerData } from "node:worker_threads";
import { beat, count, counterBlockOf, THREAD } from "../../counters/counters.js";
import { HUB_LINKS, hubKeys } from "../../relay/hub/hub-links.js";
import { EdgesDesk, type EdgesDeskOptions } from "../../relay/orders/edges-desk.js";
import { linkKeys } from "../../relay/orders/link-keys.js";
import { ORDER_LINKS } from "../../relay/orders/order-links.js";
import { OriginRelay } from "../../relay/origin-relay.js";
import { openRedis } from "../../relay/redis-link.js";
import { relayKeys } from "../../relay/relay-keys.js";
import { RingPacker } from "../../relay/ring-packer.js";
import { createLogger } from "../../shared/log.js";
import { startThreadPulse } from "../../shared/thread-pulse.js";
import type { MainToRingReader } from "../messages.js";
import { ArchiveAccess } from "../shard/requests/archive-access.js";
import { AskAnswers } from "./ask-answers.js";
import type { RelayTask, RelayToMain } from "./messages.js";
import { relayJournal } from "./relayed-journal.js";

/*
 * The relay thread of an origin: reads the rings as a shard does and writes to Redis. Nobody waits for it.
 */

if (parentPort === null) throw new Error("relay-worker runs as a worker thread");
const port = parentPort;
const task = workerData as RelayTask;
const { relay: counters, archivist } = counterBlockOf(task.counters);
const log = createLogger(task.log, { thread: "relay" }, (lines) =>
  count(counters, THREAD.logDropped, lines),
);
const stop = new AbortController();

function tell(message: RelayToMain): void {
  port.postMessage(message);
}

const packer = new RingPacker(task.numbered, counters);
// Of what a former thread has not sent nobody knows how far it was read.
const [newest] = task.memories.slice(-1);
let epoch = newest?.epoch;
if (task.resumes && newest !== undefined) packer.resume(newest);
else for (const memory of task.memories) packer.add(memory);

port.on("message", (message: MainToRingReader) => {
  if (message.type === "end") process.exit(1);
  if (message.type === "stop") return stop.abort();
  const before = packer.memory;
  epoch = message.memory.epoch;
  packer.add(message.memory);
  for (const desk of desks) desk.changeEpoch(message.memory.epoch);
  // Whoever waits for the former producer is to look again.
  if (before !== undefined) Atomics.notify(new Int32Array(before.doorbell), 0);
});

startThreadPulse((loopLagS) => beat(counters, loopLagS));

const { target, fence, numbered, archiveDir, takesOrders, maxQueuedBytes } = task;
const origin = randomUUID();
const openPort =
  (type: "edge-shard" | "edge-hub"): EdgesDeskOptions["openPort"] =>
  (shard, epoch) => {
    const { port1, port2 } = new MessageChannel();
    const message: RelayToMain = { type, shard, epoch, port: port1 };
    port.postMessage(message, [port1]);
    return port2;
  };
const ofEdges = {
  open: () => openRedis(target),
  origin,
  fence,
  maxQueuedBytes,
  counters,
  log,
};
/** Of the exchange, or the sessions, and of the hub. */
const desks = [
  new EdgesDesk({
    ...ofEdges,
    keys: linkKeys(task.prefix),
    takesOrders,
    openPort: openPort("edge-shard"),
    kind: ORDER_LINKS,
  }),
  new EdgesDesk({
    ...ofEdges,
    keys: hubKeys(task.prefix),
    takesOrders: true,
    openPort: openPort("edge-hub"),
    kind: HUB_LINKS,
  }),
];
if (newest !== undefined) for (const desk of desks) desk.changeEpoch(newest.epoch);
const keys = relayKeys(task.prefix);
const archive = new ArchiveAccess(archiveDir, archivist, (reason) => {
  log.error({ reason }, "the archive is damaged");
  tell({ type: "archive-damaged", reason });
});
const archives = archiveDir !== undefined;
const answers = new AskAnswers({
  target,
  keys,
  fence,
  epoch: () => epoch,
  archive,
  archives,
  numbered,
  counters,
});
const relay = new OriginRelay({
  target,
  keys,
  windowMs: task.windowMs,
  packer,
  counters,
  fence,
  health: (reason) => tell({ type: "health", reason }),
  fencedOut: () => tell({ type: "fenced-out" }),
  log,
});
const serving = new AbortController();
stop.signal.addEventListener("abort", () => serving.abort(), { once: true });
void answers.run(stop.signal);
for (const desk of desks) void desk.run(serving.signal);
const journal = relayJournal(task, counters, log, stop.signal);
void relay.run(stop.signal).then(() => {
  serving.abort();
  // One that another origin has taken the place of has nothing to do until main, which ends the process, stops it.
  const end = (): void => {
    archive.stop();
    void journal.finally(() => process.exit());
  };
  if (stop.signal.aborted) end();
  else stop.signal.addEventListener("abort", end, { once: true });
});
