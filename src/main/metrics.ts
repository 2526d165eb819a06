import { collectDefaultMetrics, type Metric, Registry } from "prom-client";
import { CHANNEL_TYPES } from "../contract/channel-kinds.js";
import { CLOSE_CODES } from "../contract/close-codes.js";
import { ENCODINGS } from "../contract/encodings.js";
import {
  ARCHIVIST,
  COMMIT_BUCKETS_S,
  COUNTED_CLOSE_CODES,
  type CounterBlock,
  type CounterSection,
  counted,
  LATENCY_BUCKETS_S,
  MAIN,
  OPS_DROPS,
  OPS_REFUSALS,
  ORDER_RESULTS,
  PRODUCER,
  REFUSALS,
  requireWordsFor,
  SHARD,
  THREAD,
} from "../counters/counters.js";
import { nowMicros } from "../shared/clock.js";
import { addChannelMetrics } from "./channel-metrics.js";
import { addFramingMetrics } from "./framing-metrics.js";
import {
  type Add,
  byShardOf,
  type MetricType,
  perShard,
  type Sample,
  sumOf,
} from "./metric-samples.js";
import { addPresenceMetrics } from "./presence-metrics.js";
import { addRefusalMetrics } from "./refusal-metrics.js";
import { addRelayMetrics } from "./relay-metrics.js";
import { addReplayMetrics } from "./replay-metrics.js";

/** Whose allowance requests waited for. */
const DELAYED_BY = {
  connection: SHARD.requestsDelayedByConnection,
  address: SHARD.requestsDelayedByAddress,
} as const;
/** How frames reached their sockets. */
const SENT_BY = { native: SHARD.nativeSends, ordinary: SHARD.ordinarySends } as const;

/**
 * A registry whose metrics are read from the counter block when they are asked for.
 * @param encodings names of those of the block's shards, in the order of their indices
 */
export function createMetrics(
  block: CounterBlock,
  encodings: readonly string[] = ENCODINGS,
): Registry {
  requireWordsFor(encodings);
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const add = (
    type: MetricType,
    name: string,
    help: string,
    read: () => readonly Sample[],
  ): void => {
    registry.registerMetric(sharedMetric(type, `marketcast_${name}`, help, read));
  };
  addMainMetrics(add, block);
  addOpsMetrics(add, block);
  addArchiveMetrics(add, block);
  addRelayMetrics(add, block);
  addShardMetrics(add, block);
  addReplayMetrics(add, block);
  addPresenceMetrics(add, block);
  addEncodingMetrics(add, block, encodings);
  addFramingMetrics(add, block);
  addRequestMetrics(add, block);
  addConnectionMetrics(add, block);
  addDeliveryMetrics(add, block);
  addTradingMetrics(add, block);
  addRefusalMetrics(add, block);
  addChannelMetrics(add, block);
  return registry;
}

/**
 * A metric that prom-client renders and nobody increments: its values live in shared memory. The
 * registry asks no more of a metric than its name and get().
 */
function sharedMetric(
  type: MetricType,
  name: string,
  help: string,
  read: () => readonly Sample[],
): Metric {
  const get = async () => ({
    name,
    help,
    type,
    values: read().map((sample) => ({ ...sample, metricName: sample.metricName ?? name })),
    aggregator: "sum",
  });
  return { name, get, reset: () => {} } as unknown as Metric;
}

const single = (value: number): readonly Sample[] => [{ labels: {}, value }];

function addMainMetrics(add: Add, { main, producer, shards }: CounterBlock): void {
  add("counter", "connections_accepted_total", "Sockets accepted", () =>
    single(counted(main, MAIN.accepted)),
  );
  add("counter", "connections_rejected_total", "Connections refused, by reason", () => [
    ...REFUSALS.map((reason, index) => ({
      labels: { reason },
      value: sumOf(shards, SHARD.refusedByReason + index),
    })),
    { labels: { reason: "destroyed" }, value: counted(main, MAIN.destroyed) },
  ]);
  add("counter", "connections_closed_total", "WebSocket connections ended, by close code", () =>
    [...COUNTED_CLOSE_CODES.map(String), "other"].map((code, index) => ({
      labels: { code },
      value: sumOf(shards, SHARD.closedByCode + index),
    })),
  );
  add(
    "counter",
    "slow_consumers_closed_total",
    `Connections closed with ${CLOSE_CODES.slowConsumer}`,
    () => single(sumOf(shards, SHARD.slowConsumersClosed)),
  );
  add("counter", "ring_records_total", "Records published on the ring of states and books", () =>
    single(counted(producer, PRODUCER.ringRecords)),
  );
  add("counter", "trades_total", "Trades published", () =>
    single(counted(producer, PRODUCER.tradeRecords)),
  );
  add("gauge", "ts_ahead_seconds", "How far the latest ts is ahead of the clock it waits for", () =>
    single(Math.max(0, counted(producer, PRODUCER.latestTs) - nowMicros()) / 1e6),
  );
  add("gauge", "markets", "Markets listed", () => single(counted(producer, PRODUCER.markets)));
  add("counter", "feed_rejected_total", "Lines or records of the feed that could not be used", () =>
    single(counted(producer, PRODUCER.rejected)),
  );
  add("counter", "feed_definitions_refused_total", "Markets that could not be listed", () =>
    single(counted(producer, PRODUCER.definitionsRefused)),
  );
  add("counter", "log_dropped_total", "Log lines that could not be written, of all threads", () =>
    single(sumOf([main, producer, ...shards], THREAD.logDropped)),
  );
  add(
    "gauge",
    "event_loop_lag_seconds",
    "Longest lag of the event loop in the last half second, by thread",
    () => [
      { labels: { thread: "main" }, value: counted(main, THREAD.loopLagS) },
      { labels: { thread: "producer" }, value: counted(producer, THREAD.loopLagS) },
      ...perShard(shards, THREAD.loopLagS).map(({ labels, value }) => ({
        labels: { thread: `shard-${labels["shard"]}` },
        value,
      })),
    ],
  );
}

function addArchiveMetrics(add: Add, { archivist, shards }: CounterBlock): void {
  const one = (type: MetricType, name: string, word: number, help: string): void =>
    add(type, name, help, () => single(counted(archivist, word)));
  one("counter", "archive_trades_total", ARCHIVIST.trades, "Trades archived");
  one("gauge", "archive_lag_seconds", ARCHIVIST.lagS, "Age of the last commit's oldest trade");
  one("gauge", "archive_bytes", ARCHIVIST.bytes, "Size of the archive's records");
  one("counter", "archive_gaps_total", ARCHIVIST.gaps, "Times that trades could not be archived");
  one("counter", "archivist_starts_total", ARCHIVIST.starts, "Threads started to archive");
  add("counter", "archive_queries_total", "Pages of history read", () =>
    single(sumOf(shards, SHARD.archiveQueries)),
  );
  add("counter", "archive_query_seconds_total", "Time that reading them took", () =>
    single(sumOf(shards, SHARD.archiveQuerySumS)),
  );
}

function addOpsMetrics(add: Add, { main }: CounterBlock): void {
  add("gauge", "ops_connections", "Connections to the operations port", () =>
    single(counted(main, MAIN.opsConnections)),
  );
  add(
    "counter",
    "ops_connections_dropped_total",
    "Connections that the operations port ended for a newcomer or because they took too long",
    () =>
      OPS_DROPS.map((reason, index) => ({
        labels: { reason },
        value: counted(main, MAIN.opsDropped + index),
      })),
  );
  add("counter", "ops_requests_refused_total", "Requests refused by the operations port", () =>
    [...OPS_REFUSALS.map(String), "other"].map((status, index) => ({
      labels: { status: `${status}` },
      value: counted(main, MAIN.opsRefused + index),
    })),
  );
}

function addShardMetrics(add: Add, { producer, shards }: CounterBlock): void {
  const byShard = byShardOf(add, shards);
  byShard("counter", "bytes_sent_total", SHARD.bytesSent, "Bytes of frames written to sockets");
  add("counter", "sends_total", "Writes to sockets: past Node's stream, or through it", () =>
    (["native", "ordinary"] as const).flatMap((way) =>
      perShard(shards, SENT_BY[way]).map(({ labels, value }) => ({
        labels: { ...labels, way },
        value,
      })),
    ),
  );
  byShard("counter", "messages_received_total", SHARD.messagesReceived, "Messages from clients");
  byShard("counter", "ring_lapped_total", SHARD.lapped, "Times the ring overtook the shard");
  byShard(
    "counter",
    "trades_lost_total",
    SHARD.tradesLost,
    "Trades overwritten before the shard read them",
  );
  byShard("counter", "conflated_total", SHARD.conflated, "Messages left out for newer ones");
  add("gauge", "ring_lag_records", "Records published that the shard has not read yet", () =>
    perShard(shards, SHARD.ringRecordNumber).map(({ labels, value }) => {
      // Wrap-safe; a reader that is a moment ahead of the counter has no lag.
      const lag = (counted(producer, PRODUCER.ringRecordNumber) - value) | 0;
      return { labels, value: Math.max(0, lag) };
    }),
  );
}

function addRequestMetrics(add: Add, { shards }: CounterBlock): void {
  const byShard = byShardOf(add, shards);
  byShard(
    "counter",
    "rate_limited_total",
    SHARD.rateLimited,
    "Client messages refused with RATE_LIMITED",
  );
  byShard(
    "gauge",
    "requests_waiting",
    SHARD.requestsWaiting,
    "Connections whose requests wait for their turn or for an allowance",
  );
  add("counter", "requests_delayed_total", "Times that requests waited for an allowance", () =>
    (["connection", "address"] as const).flatMap((of) =>
      perShard(shards, DELAYED_BY[of]).map(({ labels, value }) => ({
        labels: { ...labels, of },
        value,
      })),
    ),
  );
  byShard(
    "counter",
    "http_requests_total",
    SHARD.httpRequests,
    "HTTP requests on the public port, upgrades among them",
  );
  byShard(
    "counter",
    "http_requests_delayed_total",
    SHARD.httpRequestsDelayed,
    "HTTP requests over a limit per second, which had to wait",
  );
}

function addConnectionMetrics(add: Add, { shards }: CounterBlock): void {
  const byShard = byShardOf(add, shards);
  byShard("gauge", "sockets", SHARD.sockets, "Sockets held, upgraded or not");
  byShard(
    "gauge",
    "queued_bytes",
    SHARD.queuedBytes,
    "Bytes that wait for slow consumers and may not be dropped",
  );
  byShard(
    "gauge",
    "blocked_connections",
    SHARD.blockedConnections,
    "Connections whose socket has not taken all that was written to it",
  );
  byShard(
    "gauge",
    "loading_connections",
    SHARD.loadingConnections,
    "Connections whose requests wait until first data that they asked for are sent",
  );
  byShard(
    "gauge",
    "distinct_filters",
    SHARD.distinctFilters,
    "Filters of Markets that are evaluated, but for that of every market",
  );
  byShard(
    "gauge",
    "candle_series",
    SHARD.candleSeries,
    "Series of candles, each of a market and an interval, that are kept",
  );
  byShard("gauge", "audiences", SHARD.audiences, "Different sets of subscriptions");
  add(
    "gauge",
    "subscriptions",
    "Subscriptions by channel; each market of PriceFeed counts one",
    () =>
      CHANNEL_TYPES.map((channel, index) => ({
        labels: { channel },
        value: sumOf(shards, SHARD.subscriptionsByChannel + index),
      })),
  );
}

function addEncodingMetrics(
  add: Add,
  { shards }: CounterBlock,
  encodings: readonly string[],
): void {
  const byEncoding = (word: number): readonly Sample[] =>
    shards.flatMap((section, shard) =>
      encodings.map((name, encoding) => ({
        labels: { shard: `${shard}`, encoding: name },
        value: counted(section, word + encoding),
      })),
    );
  add("gauge", "connections", "WebSocket connections", () => byEncoding(SHARD.connections));
  add("counter", "messages_sent_total", "Messages written to sockets", () =>
    byEncoding(SHARD.messagesSent),
  );
}

function addDeliveryMetrics(add: Add, { shards }: CounterBlock): void {
  const name = "delivery_latency_seconds";
  const help = "Age of a write's oldest message, from the producer's ts to the socket";
  const words = { buckets: SHARD.latencyBuckets, sum: SHARD.latencySumS };
  add("histogram", name, help, () => histogram(name, LATENCY_BUCKETS_S, shards, words));
}

function addTradingMetrics(add: Add, { producer, shards }: CounterBlock): void {
  add(
    "counter",
    "orders_total",
    "PlaceOrder requests by what became of them; unavailable counts CancelOrder as well",
    () => [
      ...ORDER_RESULTS.filter((result) => result !== "unavailable").map((result) => ({
        labels: { result },
        value: counted(producer, PRODUCER.ordersByResult + ORDER_RESULTS.indexOf(result)),
      })),
      {
        labels: { result: "unavailable" },
        value:
          counted(producer, PRODUCER.ordersByResult + ORDER_RESULTS.indexOf("unavailable")) +
          sumOf(shards, SHARD.ordersUnavailable),
      },
      { labels: { result: "rate_limited" }, value: sumOf(shards, SHARD.ordersRateLimited) },
    ],
  );
  add("gauge", "orders_pending", "Orders and cancels that wait for the exchange", () =>
    perShard(shards, SHARD.ordersPending),
  );
  add("gauge", "client_order_ids", "Client order ids that are remembered, of all wallets", () =>
    single(counted(producer, PRODUCER.clientOrderIds)),
  );
  add("gauge", "sessions_waiting", "Order sessions that wait for their clients to come back", () =>
    single(counted(producer, PRODUCER.sessionsWaiting)),
  );
  add(
    "counter",
    "sessions_crowded_out_total",
    "Order sessions that ended because too many of one wallet waited",
    () => single(counted(producer, PRODUCER.sessionsCrowdedOut)),
  );
  const name = "store_commit_seconds";
  const words = { buckets: PRODUCER.commitBuckets, sum: PRODUCER.commitSumS };
  add("histogram", name, "Time from a commit's start until it is on disk", () =>
    histogram(name, COMMIT_BUCKETS_S, [producer], words),
  );
}

/** The samples of a histogram that sections keep together. */
function histogram(
  name: string,
  bounds: readonly number[],
  sections: readonly CounterSection[],
  words: { readonly buckets: number; readonly sum: number },
): readonly Sample[] {
  const metricName = `marketcast_${name}`;
  let total = 0;
  const buckets = [...bounds.map(String), "+Inf"].map((le, index) => {
    total += sumOf(sections, words.buckets + index);
    return { labels: { le }, value: total, metricName: `${metricName}_bucket` };
  });
  return [
    ...buckets,
    { labels: {}, value: sumOf(sections, words.sum), metricName: `${metricName}_sum` },
    { labels: {}, value: total, metricName: `${metricName}_count` },
  ];
}
