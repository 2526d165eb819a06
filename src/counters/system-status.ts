import {
  type CounterBlock,
  type CounterSection,
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
function connectionsOf(shard: Float64Array): number {
  return countedOfEncodings(shard, SHARD.connections);
}

/** What a shard has counted, for operators. */
export function shardFigures(section: CounterSection) {
  return {
    connections: connectionsOf(section),
    sockets: counted(section, SHARD.sockets),
    audiences: counted(section, SHARD.audiences),
    messages_sent: messagesSent(section),
    bytes_sent: counted(section, SHARD.bytesSent),
    conflated: counted(section, SHARD.conflated),
    lapped: counted(section, SHARD.lapped),
    event_loop_lag_s: counted(section, SHARD.loopLagS),
  };
}

/** Messages that a shard has sent, in all encodings. */
export function messagesSent(section: CounterSection): number {
  return countedOfEncodings(section, SHARD.messagesSent);
}
