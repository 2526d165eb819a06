import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CHROMIUM, launchChromium, type OpenPage, openPage } from "../support/chromium.js";
import { type ServerProcess, startServerProcess, testToken } from "../support/server-process.js";
import {
  QUIET_EXCHANGE,
  temporaryDirectory,
  walletState,
  writeMarkets,
} from "../support/trading.js";
import { until } from "../support/until.js";

let browser: Browser;
let server: ServerProcess;
let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let opened: OpenPage;
let page: Page;

const price = () => page.locator("#order-price");
const quantity = () => page.locator("#order-quantity");
const submit = () => page.locator("#ticket .submit");
const said = (field: string) => page.locator(`#order-${field}-problem`).textContent();
const invalid = (field: string) => page.locator(`#order-${field}`).getAttribute("aria-invalid");
const open = async () => (await walletState(server.port, "typist")).orders;

describe.skipIf(CHROMIUM === undefined)("what is typed into the ticket", () => {
  beforeAll(async () => {
    directory = await temporaryDirectory();
    const file = `${directory.path}/markets.json`;
    const other = { market_id: 1002, title: "Another", tick_size: 0.001 };
    await writeMarkets(file, { lot_size: 0.5 }, other);
    server = await startServerProcess({ ...QUIET_EXCHANGE, shards: 1, "markets-file": file });
    browser = await launchChromium();
    opened = await openPage(browser, server.port);
    ({ page } = opened);
    await page.locator("#connection[data-health=ok]").waitFor();
    await page.locator("#account").click();
    await page.locator("#token").fill(testToken({ wallet: "typist" }));
    await page.locator("#sign-in button[type=submit]").click();
    await submit().waitFor();
  });
  afterAll(async () => {
    await browser?.close();
    await server?.dispose();
    await directory.remove();
    expect(opened?.complaints).toEqual([]);
  });

  it("ticket - is said as it was understood, and placed so", async () => {
    const typed: readonly (readonly [string, string, string, number, number])[] = [
      ["0,1", "1,5", "Buy 1.5 at 0.1", 0.1, 1.5],
      [" .5 ", "2.", "Buy 2 at 0.5", 0.5, 2],
      ["1,000.5", "1", "Buy 1 at 1000.5", 1000.5, 1],
    ];
    for (const [at, amount, words] of typed) {
      await price().fill(at);
      await quantity().fill(amount);
      expect(await submit().textContent()).toBe(words);
      await submit().click();
      await page.locator(".toast", { hasText: "Order placed" }).last().waitFor();
      await until("the next can be placed", () => submit().isEnabled());
    }
    const placed = (await open()).map((order) => [order.price, order.quantity]);
    expect(placed.sort()).toEqual(typed.map(([, , , at, amount]) => [at, amount]).sort());
    await price().fill("0,1");
    expect(await said("price")).toBe("= 0.1");
  });

  it("ticket - or is refused, kept as it is, and not placed", async () => {
    const before = await open();
    const refused = ["1,000", "1.000,5", "1e3", "0x1", "-1", "--1", "١", "１", "1 000", "", "."];
    for (const typed of refused) {
      for (const field of [price(), quantity()]) {
        await price().fill("1");
        await quantity().fill("1");
        await field.fill(typed);
        await field.press("Enter");
        expect(await field.getAttribute("aria-invalid"), typed).toBe("true");
        expect(await field.inputValue()).toBe(typed);
      }
    }
    expect(await open()).toEqual(before);
    await price().fill("1,000");
    await price().press("Enter");
    expect(await said("price")).toContain("1000 or 1.000");
    await price().press("ArrowUp");
    expect(await price().inputValue()).toBe("1,000");
    await price().fill("0,12");
    await price().press("ArrowUp");
    expect(await price().inputValue()).toBe("0.13");
  });

  it("ticket - several lines that are pasted do not become one number", async () => {
    await price().fill("1");
    const taken = await page.evaluate<boolean>(`(() => {
      const clipboardData = new DataTransfer();
      clipboardData.setData("text/plain", "1\\n5");
      const paste = new ClipboardEvent("paste", { clipboardData, cancelable: true });
      return document.querySelector("#order-price").dispatchEvent(paste);
    })()`);
    expect(taken).toBe(false);
    expect(await said("price")).toContain("2 lines");
    expect(await price().inputValue()).toBe("1");
  });

  it("ticket - what was wrong is no longer said when its cause has gone", async () => {
    const fail = async (): Promise<void> => {
      await price().fill("0.123");
      await quantity().fill("0.3");
      await submit().click();
      expect([await invalid("price"), await invalid("quantity")]).toEqual(["true", "true"]);
      expect(await said("price")).toContain("0.123 is no positive multiple of the tick, 0.01");
    };
    await fail();
    await price().fill("0.12");
    expect([await said("price"), await invalid("price")]).toEqual(["", "false"]);
    expect(await invalid("quantity")).toBe("true");
    const changes: readonly (() => Promise<void>)[] = [
      () => page.getByRole("radio", { name: "Sell", exact: true }).check(),
      () => page.getByRole("radio", { name: "Market", exact: true }).check(),
      () => page.locator("#market-grid .row", { hasText: "Another" }).click(),
    ];
    for (const change of changes) {
      await page.locator("#market-grid .row", { hasText: "A market" }).click();
      await page.getByRole("radio", { name: "Buy", exact: true }).check();
      await page.getByRole("radio", { name: "Limit", exact: true }).check();
      await fail();
      await change();
      expect([await said("price"), await said("quantity")]).toEqual(["", ""]);
      expect([await invalid("price"), await invalid("quantity")]).toEqual(["false", "false"]);
    }
  });
});
