import { type CounterSection, counted } from "../counters/counters.js";

/** A metric's values, read when they are asked for. */
export type Labels = Record<string, string>;
export interface Sample {
  readonly labels: Labels;
  readonly value: number;
  readonly metricName?: string;
}
export type MetricType = "counter" | "gauge" | "histogram";

export type Add = (
  type: MetricType,
  name: string,
  help: string,
  read: () => readonly Sample[],
) => void;

/** Adds metrics that are one word of every shard's. */
export const byShardOf =
  (add: Add, shards: readonly CounterSection[]) =>
  (type: MetricType, name: string, word: number, help: string): void =>
    add(type, name, help, () => perShard(shards, word));

export function sumOf(shards: readonly CounterSection[], word: number): number {
  return shards.reduce((sum, section) => sum + counted(section, word), 0);
}

export function perShard(shards: readonly CounterSection[], word: number): readonly Sample[] {
  return shards.map((section, shard) => ({
    labels: { shard: `${shard}` },
    value: counted(section, word),
  }));
}
