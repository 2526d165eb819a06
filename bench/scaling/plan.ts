import type { Costs } from "./costs.js";

/** What is asked of all nodes together. */
export interface Load {
  readonly connections: number;
  readonly markets: number;
  /** Records a second that the origin relays, of all markets. */
  readonly recordsPerSecond: number;
  /** Messages a second that each connection is sent, each by itself. */
  readonly messagesPerConnection: number;
}

/** What there is of a machine, and which share of it may be used in normal times. */
export interface Machine {
  readonly cores: number;
  readonly memoryBytes: number;
  readonly networkBitsPerSecond: number;
  readonly share: number;
}

/** A thing that runs out first. */
export type Limit = "memory" | "processor" | "network";

export interface Plan {
  /** Connections of an edge, by what limits them, and the least of these. */
  readonly perEdge: Readonly<Record<Limit, number>>;
  readonly limit: Limit;
  readonly connectionsPerEdge: number;
  /** Edges that are needed, one more than that, which may die, and the connections that each has then. */
  readonly edges: number;
  /** Cores of Redis that are used, and bits a second that leave it. */
  readonly redisCores: number;
  readonly redisBitsPerSecond: number;
  /** Edges that one Redis can serve, by its one thread and by its network. */
  readonly edgesPerRedis: Readonly<Record<"processor" | "network" | "nodes", number>>;
  /** Seconds of all cores of the others to take the connections of an edge that dies. */
  readonly takeOverSeconds: number;
}

/** An origin appends at most so many entries a second. */
const ENTRIES_PER_SECOND_MAX = 1000;
/** One that has nothing to say says so twice a second. */
const ENTRIES_PER_SECOND_MIN = 2;
/** Edges that an origin serves. */
const EDGES_MAX = 1000;
/** What a message takes on the wire beside its payload: frame, TCP, IP and Ethernet, each message in a segment. */
const WIRE_BYTES = 4 + 32 + 20 + 38;
const MICROS = 1e6;

/** What a load asks for, where each thing costs what it was measured to. */
export function planOf(costs: Costs, load: Load, edge: Machine, redis: Machine): Plan {
  const { connections, markets, recordsPerSecond, messagesPerConnection } = load;
  const memory =
    (edge.memoryBytes * edge.share - costs.nodeBytes - markets * costs.marketBytes) /
    costs.connectionBytes;
  // Every shard reads every record, and there is one a core.
  const ofRecords = edge.cores * recordsPerSecond * costs.edgeMicrosPerRecord;
  const processor =
    (edge.cores * MICROS * edge.share - ofRecords) / (messagesPerConnection * costs.deliveryMicros);
  const bits = 8 * (costs.messageBytes + WIRE_BYTES) * messagesPerConnection;
  const network = (edge.networkBitsPerSecond * edge.share) / bits;
  const perEdge = { memory, processor, network };
  const limit = (Object.keys(perEdge) as Limit[]).reduce((least, one) =>
    perEdge[one] < perEdge[least] ? one : least,
  );
  const connectionsPerEdge = Math.max(0, Math.floor(perEdge[limit]));
  const edges =
    connectionsPerEdge === 0 ? Infinity : Math.ceil(connections / connectionsPerEdge) + 1;

  const entries = Math.min(
    ENTRIES_PER_SECOND_MAX,
    Math.max(ENTRIES_PER_SECOND_MIN, recordsPerSecond),
  );
  // Headers of an answer, and the records of an entry.
  const readBytes = costs.redisBytesPerRead + (recordsPerSecond / entries - 1) * costs.recordBytes;
  const perRead = entries * costs.redisMicrosPerRead;
  const appends = entries * costs.redisMicrosPerEntry;
  const bitsPerEdge = 8 * entries * Math.max(readBytes, 0);
  return {
    perEdge,
    limit,
    connectionsPerEdge,
    edges,
    redisCores: (appends + edges * perRead) / MICROS,
    redisBitsPerSecond: edges * bitsPerEdge,
    edgesPerRedis: {
      // Commands are carried out by one thread, however many cores there are.
      processor: Math.floor((MICROS * redis.share - appends) / perRead),
      network: Math.floor((redis.networkBitsPerSecond * redis.share) / bitsPerEdge),
      nodes: EDGES_MAX,
    },
    takeOverSeconds:
      ((connections / edges) * costs.connectMicros) / (MICROS * edge.cores * (edges - 1)),
  };
}

/** What bends first as connections grow, and at how many. */
export function firstBend({ connectionsPerEdge, edgesPerRedis }: Plan): {
  readonly what: "Redis's thread" | "Redis's network" | "the origin's links";
  readonly connections: number;
} {
  const { processor, network, nodes } = edgesPerRedis;
  const edges = Math.min(processor, network, nodes);
  const what =
    edges === processor
      ? "Redis's thread"
      : edges === network
        ? "Redis's network"
        : "the origin's links";
  // One of them is to spare.
  return { what, connections: Math.max(0, edges - 1) * connectionsPerEdge };
}
