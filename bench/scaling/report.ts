import type { Costs } from "./costs.js";
import { firstBend, type Load, type Machine, type Plan, planOf } from "./plan.js";

/** Machines as one may rent them, of which half is used, so that a death or a burst finds room. */
export const EDGE: Machine = {
  cores: 16,
  memoryBytes: 64e9,
  networkBitsPerSecond: 10e9,
  share: 0.5,
};
export const REDIS: Machine = { ...EDGE, cores: 2, memoryBytes: 8e9 };

/** Prices that change now and then, an exchange's day, and a busy hour. */
export const LOADS: readonly (readonly [string, Omit<Load, "connections">])[] = [
  ["quiet", { markets: 1000, recordsPerSecond: 200, messagesPerConnection: 1 }],
  ["usual", { markets: 5000, recordsPerSecond: 2000, messagesPerConnection: 5 }],
  ["busy", { markets: 5000, recordsPerSecond: 20_000, messagesPerConnection: 20 }],
];
export const CONNECTIONS = [100_000, 10_000_000] as const;

const NAMES: Readonly<Record<keyof Costs, string>> = {
  nodeBytes: "a node without connections, bytes",
  connectionBytes: "an idle connection with a subscription, bytes",
  marketBytes: "a market on a node, bytes",
  deliveryMicros: "a message to a connection, µs",
  messageBytes: "its payload, bytes",
  connectMicros: "a new connection, µs",
  edgeMicrosPerRecord: "a record on an edge, µs",
  recordBytes: "a record in Redis, bytes",
  redisMicrosPerEntry: "an entry, of Redis, µs",
  redisMicrosPerRead: "an entry to one edge, of Redis, µs",
  redisBytesPerRead: "an entry of one record to one edge, bytes",
};

export function costsTable(costs: Costs): string {
  const rows = Object.entries(NAMES).map(([key, name]) => [name, shown(costs[key as keyof Costs])]);
  return table(["cost", "figure"], rows);
}

export function plansTable(costs: Costs): string {
  const headings = [
    "connections",
    "load",
    "edges",
    "connections an edge",
    "by",
    "Redis, cores",
    "Redis, Mbit/s",
    "edge lost, ms",
    "first bend",
  ];
  const rows = CONNECTIONS.flatMap((connections) =>
    LOADS.map(([name, load]) =>
      rowOf(connections, name, planOf(costs, { ...load, connections }, EDGE, REDIS)),
    ),
  );
  return table(headings, rows);
}

function rowOf(connections: number, name: string, plan: Plan): string[] {
  const bend = firstBend(plan);
  return [
    connections.toLocaleString("en"),
    name,
    plan.edges.toLocaleString("en"),
    plan.connectionsPerEdge.toLocaleString("en"),
    plan.limit,
    plan.redisCores.toFixed(3),
    (plan.redisBitsPerSecond / 1e6).toFixed(1),
    Number((plan.takeOverSeconds * 1000).toPrecision(2)).toLocaleString("en"),
    `${bend.what}, ${(bend.connections / 1e6).toFixed(1)} M`,
  ];
}

/** Three digits are more than a measurement has. */
function shown(value: number): string {
  return Number(value.toPrecision(3)).toLocaleString("en");
}

/** A table as Markdown has it. */
function table(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  return [headings, headings.map(() => "---"), ...rows]
    .map((cells) => `| ${cells.join(" | ")} |`)
    .join("\n");
}
