import { median } from "../support/statistics.js";

/** What one unit of each thing costs. Times are those of a processor, in µs. */
export interface Costs {
  /** VmRSS of a node without connections, of an idle connection with a subscription, and of a market, in bytes. */
  readonly nodeBytes: number;
  readonly connectionBytes: number;
  readonly marketBytes: number;
  /** A message to a connection, where each is a write of its own, and its payload in bytes. */
  readonly deliveryMicros: number;
  readonly messageBytes: number;
  /** A record of the relay, as an edge takes it in, and its bytes, header included. */
  readonly edgeMicrosPerRecord: number;
  readonly recordBytes: number;
  /** What an entry costs Redis when it is appended, and for each edge that reads it; and what it sends to each. */
  readonly redisMicrosPerEntry: number;
  readonly redisMicrosPerRead: number;
  readonly redisBytesPerRead: number;
  /** A connection from its SYN to its upgrade, of the shard. */
  readonly connectMicros: number;
}

/** A tree of what `npm run bench -- … --json` has written. */
export type BenchJson = { readonly [key: string]: unknown };

/** The costs that files of the bench have; where several have one, the last one's counts. */
export function costsIn(files: readonly BenchJson[]): Partial<Costs> {
  const costs: Partial<Record<keyof Costs, number>> = {};
  const set = (name: keyof Costs, value: number | undefined): void => {
    if (value !== undefined && Number.isFinite(value)) costs[name] = value;
  };
  for (const file of files) {
    const fanout = at(file, "benches", "fanout");
    const idle = at(fanout, "results", "memory", "subscribed", "marketcast");
    set("connectionBytes", medianOf(idle, "bytesPerConnection"));
    set("nodeBytes", medianOf(idle, "bytesBefore"));
    // 100 updates/s to 500 connections: a message is a write.
    const rate = at(fanout, "results", "rates", "100", "marketcast");
    set("deliveryMicros", medianOf(rate, "serverMicrosPerDelivery"));
    set("messageBytes", numberAt(fanout, "parameters", "messageBytes"));
    const relay = at(file, "benches", "relay", "results");
    const delays = at(relay, "marketData", "delays");
    set("recordBytes", numberAt(delays, "bytesPerRecord"));
    set("edgeMicrosPerRecord", numberAt(relay, "marketData", "edgeMicrosPerRecord"));
    const scaling = at(relay, "scaling");
    for (const name of SCALING_COSTS) set(name, numberAt(scaling, name));
  }
  return costs;
}

/** What the relay's section `scaling` measures, by its names there. */
const SCALING_COSTS = [
  "marketBytes",
  "redisMicrosPerEntry",
  "redisMicrosPerRead",
  "redisBytesPerRead",
] as const satisfies readonly (keyof Costs)[];

/** What is at a path; undefined where it does not lead anywhere. */
function at(value: unknown, ...path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (inner, name) =>
      typeof inner === "object" && inner !== null ? (inner as BenchJson)[name] : undefined,
    value,
  );
}

function numberAt(value: unknown, ...path: readonly string[]): number | undefined {
  const found = at(value, ...path);
  return typeof found === "number" ? found : undefined;
}

/** The median of a figure in a list of trials; undefined where there are none. */
function medianOf(trials: unknown, name: string): number | undefined {
  if (!Array.isArray(trials) || trials.length === 0) return undefined;
  const figures = trials.map((trial) => numberAt(trial, name));
  return figures.some((figure) => figure === undefined)
    ? undefined
    : median(figures as readonly number[]);
}
