import {
  type CounterBlock,
  counted,
  countedOfEncodings,
  MAIN,
  PRODUCER,
  SHARD,
} from "./counters.js";
import type { SystemState } from "./system-state.js";

/** The `status` of a `SystemStatus` message, from what main said last and the counters. */
export function systemStatus(system: SystemState, counters: CounterBlock) {
  return {
    state: system.state,
    reasons: [...system.reasons],
    connections: counters.shards.reduce((sum, shard) => sum + connectionsOf(shard), 0),
    shards: counters.shards.length,
    markets: counted(counters.producer, PRODUCER.markets),
    messages_per_second: counted(counters.main, MAIN.messagesPerSecond),
    uptime_s: Math.floor((Date.now() - system.startedAt) / 1000),
    version: system.version,
  };
}

/** WebSocket connections of a shard, in all encodings. */
export function connectionsOf(shard: Float64Array): number {
  return countedOfEncodings(shard, SHARD.connections);
}
