import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { CHROMIUM, launchChromium, openPage, screenshot } from "../support/chromium.js";
import { feedListings, listing, quote } from "../support/feed-lines.js";
import {
  type Flags,
  type ServerProcess,
  startServerProcess,
  testToken,
} from "../support/server-process.js";
import {
  type TestOrder,
  temporaryDirectory,
  walletState,
  writeMarkets,
} from "../support/trading.js";
import { until } from "../support/until.js";

let browser: Browser;
let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let flags: Flags;
let server: ServerProcess;
let page: Page;

const text = (selector: string) => page.locator(selector).first().textContent();
const orders = () => page.locator(".blotter table", { hasText: "Open orders" }).locator("tbody tr");
const toast = (said: string) => page.locator(".toast", { hasText: said });
const submit = () => page.locator("#ticket .submit");
const shows = (what: string, selector: string, said: string | RegExp) =>
  until(
    what,
    async () => new RegExp(said).test((await text(selector)) ?? ""),
    20_000,
    () => said,
  );

async function signIn(wallet: string): Promise<void> {
  await page.locator("#account").click();
  await page.locator("#token").fill(testToken({ sub: wallet, wallet }));
  await page.locator("#sign-in button[type=submit]").click();
  await page.locator("#sign-in").waitFor({ state: "hidden" });
  await submit().waitFor();
}

async function open(wallet: string): Promise<void> {
  ({ page } = await openPage(browser, server.port));
  await page.locator("#connection[data-health=ok]").waitFor();
  await signIn(wallet);
}

async function type(price: string, quantity: string): Promise<void> {
  await page.locator("#order-price").fill(price);
  await page.locator("#order-quantity").fill(quantity);
}

/** Open orders of a wallet, as the server has them. */
async function placed(wallet: string): Promise<readonly TestOrder[]> {
  return (await walletState(server.port, wallet)).orders;
}

beforeAll(async () => {
  if (CHROMIUM !== undefined) browser = await launchChromium();
});
afterAll(() => browser?.close());

describe.skipIf(CHROMIUM === undefined)("the page without its server", () => {
  beforeAll(async () => {
    directory = await temporaryDirectory();
    await writeMarkets(
      `${directory.path}/markets.json`,
      {},
      { market_id: 1002, title: "Halted market", status: "Halted" },
    );
    flags = {
      ...{ feed: "exchange", "sim-traders": 0, shards: 1 },
      "data-dir": `${directory.path}/data`,
      "markets-file": `${directory.path}/markets.json`,
    };
    server = await startServerProcess(flags);
    flags = { ...flags, port: server.port };
  });
  afterEach(() => page.context().close());
  afterAll(async () => {
    await server?.dispose();
    await directory.remove();
  });

  it("page - while the server is away nothing is sent, nothing waits to be, and the draft stays", async () => {
    await open("away");
    await type("0.5", "7");
    await submit().click();
    await orders().waitFor();
    await type("0.25", "3");
    await server.dispose();
    await page.locator("#connection[data-status=reconnecting]").waitFor();
    await shows("the button says why", "#ticket .submit", "^Not connected$");
    expect(await submit().isDisabled()).toBe(true);
    expect(await text("#ticket .note")).toContain("what you typed stays");
    await page.locator("#order-price").press("Enter");
    const cancel = orders().getByRole("button", { name: /^Cancel / });
    expect(await cancel.textContent()).toBe("Not connected");
    expect(await cancel.isDisabled()).toBe(true);
    expect(await text(".blotter .stale")).toContain("nothing can be cancelled");
    expect(await text("#notice")).toContain("may be out of date");
    expect(await text("#system")).toBe("Not connected");
    expect(await page.title()).toMatch(/^\(not connected\) /);
    await screenshot(page, "away");

    server = await startServerProcess(flags);
    await page.locator("#connection[data-health=ok]").waitFor();
    await shows("it can be placed", "#ticket .submit", "^Buy 3 at 0.25$");
    expect(await page.locator("#notice").isVisible()).toBe(false);
    expect(await page.locator("#ticket .note").isVisible()).toBe(false);
    expect(await page.locator("#order-price").inputValue()).toBe("0.25");
    expect((await placed("away")).map(({ price }) => price)).toEqual([0.5]);
    await orders()
      .getByRole("button", { name: /^Cancel Buy order/ })
      .click();
    await until("it is cancelled", async () => (await orders().count()) === 0);
    expect(await placed("away")).toEqual([]);
  });

  it("page - a token is not sent later either", async () => {
    ({ page } = await openPage(browser, server.port));
    await page.locator("#connection[data-health=ok]").waitFor();
    await page.locator("#account").click();
    await page.locator("#token").fill(testToken({ sub: "late", wallet: "late" }));
    await server.dispose();
    await page.locator("#connection[data-status=reconnecting]").waitFor();
    await page.locator("#sign-in button[type=submit]").click();
    await shows("why not is said", "#sign-in .problem", "^Not connected");
    server = await startServerProcess(flags);
    await page.locator("#connection[data-health=ok]").waitFor();
    expect(await text("#sign-in .problem")).toBe("");
    expect(await page.locator("#sign-in").isVisible()).toBe(true);
    expect(await text("#account")).toBe("Sign in");
  });

  it("page - neither a market that takes no orders nor a server that is silent gets any", async () => {
    await open("silent");
    await page.locator("#market-grid .row", { hasText: "Halted market" }).click();
    await shows("it is halted", "#ticket .submit", "^Market halted$");
    expect(await submit().isDisabled()).toBe(true);
    await page.locator("#market-grid .row", { hasText: "A market" }).click();
    await type("0.5", "7");
    server.child.kill("SIGSTOP");
    try {
      await shows("no answer is said", "#connection-state", "^No answer$");
      expect(await submit().isDisabled()).toBe(true);
      await page.locator("#order-price").press("Enter");
    } finally {
      server.child.kill("SIGCONT");
    }
    await page.locator("#connection[data-health=ok]").waitFor();
    await shows("it can be placed", "#ticket .submit", "^Buy 7 at 0.5$");
    expect(await placed("silent")).toEqual([]);
  });

  it("page - a server with another secret ends the signing in, and says why", async () => {
    await open("stranger");
    await server.dispose();
    const secret = "another secret for tests, of more than 32 bytes";
    server = await startServerProcess({ ...flags, "jwt-secret": secret });
    await toast("Your token is not taken any more").waitFor();
    await page.locator("#connection[data-health=ok]").waitFor();
    expect(await text("#account")).toBe("Sign in");
  });
});

describe.skipIf(CHROMIUM === undefined)("an order whose connection breaks on the way", () => {
  /** What the page's next order meets. */
  let fate: "passes" | "answer lost" | "lost";
  /** New connections are refused. */
  let refusing: boolean;

  beforeAll(async () => {
    server = await startServerProcess({ feed: "exchange", "sim-traders": 0, shards: 1 });
  });
  beforeEach(async () => {
    [fate, refusing] = ["passes", false];
    const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
    page = await context.newPage();
    await page.routeWebSocket(/\/ws\/v3/, (ws) => {
      if (refusing) return void ws.close({ code: 1012 });
      const upstream = ws.connectToServer();
      const lose = (): void => {
        fate = "passes";
        refusing = true;
        void ws.close({ code: 1012 });
      };
      ws.onMessage((message) => {
        if (fate === "lost" && String(message).includes('"PlaceOrder"')) lose();
        else upstream.send(message);
      });
      upstream.onMessage((message) => {
        if (fate === "answer lost" && String(message).includes('"OrderUpdate"')) lose();
        else ws.send(message);
      });
    });
    await page.goto(`http://127.0.0.1:${server.port}/`);
    await page.locator("#connection[data-health=ok]").waitFor();
  });
  afterEach(() => page.context().close());
  afterAll(async () => {
    await server.dispose();
  });

  const tick = async () =>
    Number(await page.locator(".figures div", { hasText: "Tick" }).locator("dd").textContent());

  it.each(["answer lost", "lost"] as const)(
    "page - that comes to this: %s; it is unknown until the server is back, and placed once",
    async (what) => {
      const wallet = `on its way, ${what}`;
      await signIn(wallet);
      await type(String(await tick()), "3");
      fate = what;
      await submit().click();
      await shows("unknown is said", "#ticket .note", "unknown until the server is back");
      expect(await text("#ticket .submit")).toBe("Unknown");
      expect(await submit().isDisabled()).toBe(true);
      await screenshot(page, "unknown");
      refusing = false;
      await toast("Order placed").waitFor();
      await shows("the next can be placed", "#ticket .submit", /^Buy 3 at /);
      expect(await page.locator("#ticket .note").isVisible()).toBe(false);
      const [order, ...others] = await placed(wallet);
      expect(order).toMatchObject({ quantity: 3, status: "Open" });
      expect(others).toEqual([]);
      await until("it is listed once", async () => (await orders().count()) === 1);
    },
  );

  it("page - another encoding asks for it as well", async () => {
    await signIn("switching");
    await type(String(await tick()), "3");
    fate = "answer lost";
    await submit().click();
    await shows("unknown is said", "#ticket .note", "unknown until the server is back");
    await page.getByRole("radio", { name: "MessagePack" }).check();
    refusing = false;
    await toast("Order placed").waitFor({ timeout: 20_000 });
    expect(await placed("switching")).toHaveLength(1);
  });

  it("page - nobody asks for one that was given up, or that another wallet would place", async () => {
    await signIn("giving up");
    await type(String(await tick()), "3");
    fate = "lost";
    await submit().click();
    await page.locator("#ticket button", { hasText: "Stop asking" }).click();
    await toast("What became of the order is unknown").waitFor();
    refusing = false;
    await page.locator("#connection[data-health=ok]").waitFor();
    await shows("the next can be placed", "#ticket .submit", /^Buy 3 at /);
    expect(await placed("giving up")).toEqual([]);

    fate = "lost";
    await submit().click();
    await shows("unknown is said", "#ticket .note", "unknown until the server is back");
    // As long as it is signed in, it would ask as soon as it can.
    await page.locator("#account").click();
    refusing = false;
    await page.locator("#connection[data-health=ok]").waitFor();
    await signIn("somebody else");
    expect(await placed("somebody else")).toEqual([]);
    expect(await placed("giving up")).toEqual([]);
  });
});

describe.skipIf(CHROMIUM === undefined)("the page and a feed that ended", () => {
  it("page - is not live any more, and says why", async () => {
    server = await startServerProcess({ feed: "stdin", shards: 1 }, { stdin: "pipe" });
    try {
      await feedListings(server, [7], listing(7, "Rain"), quote(7, 1, 2));
      ({ page } = await openPage(browser, server.port));
      await shows("it is live", "#connection-state", "^Live$");
      server.child.stdin?.end();
      await shows("it is not live", "#connection-state", "^Degraded$");
      expect(await page.locator("#connection").getAttribute("data-health")).toBe("warning");
      expect(await text("#notice")).toMatch(/^The server is degraded: .*feed.*ended/);
      await screenshot(page, "feed-ended");
    } finally {
      await server.dispose();
    }
  });
});
