import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
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

let browser: Browser;
let server: ServerProcess;
let opened: OpenPage;
let page: Page;

const toast = (text: string) => page.locator(".toast", { hasText: text });
const rowsOf = (caption: string) =>
  page.locator(".blotter table", { hasText: caption }).locator("tbody tr");
const radio = (name: string) => page.getByRole("radio", { name, exact: true });
const value = (selector: string) => page.locator(selector).inputValue();

/** Signs in as a wallet of its own, with the first market shown. */
async function signIn(wallet: string): Promise<void> {
  await page.locator("#account").click();
  await page.locator("#token").fill(testToken({ sub: wallet, wallet }));
  await page.locator("#sign-in button[type=submit]").click();
  await page.locator("#sign-in").waitFor({ state: "hidden" });
  await page.locator("#ticket .submit").waitFor();
}

describe.skipIf(CHROMIUM === undefined)("trading on the page", () => {
  beforeAll(async () => {
    server = await startServerProcess({ feed: "exchange", "market-interval": 200 });
    browser = await launchChromium();
  });
  beforeEach(async () => {
    opened = await openPage(browser, server.port);
    page = opened.page;
    await page.locator("#book .level.ask:not(.empty)").first().waitFor();
  });
  afterEach(async () => {
    await page.context().close();
    expect(opened.complaints).toEqual([]);
  });
  afterAll(async () => {
    await browser?.close();
    await server?.dispose();
  });

  it("page - an order placed by hand fills, and is a position", async () => {
    await signIn("taker");
    await radio("Market").check();
    await page.locator("#order-quantity").fill("3");
    await page.locator("#ticket .submit").click();
    await toast("Bought 3 at").waitFor();
    await page.getByRole("tab", { name: "Positions" }).click();
    const position = rowsOf("Positions");
    await position.waitFor();
    expect(await position.locator("td").nth(1).textContent()).toBe("3");
    await page.getByRole("tab", { name: "History" }).click();
    expect(await rowsOf("Finished orders").textContent()).toMatch(/Buy.*Market.*3 \/ 3.*Filled/);
    await screenshot(page, "trading-filled");
  });

  it("page - an order that rests is listed, also after a reconnect, and is cancelled by hand", async () => {
    await signIn("maker");
    // Far below the market, where nobody meets it.
    await page.locator("#order-price").fill(String(await tickOf()));
    await page.locator("#order-quantity").fill("2");
    await page.locator("#order-post-only").check();
    await page.locator("#ticket .submit").click();
    await toast("Order placed").waitFor();
    const order = rowsOf("Open orders");
    expect(await order.textContent()).toMatch(/Buy.*Limit post.*0 \/ 2/);
    await radio("MessagePack").check();
    await page.locator("#connection[data-status=open]").waitFor();
    await until("it is listed on the new connection", async () => (await order.count()) === 1);
    await screenshot(page, "trading-open");
    await order.getByRole("button", { name: /^Cancel Buy order in / }).click();
    await until("it is no longer open", async () => (await order.count()) === 0);
    await page.getByRole("tab", { name: "History" }).click();
    expect(await rowsOf("Finished orders").textContent()).toContain("Cancelled");
  });

  it("page - what does not fit tick or lot is said beside the field and not sent", async () => {
    await signIn("clumsy");
    const tick = await tickOf();
    await page.locator("#order-price").fill(`${await value("#order-price")}1`);
    await page.locator("#order-quantity").fill("0.5");
    await page.locator("#ticket .submit").click();
    await until("the problem is said", async () => {
      return (await page.locator("#order-price-problem").textContent())?.includes(String(tick));
    });
    expect(await page.locator("#order-quantity").getAttribute("aria-invalid")).toBe("true");
    expect(await page.evaluate("document.activeElement.id")).toBe("order-price");
    expect(await rowsOf("Open orders").count()).toBe(0);
    await page.locator("#order-price").fill("");
    await page.keyboard.press("ArrowUp");
    expect(Number(await value("#order-price"))).toBe(tick);
  });

  it("page - the server's refusal is shown", async () => {
    await signIn("refused");
    await page.locator("#book .level.ask:not(.empty)").first().click();
    await page.locator("#order-post-only").check();
    // Crosses the best ask, so that it is no maker.
    for (let ticks = 0; ticks < 5; ticks++)
      await page.locator("#order-price").press("Shift+ArrowUp");
    await page.locator("#ticket .submit").click();
    await toast("Order not placed").waitFor();
    expect(await rowsOf("Open orders").count()).toBe(0);
  });

  it("page - a price in the book is taken over by a click", async () => {
    const level = page.locator("#book .level.bid:not(.empty)").nth(2);
    // The book moves on: what counts is that the field has a price of the book.
    await until("the price is taken over", async () => {
      const price = await level.locator(".price").textContent();
      await level.click();
      return Number(await value("#order-price")) === Number(price?.replaceAll(",", ""));
    });
  });
});

describe.skipIf(CHROMIUM === undefined)("trading on the page against one other trader", () => {
  it("page - an order that is placed appears, fills in two parts, and is a position", async () => {
    server = await startServerProcess({ feed: "exchange", "sim-traders": 0 });
    browser = await launchChromium();
    const token = testToken({ sub: "other", wallet: "other" });
    const other = await TestClient.connect(server.port, { query: `?token=${token}` });
    try {
      ({ page } = await openPage(browser, server.port));
      await page.locator("#market-grid .row").first().click();
      const marketId = Number(new URL(page.url()).hash.slice(1));
      const price = 100 * (await tickOf());
      const sell = (quantity: number) => {
        const order = { market_id: marketId, side: "Sell", order_type: "Limit", price, quantity };
        return other.request({ type: "PlaceOrder", data: { order } });
      };
      await signIn("resting");
      await page.locator("#order-price").fill(`${price}`);
      await page.locator("#order-quantity").fill("5");
      await page.locator("#ticket .submit").click();
      const order = rowsOf("Open orders");
      await order.waitFor();
      expect(await page.locator("#book .level.bid:not(.empty)").count()).toBe(1);

      expect((await sell(2)).type).toBe("OrderUpdate");
      await toast("Bought 2 at").waitFor();
      await until("a part is filled", async () => /2 \/ 5/.test((await order.textContent()) ?? ""));
      expect((await sell(3)).type).toBe("OrderUpdate");
      await toast("Bought 3 at").waitFor();
      await until("it is no longer open", async () => (await order.count()) === 0);
      expect(await page.locator("#trades .rows .trade:not([hidden])").count()).toBe(2);
      await page.getByRole("tab", { name: "Positions" }).click();
      await until("the position is 5", async () => {
        return (await rowsOf("Positions").locator("td").nth(1).textContent()) === "5";
      });
    } finally {
      await other.close();
      await browser.close();
      await server.dispose();
    }
  });
});

/** Tick size of the market that is shown. */
async function tickOf(): Promise<number> {
  const figure = page.locator(".figures div", { hasText: "Tick" });
  return Number(await figure.locator("dd").textContent());
}
