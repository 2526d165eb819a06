import autocannon from "autocannon";
import type { BenchOptions, BenchReport } from "./support/bench-options.js";
import { LoadClient } from "./support/load-client-process.js";
import { progress } from "./support/progress.js";
import { type ServerUnderTest, startServer } from "./support/server-under-test.js";
import { formatTable } from "./support/table.js";
import { connectAll } from "./support/trial.js";
import { seconds } from "./support/wait.js";

const CONNECTIONS = 500;
/** Updates a second, to all connections: well beyond what can be delivered. */
const SATURATING_RATE = 64_000;
const MARKETS = 1000;
/** What autocannon asks a second, over its connections. */
const REQUESTS_PER_SECOND = 500;
/**
 * Requests to a connection. autocannon does not count the last one before it reconnects, so that the
 * first of two is what is measured: connect, accept, request and answer.
 */
const REQUESTS_PER_CONNECTION = 2;
const ASKING_CONNECTIONS = 10;
const WARMUP_SECONDS = 2;
const SAMPLE_EVERY = 997;

interface Row {
  readonly phase: "before" | "during";
  readonly asked: string;
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  readonly statuses: string;
  readonly failed: number;
}

/**
 * Asks the main thread and the public port over HTTP, a new connection each time, first alone and
 * then during a saturating fan-out: what an accept has to wait for.
 */
export async function runHttp({ short }: BenchOptions): Promise<BenchReport> {
  const durationSeconds = short ? 2 : 10;
  const offer = { rate: SATURATING_RATE, markets: MARKETS, batchMax: 1, messageBytes: 0 };
  const server = await startServer("marketcast", offer);
  const client = LoadClient.start();
  try {
    await askAll(server, "before", WARMUP_SECONDS);
    const before = await askAll(server, "before", durationSeconds);
    await connectAll(server, client, CONNECTIONS);
    await seconds(WARMUP_SECONDS);
    await client.interval(SAMPLE_EVERY);
    const during = await askAll(server, "during", durationSeconds);
    const { frames, seconds: elapsed } = await client.interval(SAMPLE_EVERY);
    const rows = [...before, ...during];
    console.log(rowsTable(rows));
    const deliveredPerSecond = frames / elapsed;
    console.log(`\nmeanwhile, during: ${(deliveredPerSecond / 1e6).toFixed(2)} M deliveries/s`);
    return {
      parameters: {
        connections: CONNECTIONS,
        saturatingRate: SATURATING_RATE,
        requestsPerSecond: REQUESTS_PER_SECOND,
        askingConnections: ASKING_CONNECTIONS,
        durationSeconds,
      },
      results: { rows, deliveredPerSecond },
      targets: [],
    };
  } finally {
    await client.stop();
    await server.stop();
  }
}

/** Paths of the public port, with an answer from memory, and one that is made of a hundred markets. */
const PUBLIC_PATHS = ["/", "/v3/markets?limit=100"] as const;

async function askAll(
  server: ServerUnderTest,
  phase: Row["phase"],
  durationSeconds: number,
): Promise<Row[]> {
  const rows = [
    await ask(
      `http://127.0.0.1:${server.opsPort}/healthz`,
      phase,
      "main, /healthz",
      durationSeconds,
    ),
  ];
  for (const path of PUBLIC_PATHS) {
    const url = `http://127.0.0.1:${server.port}${path}`;
    rows.push(await ask(url, phase, `public port, ${path}`, durationSeconds));
  }
  return rows;
}

async function ask(
  url: string,
  phase: Row["phase"],
  asked: string,
  duration: number,
): Promise<Row> {
  progress(`http: ${asked}, ${phase} saturation`);
  const { requests, latency, errors, timeouts, statusCodeStats } = await autocannon({
    url,
    duration,
    connections: ASKING_CONNECTIONS,
    overallRate: REQUESTS_PER_SECOND,
    reconnectRate: REQUESTS_PER_CONNECTION,
  });
  return {
    phase,
    asked,
    requestsPerSecond: requests.average,
    p50Ms: latency.p50,
    p99Ms: latency.p99,
    maxMs: latency.max,
    statuses: Object.keys(statusCodeStats).join(", "),
    failed: errors + timeouts,
  };
}

function rowsTable(rows: readonly Row[]): string {
  return formatTable(
    ["asked", "saturation", "req/s", "p50 ms", "p99 ms", "max ms", "status", "failed"],
    rows.map(({ asked, phase, requestsPerSecond, p50Ms, p99Ms, maxMs, statuses, failed }) => [
      asked,
      phase,
      Math.round(requestsPerSecond),
      p50Ms,
      p99Ms,
      maxMs,
      statuses,
      failed,
    ]),
  );
}
