import {
  type CounterBlock,
  type CounterSection,
  counted,
  countedOfEncodings,
  MAIN,
  PRODUCER,
  SHARD,
} from "./counters.js";
import { RELAY } from "./relay-counters.js";
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

/**
 * All that operators are told of a server.
 * @param ready whether a shard takes sockets
 * @param role what it is among several nodes; undefined where it is alone
 */
export function serverFigures(
  system: SystemState,
  counters: CounterBlock,
  {
    ready,
    role,
  }: { readonly ready: (shard: number) => boolean; readonly role: RelayRole | undefined },
) {
  return {
    status: {
      ...systemStatus(system, counters),
      ...(role === "standby" && { state: role }),
    },
    shards: counters.shards.map((section, shard) => ({
      shard,
      ready: ready(shard),
      ...shardFigures(section),
    })),
    ...(role === undefined ? {} : { relay: { role, ...relayFigures(counters.relay) } }),
  };
}

/** What a node is to the others of its relay; a standby becomes the origin when that ends. */
export type RelayRole = "origin" | "standby" | "edge";

/** What a relay has counted, for operators: an origin's, of what it appended, or an edge's, of what it took in. */
function relayFigures(section: CounterSection) {
  return {
    connected: counted(section, RELAY.connected) === 1,
    origin: counted(section, RELAY.fence),
    batch: counted(section, RELAY.batch),
    entries: counted(section, RELAY.entries),
    records: counted(section, RELAY.records),
    bytes: counted(section, RELAY.bytes),
    lag_s: counted(section, RELAY.lagS),
    gaps: counted(section, RELAY.gaps),
    dropped: counted(section, RELAY.dropped),
    reconnects: counted(section, RELAY.reconnects),
    trades_fetched: counted(section, RELAY.tradesFetched),
    trades_lost: counted(section, RELAY.tradesLost),
  };
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
