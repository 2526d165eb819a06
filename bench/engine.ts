import { performance } from "node:perf_hooks";
import type { Command } from "../src/engine/commands.js";
import { Engine } from "../src/engine/engine.js";
import type { OrderBook } from "../src/engine/order-book.js";
import { ReferenceOrderBook } from "../src/engine/reference-order-book.js";
import { TrieOrderBook } from "../src/engine/trie-order-book.js";
import { DecimalScale } from "../src/shared/decimal-scale.js";
import {
  ADD_PERCENT,
  type BookStream,
  bookStream,
  CANCEL_PERCENT,
  engineCommands,
  KIND,
  MARKET_ID,
  OWNERS,
} from "./engine-stream.js";
import type { BenchOptions, BenchReport } from "./support/bench-options.js";
import { progress } from "./support/progress.js";
import { median } from "./support/statistics.js";
import { formatTable } from "./support/table.js";
import { atLeast, atMost, formatTargets } from "./support/target-checks.js";

const SEED = 1;
const DEPTHS = [100, 1_000, 10_000, 100_000];
/** Beyond it the reference takes minutes to be filled alone. */
const REFERENCE_DEPTH_MAX = 10_000;
/** The depth that the targets are about. */
const TARGET_DEPTH = 10_000;
/** Commands between two looks at the clock, and, of the engine, between two takings of changes. */
const BATCH = 200;

const BOOKS = {
  trie: () => new TrieOrderBook(),
  reference: () => new ReferenceOrderBook(),
} satisfies Record<string, () => OrderBook>;
type BookName = keyof typeof BOOKS;
const NAMES: readonly BookName[] = ["trie", "reference"];

interface Latency {
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

interface Row {
  readonly depth: number;
  readonly book: BookName;
  readonly commandsPerSecond: number;
  /** Of one command, in ns, the clock's own time included. */
  readonly latency: Latency;
}

interface EngineRow {
  readonly book: BookName;
  readonly commandsPerSecond: number;
}

interface Run {
  readonly rounds: number;
  readonly commands: number;
  /** A slow book does as much of the stream as it gets done in this time. */
  readonly budgetMs: number;
}

/** Takes one command in a book; what it traded goes into `sink`. */
function take(book: OrderBook, stream: BookStream, index: number): void {
  const orderId = stream.orderId[index] as number;
  const kind = stream.kind[index];
  if (kind === KIND.cancel) {
    sink += book.cancel(orderId);
    return;
  }
  const side = stream.buy[index] === 1 ? "Buy" : "Sell";
  const price = stream.price[index] as number;
  const quantity = stream.quantity[index] as number;
  const owner = stream.owner[index] as number;
  if (kind === KIND.add) book.add(orderId, side, price, quantity, owner);
  else sink += book.match(side, price, quantity, owner, countFill);
}

/** Results go here, so that the compiler cannot leave them out. */
let sink = 0;
const countFill = (_orderId: number, _price: number, quantity: number): void => {
  sink += quantity;
};

/** Measures the order books at several depths, side by side, and the whole engine on each of them. */
export async function runEngine({ short }: BenchOptions): Promise<BenchReport> {
  const run: Run = short
    ? { rounds: 1, commands: 20_000, budgetMs: 100 }
    : { rounds: 5, commands: 1_000_000, budgetMs: 1_000 };
  const rows = DEPTHS.flatMap((depth) => measureBooks(depth, run));
  const engineRows = measureEngine(run);
  if (!Number.isFinite(sink)) throw new RangeError("a command returned no number");
  const clockNs = clockOverhead();
  const micros = (ns: number): string => (ns / 1000).toFixed(2);
  console.log(
    formatTable(
      ["resting orders", "book", "k commands/s", "p50 µs", "p99 µs", "p99.9 µs", "max µs"],
      rows.map(({ depth, book, commandsPerSecond, latency }) => [
        depth,
        book,
        Math.round(commandsPerSecond / 1000),
        micros(latency.p50),
        micros(latency.p99),
        micros(latency.p999),
        micros(latency.max),
      ]),
    ),
  );
  console.log(`\nlatencies include the clock's own ${clockNs.toFixed(0)} ns\n`);
  console.log(
    formatTable(
      ["whole engine on", "k commands/s"],
      engineRows.map(({ book, commandsPerSecond }) => [book, Math.round(commandsPerSecond / 1000)]),
    ),
  );
  const targets = checkTargets(rows);
  console.log(`\n${formatTargets(targets)}`);
  return {
    parameters: {
      ...run,
      seed: SEED,
      depths: DEPTHS,
      addPercent: ADD_PERCENT,
      cancelPercent: CANCEL_PERCENT,
      owners: OWNERS,
      engineDepth: TARGET_DEPTH,
      engineBatch: BATCH,
    },
    results: { rows, engineRows, clockNs },
    targets,
  };
}

function checkTargets(rows: readonly Row[]): BenchReport["targets"] {
  const at = (book: BookName): Row =>
    rows.find((row) => row.depth === TARGET_DEPTH && row.book === book) as Row;
  const [trie, reference] = [at("trie"), at("reference")];
  const depth = TARGET_DEPTH.toLocaleString("en");
  return [
    atLeast(`M commands/s of the book at ${depth} orders`, trie.commandsPerSecond / 1e6, 1),
    atMost(`p99 of a command at ${depth} orders`, trie.latency.p99 / 1000, 10, " µs"),
    atLeast(
      `× the reference at ${depth} orders`,
      trie.commandsPerSecond / reference.commandsPerSecond,
      5,
    ),
  ];
}

function measureBooks(depth: number, { rounds, commands, budgetMs }: Run): Row[] {
  const stream = bookStream(SEED, depth, commands);
  const names = NAMES.filter((name) => name !== "reference" || depth <= REFERENCE_DEPTH_MAX);
  const rates: Record<BookName, number[]> = { trie: [], reference: [] };
  const latencies: Record<BookName, Latency[]> = { trie: [], reference: [] };
  for (let round = 0; round <= rounds; round++) {
    progress(`engine: books of ${depth} orders, round ${round} of ${rounds} (0 warms up)`);
    for (const name of names) {
      const rate = timeBatches(filled(name, stream), stream, budgetMs);
      const latency = timeCommands(filled(name, stream), stream, budgetMs);
      if (round === 0) continue;
      rates[name].push(rate);
      latencies[name].push(latency);
    }
  }
  return names.map((book) => ({
    depth,
    book,
    commandsPerSecond: median(rates[book]),
    latency: medianLatency(latencies[book]),
  }));
}

function filled(name: BookName, stream: BookStream): OrderBook {
  const book = BOOKS[name]();
  for (let index = 0; index < stream.depth; index++) take(book, stream, index);
  return book;
}

/** Commands per second, by batches. */
function timeBatches(book: OrderBook, stream: BookStream, budgetMs: number): number {
  const start = performance.now();
  let index = stream.depth;
  let elapsed = 0;
  while (index < stream.length && elapsed < budgetMs) {
    for (const end = index + BATCH; index < end; index++) take(book, stream, index);
    elapsed = performance.now() - start;
  }
  return ((index - stream.depth) * 1000) / elapsed;
}

/** The latency of each command. */
function timeCommands(book: OrderBook, stream: BookStream, budgetMs: number): Latency {
  const times = new Float64Array(stream.length - stream.depth);
  const end = performance.now() + budgetMs;
  let count = 0;
  for (let before = 0; count < times.length && before < end; ) {
    before = performance.now();
    take(book, stream, stream.depth + count);
    times[count++] = (performance.now() - before) * 1e6;
  }
  const sorted = times.subarray(0, count).sort();
  const at = (part: number): number => sorted[Math.floor((count - 1) * part)] as number;
  return { p50: at(0.5), p99: at(0.99), p999: at(0.999), max: at(1) };
}

function medianLatency(latencies: readonly Latency[]): Latency {
  const of = (key: keyof Latency): number => median(latencies.map((latency) => latency[key]));
  return { p50: of("p50"), p99: of("p99"), p999: of("p999"), max: of("max") };
}

/** What two looks at the clock with nothing between them make of it, in ns. */
function clockOverhead(): number {
  return median(
    Array.from({ length: 100_000 }, () => {
      const before = performance.now();
      return (performance.now() - before) * 1e6;
    }),
  );
}

/** The whole engine: orders, trades, positions and changes, which are taken after each batch. */
function measureEngine({ rounds, commands, budgetMs }: Run): EngineRow[] {
  const stream = bookStream(SEED, TARGET_DEPTH, commands);
  const all = engineCommands(stream);
  const rates: Record<BookName, number[]> = { trie: [], reference: [] };
  for (let round = 0; round <= rounds; round++) {
    progress(`engine: whole engine, round ${round} of ${rounds} (0 warms up)`);
    for (const name of NAMES) {
      const engine = newEngine(name);
      for (const command of all.slice(0, stream.depth)) engine.execute(command, 0);
      engine.takeChanges();
      const start = performance.now();
      let index = stream.depth;
      let elapsed = 0;
      while (index < all.length && elapsed < budgetMs) {
        for (const end = index + BATCH; index < end; index++)
          sink += engine.execute(all[index] as Command, index).length;
        sink += engine.takeChanges().orders.length;
        elapsed = performance.now() - start;
      }
      if (round > 0) rates[name].push(((index - stream.depth) * 1000) / elapsed);
    }
  }
  return NAMES.map((book) => ({ book, commandsPerSecond: median(rates[book]) }));
}

function newEngine(name: BookName): Engine {
  const engine = new Engine(
    {
      maxOpenOrders: Infinity,
      maxClientOrderIds: Infinity,
      maxAllClientOrderIds: Infinity,
      clientOrderIdRetentionMicros: 0,
    },
    BOOKS[name],
  );
  engine.list({
    marketId: MARKET_ID,
    status: "Active",
    priceScale: DecimalScale.of(0.001) as DecimalScale,
    quantityScale: DecimalScale.of(1) as DecimalScale,
  });
  return engine;
}
