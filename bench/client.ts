import { fork } from "node:child_process";
import { performance } from "node:perf_hooks";
import { fileURLToPath } from "node:url";
import { MarketcastClient } from "../src/client/node.js";
import { ENCODINGS, type Encoding, subprotocolOf } from "../src/contract/encodings.js";
import { measurePage } from "./page.js";
import type { BenchOptions, BenchReport } from "./support/bench-options.js";
import { endChild, nextMessage } from "./support/child.js";
import { bundleClient } from "./support/client-bundle.js";
import { progress } from "./support/progress.js";
import { type Recording, recordPriceUpdates } from "./support/record-pushes.js";
import type { ReplayReply, ReplayRequest } from "./support/replay-messages.js";
import { type ServerUnderTest, startSynthetic } from "./support/server-under-test.js";
import { formatTable } from "./support/table.js";
import { atLeast, atMost, formatTargets } from "./support/target-checks.js";
import { seconds } from "./support/wait.js";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const REPLAY_SERVER = fileURLToPath(new URL("./support/replay-server.js", import.meta.url));
const MARKETS = 50;
const MARKET_IDS = Array.from({ length: MARKETS }, (_, index) => 1001 + index);
/** Updates a second of the server whose bytes are recorded. */
const RECORDED_RATE = 20_000;
const WARMUP_SECONDS = 1;

const BUNDLE_KB_MAX = 12;
const UPDATES_PER_SECOND_MIN = 300_000;

interface Row {
  readonly encoding: Encoding;
  readonly bytesPerMessage: number;
  /** While the server that sends, and whatever else runs, had the other cores. */
  readonly perSecond: number;
  /** Per second of processor time of the client's whole process: what one core does. */
  readonly perCoreSecond: number;
}

/**
 * Measures what the client library costs, in bytes to load in a browser and in messages received a
 * second in Node, and the page that is built on it.
 */
export async function runClient(options: BenchOptions): Promise<BenchReport> {
  const { short } = options;
  const files = await bundleClient(ROOT);
  console.log(
    formatTable(
      ["bundle for browsers", "bytes", "gzip"],
      files.map(({ isEntry, name, bytes, gzipBytes }) => [
        isEntry ? "client, JSON" : `${name}, when asked for`,
        bytes,
        gzipBytes,
      ]),
    ),
  );
  const messages = short ? 2000 : 50_000;
  const rows = await measureDispatch(messages, short ? 0.5 : 5);
  console.log(
    `\n${formatTable(
      ["PriceUpdates received", "bytes", "per second", "per second of one core"],
      rows.map(({ encoding, bytesPerMessage, perSecond, perCoreSecond }) => [
        encoding,
        Math.round(bytesPerMessage),
        Math.round(perSecond),
        Math.round(perCoreSecond),
      ]),
    )}\n`,
  );
  const page = await measurePage(options);
  const entryBytes = files.find(({ isEntry }) => isEntry)?.gzipBytes ?? 0;
  const targets = [
    atMost("browser client with JSON, gzip", entryBytes / 1024, BUNDLE_KB_MAX, " KB"),
    atLeast(
      "PriceUpdates/s of one core, MessagePack",
      rows.find(({ encoding }) => encoding === "msgpack")?.perCoreSecond,
      UPDATES_PER_SECOND_MIN,
    ),
    ...page.targets,
  ];
  console.log(`\n${formatTargets(targets)}`);
  return {
    parameters: {
      markets: MARKETS,
      recordedMessages: messages,
      recordedRate: RECORDED_RATE,
      page: page.parameters,
    },
    results: {
      page: page.results,
      bundle: files.map(({ isEntry, bytes, gzipBytes }) => ({ isEntry, bytes, gzipBytes })),
      dispatch: rows,
    },
    targets,
  };
}

/** Records what a server sends, and has the client receive it as fast as it can. */
async function measureDispatch(messages: number, durationSeconds: number): Promise<Row[]> {
  const recordings = new Map<Encoding, Recording>();
  const server = await startSynthetic(RECORDED_RATE, MARKETS);
  try {
    for (const encoding of [...ENCODINGS].reverse()) {
      progress(`recording ${messages} PriceUpdates in ${encoding}`);
      recordings.set(encoding, await record(server, encoding, messages));
    }
  } finally {
    await server.stop();
  }
  const rows: Row[] = [];
  for (const [encoding, recording] of recordings) {
    progress(`receiving in ${encoding}`);
    rows.push(await receive(encoding, recording, durationSeconds));
  }
  return rows;
}

function record(
  { port }: ServerUnderTest,
  encoding: Encoding,
  messages: number,
): Promise<Recording> {
  return recordPriceUpdates(port, encoding, MARKET_IDS, messages);
}

async function receive(
  encoding: Encoding,
  { greeting, pushes, messages }: Recording,
  durationSeconds: number,
): Promise<Row> {
  const child = fork(REPLAY_SERVER, { serialization: "advanced" });
  try {
    const request: ReplayRequest = {
      subprotocol: subprotocolOf(encoding),
      greeting,
      pushes,
    };
    child.send(request);
    const { port } = await nextMessage<ReplayReply>(child);
    // The replay answers nothing, a ping included.
    const url = `ws://127.0.0.1:${port}`;
    const client = new MarketcastClient({ url, encoding, pingIntervalMs: 0 });
    let received = 0;
    client.on("PriceUpdate", () => {
      received++;
    });
    await seconds(WARMUP_SECONDS);
    const before = { received, cpu: process.cpuUsage(), at: performance.now() };
    await seconds(durationSeconds);
    const count = received - before.received;
    const { user, system } = process.cpuUsage(before.cpu);
    const elapsedMs = performance.now() - before.at;
    await client.close();
    return {
      encoding,
      bytesPerMessage: pushes.length / messages,
      perSecond: (count / elapsedMs) * 1000,
      perCoreSecond: (count / (user + system)) * 1e6,
    };
  } finally {
    await endChild(child);
  }
}
