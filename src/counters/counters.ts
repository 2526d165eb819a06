/*
 * The counter block: one section of f64 words per thread, each written by its thread alone and read
 * by any. No message collects a figure. Doubles count exactly to 2^53, and an aligned 8-byte word is
 * read and written whole on every platform Node runs on, so plain loads and stores will do.
 */

import { CHANNEL_TYPES } from "../contract/channel-kinds.js";
import { CLOSE_CODES, NO_CLOSE_CODE, NO_STATUS_CODE } from "../contract/close-codes.js";
import { ORDER_RULES, type OrderRule } from "../contract/order-rules.js";

const SECTION_WORDS = 256;

/**
 * Words of each list that has one for each encoding. A fixed number, as the words behind such a list
 * must be the same for every thread, whatever table each was given; see {@link requireWordsFor}.
 */
export const ENCODINGS_MAX = 16;

/** Upper bounds of the delivery latency histogram's buckets, in seconds; one more holds the rest. */
export const LATENCY_BUCKETS_S = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5,
] as const;

/** Close codes that are counted by themselves; others count under the last. */
export const COUNTED_CLOSE_CODES: readonly number[] = [
  ...Object.values(CLOSE_CODES),
  // A client that says no code, and one that says nothing.
  NO_STATUS_CODE,
  NO_CLOSE_CODE,
].sort((a, b) => a - b);

/** Why a shard refused a connection. */
export const REFUSALS = [
  "total",
  "address",
  "path",
  "handshake",
  "subprotocol",
  "origin",
  "auth",
  "timeout",
  "query",
  "proxy-header",
] as const;
export type Refusal = (typeof REFUSALS)[number];

/** Upper bounds of the buckets of the store's commit times, in seconds; one more holds the rest. */
export const COMMIT_BUCKETS_S = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5,
] as const;

/** What became of a `PlaceOrder` at the exchange; of a cancel only that it was `unavailable`. */
export const ORDER_RESULTS = [
  "open",
  "partially_filled",
  "filled",
  "cancelled",
  "duplicate",
  "rejected",
  "unavailable",
] as const;
export type OrderResult = (typeof ORDER_RESULTS)[number];

/** The rules that orders and amends break, in the order of their registry. */
export const BROKEN_RULES = Object.keys(ORDER_RULES) as OrderRule[];

/** Words of every thread's section. */
export const THREAD = {
  /** Moves while the thread's event loop turns; see the watchdog. */
  heartbeat: 0,
  /** The event loop's longest lag in the last half second, in seconds. */
  loopLagS: 1,
  /** Log lines that could not be written; the section's last word. */
  logDropped: SECTION_WORDS - 1,
} as const;

/**
 * Why messages since a `ts` were not replayed: overwritten or told before, not or not yet in the archive, yet to
 * come, too many, or of a channel that is not replayed.
 */
export const REPLAY_REFUSALS = ["window", "archive", "future", "messages", "channel"] as const;
export type ReplayRefusal = (typeof REPLAY_REFUSALS)[number];

/** Why publications are dropped from a channel's history: its bounds, those of all, or with the channel. */
export const PUBLICATION_DROPS = ["size", "time", "bytes", "channels"] as const;
export type PublicationDrop = (typeof PUBLICATION_DROPS)[number];

const publishing = 9 + COMMIT_BUCKETS_S.length + 1 + ORDER_RESULTS.length + 5 + BROKEN_RULES.length;
const presence = publishing + 6 + PUBLICATION_DROPS.length;

/** Words of the producer's section. */
export const PRODUCER = {
  ...THREAD,
  ringRecords: 2,
  tradeRecords: 3,
  markets: 4,
  rejected: 5,
  definitionsRefused: 6,
  /** Number of the ring's next record, modulo 2^32; it starts again with every epoch. */
  ringRecordNumber: 7,
  commitSumS: 8,
  commitBuckets: 9,
  ordersByResult: 9 + COMMIT_BUCKETS_S.length + 1,
  /** Client order ids that the exchange remembers. */
  clientOrderIds: 9 + COMMIT_BUCKETS_S.length + 1 + ORDER_RESULTS.length,
  /** The latest `ts` that was told, or is about to be; it outlives the producer. */
  latestTs: 9 + COMMIT_BUCKETS_S.length + 1 + ORDER_RESULTS.length + 1,
  /** Order sessions that wait for their clients to come back. */
  sessionsWaiting: 9 + COMMIT_BUCKETS_S.length + 1 + ORDER_RESULTS.length + 2,
  /** Those that have ended because too many of one wallet waited. */
  sessionsCrowdedOut: 9 + COMMIT_BUCKETS_S.length + 1 + ORDER_RESULTS.length + 3,
  /** Market orders of clients that a price band has stopped. */
  ordersStoppedByBand: 9 + COMMIT_BUCKETS_S.length + 1 + ORDER_RESULTS.length + 4,
  /** Orders and amends of clients that were refused, by rule. */
  refusedByRule: 9 + COMMIT_BUCKETS_S.length + 1 + ORDER_RESULTS.length + 5,
  /** What users and operators have published. */
  publications: publishing,
  /** The highest `seq` of any; it outlives the producer. */
  publicationSeq: publishing + 1,
  /** Refused for a user's rate, and where there was no room for another channel. */
  publicationsRateLimited: publishing + 2,
  publicationsCrowdedOut: publishing + 3,
  /** Channels that are known, and what their histories take, in bytes. */
  channels: publishing + 4,
  channelHistoryBytes: publishing + 5,
  publicationsDropped: publishing + 6,
  /** Markets and private channels whose presence is watched, users kept of them, and those of which not all are kept. */
  presenceKeys: presence,
  presenceUsers: presence + 1,
  presenceKeysOver: presence + 2,
  /** Requests of other nodes that came too late; batches that no standby has confirmed in time. */
  requestsTooLate: presence + 3,
  batchesHeld: presence + 4,
} as const;

/** Those words of a shard's section that are one value each, beside a thread's. */
const SHARD_VALUES = {
  /** Sockets the shard holds, upgraded or not. */
  sockets: 2,
  bytesSent: 7,
  messagesReceived: 8,
  /** Number of the next record that the shard reads; see the producer's. */
  ringRecordNumber: 9,
  lapped: 10,
  tradesLost: 11,
  conflated: 12,
  slowConsumersClosed: 13,
  rateLimited: 14,
  queuedBytes: 15,
  audiences: 16,
  latencySumS: 17,
  /** Orders and cancels that wait for the exchange. */
  ordersPending: 18,
  /** Orders and cancels that could not be passed on to the exchange, or were lost with it. */
  ordersUnavailable: 19,
  /** Orders over the limit per second. */
  ordersRateLimited: 20,
  /** Connections whose requests wait for their turn or for an allowance. */
  requestsWaiting: 21,
  /** Times that requests waited for the allowance of their connection, or of its address. */
  requestsDelayedByConnection: 22,
  requestsDelayedByAddress: 23,
  /** Connections whose socket has not taken all that was written to it. */
  blockedConnections: 24,
  /** Connections whose requests wait until first data that they asked for are sent. */
  loadingConnections: 25,
  /** Filters of `Markets` that are evaluated, but for that of every market. */
  distinctFilters: 26,
  /** What was given to sockets past their streams, and through them. */
  nativeSends: 27,
  ordinarySends: 28,
  /** Series of candles that are kept. */
  candleSeries: 29,
  /** Queries to the archive, and how long they took in all, in seconds. */
  archiveQueries: 30,
  archiveQuerySumS: 31,
  /** Connections that take batches, and those that compression was negotiated for. */
  batchedConnections: 32,
  compressedConnections: 33,
  /** Payloads compressed, each for all who are sent it; their bytes, and the time it took. */
  compressions: 34,
  deflatedBytesBefore: 35,
  deflatedBytesAfter: 36,
  compressionS: 37,
  /** Payloads that went as they were, as compressing had taken its share of a turn. */
  compressionsLeftOut: 38,
  /** Compressed messages of clients, their bytes, and those that were refused. */
  inflations: 39,
  inflatedBytesBefore: 40,
  inflatedBytesAfter: 41,
  inflationsRefused: 42,
  /** Channels whose `since` was replayed, and messages replayed, to whoever was slow as well. */
  replays: 43,
  replayedMessages: 44,
  /** `ts` of the oldest record that the windows of trades and of states still have; 0 where they are empty. */
  oldestTradeTs: 45,
  oldestStateTs: 46,
  /** Times that the ring of publications overtook the shard, and what it lost by that before it was repaired. */
  publicationsLapped: 47,
  publicationsOverwritten: 48,
  /** Publishes that could not be passed on to the hub, or were lost with it, and those over a connection's rate. */
  publishesUnavailable: 49,
  publishesRateLimited: 50,
  /** Markets and private channels whose presence the shard's connections watch. */
  presenceKeys: 51,
} as const;

const latency = Math.max(...Object.values(SHARD_VALUES)) + 1;
const closed = latency + LATENCY_BUCKETS_S.length + 1;
const subscriptions = closed + COUNTED_CLOSE_CODES.length + 1;
const refused = subscriptions + CHANNEL_TYPES.length;
const http = refused + REFUSALS.length;
const connections = http + 2;
const messagesSent = connections + ENCODINGS_MAX;
const replaysRefused = messagesSent + ENCODINGS_MAX;

/** Words of a shard's section. Where a word begins a list, the list's order is that of its constant. */
export const SHARD = {
  ...THREAD,
  ...SHARD_VALUES,
  latencyBuckets: latency,
  closedByCode: closed,
  subscriptionsByChannel: subscriptions,
  refusedByReason: refused,
  /** HTTP requests, upgrades among them, and those that had to wait for their time. */
  httpRequests: http,
  httpRequestsDelayed: http + 1,
  /** WebSocket connections and messages by encoding, in the order of the table of encodings. */
  connections,
  messagesSent,
  replaysRefused,
} as const;

/** Words that describe the present; a shard that starts anew clears them and keeps its totals. */
export const SHARD_GAUGES: readonly (readonly [word: number, count: number])[] = [
  [SHARD.sockets, 1],
  [SHARD.connections, ENCODINGS_MAX],
  [SHARD.queuedBytes, 1],
  [SHARD.audiences, 1],
  [SHARD.ordersPending, 1],
  [SHARD.requestsWaiting, 1],
  [SHARD.blockedConnections, 1],
  [SHARD.loadingConnections, 1],
  [SHARD.distinctFilters, 1],
  [SHARD.candleSeries, 1],
  [SHARD.presenceKeys, 1],
  [SHARD.batchedConnections, 1],
  [SHARD.compressedConnections, 1],
  [subscriptions, CHANNEL_TYPES.length],
];

/** Why the operations port ended a connection: for a newcomer, or because it took too long. */
export const OPS_DROPS = ["newcomer", "timeout"] as const;
export type OpsDrop = (typeof OPS_DROPS)[number];

/** What the operations port refuses requests with. */
export const OPS_REFUSALS = [400, 401, 403, 404, 405, 409, 413, 415, 421, 431, 503] as const;

/** Words of the main thread's section. */
export const MAIN = {
  ...THREAD,
  accepted: 2,
  connections: 3,
  /** Messages sent a second, over all shards, in the last second. */
  messagesPerSecond: 4,
  destroyed: 5,
  /** Connections to the operations port, those that it dropped, and requests that it refused. */
  opsConnections: 6,
  opsDropped: 7,
  opsRefused: 7 + OPS_DROPS.length,
} as const;

if (
  replaysRefused + REPLAY_REFUSALS.length > THREAD.logDropped ||
  PRODUCER.requestsTooLate >= THREAD.logDropped
)
  throw new Error("counters: a section is too small");

/** Words of the archivist's section. */
export const ARCHIVIST = {
  ...THREAD,
  trades: 2,
  gaps: 3,
  /** Bytes of the archive's records. */
  bytes: 4,
  /** How old the oldest trade of the last commit was when it was on disk, in seconds. */
  lagS: 5,
  /** Which archive may be opened, by a number that goes up; 0 while none may. */
  generation: 6,
  /** The numbers that were given out. */
  generations: 7,
  /** Threads started. */
  starts: 8,
} as const;

/** One thread's words. */
export type CounterSection = Float64Array;

export interface CounterBlock {
  readonly main: CounterSection;
  readonly producer: CounterSection;
  readonly archivist: CounterSection;
  readonly relay: CounterSection;
  readonly shards: readonly CounterSection[];
}

/** Sections before those of the shards. */
const OTHER_SECTIONS = 4;

/** Shared memory for the counters of main, producer, archivist, relay and `shards` shards. */
export function createCounterBuffer(shards: number): SharedArrayBuffer {
  return new SharedArrayBuffer((OTHER_SECTIONS + shards) * SECTION_WORDS * 8);
}

export function counterBlockOf(buffer: SharedArrayBuffer): CounterBlock {
  const section = (index: number): CounterSection =>
    new Float64Array(buffer, index * SECTION_WORDS * 8, SECTION_WORDS);
  const shards = buffer.byteLength / 8 / SECTION_WORDS - OTHER_SECTIONS;
  return {
    main: section(0),
    producer: section(1),
    archivist: section(2),
    relay: section(3),
    shards: Array.from({ length: shards }, (_, shard) => section(OTHER_SECTIONS + shard)),
  };
}

export function count(section: CounterSection, word: number, by = 1): void {
  section[word] = (section[word] as number) + by;
}

export function counted(section: CounterSection, word: number): number {
  return section[word] as number;
}

/** Throws for a table of encodings of which some would have no words of their own. */
export function requireWordsFor({ length }: readonly unknown[]): void {
  if (length > ENCODINGS_MAX)
    throw new Error(`counters: ${length} encodings, and words for ${ENCODINGS_MAX}`);
}

/** What a list with a word for each encoding counts in all. */
export function countedOfEncodings(section: CounterSection, word: number): number {
  let sum = 0;
  for (let encoding = 0; encoding < ENCODINGS_MAX; encoding++)
    sum += counted(section, word + encoding);
  return sum;
}

/**
 * Counts a value of a list, in the word of its place.
 * @param word the list's first word
 */
export function countListed<const T>(
  section: CounterSection,
  word: number,
  list: readonly T[],
  value: NoInfer<T>,
  by = 1,
): void {
  const index = list.indexOf(value);
  if (index < 0) throw new Error(`counters: ${String(value)} has no word`);
  count(section, word + index, by);
}

/** The same for values that may be others as well; those count together, in the word behind the list. */
export function countListedOrOther<T>(
  section: CounterSection,
  word: number,
  list: readonly T[],
  value: T,
): void {
  const index = list.indexOf(value);
  count(section, word + (index < 0 ? list.length : index));
}

/** Adds `weight` observations of `seconds` to the delivery latency histogram. */
export function observeLatency(section: CounterSection, seconds: number, weight: number): void {
  const bucket = bucketOf(LATENCY_BUCKETS_S, seconds);
  count(section, SHARD.latencyBuckets + bucket, weight);
  count(section, SHARD.latencySumS, seconds * weight);
}

/** Adds a commit of the store to its histogram. */
export function observeCommit(section: CounterSection, seconds: number): void {
  count(section, PRODUCER.commitBuckets + bucketOf(COMMIT_BUCKETS_S, seconds));
  count(section, PRODUCER.commitSumS, seconds);
}

function bucketOf(bounds: readonly number[], seconds: number): number {
  let bucket = 0;
  while (bucket < bounds.length && seconds > (bounds[bucket] as number)) bucket++;
  return bucket;
}

/** Notes that the section's thread is alive and how late its event loop runs. */
export function beat(section: CounterSection, loopLagS: number): void {
  count(section, THREAD.heartbeat);
  section[THREAD.loopLagS] = loopLagS;
}
