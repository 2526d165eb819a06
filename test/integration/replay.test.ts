import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync, gzipSync } from "node:zlib";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { ServerMessage } from "../../src/contract/messages.js";
import { startServerProcess } from "../support/server-process.js";
import { type MessageOf, TestClient } from "../support/test-client.js";

/** Recorded quotes that lie beside the project in some places; not part of it. */
const REAL_FILE = fileURLToPath(
  new URL("../../../shared/data/aapl-2012-06-21-level1.csv.gz", import.meta.url),
);
const ROWS = 100_000;
const SEED = 20_120_621;
/** Rows a second: fast, and yet no client that keeps up is conflated. */
const RATE = 25_000;
const PLAYS_MAX = 4;

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "marketcast-replay-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Rows of ask price, ask size, bid price, bid size; prices × 10,000 on a tick of 0.01. */
function generateRows(seed: number, rows: number): string {
  let state = seed;
  // Park and Miller's minimal standard generator: plain, and the same everywhere.
  const random = (below: number): number => {
    state = (state * 48_271) % 2_147_483_647;
    return state % below;
  };
  let bid = 585_000;
  let spread = 3;
  const lines: string[] = [];
  for (let row = 0; row < rows; row++) {
    const kind = random(4);
    if (kind === 0) bid += (random(5) - 2) * 100;
    else if (kind === 1) spread = 1 + random(6);
    lines.push(`${bid + spread * 100},${1 + random(900)},${bid},${1 + random(900)}`);
  }
  return `${lines.join("\n")}\n`;
}

/** The quotes that must arrive: those of the rows that change a price, from the file alone. */
function expectedQuotes(csv: string): { bid: number; ask: number }[] {
  const quotes: { bid: number; ask: number }[] = [];
  for (const line of csv.trimEnd().split("\n")) {
    const [ask, , bid] = line.split(",").map(Number) as [number, number, number];
    const quote = { bid: bid / 10_000, ask: ask / 10_000 };
    const last = quotes.at(-1);
    if (last === undefined || last.bid !== quote.bid || last.ask !== quote.ask) quotes.push(quote);
  }
  return quotes;
}

/** Plays a file to one subscribed client, to its end and to the update with the last number due. */
async function play(file: string, lastSeq: number) {
  const server = await startServerProcess({
    feed: "replay",
    "feed-file": file,
    "feed-map": "level1-quotes",
    "feed-mode": "rate",
    "feed-rate": RATE,
    "feed-start": "first-subscriber",
  });
  try {
    const client = await TestClient.connect(server.port, { encoding: "msgpack" });
    await client.subscribe(
      { type: "PriceFeed", params: { market_ids: [1001] } },
      { type: "SystemStatus" },
    );
    const messages = await client.takeUntil(
      (message) => message.type === "SystemStatus" && message.data.status.state === "degraded",
    );
    const isPrice = (message: ServerMessage): message is MessageOf<"PriceUpdate"> =>
      message.type === "PriceUpdate";
    // The state takes another way than the prices and may overtake the last of them.
    if ((messages.findLast(isPrice)?.data.seq ?? 0) < lastSeq) {
      messages.push(...(await client.takeUntil((one) => isPrice(one) && one.data.seq >= lastSeq)));
    }
    const updates = messages.filter(isPrice).map(({ data }) => data);
    const conflated = await server.metric('marketcast_conflated_total{shard="0"}');
    await client.close();
    return { updates, conflated };
  } finally {
    await server.dispose();
  }
}

/**
 * Expects every price-changing row, once and in order. A machine that stalls the server for a tenth
 * of a second makes it conflate, as it should; the server counts that, and only then is it repeated.
 */
async function expectPlayedInFull(file: string, csv: string): Promise<void> {
  const expected = expectedQuotes(csv);
  let { updates, conflated } = await play(file, expected.length);
  for (let attempt = 1; attempt < PLAYS_MAX && conflated > 0; attempt++) {
    ({ updates, conflated } = await play(file, expected.length));
  }
  expect(conflated).toBe(0);
  expect(updates.length).toBe(expected.length);
  const wrong = updates.findIndex(
    ({ best_bid, best_ask, seq }, index) =>
      best_bid !== expected[index]?.bid || best_ask !== expected[index]?.ask || seq !== index + 1,
  );
  expect(wrong, `update ${wrong} differs`).toBe(-1);
  const last = expected.at(-1);
  expect(updates.at(-1)).toMatchObject({ best_bid: last?.bid, best_ask: last?.ask });
}

test(`replay - each price-changing one of ${ROWS} generated rows (seed ${SEED}) arrives once and in order`, async () => {
  const csv = generateRows(SEED, ROWS);
  const file = join(folder, "quotes.csv.gz");
  await writeFile(file, gzipSync(csv));
  await expectPlayedInFull(file, csv);
});

test.skipIf(!existsSync(REAL_FILE))(
  "replay - each price-changing row of the real recorded file arrives once and in order (skipped where the file is not there)",
  async () => {
    const csv = gunzipSync(await readFile(REAL_FILE)).toString("ascii");
    await expectPlayedInFull(REAL_FILE, csv);
  },
);
