import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CHROMIUM, launchChromium, openPage, screenshot } from "../support/chromium.js";
import { type ServerProcess, startServerProcess, testToken } from "../support/server-process.js";
import {
  connectTrader,
  limitOrder,
  place,
  QUIET_EXCHANGE,
  temporaryDirectory,
  writeMarkets,
} from "../support/trading.js";
import { until } from "../support/until.js";

/** What is touched is at least so high and wide, in CSS pixels; a price level or a heading so high. */
const TARGET_PX = 40;
const LINE_PX = 28;

let browser: Browser;
let server: ServerProcess;
let directory: Awaited<ReturnType<typeof temporaryDirectory>>;

/** What of the page lies outside of the view, runs out of its place, or is too small to be touched. */
const faultsOf = (page: Page): Promise<string[]> =>
  page.evaluate<string[]>(`(() => {
    const faults = [];
    const visible = (element) => element.getBoundingClientRect().width > 0;
    const named = (element) => element.className + " " + element.textContent;
    if (document.documentElement.scrollWidth > innerWidth) faults.push("the page scrolls sideways");
    for (const element of document.querySelectorAll(".panel, .scroller, .rows"))
      if (element.scrollWidth > element.clientWidth) faults.push(element.className + " scrolls sideways");
    const range = document.createRange();
    for (const element of document.querySelectorAll(".panel td, .row > *, .level > *, .trade > *, .bar > *, button, dd")) {
      // What is empty has no place, and long titles are cut off on purpose.
      if (!visible(element) || element.textContent === "" || element.matches(".title, .wide")) continue;
      range.selectNodeContents(element);
      const [text, box] = [range.getBoundingClientRect(), element.getBoundingClientRect()];
      if (text.right > box.right + 1 || text.left < box.left - 1) faults.push(named(element) + " runs over");
      if (box.right > innerWidth || box.left < 0) faults.push(named(element) + " is out of view");
    }
    for (const element of document.querySelectorAll("button, input, select, .brand, .level:not(.head, .empty)")) {
      const line = element.matches(".level, .head button");
      const target = element.matches(".segments input, .check input") ? element.parentElement : element;
      const { width, height } = target.getBoundingClientRect();
      if (width === 0) continue;
      if (width < ${TARGET_PX} || height < (line ? ${LINE_PX} : ${TARGET_PX}))
        faults.push(named(target) + " is " + width + " by " + height);
    }
    return faults;
  })()`);

/** Whether all of an element lies in the view. */
async function inView(page: Page, selector: string): Promise<boolean> {
  const box = await page.locator(selector).first().boundingBox();
  const view = page.viewportSize();
  if (box === null || view === null) return false;
  return box.x >= 0 && box.x + box.width <= view.width && box.y + box.height <= view.height;
}

describe.skipIf(CHROMIUM === undefined)("the page on a phone", () => {
  beforeAll(async () => {
    directory = await temporaryDirectory();
    const file = `${directory.path}/markets.json`;
    const title = "Will a market with a very long title fit into the page of a very small phone?";
    await writeMarkets(file, { title, lot_size: 0.001 }, { market_id: 1002, title: "Another" });
    server = await startServerProcess({
      ...QUIET_EXCHANGE,
      ...{ shards: 1, "markets-file": file, "max-price": 1_000_000 },
    });
    const [mine, other] = [
      await connectTrader(server.port, { wallet: "mine" }),
      await connectTrader(server.port, { wallet: "other" }),
    ];
    for (let level = 0; level < 5; level++) {
      await place(other, limitOrder("Sell", 123_456.78 + level, 12_345.678));
      await place(other, limitOrder("Buy", 123_450.78 - level, 12_345.678));
    }
    await place(mine, limitOrder("Buy", 123_456.78, 1234.567));
    for (let number = 0; number < 8; number++) {
      await place(mine, limitOrder("Buy", 123_400.12, 1000.5, { post_only: true }));
    }
    await Promise.all([mine.close(), other.close()]);
    browser = await launchChromium();
  });
  afterAll(async () => {
    await browser?.close();
    await server?.dispose();
    await directory.remove();
  });

  it.each([
    [390, 844],
    [320, 568],
    [844, 390],
  ])("page - %i by %i: all is in view, has room, and can be touched", async (width, height) => {
    const viewport = { width, height };
    const { page } = await openPage(browser, server.port, {
      ...{ viewport, hasTouch: true, isMobile: true },
    });
    await page.locator("#connection[data-health=ok]").waitFor();
    await page.locator("#account").tap();
    await page.locator("#token").fill(testToken({ wallet: "mine" }));
    await page.locator("#sign-in button[type=submit]").tap();
    await page.locator("#sign-in").waitFor({ state: "hidden" });
    await page.locator("#market-grid .row", { hasText: "very long" }).tap();
    for (const section of ["Markets", "Chart", "Book", "Trade", "Orders"]) {
      await page.locator("#sections").getByText(section).tap();
      if (section === "Book") await page.locator("#book .level.bid:not(.empty)").first().waitFor();
      expect(await faultsOf(page), section).toEqual([]);
      await screenshot(page, `phone-${width}-${section.toLowerCase()}`);
    }
    const card = ".blotter [role=tabpanel]:not([hidden]) tbody tr:first-child";
    await page.locator(card).waitFor();
    expect(await faultsOf(page), "open orders").toEqual([]);
    for (const part of ["td[data-label=Filled]", "td[data-label=Price]", ".action button"]) {
      expect(await inView(page, `${card} ${part}`), part).toBe(true);
    }
    await page.getByRole("tab", { name: "Positions" }).tap();
    await page.locator(`${card} td[data-label=Realized]`).waitFor();
    expect(await inView(page, `${card} td[data-label=Realized]`)).toBe(true);
    expect(await faultsOf(page), "positions").toEqual([]);

    await page.getByRole("tab", { name: "Open orders" }).tap();
    const rows = page.locator(".blotter [role=tabpanel]:not([hidden]) tbody tr");
    const before = await rows.count();
    await rows
      .first()
      .getByRole("button", { name: /^Cancel Buy order/ })
      .tap();
    await until("it is cancelled", async () => (await rows.count()) === before - 1);
    await page.getByRole("tab", { name: "History" }).tap();
    await page.locator(`${card} td[data-label=Outcome]`).waitFor();
    expect(await faultsOf(page), "history").toEqual([]);
    await page.context().close();
  });
});
