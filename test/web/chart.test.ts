import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { Trade } from "../../src/contract/messages.js";
import { CANDLE_INTERVALS, candleStart } from "../../src/shared/candle.js";
import { fillArchive, type PastTrade } from "../support/archive-fill.js";
import { CHROMIUM, launchChromium, openPage, screenshot } from "../support/chromium.js";
import { feedListings, listing, quote, TICK_SIZE, trade } from "../support/feed-lines.js";
import { type Flags, type ServerProcess, startServerProcess } from "../support/server-process.js";
import { temporaryDirectory } from "../support/trading.js";
import { until } from "../support/until.js";

const MARKET = 7;
const MINUTE_US = CANDLE_INTERVALS["1m"];
const DAY_US = CANDLE_INTERVALS["1d"];
const TIMEFRAMES = ["1m", "5m", "15m", "1h", "1d"] as const;

/** A candle as it is drawn, and as HTTP has it but for the number of trades. */
type Drawn = readonly [
  start: number,
  open: number,
  high: number,
  low: number,
  close: number,
  volume: number,
];

let browser: Browser;
let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let flags: Flags;
let server: ServerProcess;
let page: Page;
/** Trades that were fed, all of them with prices of their own. */
let fed = 0;

const text = (selector: string) => page.locator(selector).first().textContent();
const drawn = () => page.evaluate<Drawn[]>("document.getElementById('chart').candles");
const told = () =>
  page.evaluate<string[]>(
    "[...document.querySelectorAll('#trades [data-trade]')].map((row) => row.dataset.trade)",
  );
const figure = (name: string) =>
  page.locator("#market-header .figures div", { hasText: name }).locator("dd").textContent();

async function http<T>(path: string): Promise<T> {
  const response = await fetch(`http://127.0.0.1:${server.port}/v3/markets/${MARKET}/${path}`);
  expect(response.status, path).toBe(200);
  return (await response.json()) as T;
}

/** The newest closed candles of history, oldest first. */
async function closed(interval: string, limit = 500): Promise<Drawn[]> {
  const query = `candles?interval=${interval}&limit=${limit}`;
  const { candles } = await http<{ candles: readonly (readonly number[])[] }>(query);
  return candles.map((candle) => candle.slice(0, 6) as unknown as Drawn).reverse();
}

async function trades(limit = 100): Promise<Trade[]> {
  return (await http<{ trades: Trade[] }>(`trades?limit=${limit}`)).trades;
}

/** Waits until the chart has all closed candles of history, the newest 500 at least, and none twice. */
async function drawsHistory(interval: string): Promise<readonly Drawn[]> {
  return until(`closed candles of ${interval} are drawn`, async () => {
    const [history, chart] = [await closed(interval), await drawn()];
    const [first, last] = [history[0]?.[0] ?? 0, history.at(-1)?.[0] ?? 0];
    const same = chart.filter(([start]) => start >= first && start <= last);
    return JSON.stringify(same) === JSON.stringify(history) && chart;
  });
}

/** Waits until the tape shows exactly the newest trades of history, which has so many of those fed. */
async function tapeHas(last: number): Promise<void> {
  await until(`the tape has the trades up to ${last}`, async () => {
    const history = (await trades()).map(({ trade_id }) => trade_id);
    return history[0] === `fed-${last}` && JSON.stringify(history) === JSON.stringify(await told());
  });
}

function feedTrades(count: number): void {
  const lines = Array.from({ length: count }, () => {
    fed++;
    return trade(MARKET, 40 + (fed % 200) * TICK_SIZE, 1 + (fed % 9), { trade_id: `fed-${fed}` });
  });
  server.feed(...lines);
}

async function start(more: Flags = {}): Promise<void> {
  server = await startServerProcess({ ...flags, ...more }, { stdin: "pipe" });
  await feedListings(server, [MARKET], listing(MARKET, "Rain"), quote(MARKET, 39, 43));
}

async function open(): Promise<void> {
  ({ page } = await openPage(browser, server.port));
  await page.locator("#connection[data-status=open]").waitFor();
}

/** Ten days of trades up to two minutes ago: two a minute in the last 20 hours, before that two an hour. */
function* past(now: number): Iterable<PastTrade> {
  let price = 5000;
  const end = candleStart(now, MINUTE_US) - MINUTE_US;
  const dense = end - 20 * 60 * MINUTE_US;
  for (let ts = end - 10 * DAY_US; ts < end; ts += ts < dense ? 30 * MINUTE_US : MINUTE_US / 2) {
    price += Math.round(Math.sin(ts / 7e9) * 3 + Math.cos(ts / 1e9) * 9);
    const quantity = 1 + (Math.floor(ts / 1e7) % 40);
    yield { ts, price, quantity, takerSide: quantity % 2 === 0 ? "Buy" : "Sell" };
  }
}

describe.skipIf(CHROMIUM === undefined)("the page's chart and tape, and history", () => {
  beforeAll(async () => {
    directory = await temporaryDirectory();
    const dataDir = `${directory.path}/data`;
    const market = { marketId: MARKET, tickSize: TICK_SIZE, lotSize: 1 };
    await fillArchive(dataDir, market, past(Date.now() * 1000));
    flags = { feed: "stdin", shards: 1, "data-dir": dataDir };
    browser = await launchChromium();
    await start();
    flags = { ...flags, port: server.port };
  });
  afterEach(() => page.context().close());
  afterAll(async () => {
    await browser?.close();
    await server?.dispose();
    await directory.remove();
  });

  it("chart - candles, tape and 24 hours are there as soon as the page is", async () => {
    await open();
    expect((await drawsHistory("1m")).length).toBeGreaterThanOrEqual(500);
    expect(await told()).toEqual((await trades()).map(({ trade_id }) => trade_id));
    const day = (await closed("5m")).filter(
      ([start]) => start > Date.now() * 1000 - DAY_US - CANDLE_INTERVALS["5m"],
    );
    const [last] = await trades(1);
    const high = Math.max(...day.map((candle) => candle[2]), last?.price ?? 0);
    await until("24h high", async () => (await figure("24h high")) === high.toFixed(2));
    const low = Math.min(...day.map((candle) => candle[3]), last?.price ?? 0);
    expect(await figure("24h low")).toBe(low.toFixed(2));
    expect(await text("#market-header .span")).toBe("24h");
    await screenshot(page, "chart");
    for (const timeframe of TIMEFRAMES.slice(1)) {
      await page.getByRole("radio", { name: timeframe, exact: true }).check();
      await drawsHistory(timeframe);
      await screenshot(page, `chart-${timeframe}`);
    }
    await page.reload();
    await drawsHistory("1d");
    expect(await page.getByRole("radio", { name: "1d" }).isChecked()).toBe(true);
    await page.getByRole("radio", { name: "1d" }).press("ArrowRight");
    await drawsHistory("1m");
  });

  it("chart - dragging it, and the arrow keys, bring what is before", async () => {
    await open();
    const { length } = await drawsHistory("1m");
    const box = await page.locator("#chart").boundingBox();
    if (box === null) throw new Error("the chart is not in view");
    const [left, right, y] = [box.x + 20, box.x + box.width - 120, box.y + box.height / 3];
    await until("there are more candles", async () => {
      await page.mouse.move(left, y);
      await page.mouse.down();
      await page.mouse.move(right, y, { steps: 4 });
      await page.mouse.up();
      return (await drawn()).length >= length + 500;
    });
    await page.locator("#chart").focus();
    await until("there are still more", async () => {
      await page.keyboard.press("ArrowLeft");
      return (await drawn()).length >= length + 1000;
    });
    const all = await closed("1m", 1000);
    expect(
      (await drawn()).filter(([start]) => start <= (all.at(-1)?.[0] ?? 0)).slice(-1000),
    ).toEqual(all);
  });

  it("chart - goes on over kill -9 and a start of the server, without a hole or a double", async () => {
    await open();
    await drawsHistory("1m");
    feedTrades(30);
    await tapeHas(fed);
    await page.evaluate("window.sameDocument = true");
    server.child.kill("SIGKILL");
    await page.locator("#connection[data-status=reconnecting]").waitFor();
    await start();
    await page.locator("#connection[data-status=open]").waitFor();
    feedTrades(30);
    await tapeHas(fed);
    const chart = await drawsHistory("1m");
    const [newest] = await trades(1);
    expect(chart.at(-1)?.[4]).toBe(newest?.price);
    const starts = chart.map(([start]) => start);
    expect(starts).toEqual([...new Set(starts)].sort((a, b) => a - b));
    expect(await page.evaluate("window.sameDocument")).toBe(true);
  });

  it("chart - trades that were made while the page had no connection are in the tape", async () => {
    const context = await browser.newContext();
    page = await context.newPage();
    let refusing = false;
    let cut = (): void => {};
    await page.routeWebSocket(/\/ws\/v3/, (ws) => {
      if (refusing) return void ws.close({ code: 1012 });
      ws.connectToServer();
      cut = () => void ws.close({ code: 1012 });
    });
    await page.goto(`http://127.0.0.1:${server.port}/`);
    await page.locator("#connection[data-status=open]").waitFor();
    feedTrades(5);
    await tapeHas(fed);
    refusing = true;
    cut();
    await page.locator("#connection[data-status=reconnecting]").waitFor();
    feedTrades(70);
    refusing = false;
    await page.locator("#connection[data-status=open]").waitFor();
    feedTrades(5);
    await tapeHas(fed);
  });

  it("chart - without an archive it begins with what comes live, and says so", async () => {
    await server.dispose();
    await start({ "archive-size": 0 });
    await open();
    const before = fed;
    const chart = await until("a candle is drawn", async () => {
      feedTrades(1);
      const candles = await drawn();
      return candles.length > 0 && candles;
    });
    expect(chart.length).toBeLessThanOrEqual(2);
    await until("the tape has what came live", async () => {
      const [first = "", ...rest] = await told();
      const newest = Number(first.slice("fed-".length));
      return newest === fed && fed - before > rest.length;
    });
    await until("that there is no history is said", async () => {
      return /^No history/.test((await text("#chart-note")) ?? "");
    });
    expect(await text("#market-header .span")).toBe("since loaded");
    await screenshot(page, "chart-without-archive");
  });
});
