import { setTimeout as sleep } from "node:timers/promises";
import { EntryWriter } from "../src/relay/entry-form.js";
import { openRedis, type RedisLink } from "../src/relay/redis-link.js";
import { entryId, idBehind } from "../src/relay/relay-keys.js";
import { nowMicros } from "../src/shared/clock.js";
import { relayTargetOf } from "../src/shared/relay-url.js";
import { cpuSeconds, residentBytes } from "./support/process-figures.js";
import { progress } from "./support/progress.js";
import type { RunningRedis } from "./support/redis-peer.js";
import { startMarketcastWith } from "./support/server-under-test.js";
import { formatTable } from "./support/table.js";

const ENTRY_INTERVAL_MS = 1;
/** How many edges read; the difference is what one costs. */
const READERS = [0, 4, 16] as const;
const ENTRIES_PER_READ = 32;
const BLOCK_MS = 500;
const WINDOW_ENTRIES = 60_000;
const SETTLE_MS = 1000;
/** Markets of two servers, whose difference is what one costs. */
const FEW_MARKETS = 100;
const MANY_MARKETS = { full: 20_000, short: 2000 };
const STREAM = "bench-scaling:stream";

interface RedisRun {
  readonly readers: number;
  readonly entries: number;
  readonly microsPerEntry: number;
  readonly bytesPerEntry: number;
}

/**
 * Measures what is in none of the other sections of what `bench/scaling` reckons with: what an entry costs Redis for
 * itself and for each edge, and what a market takes of a node's memory.
 */
export async function measureScaling(redis: RunningRedis, short: boolean) {
  const seconds = short ? 1 : 10;
  const runs: RedisRun[] = [];
  for (const readers of READERS) {
    progress(`relay: entries that ${readers} edges read`);
    runs.push(await measureReaders(redis, readers, seconds));
  }
  const markets = short ? MANY_MARKETS.short : MANY_MARKETS.full;
  const marketBytes = await measureMarkets(markets);
  const [alone, most] = [runs[0], runs.at(-1)] as [RedisRun, RedisRun];
  const results = {
    runs,
    marketBytes,
    redisMicrosPerEntry: alone.microsPerEntry,
    redisMicrosPerRead: (most.microsPerEntry - alone.microsPerEntry) / most.readers,
    redisBytesPerRead: (most.bytesPerEntry - alone.bytesPerEntry) / most.readers,
  };
  console.log(
    `\n${formatTable(
      ["edges that read", "entries/s", "Redis µs an entry", "bytes sent an entry"],
      runs.map(({ readers, entries, microsPerEntry, bytesPerEntry }) => [
        readers,
        Math.round(entries / seconds),
        microsPerEntry.toFixed(1),
        bytesPerEntry.toFixed(0),
      ]),
    )}\n\n${Math.round(marketBytes)} bytes a market`,
  );
  return { parameters: { seconds, readers: READERS, markets }, results, targets: [] };
}

/** Processor time and bytes of Redis for each entry, of one market's price, that so many edges read as it comes. */
async function measureReaders(
  redis: RunningRedis,
  readers: number,
  seconds: number,
): Promise<RedisRun> {
  const target = relayTargetOf(`redis://127.0.0.1:${redis.port}`);
  const writer = await openRedis(target);
  await writer.send(["DEL", STREAM]);
  const stop = new AbortController();
  const links = await Promise.all(Array.from({ length: readers }, () => openRedis(target)));
  const reading = links.map((link) => read(link, stop.signal));
  const sent = await sentBytes(writer);
  const cpu = cpuSeconds(redis.pid);
  const entries = await append(writer, seconds);
  const microsPerEntry = ((cpuSeconds(redis.pid) - cpu) * 1e6) / entries;
  const bytesPerEntry = ((await sentBytes(writer)) - sent) / entries;
  stop.abort();
  for (const link of [...links, writer]) link.close();
  await Promise.all(reading);
  return { readers, entries, microsPerEntry, bytesPerEntry };
}

/** Appends an entry and waits a millisecond, as an origin does; returns how many. */
async function append(link: RedisLink, seconds: number): Promise<number> {
  const entry = new EntryWriter();
  const begin = performance.now();
  const trim = ["MAXLEN", "~", String(WINDOW_ENTRIES)];
  let batch = 0;
  const sent: Promise<unknown>[] = [];
  while (performance.now() - begin < seconds * 1000) {
    entry.begin(nowMicros());
    entry.trade(TRADE);
    const bytes = entry.finish({ ...HEAD, batch: ++batch });
    sent.push(link.send(["XADD", STREAM, ...trim, entryId(batch, 1), "e", bytes]));
    await sleep(ENTRY_INTERVAL_MS);
  }
  await Promise.all(sent);
  return batch;
}

const HEAD = { epoch: "bench", fence: 1, gap: false, begins: false, ends: false } as const;
const TRADE = {
  slot: 1,
  tradeNumber: 1,
  seq: 1,
  ts: 1,
  price: 1000,
  quantity: 5,
  takerSide: "Buy",
  tradeId: "",
} as const;

/** Reads as an edge does, but for what it does with what it has read. */
async function read(link: RedisLink, signal: AbortSignal): Promise<void> {
  const command = ["XREAD", "COUNT", String(ENTRIES_PER_READ), "BLOCK", String(BLOCK_MS)];
  let last = idBehind(0);
  while (!signal.aborted) {
    try {
      const reply = await link.send([...command, "STREAMS", STREAM, last], 0);
      if (reply === null) continue;
      type Entries = readonly (readonly [Buffer, unknown])[];
      const [[, entries]] = reply as unknown as readonly [readonly [Buffer, Entries]];
      last = String(entries.at(-1)?.[0]);
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }
}

async function sentBytes(link: RedisLink): Promise<number> {
  const text = String(await link.send(["INFO", "stats"]));
  return Number(/^total_net_output_bytes:(\d+)/m.exec(text)?.[1]);
}

/** VmRSS of a node with many markets less that of one with few, by their difference. */
async function measureMarkets(many: number): Promise<number> {
  const weigh = async (markets: number): Promise<number> => {
    progress(`relay: memory with ${markets} markets`);
    const flags = { feed: "synthetic", "feed-rate": 1, "max-markets": many };
    const server = await startMarketcastWith({ ...flags, "feed-markets": markets }, []);
    await sleep(SETTLE_MS);
    const bytes = residentBytes(server.pid);
    await server.stop();
    return bytes;
  };
  const few = await weigh(FEW_MARKETS);
  return ((await weigh(many)) - few) / (many - FEW_MARKETS);
}
