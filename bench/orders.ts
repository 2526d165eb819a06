import { type ChildProcess, fork } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import jwt from "jsonwebtoken";
import type { BenchOptions, BenchReport } from "./support/bench-options.js";
import { hasEnded, nextMessage, waitForExit } from "./support/child.js";
import { LoadClient } from "./support/load-client-process.js";
import type { LatencySummary } from "./support/load-messages.js";
import { readMetrics } from "./support/ops-metrics.js";
import type {
  OrderInterval,
  OrderReplyMessage,
  OrderRequestMessage,
} from "./support/order-messages.js";
import { cpuSeconds } from "./support/process-figures.js";
import { progress } from "./support/progress.js";
import { type ServerUnderTest, startMarketcastWith } from "./support/server-under-test.js";
import { median } from "./support/statistics.js";
import { formatTable } from "./support/table.js";
import { atLeast, atMost, formatTargets } from "./support/target-checks.js";
import { connectAll } from "./support/trial.js";
import { seconds } from "./support/wait.js";

const ORDER_CLIENT = fileURLToPath(new URL("./support/order-client.js", import.meta.url));
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

interface Round {
  readonly fanOut: boolean;
  readonly ordersPerSecond: number;
  readonly refused: number;
  readonly latency: LatencySummary;
  readonly deliveriesPerSecond: number;
  readonly deliveryLatency: LatencySummary;
  readonly ordersPerCommit: number;
  readonly commitMs: number;
  readonly serverCores: number;
  readonly clientCores: number;
}

/**
 * Orders through the socket, each acknowledged when it is on disk, without and with a fan-out beside
 * them: {@link TRADERS} connections that send an order as soon as they have the last one's answer.
 */
export async function runOrders({ short }: BenchOptions): Promise<BenchReport> {
  const parameters: Parameters = short ? SHORT : FULL;
  const simulationRate = await calibrate(parameters);
  const rounds: Round[] = [];
  for (let round = 1; round <= parameters.rounds; round++) {
    for (const fanOut of [false, true]) {
      progress(`orders: ${fanOut ? "with" : "without"} fan-out, round ${round}`);
      rounds.push(await runRound(parameters, fanOut, simulationRate));
    }
  }
  console.log(roundsTable(rounds));
  const beside = rounds.filter(({ fanOut }) => fanOut);
  const medianOf = (figure: (round: Round) => number): number => median(beside.map(figure));
  const targets = [
    atLeast(
      "durable orders/s beside the fan-out",
      medianOf(({ ordersPerSecond }) => ordersPerSecond),
      10_000,
    ),
    atMost(
      "p99 from order to acknowledgement",
      medianOf(({ latency }) => latency.p99) / 1000,
      20,
      " ms",
    ),
    atLeast(
      "fan-out meanwhile, deliveries/s",
      medianOf(({ deliveriesPerSecond }) => deliveriesPerSecond),
      DELIVERIES_PER_SECOND,
    ),
  ];
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
    results: { rounds },
    targets,
  };
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

function runRound(parameters: Parameters, fanOut: boolean, rate: number): Promise<Round> {
  return withServer(rate, async (server) => {
    const traders = await OrderClient.start(server);
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
        fanOut,
        ordersPerSecond: orders.acknowledged / orders.seconds,
        refused: orders.refused,
        latency: orders.latency,
        deliveriesPerSecond: deliveries.frames / deliveries.seconds,
        deliveryLatency: deliveries.latency,
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

/** The order client in a process of its own. */
class OrderClient {
  readonly #child: ChildProcess = fork(ORDER_CLIENT);

  static async start({ port, path, subprotocol }: ServerUnderTest): Promise<OrderClient> {
    const client = new OrderClient();
    const paths = Array.from({ length: TRADERS }, (_, trader) => {
      const claims = { sub: `trader-${trader}`, wallet: `trader-${trader}` };
      return `${path}?token=${jwt.sign(claims, SECRET, { expiresIn: "1h" })}`;
    });
    const marketIds = orderIds;
    await client.#ask({
      kind: "start",
      port,
      subprotocol: subprotocol as string,
      paths,
      marketIds,
    });
    return client;
  }

  async interval(): Promise<OrderInterval> {
    return (await this.#ask({ kind: "interval" })) as OrderInterval;
  }

  async stop(): Promise<void> {
    if (hasEnded(this.#child)) return;
    await this.#ask({ kind: "stop" });
    const exit = waitForExit(this.#child);
    this.#child.disconnect();
    await exit;
  }

  async #ask(request: OrderRequestMessage): Promise<OrderReplyMessage> {
    const reply = nextMessage<OrderReplyMessage>(this.#child);
    this.#child.send(request);
    return await reply;
  }
}

function roundsTable(rounds: readonly Round[]): string {
  const ms = (micros: number): string => (micros / 1000).toFixed(1);
  return formatTable(
    [
      "fan-out",
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
      round.fanOut ? "with" : "without",
      Math.round(round.ordersPerSecond),
      round.refused,
      ms(round.latency.p50),
      ms(round.latency.p99),
      ms(round.latency.p999),
      round.fanOut ? Math.round(round.deliveriesPerSecond) : undefined,
      round.fanOut ? ms(round.deliveryLatency.p50) : undefined,
      round.fanOut ? ms(round.deliveryLatency.p99) : undefined,
      round.ordersPerCommit.toFixed(1),
      round.commitMs.toFixed(2),
      round.serverCores.toFixed(2),
      round.clientCores.toFixed(2),
    ]),
  );
}
