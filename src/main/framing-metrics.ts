import { type CounterBlock, SHARD } from "../counters/counters.js";
import { type Add, byShardOf, type Labels, perShard } from "./metric-samples.js";

/** Of payloads that are compressed, one way or the other: how many, and what they are and become. */
export function addFramingMetrics(add: Add, { shards }: CounterBlock): void {
  const byShard = byShardOf(add, shards);
  byShard("gauge", "batched_connections", SHARD.batchedConnections, "Connections with batch=true");
  byShard(
    "gauge",
    "compressed_connections",
    SHARD.compressedConnections,
    "Connections with permessage-deflate",
  );
  const byDirection = (
    name: string,
    help: string,
    words: readonly (readonly [Labels, number])[],
  ): void =>
    add("counter", name, help, () =>
      words.flatMap(([more, word]) =>
        perShard(shards, word).map(({ labels, value }) => ({
          labels: { ...labels, ...more },
          value,
        })),
      ),
    );
  byDirection(
    "compressed_messages_total",
    "Messages and batches compressed, each once for all who are sent it, and messages inflated",
    [
      [{ direction: "out" }, SHARD.compressions],
      [{ direction: "in" }, SHARD.inflations],
    ],
  );
  byDirection("compression_bytes_total", "Bytes of these, plain and compressed", [
    [{ direction: "out", form: "plain" }, SHARD.deflatedBytesBefore],
    [{ direction: "out", form: "compressed" }, SHARD.deflatedBytesAfter],
    [{ direction: "in", form: "plain" }, SHARD.inflatedBytesAfter],
    [{ direction: "in", form: "compressed" }, SHARD.inflatedBytesBefore],
  ]);
  byShard("counter", "compression_seconds_total", SHARD.compressionS, "Time spent compressing");
  byShard(
    "counter",
    "compressions_left_out_total",
    SHARD.compressionsLeftOut,
    "Messages and batches sent as they are, as compressing had taken its share of a turn",
  );
  byShard(
    "counter",
    "inflations_refused_total",
    SHARD.inflationsRefused,
    "Compressed messages that closed their connection: too large, cut off, or no deflate data",
  );
}
