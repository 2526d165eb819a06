import { once } from "node:events";
import { createHistogram, type RecordableHistogram } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { WebSocket } from "ws";
import { type EntryHead, EntryWriter } from "../src/relay/entry-form.js";
import { openRedis, type RedisLink } from "../src/relay/redis-link.js";
import { entryId, relayKeys } from "../src/relay/relay-keys.js";
import { RelayScripts } from "../src/relay/relay-scripts.js";
import type { MarketState } from "../src/ring/records.js";
import { nowMicros } from "../src/shared/clock.js";
import { relayTargetOf } from "../src/shared/relay-url.js";
import { measureRelayedOrders } from "./relay-orders.js";
import type { BenchOptions, BenchReport } from "./support/bench-options.js";
import { latencyOf } from "./support/due-time.js";
import { FIRST_MARKET_ID } from "./support/due-time-feed.js";
import { readMetrics } from "./support/ops-metrics.js";
import { cpuSeconds } from "./support/process-figures.js";
import { progress } from "./support/progress.js";
import { type RunningRedis, startRedis } from "./support/redis-peer.js";
import { type ServerUnderTest, startMarketcastWith } from "./support/server-under-test.js";
import { formatTable } from "./support/table.js";
import { atLeast, atMost, formatTargets } from "./support/target-checks.js";

const SECTIONS: readonly string[] = ["market-data", "orders"];
const RATE = 1000;
const MARKETS = 50;
/** Clients of the origin while its processor time is compared. */
const CLIENTS = 100;
const ADDED_P50_MS_MAX = 2;
const ADDED_P99_MS_MAX = 10;
const ADDED_CPU_PERCENT_MAX = 10;
const INTAKE_PER_SECOND = 100_000;
const RECORDS_PER_ENTRY = 100;
const SETTLE_MS = 1000;
const LOOK_MS = 20;
const PREFIX = "bench";
const DUE_TIME_FEED = fileURLToPath(new URL("./support/due-time-feed.js", import.meta.url));
const MARKET_IDS = Array.from({ length: MARKETS }, (_, index) => FIRST_MARKET_ID + index);

/**
 * Measures the relay, or one of its sections: with a Redis, an origin and an edge on this machine.
 */
export async function runRelay({ short, only }: BenchOptions): Promise<BenchReport> {
  if (only !== undefined && !SECTIONS.includes(only))
    throw new Error(`--only ${only}: the sections are ${SECTIONS.join(", ")}`);
  const redis = await startRedis({});
  if (redis === undefined) {
    console.log("there is no redis-server here, and it cannot be installed");
    return { parameters: {}, results: {}, targets: [] };
  }
  try {
    const marketData = only === "orders" ? undefined : await measureMarketData(redis, short);
    const orders = only === "market-data" ? undefined : await measureRelayedOrders(redis, short);
    const sections = { ...(marketData && { marketData }), ...(orders && { orders }) };
    const targets = Object.values(sections).flatMap((section) => section.targets);
    console.log(`\n${formatTargets(targets)}`);
    return {
      parameters: mapped(sections, ({ parameters }) => parameters),
      results: mapped(sections, ({ results }) => results),
      targets,
    };
  } finally {
    await redis.stop();
  }
}

/** What each section has of something, by the sections' names. */
function mapped<T, U>(sections: Readonly<Record<string, T>>, of: (section: T) => U) {
  return Object.fromEntries(Object.entries(sections).map(([name, one]) => [name, of(one)]));
}

async function measureMarketData(redis: RunningRedis, short: boolean) {
  const seconds = short ? 2 : 20;
  const records = short ? 100_000 : 2_000_000;
  const delays = await measureDelays(redis, seconds);
  const cpu = await measureCpu(redis, seconds);
  const intake = await measureIntake(redis, records);
  printDelays(delays);
  console.log(
    `\n${formatTable(
      ["origin", "% of a core", "with relay", "more"],
      [
        [
          `${CLIENTS} clients`,
          cpu.alone.toFixed(1),
          cpu.relayed.toFixed(1),
          `${cpu.morePercent.toFixed(1)} %`,
        ],
      ],
    )}`,
  );
  console.log(`\n${Math.round(intake).toLocaleString("en")} records/s taken in by an edge`);
  return {
    parameters: { rate: RATE, markets: MARKETS, clients: CLIENTS, seconds, records },
    results: { delays, cpu, intake },
    targets: [
      atMost("added at p50, 1,000 updates/s", delays.addedP50Ms, ADDED_P50_MS_MAX, " ms"),
      atMost("added at p99", delays.addedP99Ms, ADDED_P99_MS_MAX, " ms"),
      atMost("origin's processor time more", cpu.morePercent, ADDED_CPU_PERCENT_MAX, " %"),
      atLeast("records/s that an edge takes in", intake, INTAKE_PER_SECOND),
    ],
  };
}

function origin(redis: RunningRedis | undefined, prefix: string): Promise<ServerUnderTest> {
  const relay =
    redis === undefined ? {} : { relay: `redis://127.0.0.1:${redis.port}`, "relay-prefix": prefix };
  const feed = { feed: "module", "feed-module": DUE_TIME_FEED, "feed-markets": MARKETS };
  return startMarketcastWith({ ...feed, "feed-rate": RATE, ...relay }, MARKET_IDS);
}

function edge(redis: RunningRedis, prefix: string): Promise<ServerUnderTest> {
  const relay = { relay: `redis://127.0.0.1:${redis.port}`, "relay-prefix": prefix };
  return startMarketcastWith({ feed: "relay", ...relay }, MARKET_IDS);
}

/** A client of all prices, which calls for each message from the time on when it is told to begin. */
async function connect(server: ServerUnderTest, take: (json: string) => void): Promise<WebSocket> {
  const ws = new WebSocket(`ws://127.0.0.1:${server.port}${server.path}`, server.subprotocol ?? []);
  await once(ws, "open");
  ws.on("message", (data: Buffer) => take(data.toString("latin1")));
  for (const message of server.subscribe ?? []) ws.send(message);
  return ws;
}

interface Delays {
  readonly originP50Ms: number;
  readonly originP99Ms: number;
  readonly edgeP50Ms: number;
  readonly edgeP99Ms: number;
  readonly addedP50Ms: number;
  readonly addedP99Ms: number;
  readonly bytesPerRecord: number;
  readonly recordsPerEntry: number;
  readonly redisCpuPercent: number;
}

/** Delays from the due time to the receipt, of a client each, in the same run. */
async function measureDelays(redis: RunningRedis, seconds: number): Promise<Delays> {
  progress(`relay: delays at ${RATE} updates a second`);
  const first = await origin(redis, `${PREFIX}-delay`);
  const second = await edge(redis, `${PREFIX}-delay`);
  const [near, far] = [createHistogram(), createHistogram()];
  let measuring = false;
  const into = (histogram: RecordableHistogram) => (json: string) => {
    if (measuring && json.startsWith('{"type":"PriceUpdate"'))
      histogram.record(Math.max(1, Math.round(latencyOf(json, nowMicros()))));
  };
  const clients = [await connect(first, into(near)), await connect(second, into(far))];
  await sleep(SETTLE_MS);
  const cpuBefore = cpuSeconds(redis.pid);
  measuring = true;
  await sleep(seconds * 1000);
  measuring = false;
  const redisCpuPercent = ((cpuSeconds(redis.pid) - cpuBefore) / seconds) * 100;
  const metrics = await readMetrics(first.opsPort as number);
  const total = (name: string): number => metrics.get(`marketcast_relay_${name}_total`) ?? 0;
  for (const ws of clients) ws.terminate();
  await second.stop();
  await first.stop();
  const ms = (histogram: RecordableHistogram, percent: number): number =>
    histogram.percentile(percent) / 1000;
  return {
    originP50Ms: ms(near, 50),
    originP99Ms: ms(near, 99),
    edgeP50Ms: ms(far, 50),
    edgeP99Ms: ms(far, 99),
    addedP50Ms: ms(far, 50) - ms(near, 50),
    addedP99Ms: ms(far, 99) - ms(near, 99),
    bytesPerRecord: total("bytes") / total("records"),
    recordsPerEntry: total("records") / total("entries"),
    redisCpuPercent,
  };
}

function printDelays(delays: Delays): void {
  console.log(
    formatTable(
      ["client of", "p50 ms", "p99 ms"],
      [
        ["origin", delays.originP50Ms.toFixed(2), delays.originP99Ms.toFixed(2)],
        ["edge", delays.edgeP50Ms.toFixed(2), delays.edgeP99Ms.toFixed(2)],
      ],
    ),
  );
  console.log(
    `\n${delays.bytesPerRecord.toFixed(1)} bytes a record, headers included, at ${delays.recordsPerEntry.toFixed(2)} records an entry; Redis took ${delays.redisCpuPercent.toFixed(1)} % of a core`,
  );
}

/** Processor time of an origin with and without a relay, both with clients, one after the other. */
async function measureCpu(redis: RunningRedis, seconds: number) {
  const share = async (server: ServerUnderTest): Promise<number> => {
    const clients = await Promise.all(
      Array.from({ length: CLIENTS }, () => connect(server, () => {})),
    );
    await sleep(SETTLE_MS);
    const before = cpuSeconds(server.pid);
    await sleep(seconds * 1000);
    const used = cpuSeconds(server.pid) - before;
    for (const ws of clients) ws.terminate();
    await server.stop();
    return (used / seconds) * 100;
  };
  progress("relay: the origin alone");
  const alone = await share(await origin(undefined, PREFIX));
  progress("relay: the origin with a relay");
  const relayed = await share(await origin(redis, `${PREFIX}-cpu`));
  return { alone, relayed, morePercent: (relayed / alone - 1) * 100 };
}

/** Records a second that an edge takes in which was stopped while so many came into the stream. */
async function measureIntake(redis: RunningRedis, records: number): Promise<number> {
  progress(`relay: ${records} records to take in`);
  const filler = await Filler.open(redis, `${PREFIX}-intake`);
  const server = await edge(redis, `${PREFIX}-intake`);
  const opsPort = server.opsPort as number;
  const taken = async (): Promise<number> =>
    (await readMetrics(opsPort)).get("marketcast_relay_records_total") ?? 0;
  const before = await taken();
  process.kill(server.pid, "SIGSTOP");
  const written = await filler.fill(records);
  process.kill(server.pid, "SIGCONT");
  const begin = performance.now();
  while ((await taken()) - before < written) await sleep(LOOK_MS);
  const seconds = (performance.now() - begin) / 1000;
  await server.stop();
  return written / seconds;
}

/** Writes a relay's keys as an origin would, without one. */
class Filler {
  readonly #link: RedisLink;
  readonly #stream: string;
  readonly #writer = new EntryWriter();
  readonly #states = MARKET_IDS.map((_, slot) => stateOf(slot));
  readonly #head: EntryHead;

  private constructor(link: RedisLink, stream: string, fence: number) {
    this.#link = link;
    this.#stream = stream;
    this.#head = { epoch: "bench", fence, batch: 1, ts: 0, gap: false, begins: false, ends: false };
  }

  /** Writes the snapshot of its markets. */
  static async open(redis: RunningRedis, prefix: string): Promise<Filler> {
    const link = await openRedis(relayTargetOf(`redis://127.0.0.1:${redis.port}`));
    const keys = relayKeys(prefix);
    const fence = 1;
    const filler = new Filler(link, keys.stream, fence);
    const scripts = await RelayScripts.load(link, keys, fence);
    await scripts.snapshot(true, "bench", filler.#entry(1), filler.#markets());
    return filler;
  }

  /** Writes so many states or a few more behind the snapshot; returns how many. */
  async fill(records: number): Promise<number> {
    const entries = Math.ceil(records / RECORDS_PER_ENTRY);
    const sent: Promise<unknown>[] = [];
    for (let batch = 2; batch < entries + 2; batch++) {
      this.#writer.begin(nowMicros());
      for (let at = 0; at < RECORDS_PER_ENTRY; at++) this.#state(batch, at);
      const id = entryId(batch, this.#head.fence);
      const entry = this.#writer.finish({ ...this.#head, batch });
      sent.push(this.#link.send(["XADD", this.#stream, id, "e", entry]));
      if (sent.length >= 1000) await Promise.all(sent.splice(0));
    }
    await Promise.all(sent);
    this.#link.close();
    return entries * RECORDS_PER_ENTRY;
  }

  #state(batch: number, at: number): void {
    const state = this.#states[(batch * RECORDS_PER_ENTRY + at) % MARKETS] as MarketState;
    state.stateSeq++;
    state.priceSeq++;
    state.sizedSeq++;
    state.ts = state.sizedTs = nowMicros();
    state.bestBid = 1000 + (batch % 50);
    state.bestAsk = state.bestBid + 2;
    this.#writer.state(state);
  }

  #entry(batch: number): Buffer {
    this.#writer.begin(nowMicros());
    return this.#writer.finish({ ...this.#head, batch });
  }

  #markets(): (readonly [number, Buffer])[] {
    return this.#states.map((state, slot) => {
      this.#writer.begin(nowMicros());
      const marketId = MARKET_IDS[slot] as number;
      const definition = { marketId, title: `Market ${slot}`, tickSize: 1, lotSize: 1 };
      this.#writer.listing(definition, state, 0);
      return [slot, this.#writer.finish(this.#head)];
    });
  }
}

function stateOf(slot: number): MarketState {
  return {
    slot,
    status: "Active",
    changes: 8,
    stateSeq: 1,
    priceSeq: 1,
    price: 1000,
    bestBid: 999,
    bestAsk: 1001,
    volume: 100,
    ts: nowMicros(),
    sizedSeq: 1,
    bidQuantity: 5,
    askQuantity: 6,
    sizedTs: nowMicros(),
  };
}
