import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import {
  CHROMIUM,
  launchChromium,
  type OpenPage,
  openPage,
  screenshot,
} from "../support/chromium.js";
import { Link } from "../support/link.js";
import { type ServerProcess, startServerProcess, testToken } from "../support/server-process.js";
import type { TestClient } from "../support/test-client.js";
import {
  connectTrader,
  limitOrder,
  place,
  QUIET_EXCHANGE,
  refusalOf,
  temporaryDirectory,
  walletState,
  writeMarkets,
} from "../support/trading.js";
import { until } from "../support/until.js";

let browser: Browser;
let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let server: ServerProcess;
let link: Link;
/** Whether the link lets anybody through. */
let reachable = true;
let other: TestClient;
let opened: OpenPage;
let page: Page;
let wallet: string;
let wallets = 0;

const toast = (text: string) => page.locator(".toast", { hasText: text });
const table = (caption: string) => page.locator(".blotter table", { hasText: caption });
const rowsOf = (caption: string) => table(caption).locator("tbody tr");
const tab = (name: string) => page.getByRole("tab", { name });
const submit = () => page.locator("#ticket .submit");
const validation = () => page.locator("#validation");
const openOrders = async () => (await walletState(server.port, wallet)).orders;

/** Fills in a limit order and leaves it unsent. */
async function type(price: number, quantity: number): Promise<void> {
  await page.locator("#order-price").fill(`${price}`);
  await page.locator("#order-quantity").fill(`${quantity}`);
}

async function placeByHand(price: number, quantity: number): Promise<void> {
  const before = await rowsOf("Open orders").count();
  await type(price, quantity);
  await submit().click();
  await until("it rests", async () => (await rowsOf("Open orders").count()) === before + 1);
}

async function signIn(): Promise<void> {
  await page.locator("#connection[data-status=open]").waitFor();
  await page.locator("#account").click();
  await page.locator("#token").fill(testToken({ sub: wallet, wallet }));
  await page.locator("#sign-in button[type=submit]").click();
  await submit().waitFor();
}

describe.skipIf(CHROMIUM === undefined)("requests about orders on the page", () => {
  beforeAll(async () => {
    directory = await temporaryDirectory();
    const file = `${directory.path}/markets.json`;
    await writeMarkets(file);
    server = await startServerProcess({
      ...QUIET_EXCHANGE,
      shards: 1,
      "markets-file": file,
      "max-price": 1000,
    });
    link = await Link.start(
      () => (reachable ? server.port : undefined),
      (client, upstream) => client.pipe(upstream).pipe(client),
    );
    browser = await launchChromium();
    other = await connectTrader(server.port, { wallet: "other" });
    opened = await openPage(browser, link.port);
    page = opened.page;
  });
  beforeEach(async () => {
    wallet = `page-${++wallets}`;
    await signIn();
    await tab("Open orders").click();
  });
  afterEach(async () => {
    await other.request({ type: "CancelOrders", data: {} });
    // The next one trades with a wallet of its own.
    await page.locator("#account").click();
    await page.locator("#account", { hasText: "Sign in" }).waitFor();
    await page.locator("#order-tif").selectOption("GTC");
    await page.locator("#order-self-trade").selectOption("CancelTaker");
    await page.locator("#order-post-only").uncheck();
  });
  afterAll(async () => {
    await other?.close();
    await browser?.close();
    await link?.stop();
    await server?.dispose();
    await directory.remove();
  });

  it("order requests - a GTD order rests until its time, and is in the history then", async () => {
    await page.locator("#order-tif").selectOption("GTD");
    await page.locator("#order-post-only").check();
    await page.locator("#order-self-trade").selectOption("CancelBoth");
    const suggested = await page.locator("#order-expires").inputValue();
    expect(Date.parse(suggested) - Date.now()).toBeGreaterThan(3_500_000);
    await page.locator("#order-expires").fill("2020-01-31T17:00:00");
    await type(5, 3);
    await submit().click();
    expect(await page.locator("#order-expires-problem").textContent()).toBe("This is over already");
    await page.locator("#order-expires").fill(suggested);
    await screenshot(page, "ticket-gtd");
    await submit().click();
    const open = rowsOf("Open orders");
    await open.waitFor();
    expect(await open.textContent()).toMatch(/Limit GTD until .*\d\d:\d\d:\d\d post/);
    const terms = { time_in_force: "GTD", post_only: true, price: 5, quantity: 3 };
    const expires_ts = Date.parse(suggested) * 1000;
    expect(await openOrders()).toMatchObject([{ ...terms, expires_ts }]);
    // Another one's time comes soon.
    const trader = await connectTrader(server.port, { wallet });
    const soon = { time_in_force: "GTD", expires_ts: (Date.now() + 2000) * 1000 };
    await place(trader, limitOrder("Buy", 4, 1, soon));
    await tab("History").click();
    await rowsOf("Finished orders").waitFor();
    expect(await rowsOf("Finished orders").textContent()).toMatch(/4\.00.*Cancelled: .*expire/);
    await until("the first one stays", async () => (await open.count()) === 1);
    await trader.request({ type: "CancelOrders", data: {} });
    await trader.close();
    expect(opened.complaints).toEqual([]);
  });

  it("order requests - a check says what an order would do, and places nothing", async () => {
    await place(other, limitOrder("Sell", 10, 4));
    await place(other, limitOrder("Sell", 11, 2));
    await page.locator("#book .level.ask:not(.empty)").nth(1).waitFor();
    await type(10.5, 10);
    const check = page.locator("#order-validate");
    await check.click();
    await validation().waitFor();
    const text = await validation().textContent();
    expect(text).toContain("It would be taken");
    expect(text).toContain("Trades 4 at 10.000 on average, as the book stands; 6 rests");
    expect(text).toContain("Limit, GTC");
    await page.locator("#order-tif").selectOption("FOK");
    expect(await validation().isVisible()).toBe(false);
    await check.click();
    await validation().waitFor();
    expect(await validation().textContent()).toContain(
      "Trades nothing at once, as the book stands",
    );
    // What the server refuses, it refuses by a rule, which may be about a field.
    await page.locator("#order-tif").selectOption("GTC");
    await page.locator("#order-post-only").check();
    await check.click();
    await page.locator('#validation[data-kind="error"]').waitFor();
    expect(await validation().textContent()).toMatch(/It would be refused: post_only.*10\.5/);
    expect(await page.locator("#order-price-problem").textContent()).toContain("would trade at 10");
    expect(await openOrders()).toEqual([]);
    await screenshot(page, "ticket-refused");
    // Placed all the same, it is refused by the same rule.
    await submit().click();
    await toast("Order not placed: post_only").waitFor();
    await type(1001, 1);
    await page.locator("#order-post-only").uncheck();
    await submit().click();
    await toast("Order not placed: max_price").waitFor();
    expect(await page.locator("#order-price").getAttribute("aria-invalid")).toBe("true");
    expect(await openOrders()).toEqual([]);
    expect(opened.complaints).toEqual([]);
  });

  it("order requests - an open order is amended, or the dialog says by which rule it is not", async () => {
    await placeByHand(5, 10);
    const dialog = page.locator("#amend");
    const amend = dialog.locator("button[type=submit]");
    await rowsOf("Open orders")
      .getByRole("button", { name: /^Amend Buy order in / })
      .click();
    await dialog.waitFor();
    expect(await page.locator("#amend-price").inputValue()).toBe("5.00");
    await amend.click();
    expect(await dialog.textContent()).toContain("what the order is already");
    await page.locator("#amend-price").fill("5.5");
    await page.locator("#amend-quantity").fill("8");
    await amend.click();
    await dialog.waitFor({ state: "hidden" });
    expect(await openOrders()).toMatchObject([{ price: 5.5, quantity: 8 }]);
    await until("it is listed so", async () =>
      /5\.50.*0 \/ 8/.test((await rowsOf("Open orders").textContent()) ?? ""),
    );
    expect((await place(other, limitOrder("Sell", 5.5, 3))).status).toBe("Filled");
    await until("a part is filled", async () =>
      /3 \/ 8/.test((await rowsOf("Open orders").textContent()) ?? ""),
    );
    await rowsOf("Open orders")
      .getByRole("button", { name: /^Amend / })
      .click();
    expect(await dialog.textContent()).toContain("3 of it is filled");
    await page.locator("#amend-quantity").fill("2");
    await amend.click();
    await until("the rule is named", async () =>
      (await dialog.textContent())?.includes("Not amended: below_filled"),
    );
    expect(await page.locator("#amend-quantity-problem").textContent()).toContain("below");
    await screenshot(page, "amend-refused");
    await page.locator("#amend-quantity").fill("3");
    await amend.click();
    await dialog.waitFor({ state: "hidden" });
    await until("it is filled", async () => (await rowsOf("Open orders").count()) === 0);
    expect(opened.complaints).toEqual([]);
  });

  it("order requests - all open orders are cancelled at once, and not without a connection", async () => {
    for (const price of [1, 2, 3]) await placeByHand(price, 1);
    const all = page.getByRole("button", { name: "Cancel all" });
    reachable = false;
    link.cut();
    await until("it can not be asked", () => all.isDisabled());
    expect(await submit().textContent()).toBe("Not connected");
    expect(await page.locator("#order-validate").isDisabled()).toBe(true);
    reachable = true;
    await until("it can", () => all.isEnabled());
    await all.click();
    await toast("3 orders cancelled").waitFor();
    await until("none is open", async () => (await rowsOf("Open orders").count()) === 0);
    expect(await openOrders()).toEqual([]);
    expect(await all.isVisible()).toBe(false);
    await tab("History").click();
    await until("all are there", async () => (await rowsOf("Finished orders").count()) === 3);
  });

  it("order requests - history and fills go back beyond the page, and on as they come", async () => {
    const trader = await connectTrader(server.port, { wallet });
    await place(other, limitOrder("Sell", 20, 130));
    for (let from = 0; from < 120; from += 40) {
      const orders = Array.from({ length: 40 }, () => limitOrder("Buy", 20, 1));
      await trader.request({ type: "PlaceOrders", data: { orders } });
    }
    expect(await refusalOf(trader, { type: "GetOrder", data: { order_id: "0" } })).toBeDefined();
    await trader.close();
    // A page that knows nothing of all that; what it said of a broken connection is not of interest here.
    const before = opened.complaints.length;
    await page.reload();
    await tab("Fills").click();
    expect(await page.locator("#blotter").textContent()).toContain("Sign in with a token");
    await signIn();
    for (const [name, caption] of [
      ["Fills", "Fills"],
      ["History", "Finished orders"],
    ] as const) {
      await tab(name).click();
      const rows = rowsOf(caption);
      await until(`a page of ${name}`, async () => (await rows.count()) === 100);
      await page.getByRole("button", { name: "Older", exact: true }).click();
      await until(`all ${name}`, async () => (await rows.count()) === 120);
      await page.locator(".foot:visible", { hasText: "That is all" }).waitFor();
    }
    await type(20, 2);
    await submit().click();
    await toast("Bought 2 at 20.00").waitFor();
    await until("it is told", async () => (await rowsOf("Finished orders").count()) === 121);
    await tab("Fills").click();
    await until("so is its fill", async () => (await rowsOf("Fills").count()) === 121);
    expect(await rowsOf("Fills").first().textContent()).toMatch(/Buy20\.002Taker/);
    await screenshot(page, "fills");
    // Another encoding is another connection, with nothing lost or told twice.
    await page.getByRole("radio", { name: "Protobuf" }).check();
    await page.locator("#connection[data-status=open]").waitFor();
    await place(other, limitOrder("Buy", 19, 1));
    await page.getByRole("radio", { name: "Sell", exact: true }).check();
    await type(19, 1);
    await submit().click();
    await until("the next is told, too", async () => (await rowsOf("Fills").count()) === 122);
    expect(opened.complaints.slice(before)).toEqual([]);
  });
});
