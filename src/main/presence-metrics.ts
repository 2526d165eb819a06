import { type CounterBlock, counted, PRODUCER, SHARD } from "../counters/counters.js";
import { type Add, perShard } from "./metric-samples.js";

/** Who watches whose presence. */
export function addPresenceMetrics(add: Add, { producer, shards }: CounterBlock): void {
  const ofHub = (name: string, word: number, help: string): void =>
    add("gauge", name, help, () => [{ labels: {}, value: counted(producer, word) }]);
  add(
    "gauge",
    "shard_presence_keys",
    "Markets and private channels whose presence the shard's connections watch",
    () => perShard(shards, SHARD.presenceKeys),
  );
  ofHub(
    "presence_keys",
    PRODUCER.presenceKeys,
    "Markets and private channels whose presence somebody watches",
  );
  ofHub("presence_users", PRODUCER.presenceUsers, "Users of them that are told apart, of each");
  ofHub(
    "presence_keys_over",
    PRODUCER.presenceKeysOver,
    "Those of them with more users than are told apart",
  );
}
