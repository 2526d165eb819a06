import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import {
  CHROMIUM,
  launchChromium,
  type OpenPage,
  openPage,
  screenshot,
} from "../support/chromium.js";
import { type ServerProcess, startServerProcess, testToken } from "../support/server-process.js";
import { TestClient } from "../support/test-client.js";
import { until } from "../support/until.js";

const MARKETS = 60;
const BACK_AND_FORTH = Array.from({ length: 60 }, (_, press) => press % 3 !== 1);

let browser: Browser;
let server: ServerProcess;
let opened: OpenPage[] = [];

/** Opens the page; what it complains of by the end of the test fails it. */
async function open(options: Parameters<typeof openPage>[2] = {}): Promise<Page> {
  const one = await openPage(browser, server.port, options);
  opened.push(one);
  await one.page.locator("#connection[data-status=open]").waitFor();
  await rows(one.page).first().waitFor();
  return one.page;
}

const rows = (page: Page) => page.locator("#market-grid .row");
const titles = (page: Page) => page.locator("#market-grid .row .title").allTextContents();
const firstTitle = (page: Page) =>
  page.locator('#market-grid .row[aria-rowindex="2"] .title').textContent();
const selected = (page: Page) => page.locator("#market-grid .row[aria-selected=true]");
const count = (page: Page) => page.locator("#market-count").textContent();
const text = (page: Page, selector: string) => page.locator(selector).first().textContent();

/** Waits until a text is another than it is now, and returns it. */
async function moved(page: Page, selector: string): Promise<string | null> {
  const before = await text(page, selector);
  return until(`${selector} is no longer ${before}`, async () => {
    const now = await text(page, selector);
    return now !== before && now;
  });
}

beforeAll(async () => {
  if (CHROMIUM !== undefined) browser = await launchChromium();
});
afterAll(() => browser?.close());

describe.skipIf(CHROMIUM === undefined)("the page in Chromium", () => {
  beforeAll(async () => {
    server = await startServerProcess({
      feed: "synthetic",
      "feed-markets": MARKETS,
      "feed-rate": 600,
      "market-interval": 200,
    });
  });
  afterEach(async () => {
    const complaints = opened.flatMap((one) => one.complaints);
    await Promise.all(opened.map(({ page }) => page.context().close()));
    opened = [];
    expect(complaints).toEqual([]);
  });
  afterAll(() => server?.dispose());

  it("page - lists the markets, and prices move", async () => {
    const page = await open();
    expect(await count(page)).toBe(`${MARKETS} markets`);
    expect(await page.locator("#market-grid").getAttribute("aria-rowcount")).toBe(`${MARKETS + 1}`);
    await moved(page, "#market-grid .row .price");
    await page.locator("#market-grid .row .price:is(.rose, .fell)").first().waitFor();
    await until("round trip and message rate are shown", async () => {
      const figures = [await text(page, "#round-trip"), await text(page, "#message-rate")];
      return /^[\d.]+ ms$/.test(figures[0] ?? "") && /^[\d,]+ msg\/s$/.test(figures[1] ?? "");
    });
  });

  it("page - loads at most 150 KB before it shows anything", async () => {
    const page = await open();
    const bytes = await page.evaluate<number>(
      `[...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
        .reduce((sum, { encodedBodySize }) => sum + encodedBodySize, 0)`,
    );
    expect(bytes).toBeGreaterThan(50 * 1024);
    expect(bytes).toBeLessThanOrEqual(150 * 1024);
  });

  it("page - shows the market that is picked: chart, book, trades, and its address", async () => {
    const page = await open();
    const row = rows(page).nth(5);
    const title = await row.locator(".title").textContent();
    await row.click();
    expect(await text(page, "#market-title")).toBe(title);
    expect(await selected(page).count()).toBe(1);
    await page.locator("#book .level.bid:not(.empty)").first().waitFor();
    expect(await page.locator("#book .level.ask:not(.empty)").count()).toBeGreaterThan(5);
    await moved(page, "#book .level.bid .number:nth-child(2)");
    await page.locator("#trades [data-trade]").first().waitFor();
    expect(await page.locator("#chart canvas").count()).toBeGreaterThan(0);
    const { hash } = new URL(page.url());
    expect(await row.getAttribute("id")).toBe(`market-${hash.slice(1)}`);
    await page.reload();
    await until("the addressed market is shown", async () => {
      return (await text(page, "#market-title")) === title;
    });
  });

  it("page - shows how many connections have the market that is picked", async () => {
    const page = await open();
    const viewers = () =>
      page
        .locator("#market-header .figures div", { hasText: "Viewers" })
        .locator("dd")
        .textContent();
    await rows(page).nth(7).click();
    const { hash } = new URL(page.url());
    const params = { market_id: Number(hash.slice(1)) };
    await until("it is there itself", async () => (await viewers()) === "1");
    const client = await TestClient.connect(server.port);
    await client.subscribe({ type: "Trades", params });
    await until("another one has it", async () => (await viewers()) === "2");
    await client.close();
    await until("it is alone again", async () => (await viewers()) === "1");
  });

  it("page - search and status narrow the list", async () => {
    const page = await open();
    await page.locator("#search").fill("gold");
    await until("only gold is listed", async () => {
      const listed = await titles(page);
      return listed.length > 0 && listed.every((title) => /gold/i.test(title));
    });
    const gold = await rows(page).count();
    expect(await count(page)).toBe(`${gold} of ${MARKETS}`);
    await page.locator("#search").fill("no market has this in its title");
    await until("none is listed", async () => (await rows(page).count()) === 0);
    await page.locator("#search").press("Escape");
    await until("all are listed", async () => (await count(page)) === `${MARKETS} markets`);
    await page.getByRole("radio", { name: "Closed" }).check();
    await until("no market is closed", async () => (await count(page)) === `0 of ${MARKETS}`);
    await page.getByRole("radio", { name: "Active" }).check();
    await until("the active ones are listed", async () => (await rows(page).count()) > 0);
    expect(await page.locator("#market-grid .row:not([data-status=Active])").count()).toBe(0);
  });

  it("page - a column's heading sorts by it, a second time the other way round", async () => {
    const page = await open();
    const [first] = (await titles(page)).sort();
    expect(await firstTitle(page)).toBe(first);
    const header = page.getByRole("columnheader", { name: "Market" });
    expect(await header.getAttribute("aria-sort")).toBe("ascending");
    await header.getByRole("button").click();
    expect(await header.getAttribute("aria-sort")).toBe("descending");
    await until(
      "the first is not the first any more",
      async () => (await firstTitle(page)) !== first,
    );
    const volume = page.getByRole("columnheader", { name: "Volume" });
    await volume.getByRole("button").click();
    expect(await volume.getAttribute("aria-sort")).toBe("descending");
    expect(await header.getAttribute("aria-sort")).toBe("none");
  });

  it("page - only rows in view are in the document, and scrolling brings others", async () => {
    const page = await open();
    const drawn = await rows(page).count();
    expect(drawn).toBeLessThan(MARKETS);
    const first = await rows(page).first().getAttribute("id");
    await page.evaluate("document.querySelector('#market-grid .scroller').scrollTop = 1e6");
    await until(
      "the first row has gone",
      async () => (await page.locator(`#${first}`).count()) === 0,
    );
    const last = page.locator(`#market-grid .row[aria-rowindex="${MARKETS + 1}"]`);
    await last.waitFor();
    // Its prices come in real time as well, now that it is in view.
    await moved(page, `#market-grid .row[aria-rowindex="${MARKETS + 1}"] .price`);
  });

  it("page - the keyboard finds, picks and leaves", async () => {
    const page = await open();
    await page.keyboard.press("/");
    const focus = () => page.evaluate<string>("document.activeElement.id");
    expect(await focus()).toBe("search");
    expect(await page.locator("#search").inputValue()).toBe("");
    await page.keyboard.type("bank of");
    await until("only banks are listed", async () => {
      const listed = await titles(page);
      return listed.length > 0 && listed.every((title) => title.includes("Bank of"));
    });
    await page.keyboard.press("Enter");
    expect(await focus()).toBe("market-grid");
    const one = await firstTitle(page);
    await until("the first is shown", async () => (await text(page, "#market-title")) === one);
    await page.keyboard.press("ArrowDown");
    await until("the next one is shown", async () => (await text(page, "#market-title")) !== one);
    const active = await page.locator("#market-grid").getAttribute("aria-activedescendant");
    expect(await selected(page).getAttribute("id")).toBe(active);
    await page.keyboard.press("Home");
    await until(
      "the first is shown again",
      async () => (await text(page, "#market-title")) === one,
    );
    await page.keyboard.press("/");
    await page.keyboard.press("Escape");
    await until("all are listed", async () => (await count(page)) === `${MARKETS} markets`);
    await page.keyboard.press("End");
    const last = page.locator(`#market-grid .row[aria-rowindex="${MARKETS + 1}"]`);
    await until("the last is selected and in view", async () => {
      return (await last.count()) === 1 && (await last.getAttribute("aria-selected")) === "true";
    });
  });

  it("page - markets that are walked through faster than they come all stay listed", async () => {
    const page = await open();
    await until("all are listed", async () => (await count(page)) === `${MARKETS} markets`);
    await page.locator("#market-grid").focus();
    const seen = new Set<string | null>();
    // Long ways, and short ones that come back to a market before its first data have.
    const ways = [...Array.from({ length: 40 }, (_, press) => press % 20 < 10), ...BACK_AND_FORTH];
    for (const down of ways) {
      await page.keyboard.press(down ? "ArrowDown" : "ArrowUp");
      seen.add(await count(page));
    }
    const chosen = await selected(page).locator(".title").textContent();
    await until("the last is shown", async () => (await text(page, "#market-title")) === chosen);
    await moved(page, "#market-header .figures");
    seen.add(await count(page));
    expect([...seen]).toEqual([`${MARKETS} markets`]);
  });

  it("page - what the tab key reaches is visible, named, and shows its focus", async () => {
    const page = await open();
    const seen = new Set<string>();
    for (let press = 0; press < 40; press++) {
      await page.keyboard.press("Tab");
      const stop = await page.evaluate<{
        id: string;
        name: string;
        shown: boolean;
      } | null>(`(() => {
        const element = document.activeElement;
        if (element === document.body) return null;
        const marked = element.matches(".segments input") ? element.nextElementSibling : element;
        const style = getComputedStyle(marked);
        const box = marked.getBoundingClientRect();
        return {
          id: element.id || element.textContent || element.value,
          name: element.ariaLabel || element.textContent || element.labels?.[0]?.textContent || element.getAttribute("aria-labelledby") || "",
          shown: style.outlineStyle !== "none" && box.width > 0 && box.height > 0,
        };
      })()`);
      if (stop === null) break;
      expect(stop.name, stop.id).not.toBe("");
      expect(stop.shown, stop.id).toBe(true);
      seen.add(stop.id);
    }
    const ids = [
      "account",
      "theme",
      "search",
      "density",
      "market-grid",
      "timeframe-1m",
      "chart",
      "order-price",
      "order-quantity",
    ];
    expect([...seen]).toEqual(expect.arrayContaining(ids));
  });

  it.each([
    ["MessagePack", "msgpack"],
    ["Protobuf", "protobuf"],
  ])("page - speaks %s by a switch, which is remembered", async (name, encoding) => {
    const page = await open();
    const binary: boolean[] = [];
    page.on("websocket", (socket) => {
      socket.on("framereceived", ({ payload }) => binary.push(typeof payload !== "string"));
    });
    await page.getByRole("radio", { name }).check();
    await until("binary frames come", () => binary.length > 50);
    expect(new Set(binary)).toEqual(new Set([true]));
    await page.locator("#connection[data-status=open]").waitFor();
    await moved(page, "#market-grid .row .price");
    await moved(page, "#book .level.bid .number:nth-child(2)");
    await page.reload();
    await rows(page).first().waitFor();
    expect(await page.locator(`#encoding input[value=${encoding}]`).isChecked()).toBe(true);
    await moved(page, "#market-grid .row .price");
    await moved(page, "#trades [data-trade]");
    await until("candles are drawn", async () => {
      return page.evaluate<boolean>("document.getElementById('chart').candles.length > 0");
    });
  });

  it("page - a token is checked by the server before it counts", async () => {
    const page = await open();
    await page.locator("#account").click();
    await page.locator("#token").fill("no.real.token");
    await page.locator("#sign-in button[type=submit]").click();
    await until("the refusal is shown", async () => {
      return /token refused/.test((await text(page, "#sign-in .problem")) ?? "");
    });
    await page.locator("#token").fill(testToken({ wallet: "wallet-of-the-page" }));
    await page.locator("#sign-in button[type=submit]").click();
    await page.locator("#sign-in").waitFor({ state: "hidden" });
    expect(await text(page, "#account")).toBe("wallet-of-the-page");
    // This feed has no exchange.
    await page.locator("#ticket .note", { hasText: "This server takes no orders" }).waitFor();
    expect(
      await page.evaluate("JSON.stringify({ ...localStorage, ...sessionStorage })"),
    ).not.toContain("eyJ");
    await page.locator("#account").click();
    await until("signed out", async () => (await text(page, "#account")) === "Sign in");
    await page.locator("#connection[data-status=open]").waitFor();
  });

  it("page - a token that runs out is said to have, and the data go on", async () => {
    const page = await open();
    await page.locator("#account").click();
    await page.locator("#token").fill(testToken({}, 2));
    await page.locator("#sign-in button[type=submit]").click();
    await page.locator("#sign-in").waitFor({ state: "hidden" });
    await page.locator(".toast.warning", { hasText: "expired" }).waitFor();
    expect(await text(page, "#account")).toBe("Sign in");
    await page.locator("#connection[data-status=open]").waitFor();
    await moved(page, "#market-grid .row .price");
  });

  it("page - themes follow the system or the switch, and the switch is remembered", async () => {
    const page = await open({ colorScheme: "dark" });
    const luminance = () =>
      page.evaluate<number>(
        "getComputedStyle(document.querySelector('.panel')).backgroundColor.match(/\\d+/g).slice(0, 3).reduce((sum, part) => sum + Number(part), 0) / 765",
      );
    expect(await luminance()).toBeLessThan(0.2);
    await page.emulateMedia({ colorScheme: "light" });
    expect(await luminance()).toBeGreaterThan(0.9);
    const button = page.locator("#theme");
    expect(await button.getAttribute("aria-label")).toBe("Theme: as the system");
    await button.click();
    await button.click();
    expect(await button.getAttribute("aria-label")).toBe("Theme: dark");
    expect(await luminance()).toBeLessThan(0.2);
    await page.reload();
    expect(await luminance()).toBeLessThan(0.2);
  });

  it.each(["dark", "light"] as const)("page - a picture in the %s theme", async (colorScheme) => {
    const page = await open({ colorScheme });
    await page.locator("#book .level.bid:not(.empty)").first().waitFor();
    await page.locator("#trades [data-trade]").nth(3).waitFor({ state: "attached" });
    expect(await page.evaluate("document.documentElement.scrollWidth")).toBe(1440);
    await screenshot(page, `desktop-${colorScheme}`);
  });

  it.each([320, 390, 480])(
    "page - on a phone %i pixels wide, one section at a time",
    async (width) => {
      const page = await open({ viewport: { width, height: 844 }, hasTouch: true, isMobile: true });
      const fits = async (section: string): Promise<void> => {
        expect(await page.evaluate("document.documentElement.scrollWidth"), section).toBe(width);
        const cut = await page.evaluate(
          `[...document.querySelectorAll(".panel, .bar > *, #sections button")].filter((one) => one.getBoundingClientRect().right > ${width}).map((one) => one.className)`,
        );
        expect(cut, section).toEqual([]);
        if (width === 390) await screenshot(page, `phone-${section}`);
      };
      await fits("markets");
      await rows(page).nth(2).tap();
      await page.locator("#chart canvas").first().waitFor();
      expect(await page.locator(".panel.markets").isVisible()).toBe(false);
      await fits("chart");
      for (const [label, panel] of [
        ["Book", ".panel.book"],
        ["Trade", ".panel.ticket"],
        ["Orders", ".panel.blotter"],
        ["Markets", ".panel.markets"],
      ] as const) {
        await page.locator("#sections").getByText(label).tap();
        expect(await page.locator(panel).isVisible(), label).toBe(true);
        await fits(label.toLowerCase());
      }
    },
  );
});

describe.skipIf(CHROMIUM === undefined)("the page and a server that goes away", () => {
  it("page - says so, and goes on when it is back, without a reload", async () => {
    const flags = { feed: "synthetic", "feed-rate": 600, "drain-time": 100 };
    server = await startServerProcess(flags);
    try {
      const { page } = await openPage(browser, server.port);
      await page.locator("#connection[data-status=open]").waitFor();
      const first = await text(page, "#market-title");
      await rows(page).nth(3).click();
      const title = await until("another market is shown", async () => {
        const shown = await text(page, "#market-title");
        return shown === first ? undefined : shown;
      });
      await page.evaluate("window.sameDocument = true");
      const { port } = server;
      await server.dispose();
      await page.locator("#connection[data-status=reconnecting]").waitFor();
      expect(await text(page, "#connection-state")).toBe("Reconnecting");
      await until("the countdown is shown", async () => {
        return /^(in \d+ s|now)$/.test((await text(page, "#connection-countdown")) ?? "");
      });
      expect(await rows(page).count()).toBeGreaterThan(0);
      await screenshot(page, "reconnecting");
      server = await startServerProcess({ ...flags, port });
      await page.locator("#connection[data-status=open]").waitFor();
      await moved(page, "#market-grid .row .price");
      await moved(page, "#book .level.bid .number:nth-child(2)");
      expect(await text(page, "#market-title")).toBe(title);
      expect(await page.evaluate("window.sameDocument")).toBe(true);
    } finally {
      await server.dispose();
    }
  });
});
