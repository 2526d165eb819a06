import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readMetrics } from "./support/ops-metrics.js";
import { OrderClient } from "./support/order-client-process.js";
import { cpuSeconds } from "./support/process-figures.js";
import { progress } from "./support/progress.js";
import type { RunningRedis } from "./support/redis-peer.js";
import { type ServerUnderTest, startMarketcastWith } from "./support/server-under-test.js";
import { median } from "./support/statistics.js";
import { formatTable } from "./support/table.js";
import { atLeast, atMost } from "./support/target-checks.js";
import { seconds } from "./support/wait.js";

const TRADERS = 64;
const MARKETS = 10;
const FIRST_MARKET_ID = 1001;
const PER_SECOND = 5000;
const ADDED_P50_MS_MAX = 3;
const SECRET = "the secret of nodes that live for one bench";
const MARKET_IDS = Array.from({ length: MARKETS }, (_, index) => FIRST_MARKET_ID + index);

const FULL = { rounds: 3, warmupSeconds: 2, windowSeconds: 8 };
const SHORT = { rounds: 1, warmupSeconds: 1, windowSeconds: 2 };

type Place = "origin" | "edge";

interface Round {
  readonly place: Place;
  readonly traders: number;
  readonly ordersPerSecond: number;
  readonly refused: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly originCores: number;
  readonly edgeCores: number;
  readonly redisCores: number;
}

/**
 * Orders of an edge's clients, acknowledged when they are on the origin's disk, and those of the origin's own, in turn
 * with the same three processes.
 */
export async function measureRelayedOrders(redis: RunningRedis, short: boolean) {
  const parameters = { ...(short ? SHORT : FULL), traders: TRADERS, markets: MARKETS };
  const folder = mkdtempSync(join(tmpdir(), "marketcast-bench-"));
  const nodes: ServerUnderTest[] = [];
  try {
    const origin = await startOrigin(redis, folder);
    nodes.push(origin);
    const edge = await startEdge(redis);
    nodes.push(edge);
    const rounds: Round[] = [];
    for (let round = 1; round <= parameters.rounds; round++)
      for (const traders of [1, TRADERS])
        for (const place of ["origin", "edge"] as const) {
          progress(`relay: orders of ${traders} at the ${place}, round ${round}`);
          rounds.push(await measure({ origin, edge, redis }, place, traders, parameters));
        }
    console.log(`\n${tableOf(rounds)}`);
    return { parameters, results: { rounds }, targets: targetsOf(rounds) };
  } finally {
    for (const node of nodes.reverse()) await node.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Nodes {
  readonly origin: ServerUnderTest;
  readonly edge: ServerUnderTest;
  readonly redis: RunningRedis;
}

function flagsOf(redis: RunningRedis) {
  return {
    relay: `redis://127.0.0.1:${redis.port}`,
    "relay-prefix": "bench-orders",
    "jwt-secret": SECRET,
    "max-orders-per-second": 1_000_000,
    "max-messages-per-second": 1_000_000,
  };
}

function startOrigin(redis: RunningRedis, folder: string): Promise<ServerUnderTest> {
  const marketsFile = join(folder, "markets.json");
  const entry = { status: "Active", tick_size: 0.001, lot_size: 1, max_price: 1 };
  const markets = MARKET_IDS.map((market_id) => ({
    market_id,
    title: `Market ${market_id}`,
    ...entry,
  }));
  writeFileSync(marketsFile, JSON.stringify(markets));
  const flags = {
    feed: "exchange",
    "markets-file": marketsFile,
    "sim-traders": 0,
    "max-open-orders": 1_000_000,
  };
  return startMarketcastWith({ ...flagsOf(redis), ...flags }, MARKET_IDS);
}

/** Resolves when the edge takes orders. */
async function startEdge(redis: RunningRedis): Promise<ServerUnderTest> {
  const edge = await startMarketcastWith({ ...flagsOf(redis), feed: "relay" }, MARKET_IDS);
  const linked = async (): Promise<boolean> => {
    const metrics = await readMetrics(edge.opsPort as number);
    return metrics.get("marketcast_relay_origin_linked") === 1;
  };
  while (!(await linked())) await seconds(0.1);
  return edge;
}

async function measure(
  { origin, edge, redis }: Nodes,
  place: Place,
  traders: number,
  { warmupSeconds, windowSeconds }: typeof FULL,
): Promise<Round> {
  const server = place === "origin" ? origin : edge;
  const load = { mix: "place", traders, marketIds: MARKET_IDS, secret: SECRET } as const;
  const clients = await OrderClient.start(server, load);
  try {
    await seconds(warmupSeconds);
    await clients.interval();
    const cpu = (): number[] => [origin, edge, redis].map(({ pid }) => cpuSeconds(pid));
    const before = cpu();
    await seconds(windowSeconds);
    const orders = await clients.interval();
    const [originCores = 0, edgeCores = 0, redisCores = 0] = cpu().map(
      (used, at) => (used - (before[at] ?? 0)) / orders.seconds,
    );
    if (orders.refusal !== undefined) progress(`relay: refused with ${orders.refusal}`);
    return {
      place,
      traders,
      ordersPerSecond: orders.acknowledged / orders.seconds,
      refused: orders.refused,
      p50Ms: orders.latency.p50 / 1000,
      p99Ms: orders.latency.p99 / 1000,
      originCores,
      edgeCores,
      redisCores,
    };
  } finally {
    await clients.stop();
  }
}

function tableOf(rounds: readonly Round[]): string {
  return formatTable(
    [
      "orders at",
      "in flight",
      "orders/s",
      "refused",
      "p50 ms",
      "p99 ms",
      "cores: origin",
      "edge",
      "Redis",
    ],
    rounds.map((round) => [
      `the ${round.place}`,
      round.traders,
      Math.round(round.ordersPerSecond),
      round.refused,
      round.p50Ms.toFixed(2),
      round.p99Ms.toFixed(2),
      round.originCores.toFixed(2),
      round.edgeCores.toFixed(2),
      round.redisCores.toFixed(2),
    ]),
  );
}

function targetsOf(rounds: readonly Round[]) {
  const medianOf = (place: Place, traders: number, figure: (round: Round) => number): number =>
    median(rounds.filter((one) => one.place === place && one.traders === traders).map(figure));
  const p50 = (place: Place): number => medianOf(place, 1, ({ p50Ms }) => p50Ms);
  const perSecond = (place: Place): number =>
    medianOf(place, TRADERS, ({ ordersPerSecond }) => ordersPerSecond);
  return [
    atLeast("durable orders/s from an edge", perSecond("edge"), PER_SECOND),
    atMost(
      "added to the median of the origin's own, one in flight",
      p50("edge") - p50("origin"),
      ADDED_P50_MS_MAX,
      " ms",
    ),
  ];
}
