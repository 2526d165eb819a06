import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { WebSocket } from "ws";
import { ENCODING_FRAMES, type Encoding } from "../src/contract/encodings.js";
import { BEARER, MARKETS, type RequestSample, requestSamples, SECRET } from "./request-samples.js";
import type { BenchOptions, BenchReport } from "./support/bench-options.js";
import { encodeRequest } from "./support/encode-request.js";
import { type ServerUnderTest, startMarketcastWith } from "./support/server-under-test.js";
import { formatTable } from "./support/table.js";
import { atMost } from "./support/target-checks.js";
import { busiestSinceMs, threadTimesMs } from "./support/thread-time.js";

/** Requests between two that are waited for. */
const WINDOW = 4;
const UNIT_BYTES = 65_536;
/** The longest that a message of at most 64 KiB may take of a shard's time. */
const US_MAX = 1000;

interface Row {
  readonly request: string;
  readonly encoding: string;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly shardUs: number;
  readonly msPerUnit: number;
}

/**
 * What a shard's thread spends on each kind of request, at its largest and most awkward, and for 64 KiB of
 * what the client sends and is answered. Short requests take longer for their size; they are bounded by
 * messages per second, and those that cost more than bytes by what they are charged for it.
 */
export async function runRequests({ short }: BenchOptions): Promise<BenchReport> {
  const times = short ? 40 : 400;
  const parameters = { times, markets: MARKETS };
  if (process.platform !== "linux") {
    console.log("skipped: threads' times are known on Linux only");
    return { parameters, results: {}, targets: [] };
  }
  const folder = mkdtempSync(join(tmpdir(), "marketcast-bench-"));
  const server = await startExchange(join(folder, "markets.json"));
  try {
    const rows: Row[] = [];
    for (const sample of requestSamples()) rows.push(await measure(server, sample, times));
    console.log(rowsTable(rows));
    const worst = rows.reduce((most, row) => (row.shardUs > most.shardUs ? row : most));
    return {
      parameters,
      results: { rows },
      targets: [
        atMost(`shard time of ${worst.request} (${worst.encoding})`, worst.shardUs, US_MAX, " µs"),
      ],
    };
  } finally {
    await server.stop();
    rmSync(folder, { recursive: true });
  }
}

/** A server whose limits are out of the way, with many markets in which nobody trades. */
function startExchange(marketsFile: string): Promise<ServerUnderTest> {
  const markets = Array.from({ length: MARKETS }, (_, index) => ({
    market_id: 1001 + index,
    title: `Market ${index}`,
    status: "Active",
    tick_size: 0.01,
    lot_size: 1,
  }));
  writeFileSync(marketsFile, JSON.stringify(markets));
  const flags = {
    feed: "exchange",
    "sim-traders": 0,
    "markets-file": marketsFile,
    "jwt-secret": SECRET,
    "max-messages-per-second": 1_000_000,
    "max-bytes-per-second": 1_073_741_824,
    "max-subscriptions": 100_000,
    "max-orders-per-second": 1_000_000,
    "max-queued-bytes": 1_073_741_824,
  };
  return startMarketcastWith(flags, []);
}

async function measure(
  { port, pid }: ServerUnderTest,
  { name, encoding, payload }: RequestSample,
  times: number,
): Promise<Row> {
  const ws = new WebSocket(`ws://127.0.0.1:${port}/ws/v3`, [`marketcast.${encoding}`], {
    headers: { Authorization: BEARER },
  });
  await once(ws, "open");
  let received = 0;
  ws.on("message", (data: Buffer) => {
    received += data.length;
  });
  const ping = { type: "Ping", id: "end", data: { timestamp: 1 } };
  const marker = encodeRequest(encoding, ping);
  const binary = ENCODING_FRAMES[encoding] === "binary";
  const run = async (count: number): Promise<void> => {
    for (let sent = 0; sent < count; sent += WINDOW) {
      for (let one = 0; one < WINDOW; one++) ws.send(payload, { binary });
      ws.send(marker, { binary });
      await ended(ws, encoding);
    }
  };
  await run(Math.ceil(times / 4));
  received = 0;
  const before = threadTimesMs(pid);
  await run(times);
  const shardUs = (busiestSinceMs(pid, before) * 1000) / times;
  ws.close();
  await once(ws, "close");
  const bytesOut = Math.round(received / times);
  const msPerUnit = (shardUs / 1000 / (payload.length + bytesOut)) * UNIT_BYTES;
  return { request: name, encoding, bytesIn: payload.length, bytesOut, shardUs, msPerUnit };
}

/** The id of the answer to the marker: the types of Protocol Buffers have no names. */
const PROTOBUF_MARK = "\u0012\u0003end";

/** Resolves when the answer to the marker has come. */
function ended(ws: WebSocket, encoding: Encoding): Promise<void> {
  const pong = encoding === "protobuf" ? PROTOBUF_MARK : "Pong";
  return new Promise((resolve, reject) => {
    const closed = (code: number): void => reject(new Error(`closed with ${code}`));
    const look = (data: Buffer): void => {
      if (data.length > 200 || !data.includes(pong) || !data.includes("end")) return;
      ws.off("message", look);
      ws.off("close", closed);
      resolve();
    };
    ws.on("message", look);
    ws.on("close", closed);
  });
}

function rowsTable(rows: readonly Row[]): string {
  return formatTable(
    ["request", "encoding", "bytes in", "bytes out", "shard µs", "ms per 64 KiB"],
    rows.map(({ request, encoding, bytesIn, bytesOut, shardUs, msPerUnit }) => [
      request,
      encoding,
      String(bytesIn),
      String(bytesOut),
      shardUs.toFixed(0),
      msPerUnit.toFixed(2),
    ]),
  );
}
