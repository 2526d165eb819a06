import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BenchOptions, BenchReport, TargetCheck } from "./support/bench-options.js";
import { type HandOver, measureHandOver } from "./support/hand-over.js";
import { LoadClient } from "./support/load-client-process.js";
import type { LatencySummary } from "./support/load-messages.js";
import { readMetrics } from "./support/ops-metrics.js";
import { OrderClient } from "./support/order-client-process.js";
import { BATCH_ORDERS, type OrderMix } from "./support/order-messages.js";
import { cpuSeconds } from "./support/process-figures.js";
import { progress } from "./support/progress.js";
import { measureRedis, type RedisFigures } from "./support/redis-peer.js";
import { type ServerUnderTest, startMarketcastWith } from "./support/server-under-test.js";
import { median } from "./support/statistics.js";
import { formatTable } from "./support/table.js";
import { atLeast, atMost, formatTargets } from "./support/target-checks.js";
import { connectAll } from "./support/trial.js";
import { seconds } from "./support/wait.js";

/** Connections that place orders, one in flight each. */
const TRADERS = 64;
/** Connections that take in the fan-out. */
const SUBSCRIBERS = 500;
const DELIVERIES_PER_SECOND = 50_000;
/** The first markets are for the fan-out and its simulated traders, the others for the orders. */
const FAN_OUT_MARKETS = 10;
const ORDER_MARKETS = 10;
const FIRST_MARKET_ID = 1001;
const SIM_TRADERS = 4;
const SAMPLE_EVERY = 97;
const SECRET = "the secret of a server that lives for one bench";

const FULL = { rounds: 3, calibrationSeconds: 3, warmupSeconds: 3, windowSeconds: 8 };
const SHORT = { rounds: 1, calibrationSeconds: 1, warmupSeconds: 1, windowSeconds: 2 };
type Parameters = typeof FULL;

/** What is measured, each on a fresh server. */
interface Case {
  readonly name: string;
  readonly mix: OrderMix;
  readonly traders: number;
  readonly fanOut: boolean;
}

const CASES = [
  { name: "orders", mix: "place", traders: TRADERS, fanOut: false },
  { name: "beside the fan-out", mix: "place", traders: TRADERS, fanOut: true },
  { name: "one in flight", mix: "place", traders: 1, fanOut: false },
  { name: "amends", mix: "amend", traders: TRADERS, fanOut: false },
  { name: "orders and cancels", mix: "cancel", traders: TRADERS, fanOut: false },
  { name: `batches of ${BATCH_ORDERS}`, mix: "batch", traders: TRADERS, fanOut: false },
] as const satisfies readonly Case[];
type CaseName = (typeof CASES)[number]["name"];

interface Round {
  readonly name: CaseName;
  readonly ordersPerSecond: number;
  readonly refused: number;
  readonly latency: LatencySummary;
  /** Undefined without a fan-out. */
  readonly deliveriesPerSecond: number | undefined;
  readonly deliveryLatency: LatencySummary | undefined;
  readonly ordersPerCommit: number;
  readonly commitMs: number;
  readonly serverCores: number;
  readonly clientCores: number;
}

/**
 * Orders through the socket, each acknowledged when it is on disk: {@link TRADERS} connections that send a request
 * as soon as they have the last one's answer. Beside them, as a peer, Redis with every write on disk before its answer.
 */
export async function runOrders({ short }: BenchOptions): Promise<BenchReport> {
  const parameters: Parameters = short ? SHORT : FULL;
  const simulationRate = await calibrate(parameters);
  const rounds: Round[] = [];
  const redis: (RedisFigures | undefined)[] = [];
  for (let round = 1; round <= parameters.rounds; round++) {
    for (const one of CASES) {
      progress(`orders: ${one.name}, round ${round}`);
      rounds.push(await runRound(parameters, one, simulationRate));
    }
    progress(`orders: Redis, round ${round}`);
    redis.push(await measureRedis(TRADERS, parameters.windowSeconds));
  }
  console.log(roundsTable(rounds));
  const handOver = measureHandOver(short);
  console.log(
    `\nhanding over between a shard and the exchange, µs each:\n\n${handOverTable(handOver)}`,
  );
  const peers = redis.filter((one) => one !== undefined);
  const sets = median(peers.map(({ setsPerSecond }) => setsPerSecond));
  if (peers.length > 0)
    console.log(
      `\nRedis, appendfsync always, ${TRADERS} clients: ${Math.round(sets)} SETs/s, p99 ${median(peers.map(({ p99Ms }) => p99Ms)).toFixed(1)} ms`,
    );
  else console.log("\nRedis is not installed and could not be; it is left out");
  const targets = targetsOf(rounds);
  console.log(`\n${formatTargets(targets)}`);
  return {
    parameters: {
      ...parameters,
      traders: TRADERS,
      subscribers: SUBSCRIBERS,
      fanOutMarkets: FAN_OUT_MARKETS,
      orderMarkets: ORDER_MARKETS,
      simTraders: SIM_TRADERS,
      simulationRate,
    },
    results: { rounds, redis: peers, handOver },
    targets,
  };
}

function targetsOf(rounds: readonly Round[]): readonly TargetCheck[] {
  const medianOf = (name: CaseName, figure: (round: Round) => number): number =>
    median(rounds.filter((round) => round.name === name).map(figure));
  const perSecond = (name: CaseName): number =>
    medianOf(name, ({ ordersPerSecond }) => ordersPerSecond);
  const ms = (name: CaseName, percentile: "p50" | "p99"): number =>
    medianOf(name, ({ latency }) => latency[percentile]) / 1000;
  return [
    atLeast("durable orders/s alone", perSecond("orders"), 20_000),
    atMost("p99 of these", ms("orders", "p99"), 8, " ms"),
    atLeast("durable orders/s beside the fan-out", perSecond("beside the fan-out"), 10_000),
    atMost("p99 of these", ms("beside the fan-out", "p99"), 15, " ms"),
    atLeast(
      "fan-out meanwhile, deliveries/s",
      medianOf("beside the fan-out", ({ deliveriesPerSecond = 0 }) => deliveriesPerSecond),
      DELIVERIES_PER_SECOND,
    ),
    atMost("median with one in flight", ms("one in flight", "p50"), 1, " ms"),
    atLeast("durable amends/s", perSecond("amends"), 20_000),
    atMost("p99 of these", ms("amends", "p99"), 8, " ms"),
    atLeast("durable orders and cancels/s", perSecond("orders and cancels"), 20_000),
    atMost("p99 of these", ms("orders and cancels", "p99"), 8, " ms"),
    atLeast(`durable orders/s in batches of ${BATCH_ORDERS}`, perSecond(CASES[5].name), 60_000),
  ];
}

const idsFrom = (first: number, count: number): number[] =>
  Array.from({ length: count }, (_, index) => first + index);
const fanOutIds = idsFrom(FIRST_MARKET_ID, FAN_OUT_MARKETS);
const orderIds = idsFrom(FIRST_MARKET_ID + FAN_OUT_MARKETS, ORDER_MARKETS);

/** Runs something with a server whose simulated traders send `rate` commands a second. */
async function withServer<T>(
  rate: number,
  run: (server: ServerUnderTest) => Promise<T>,
): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "marketcast-bench-"));
  try {
    const marketsFile = join(folder, "markets.json");
    const entry = { status: "Active", tick_size: 0.001, lot_size: 1, max_price: 1 };
    const markets = [...fanOutIds, ...orderIds].map((market_id) => ({
      market_id,
      title: `Market ${market_id}`,
      ...entry,
    }));
    writeFileSync(marketsFile, JSON.stringify(markets));
    const flags = {
      feed: "exchange",
      "markets-file": marketsFile,
      "sim-traders": SIM_TRADERS,
      "feed-rate": Math.round(rate),
      "jwt-secret": SECRET,
      "max-orders-per-second": 1_000_000,
      "max-messages-per-second": 1_000_000,
      "max-open-orders": 1_000_000,
    };
    const server = await startMarketcastWith(flags, fanOutIds);
    try {
      return await run(server);
    } finally {
      await server.stop();
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The rate of the simulated traders at which a subscriber gets its share of the deliveries. */
async function calibrate({ calibrationSeconds }: Parameters): Promise<number> {
  progress("orders: rate of the simulated traders");
  const trialRate = 1000;
  const updatesPerSecond = await withServer(trialRate, async (server) => {
    const client = LoadClient.start();
    try {
      await connectAll(server, client, 1);
      await seconds(calibrationSeconds);
      await client.interval(SAMPLE_EVERY);
      await seconds(calibrationSeconds);
      const { frames, seconds: elapsed } = await client.interval(SAMPLE_EVERY);
      return frames / elapsed;
    } finally {
      await client.stop();
    }
  });
  // A little more, as rates vary.
  return (1.1 * trialRate * (DELIVERIES_PER_SECOND / SUBSCRIBERS)) / updatesPerSecond;
}

function runRound(
  parameters: Parameters,
  { name, mix, traders: count, fanOut }: (typeof CASES)[number],
  rate: number,
): Promise<Round> {
  return withServer(rate, async (server) => {
    const traders = await OrderClient.start(server, {
      mix,
      traders: count,
      marketIds: orderIds,
      secret: SECRET,
    });
    const subscribers = LoadClient.start();
    try {
      if (fanOut) await connectAll(server, subscribers, SUBSCRIBERS);
      await seconds(parameters.warmupSeconds);
      await Promise.all([traders.interval(), subscribers.interval(SAMPLE_EVERY)]);
      const before = await commitsOf(server);
      const cpuBefore = cpuSeconds(server.pid);
      await seconds(parameters.windowSeconds);
      const [orders, deliveries] = await Promise.all([
        traders.interval(),
        subscribers.interval(SAMPLE_EVERY),
      ]);
      const serverCores = (cpuSeconds(server.pid) - cpuBefore) / orders.seconds;
      const after = await commitsOf(server);
      if (orders.refusal !== undefined) progress(`orders: refused with ${orders.refusal}`);
      return {
        name,
        ordersPerSecond: orders.acknowledged / orders.seconds,
        refused: orders.refused,
        latency: orders.latency,
        deliveriesPerSecond: fanOut ? deliveries.frames / deliveries.seconds : undefined,
        deliveryLatency: fanOut ? deliveries.latency : undefined,
        ordersPerCommit: orders.acknowledged / (after.commits - before.commits),
        commitMs: (1000 * (after.seconds - before.seconds)) / (after.commits - before.commits),
        serverCores,
        clientCores: orders.cpuCores + deliveries.cpuCores,
      };
    } finally {
      await subscribers.stop();
      await traders.stop();
    }
  });
}

async function commitsOf({ opsPort }: ServerUnderTest) {
  const metrics = await readMetrics(opsPort as number);
  return {
    commits: metrics.get("marketcast_store_commit_seconds_count") ?? 0,
    seconds: metrics.get("marketcast_store_commit_seconds_sum") ?? 0,
  };
}

function handOverTable(rows: readonly HandOver[]): string {
  return formatTable(
    ["what", "in one message", "structured clone", "encoded buffer"],
    rows.map(({ what, items, structuredCloneUs, encodedBufferUs }) => [
      what,
      items,
      structuredCloneUs.toFixed(1),
      encodedBufferUs.toFixed(1),
    ]),
  );
}

function roundsTable(rounds: readonly Round[]): string {
  const ms = (micros: number): string => (micros / 1000).toFixed(1);
  return formatTable(
    [
      "",
      "orders/s",
      "refused",
      "p50 ms",
      "p99 ms",
      "p99.9 ms",
      "deliveries/s",
      "p50 ms",
      "p99 ms",
      "orders/commit",
      "commit ms",
      "server cores",
      "client cores",
    ],
    rounds.map((round) => [
      round.name,
      Math.round(round.ordersPerSecond),
      round.refused,
      ms(round.latency.p50),
      ms(round.latency.p99),
      ms(round.latency.p999),
      round.deliveriesPerSecond && Math.round(round.deliveriesPerSecond),
      round.deliveryLatency && ms(round.deliveryLatency.p50),
      round.deliveryLatency && ms(round.deliveryLatency.p99),
      round.ordersPerCommit.toFixed(1),
      round.commitMs.toFixed(2),
      round.serverCores.toFixed(2),
      round.clientCores.toFixed(2),
    ]),
  );
}
