import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { ArchiveEnvironment } from "../src/archive/archive-environment.js";
import { ArchiveReader } from "../src/archive/archive-reader.js";
import { ArchiveWriter } from "../src/archive/archive-writer.js";
import {
  ARCHIVIST,
  counted,
  counterBlockOf,
  createCounterBuffer,
} from "../src/counters/counters.js";
import { createMarketMemory } from "../src/ring/market-memory.js";
import type { ArchivistTask } from "../src/workers/archivist/messages.js";
import type { MainToRingReader } from "../src/workers/messages.js";
import { candlePage, tradePage } from "../src/workers/shard/requests/history-pages.js";
import type { ArchiveProducerInput } from "./archive-messages.js";
import type { BenchOptions, BenchReport } from "./support/bench-options.js";
import { progress } from "./support/progress.js";
import { formatTable } from "./support/table.js";
import { atLeast, atMost, formatTargets } from "./support/target-checks.js";

const MARKETS = 50;
const TRADES_PER_SECOND = 50_000;
const RING_BYTES = 1 << 26;
/** How often it is looked how far the archivist is behind, in ms. */
const LOOK_MS = 20;
const LAG_S_MAX = 1;
const ARCHIVED_MS_MAX = 60_000;
/** Trades of one commit of the archive that pages are read of: those of a tenth of a second. */
const TRADES_PER_COMMIT = TRADES_PER_SECOND / 10;
const PAGE_TRADES = 100;
const PAGE_MS_MAX = 5;
const BEGIN = 1_790_000_000_000_000;

const ARCHIVIST_WORKER = new URL("../src/workers/archivist/archivist-worker.js", import.meta.url);

/** Measures the archive: how fast it takes trades, and how long pages of history take. */
export async function runArchive({ short }: BenchOptions): Promise<BenchReport> {
  const seconds = short ? 1 : 20;
  const trades = short ? 100_000 : 10_000_000;
  const pages = short ? 200 : 20_000;
  const archiving = await inDirectory((dir) => archive(dir, seconds));
  console.log(
    formatTable(
      ["trades/s due", "told", "archived", "trades/s archived", "longest lag, s", "gaps"],
      [
        [
          TRADES_PER_SECOND,
          archiving.told,
          archiving.archived,
          Math.round(archiving.perSecond),
          archiving.lagS.toFixed(2),
          archiving.gaps,
        ],
      ],
    ),
  );
  const reading = await inDirectory((dir) => readPages(dir, trades, pages));
  console.log(
    `\n${formatTable(
      ["page of 100", "p50 ms", "p99 ms", "max ms"],
      [
        ["trades", ...figures(reading.trades)],
        ["candles of 1m", ...figures(reading.minutes)],
        ["candles of 1d", ...figures(reading.days)],
      ],
    )}`,
  );
  const isComplete = archiving.gaps === 0 && archiving.archived === archiving.told;
  const targets = [
    atLeast(
      "trades/s archived, all that were told",
      isComplete ? archiving.perSecond : undefined,
      // Starting and ending take their share of the time.
      TRADES_PER_SECOND * 0.95,
    ),
    atMost("longest time from a trade to the disk", archiving.lagS, LAG_S_MAX, " s"),
    atMost(
      `page of ${PAGE_TRADES} out of ${trades / 1e6} M trades, p99`,
      short ? undefined : quantile(reading.trades, 0.99),
      PAGE_MS_MAX,
      " ms",
    ),
  ];
  console.log(`\n${formatTargets(targets)}`);
  return {
    parameters: { seconds, trades, pages, markets: MARKETS, ringBytes: RING_BYTES },
    results: {
      archiving,
      buildSeconds: reading.buildSeconds,
      bytes: reading.bytes,
      pages: Object.fromEntries(
        (["trades", "minutes", "days"] as const).map((kind) => [kind, figures(reading[kind])]),
      ),
    },
    targets,
  };
}

async function inDirectory<T>(use: (dir: string) => Promise<T>): Promise<T> {
  const dir = await mkdtemp(join(tmpdir(), "marketcast-bench-archive-"));
  try {
    return await use(dir);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/** The archivist's thread on a ring into which trades are told as they are due. */
async function archive(dir: string, seconds: number) {
  const told = seconds * TRADES_PER_SECOND;
  progress(`archive: ${told} trades, ${TRADES_PER_SECOND} a second`);
  const counters = createCounterBuffer(1);
  const { archivist } = counterBlockOf(counters);
  const memory = createMarketMemory("bench", {
    ringSize: RING_BYTES,
    tradeRingSize: RING_BYTES,
    maxMarkets: MARKETS,
    maxTitleBytes: 64,
    bookDepth: 20,
  });
  const workerData: ArchivistTask = {
    archivist: true,
    counters,
    dir: join(dir, "archive"),
    storeIn: undefined,
    relayed: false,
    memories: [memory],
    memoriesLeftOut: false,
    damage: undefined,
    retentionMs: 1e9,
    bytesMax: 1e12,
    log: { level: "error", format: "json" },
  };
  const writer = new Worker(ARCHIVIST_WORKER, { workerData });
  while (counted(archivist, ARCHIVIST.generation) === 0) await sleep(LOOK_MS);
  const input: ArchiveProducerInput = {
    memory,
    counters,
    markets: MARKETS,
    tradesPerSecond: TRADES_PER_SECOND,
    trades: told,
  };
  const startedAt = performance.now();
  const producer = new Worker(new URL("./archive-producer.js", import.meta.url), {
    workerData: input,
  });
  let lagS = 0;
  while (counted(archivist, ARCHIVIST.trades) < told) {
    lagS = Math.max(lagS, counted(archivist, ARCHIVIST.lagS));
    if (performance.now() - startedAt > seconds * 1000 + ARCHIVED_MS_MAX) break;
    await sleep(LOOK_MS);
  }
  const elapsedS = (performance.now() - startedAt) / 1000;
  const ended = once(writer, "exit");
  writer.postMessage({ type: "stop" } satisfies MainToRingReader);
  await ended;
  await producer.terminate();
  const archived = counted(archivist, ARCHIVIST.trades);
  return {
    told,
    archived,
    perSecond: archived / elapsedS,
    lagS,
    gaps: counted(archivist, ARCHIVIST.gaps),
  };
}

/** Pages as a shard answers them, from anywhere in an archive of so many trades. */
async function readPages(dir: string, trades: number, pages: number) {
  progress(`archive: ${trades} trades are written`);
  const startedAt = performance.now();
  const writer = new ArchiveWriter(new ArchiveEnvironment(dir));
  writer.beginEpoch("bench");
  const markets = Array.from({ length: MARKETS }, (_, at) =>
    writer.market({ marketId: at + 1, tickSize: 0.01, lotSize: 1 }),
  );
  // A trade a market and second, as if they had come in over days.
  const stepMicros = Math.floor(1e6 / MARKETS);
  for (let number = 1; number <= trades; number++) {
    writer.append(markets[number % MARKETS] as number, {
      number,
      ts: BEGIN + number * stepMicros,
      seq: Math.ceil(number / MARKETS),
      price: 10_000 + (number % 100),
      quantity: 1 + (number % 10),
      takerSide: "Buy",
      tradeId: String(number),
    });
    if (number % TRADES_PER_COMMIT === 0) await writer.commit();
  }
  await writer.commit();
  const buildSeconds = (performance.now() - startedAt) / 1000;
  const bytes = writer.usedBytes;
  progress(
    `archive: ${pages} pages of each kind are read (written in ${buildSeconds.toFixed(0)} s)`,
  );
  const reader = new ArchiveReader(dir);
  const span = trades * stepMicros;
  const end = BEGIN + span;
  const times = (page: (market_id: number, to: number) => unknown) =>
    Array.from({ length: pages }, (_, at) => {
      // Anywhere, and the same at each run.
      const share = (at * 0.618033988749895) % 1;
      const began = performance.now();
      JSON.stringify(page((at % MARKETS) + 1, Math.floor(BEGIN + span * share)));
      return performance.now() - began;
    });
  const candles = (interval: "1m" | "1d") =>
    times(
      (market_id, to) =>
        candlePage(reader, { market_id, interval, to, limit: PAGE_TRADES }, end).page,
    );
  const result = {
    buildSeconds,
    bytes,
    trades: times((market_id, to) =>
      tradePage(reader, { market_id, to, limit: PAGE_TRADES }, "another"),
    ),
    minutes: candles("1m"),
    days: candles("1d"),
  };
  await reader.close();
  await writer.close();
  return result;
}

function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] as number;
}

function figures(values: readonly number[]): readonly string[] {
  return [0.5, 0.99, 1].map((share) => quantile(values, share).toFixed(2));
}
