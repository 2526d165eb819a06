import {
  type CounterBlock,
  counted,
  PRODUCER,
  PUBLICATION_DROPS,
  SHARD,
} from "../counters/counters.js";
import { type Add, byShardOf, type Sample, sumOf } from "./metric-samples.js";

/** What is counted of the channels that users publish to. */
export function addChannelMetrics(add: Add, { producer, shards }: CounterBlock): void {
  const single = (word: number): readonly Sample[] => [
    { labels: {}, value: counted(producer, word) },
  ];
  add("counter", "publications_total", "What was published to private channels", () =>
    single(PRODUCER.publications),
  );
  add(
    "counter",
    "publications_refused_total",
    "Publications refused: over a rate, without room for another channel, or lost with the hub",
    () =>
      Object.entries({
        rate:
          counted(producer, PRODUCER.publicationsRateLimited) +
          sumOf(shards, SHARD.publishesRateLimited),
        channels: counted(producer, PRODUCER.publicationsCrowdedOut),
        unavailable: sumOf(shards, SHARD.publishesUnavailable),
      }).map(([reason, value]) => ({ labels: { reason }, value })),
  );
  add("gauge", "channels", "Private channels that are known", () => single(PRODUCER.channels));
  add("gauge", "channel_history_bytes", "What is kept of their publications", () =>
    single(PRODUCER.channelHistoryBytes),
  );
  add(
    "counter",
    "channel_history_dropped_total",
    "Publications dropped from their channel's history, by the bound that asked for it",
    () =>
      PUBLICATION_DROPS.map((by, index) => ({
        labels: { by },
        value: counted(producer, PRODUCER.publicationsDropped + index),
      })),
  );
  const byShard = byShardOf(add, shards);
  byShard(
    "counter",
    "publication_ring_lapped_total",
    SHARD.publicationsLapped,
    "Times the ring of publications overtook the shard",
  );
  byShard(
    "counter",
    "publications_overwritten_total",
    SHARD.publicationsOverwritten,
    "Publications overwritten before the shard read them, which it then took from their histories",
  );
}
