import { parentPort, workerData } from "node:worker_threads";
import { notedTs } from "../../archive/archive-notes.js";
import type {
  ExchangeOptions,
  FeedOptions,
  RelayFeedOptions,
} from "../../config/thread-options.js";
import { beat, count, counterBlockOf, THREAD } from "../../counters/counters.js";
import type { Exchange } from "../../exchange/exchange.js";
import { FeedSessions } from "../../exchange/feed-sessions.js";
import { openExchange } from "../../exchange/open-exchange.js";
import { createFeed } from "../../feed/create-feed.js";
import { MarketWriter } from "../../market-data/market-writer.js";
import { type ClockReport, PositionClock } from "../../market-data/position-clock.js";
import { Publisher, type PublisherOptions } from "../../market-data/publisher.js";
import { EdgeRelay, EpochEndedError } from "../../relay/edge-relay.js";
import { hubKeys } from "../../relay/hub/hub-links.js";
import { RelayedHub } from "../../relay/hub/relayed-hub.js";
import { linkKeys } from "../../relay/orders/link-keys.js";
import { RelayedExchange } from "../../relay/orders/relayed-exchange.js";
import { openRedis } from "../../relay/redis-link.js";
import { relayKeys } from "../../relay/relay-keys.js";
import { RelayedMarkets } from "../../relay/relayed-markets.js";
import { RelayedPublications } from "../../relay/relayed-publications.js";
import { nowMicros } from "../../shared/clock.js";
import { LeaseTerm } from "../../shared/lease-term.js";
import { createLogger, type Logger } from "../../shared/log.js";
import { startThreadPulse } from "../../shared/thread-pulse.js";
import { StoreError } from "../../store/store-error.js";
import type { MainToProducer, ProducerTask, ProducerToMain } from "../messages.js";
import { ChannelDesk } from "./channel-desk.js";
import { ExchangeHistory } from "./exchange-history.js";
import { Hub } from "./hub.js";
import { PresenceDesk } from "./presence-desk.js";
import { PublicationWriter } from "./publication-writer.js";

/*
 * The producer thread: runs the configured feed, or the exchange, into the publisher. It is a plain worker thread of
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

const clocks = { now: nowMicros, monotonicNow: () => performance.now() * 1000 };
// The exchange's store says where its ts has come to.
const isArchivedFeed = task.feed.feed !== "exchange" && task.archiveDir !== undefined;
const notedBefore = isArchivedFeed ? notedTs(task.archiveDir) : 0;
const latestTs = Math.max(task.latestTs, notedBefore);
const position = new PositionClock(clocks, latestTs, clockLog(log));

const publications = new PublicationWriter(task.memory, counters);
/** There with the first shard: the feed is open then, and says where ts begins. */
let desk: ChannelDesk | undefined;
function channels(): ChannelDesk {
  desk ??= new ChannelDesk(task.hub, {
    counters,
    tell: position.tell,
    now: () => performance.now(),
    write: (texts, seq, ts) => publications.write(texts, seq, ts),
    publishedTo: (ts) => {
      publications.publishedTo(ts);
      publications.publish();
    },
  });
  return desk;
}
const presence = new PresenceDesk(task.hub.maxPresenceUsers, counters);
const hub = new Hub({
  attached: (shard) => presence.attach(shard),
  request: (from, request, takeBy) => {
    switch (request.type) {
      case "presence":
      case "presence-watch":
      case "presence-unwatch":
        return presence.take(from, request);
      default:
        return channels().take(from, request, takeBy);
    }
  },
  heard: () => {
    publications.publish();
    desk?.heard();
    presence.heard();
  },
  gone: (shard) => presence.gone(shard),
});

const firstSubscriber = new Promise<void>((resolve) => {
  port.on("message", (message: MainToProducer) => {
    if (message.type === "subscribed") resolve();
    else if (message.type === "edge-shard")
      (exchange ?? feedSessions)?.attach(message.shard, message.port);
    else if (message.type === "edge-hub") {
      hub.attach(message.shard, message.port);
      channels();
    } else if (message.type === "shard") {
      (exchange ?? feedSessions ?? relayedExchange)?.attach(message.shard, message.port);
      if (relayedHub !== undefined) return relayedHub.attach(message.shard, message.hub);
      hub.attach(message.shard, message.hub);
      channels();
    } else if (message.type === "administer") administer(message);
    else if (message.type === "publish") publish(message);
    // Of a worker thread, exit() ends the thread.
    else if (message.type === "end") process.exit(1);
    // Nothing has been promised to anybody, and who knows what it waits for.
    else if (!opened) process.exit();
    else void stopInOrder();
  });
});

startThreadPulse((loopLagS) => beat(counters, loopLagS));
/** Where the feed is the exchange, as soon as it is open. */
let exchange: Exchange | undefined;
/** Where it is another feed, likewise. */
let feedSessions: FeedSessions | undefined;
/** Where it is another node's, likewise. */
let relayedExchange: RelayedExchange | undefined;
let relayedHub: RelayedHub | undefined;
/** The feed is open. */
let opened = false;
const running = run();

async function stopInOrder(): Promise<void> {
  await Promise.all([relayedHub?.leave(), relayedExchange?.leave()]);
  stop.abort();
  await running;
  process.exit();
}

function run(): Promise<void> {
  const { feed } = task;
  if (feed.feed === "relay") return runRelay(feed);
  const publisher = new Publisher(task.memory, counters, {
    bookIntervalMs: feed.bookIntervalMs,
    now: position.tell,
    firstTs: () => position.firstTs,
    defer: setImmediate,
    setTimer: setTimeout,
    reject: rejectionLog(log),
  });
  return feed.feed === "exchange" ? runExchange(feed, publisher) : runFeed(feed, publisher);
}

function tell(message: ProducerToMain): void {
  port.postMessage(message);
}

/** Opens what data comes from; where its options cannot work, says so, and nothing runs. */
async function opening<T>(source: Promise<T>): Promise<T | undefined> {
  try {
    return await source;
  } catch (error) {
    const { message } = error as Error;
    const code = error instanceof StoreError ? error.code : "FEED_INVALID";
    tell({ type: "feed-invalid", code, message });
    return undefined;
  }
}

function ready(): void {
  opened = true;
  tell({ type: "ready" });
}

async function runExchange(options: ExchangeOptions, publisher: Publisher): Promise<void> {
  const { run, lastTrade, followed } = task;
  const history = followed && new ExchangeHistory(followed, options.dataDir, log);
  exchange = await opening(
    openExchange(
      {
        standbyAcks: history?.acks,
        ...(history !== undefined && { followed: history }),
        options,
        run,
        lastTrade,
        counters,
        log,
        position,
        lease: task.lease && new LeaseTerm(task.lease),
        storeHealth: (reason) => tell({ type: "store", reason }),
      },
      publisher,
    ),
  );
  if (exchange === undefined) return;
  publisher.flush();
  ready();
  try {
    await exchange.run(stop.signal);
  } catch (error) {
    log.error({ err: error }, "feed failed");
    // Nobody would answer the orders of an exchange that has failed. It ends with its thread, and
    // another one takes its place.
    throw error;
  }
}

/** Main asks a producer that is ready, so the exchange is there. */
function administer({ request, action }: Extract<MainToProducer, { type: "administer" }>): void {
  void exchange
    ?.administer(action)
    .then((outcome) => tell({ type: "administered", request, outcome }));
}

function publish({ request, channel, data }: Extract<MainToProducer, { type: "publish" }>): void {
  if (relayedHub !== undefined) {
    void relayedHub
      .publish(channel, data)
      .then((outcome) => tell({ type: "published", request, outcome }));
    return;
  }
  const outcome = channels().publish(channel, data, undefined);
  publications.publish();
  tell({ type: "published", request, outcome });
}

async function runFeed(options: FeedOptions, publisher: Publisher): Promise<void> {
  const feed = await opening(createFeed(options));
  if (feed === undefined) return;
  feedSessions = new FeedSessions(task.run, options.maxWaitingSessions, counters);
  try {
    await feed.open?.(publisher);
    publisher.flush();
  } catch (error) {
    log.error({ err: error }, "feed failed to open");
    tell({ type: "ready" });
    return feedEnded(`failed: ${(error as Error).message}`);
  }
  ready();
  try {
    await feed.run(publisher, { signal: stop.signal, firstSubscriber });
    if (stop.signal.aborted) return;
    log.info("feed ended");
    feedEnded("ended");
  } catch (error) {
    log.error({ err: error }, "feed failed");
    feedEnded(`failed: ${(error as Error).message}`);
  }
}

/** Another node's market data, as that has told it, and the way to its exchange. */
async function runRelay(options: RelayFeedOptions): Promise<void> {
  const { relay } = counterBlockOf(task.counters);
  const writer = new MarketWriter(task.memory, counters);
  const { target, relayPrefix, nodeName: node } = options;
  const link = {
    open: () => openRedis(target),
    node,
    run: task.run,
    maxQueuedBytes: options.relayMaxQueuedBytes,
    log,
  };
  relayedExchange = new RelayedExchange({
    ...link,
    keys: linkKeys(relayPrefix),
    orderTimeoutMs: options.relayOrderTimeoutMs,
    counters,
    relayCounters: relay,
  });
  relayedHub = new RelayedHub({
    ...link,
    keys: hubKeys(relayPrefix),
    publishTimeoutMs: options.relayOrderTimeoutMs,
    counters: relay,
  });
  const relayed = [relayedExchange.run(stop.signal), relayedHub.run(stop.signal)];
  // What a producer before this one has told may still be there.
  let told: string | undefined | null = null;
  const edge = new EdgeRelay({
    target,
    keys: relayKeys(relayPrefix),
    markets: new RelayedMarkets(
      writer,
      new RelayedPublications(publications, relay),
      counters,
      relay,
      log,
    ),
    counters: relay,
    ready: (epoch) => {
      opened = true;
      tell({ type: "ready", epoch });
    },
    health: (reason) => {
      if (reason === told) return;
      told = reason;
      tell({ type: "relay", reason });
    },
    log,
  });
  try {
    await edge.run(stop.signal);
    await Promise.all(relayed);
  } catch (error) {
    if (!(error instanceof EpochEndedError)) throw error;
    log.info("the origin has begun another epoch");
    tell({ type: "epoch-ended" });
    setImmediate(() => process.exit());
  }
}

function feedEnded(how: string): void {
  tell({ type: "feed-ended", reason: `feed ${task.feed.feed} ${how}` });
}

/** Says of the wall clock what an operator has to see to. */
function clockLog(logger: Logger): (report: ClockReport) => void {
  return (report) => {
    switch (report.type) {
      case "behind":
        return logger.error(
          { aheadS: report.micros / 1e6 },
          "the clock is behind the time that was told; ts all but stands still until it has caught up",
        );
      case "leapt":
        return logger.error(
          { leapS: report.micros / 1e6 },
          "the clock has leapt ahead; ts follows it in a minute, unless it is set back before",
        );
      case "caught-up":
        return logger.info("the clock has caught up with the time that was told");
      case "followed":
        return logger.info("ts goes by the clock again, wherever it is");
      default:
        return report satisfies never;
    }
  };
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
