import type { BenchOptions, BenchReport } from "./support/bench-options.js";
import { CHROMIUM, ChromiumPage } from "./support/chromium-page.js";
import { progress } from "./support/progress.js";
import { startSynthetic } from "./support/server-under-test.js";
import { formatTable } from "./support/table.js";
import { atLeast, atMost } from "./support/target-checks.js";
import { seconds } from "./support/wait.js";

const FIRST_LOAD_KB_MAX = 150;
const FRAMES_PER_SECOND_MIN = 50;

const MARKETS = 200;
const UPDATES_PER_SECOND = 2000;
/** A window in which 200 rows are in view at once, of two lines each: some eight screens high. */
const WINDOW = { width: 1280, height: 8500 };
const WARMUP_SECONDS = 2;
const READY_TIMEOUT_MS = 20_000;

/** Time of each frame in ms, for so long. */
const framesFor = (durationMs: number): string => `new Promise((resolve) => {
  const times = [];
  const onFrame = (time) => {
    times.push(time);
    if (time - times[0] < ${durationMs}) requestAnimationFrame(onFrame);
    else resolve(times);
  };
  requestAnimationFrame(onFrame);
})`;

/** Rows in view, and messages received a second, as the page itself has them. */
const ROWS = `document.querySelectorAll("#market-grid .row").length`;
const RATE = `document.querySelector("#message-rate").textContent`;

interface Smoothness {
  readonly encoding: "json" | "msgpack";
  readonly rows: number;
  readonly messagesPerSecond: string;
  readonly framesPerSecond: number;
  readonly p95Ms: number;
  readonly maxMs: number;
}

/**
 * Measures the page as a browser has it: bytes of the first load, and frames a second while 200
 * markets in view get 2,000 updates a second. Without Chromium only the bytes are measured.
 */
export async function measurePage({ short }: BenchOptions): Promise<BenchReport> {
  const server = await startSynthetic(UPDATES_PER_SECOND, MARKETS);
  const url = `http://127.0.0.1:${server.port}/`;
  const frames: Smoothness[] = [];
  let firstLoadBytes: number;
  try {
    firstLoadBytes = await bytesOfFirstLoad(url);
    console.log(`the page's first load: ${firstLoadBytes} bytes, compressed\n`);
    if (CHROMIUM === undefined) console.log("no Chromium, so no frames; CHROMIUM_PATH names one");
    else {
      for (const encoding of ["json", "msgpack"] as const) {
        progress(`page: frames on ${encoding}`);
        frames.push(await smoothness(url, encoding, short ? 1 : 8));
      }
      console.log(framesTable(frames));
    }
  } finally {
    await server.stop();
  }
  const [json] = frames;
  return {
    parameters: { markets: MARKETS, updatesPerSecond: UPDATES_PER_SECOND, window: WINDOW },
    results: { firstLoadBytes, frames },
    targets: [
      atMost("page, first load, compressed", firstLoadBytes / 1024, FIRST_LOAD_KB_MAX, " KB"),
      atLeast(
        "page, 2,000 updates/s over 200 markets in view",
        json?.framesPerSecond,
        FRAMES_PER_SECOND_MIN,
        " frames/s",
      ),
    ],
  };
}

/** Bytes on the way of the page and all that it names. */
async function bytesOfFirstLoad(url: string): Promise<number> {
  const get = async (path: string): Promise<{ bytes: number; text: string }> => {
    const response = await fetch(new URL(path, url));
    if (!response.ok) throw new Error(`${path}: ${response.status}`);
    const text = await response.text();
    return { bytes: Number(response.headers.get("content-length")), text };
  };
  const page = await get("/");
  const named = [...page.text.matchAll(/(?:src|href)="(\/assets\/[^"]+)"/g)];
  const assets = await Promise.all(named.map(([, path = ""]) => get(path)));
  return assets.reduce((sum, { bytes }) => sum + bytes, page.bytes);
}

async function smoothness(
  url: string,
  encoding: Smoothness["encoding"],
  durationSeconds: number,
): Promise<Smoothness> {
  const page = await ChromiumPage.open(url, WINDOW.width, WINDOW.height);
  try {
    await until(page, `${ROWS} >= ${MARKETS}`);
    await page.evaluate(`document.querySelector("#encoding input[value=${encoding}]").click()`);
    await until(page, `document.querySelector("#connection").dataset.status === "open"`);
    await seconds(WARMUP_SECONDS);
    const times = await page.evaluate<number[]>(framesFor(durationSeconds * 1000));
    const gaps = times.slice(1).map((time, index) => time - (times[index] as number));
    gaps.sort((a, b) => a - b);
    return {
      encoding,
      rows: await page.evaluate(ROWS),
      messagesPerSecond: await page.evaluate(RATE),
      framesPerSecond: (gaps.length * 1000) / gaps.reduce((sum, gap) => sum + gap, 0),
      p95Ms: gaps[Math.floor(gaps.length * 0.95)] ?? Number.NaN,
      maxMs: gaps.at(-1) ?? Number.NaN,
    };
  } finally {
    await page.close();
  }
}

/** Waits until an expression holds in the page; rejects where it does not in good time. */
async function until(page: ChromiumPage, condition: string): Promise<void> {
  const held = await page.evaluate<boolean>(`new Promise((resolve) => {
    const deadline = performance.now() + ${READY_TIMEOUT_MS};
    const look = () => {
      if (${condition}) resolve(true);
      else if (performance.now() > deadline) resolve(false);
      else setTimeout(look, 50);
    };
    look();
  })`);
  if (!held) throw new Error(`not within ${READY_TIMEOUT_MS} ms in the page: ${condition}`);
}

function framesTable(frames: readonly Smoothness[]): string {
  return formatTable(
    ["encoding", "rows in view", "received", "frames/s", "p95 ms", "max ms"],
    frames.map(({ encoding, rows, messagesPerSecond, framesPerSecond, p95Ms, maxMs }) => [
      encoding,
      rows,
      messagesPerSecond,
      framesPerSecond.toFixed(1),
      p95Ms.toFixed(1),
      maxMs.toFixed(1),
    ]),
  );
}
