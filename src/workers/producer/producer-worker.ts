import { parentPort, workerData } from "node:worker_threads";
import { beat, count, counterBlockOf, THREAD } from "../../counters/counters.js";
import type { Exchange } from "../../exchange/exchange.js";
import { openExchange } from "../../exchange/open-exchange.js";
import { createFeed } from "../../feed/create-feed.js";
import type { Feed } from "../../feed/feed.js";
import { Publisher, type PublisherOptions } from "../../market-data/publisher.js";
import { nowMicros } from "../../shared/clock.js";
import { createLogger, type Logger } from "../../shared/log.js";
import { startThreadPulse } from "../../shared/thread-pulse.js";
import { StoreError } from "../../store/store-error.js";
import type { MainToProducer, ProducerTask, ProducerToMain } from "../messages.js";

/*
 * The producer thread: runs the configured feed into the publisher. It is a plain worker thread of
 * main's; a throw that nobody catches ends it, and main starts a new one with a new epoch.
 */

/** Kinds of rejected input that are told apart in the log. */
const KINDS_MAX = 1000;

if (parentPort === null) throw new Error("producer-worker runs as a worker thread");
const port = parentPort;
const task = workerData as ProducerTask;
const counters = counterBlockOf(task.counters).producer;
const log = createLogger(task.log, { thread: "producer" }, (lines) =>
  count(counters, THREAD.logDropped, lines),
);
const stop = new AbortController();

const publisher = new Publisher(task.memory, counters, {
  bookIntervalMs: task.feed.bookIntervalMs,
  now: nowMicros,
  defer: setImmediate,
  setTimer: setTimeout,
  reject: rejectionLog(log),
});

const firstSubscriber = new Promise<void>((resolve) => {
  port.on("message", (message: MainToProducer) => {
    if (message.type === "subscribed") resolve();
    else if (message.type === "shard") exchange?.attach(message.shard, message.port);
    // Of a worker thread, exit() ends the thread.
    else if (message.type === "end") process.exit(1);
    // Nothing has been promised to anybody, and who knows what it waits for.
    else if (!opened) process.exit();
    else {
      stop.abort();
      void running.then(() => process.exit());
    }
  });
});

startThreadPulse((loopLagS) => beat(counters, loopLagS));
/** Where the feed is the exchange, as soon as it is open. */
let exchange: Exchange | undefined;
/** The feed is open. */
let opened = false;
const running = runFeed();

function tell(message: ProducerToMain): void {
  port.postMessage(message);
}

async function openFeed(): Promise<Feed> {
  if (task.feed.feed !== "exchange") return createFeed(task.feed);
  exchange = await openExchange(
    {
      options: task.feed,
      run: task.run,
      lastTrade: task.lastTrade,
      counters,
      log,
      now: nowMicros,
      monotonicNow: () => performance.now() * 1000,
      storeHealth: (reason) => tell({ type: "store", reason }),
    },
    publisher,
  );
  return exchange;
}

async function runFeed(): Promise<void> {
  let feed: Feed;
  try {
    feed = await openFeed();
  } catch (error) {
    const code = error instanceof StoreError ? error.code : undefined;
    tell({
      type: "feed-invalid",
      message: (error as Error).message,
      ...(code !== undefined && { code }),
    });
    return;
  }
  try {
    await feed.open?.(publisher);
    publisher.flush();
  } catch (error) {
    log.error({ err: error }, "feed failed to open");
    tell({ type: "ready" });
    tell({
      type: "feed-ended",
      reason: `feed ${task.feed.feed} failed: ${(error as Error).message}`,
    });
    return;
  }
  opened = true;
  tell({ type: "ready" });
  try {
    await feed.run(publisher, { signal: stop.signal, firstSubscriber });
    if (stop.signal.aborted) return;
    log.info("feed ended");
    tell({ type: "feed-ended", reason: `feed ${task.feed.feed} ended` });
  } catch (error) {
    log.error({ err: error }, "feed failed");
    // Nobody would answer the orders of an exchange that has failed. It ends with its thread, and
    // another one takes its place.
    if (exchange !== undefined) throw error;
    tell({
      type: "feed-ended",
      reason: `feed ${task.feed.feed} failed: ${(error as Error).message}`,
    });
  }
}

/** Logs the first rejection of each kind; all are counted by the publisher. */
function rejectionLog(logger: Logger): PublisherOptions["reject"] {
  const kinds = new Set<string>();
  return (kind, message, line) => {
    if (kinds.has(kind) || kinds.size === KINDS_MAX) return;
    kinds.add(kind);
    logger.warn(
      { kind, line },
      `feed input rejected: ${message}; further ones of this kind are only counted`,
    );
  };
}
