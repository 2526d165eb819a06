import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Order } from "../../src/contract/messages.js";
import { FrameProxy } from "../support/frame-proxy.js";
import { type ServerProcess, startServerProcess, testToken } from "../support/server-process.js";
import { hasTerminal, type Outcome, runMarketcast, runOnTerminal } from "./run-marketcast.js";

const cwd = mkdtempSync(join(tmpdir(), "marketcast-order-"));
afterAll(() => rmSync(cwd, { recursive: true, force: true }));

/** The orders that a command has printed, and that it ended well. */
function ordersOf({ code, stdout, stderr }: Outcome): Order[] {
  expect([code, withoutName(stderr)]).toEqual([0, ""]);
  return stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Order);
}

/** What else a command has told than the id of the order that it was about to place. */
function withoutName(stderr: string): string {
  return stderr.replace(/^marketcast: placing the order with --client-order-id \S+\n/, "");
}

describe("order, on an exchange", () => {
  let server: ServerProcess;
  let proxy: FrameProxy;
  let wallets = 0;
  let wallet: string;
  beforeAll(async () => {
    server = await startServerProcess({ feed: "exchange", "sim-traders": 0, shards: 1 });
    proxy = await FrameProxy.start(server.port);
  });
  beforeEach(() => {
    proxy.rules = {};
    wallet = `wallet-${++wallets}`;
  });
  afterAll(() => Promise.all([proxy.close(), server.dispose()]));

  const env = (of = wallet) => ({ MARKETCAST_TOKEN: testToken({ sub: of, wallet: of }) });
  const run = (args: readonly string[], of = wallet): Promise<Outcome> =>
    runMarketcast(["order", ...args, "--url", proxy.url], { cwd, env: env(of) });
  const buy = (price: number, ...more: string[]): string[] => [
    ...["place", "--market", "1001", "--side", "Buy"],
    ...["--price", String(price), "--quantity", "10", ...more],
  ];

  it("order - is placed, listed, cancelled by either id, and then no longer listed", async () => {
    const [first] = ordersOf(await run(buy(0.1, "--client-order-id", "first", "--post-only")));
    expect(first).toMatchObject({
      ...{ market_id: 1001, wallet, side: "Buy", order_type: "Limit", time_in_force: "GTC" },
      ...{ price: 0.1, quantity: 10, status: "Open", client_order_id: "first", post_only: true },
    });
    const [second] = ordersOf(await run(buy(0.2, "--encoding", "msgpack")));
    const listed = ordersOf(await run(["list"]));
    expect(listed).toHaveLength(2);
    expect(listed).toEqual(expect.arrayContaining([first, second]));
    expect(ordersOf(await run(["list"], "somebody-else"))).toEqual([]);
    const cancelled = [
      ...ordersOf(await run(["cancel", "--client-order-id", "first"])),
      ...ordersOf(await run(["cancel", "--order-id", second?.order_id ?? ""])),
    ];
    expect(cancelled.map(({ order_id, status }) => [order_id, status])).toEqual([
      [first?.order_id, "Cancelled"],
      [second?.order_id, "Cancelled"],
    ]);
    expect(ordersOf(await run(["list"]))).toEqual([]);
  });

  it("order - is validated, amended, and cancelled with all others", async () => {
    const validated = await run(buy(0.1, "--validate-only", "--self-trade", "CancelMaker"));
    expect(JSON.parse(validated.stdout)).toMatchObject({
      ...{ price: 0.1, time_in_force: "GTC", self_trade: "CancelMaker" },
    });
    expect(ordersOf(await run(["list"]))).toEqual([]);
    const expires = new Date(Date.now() + 3_600_000).toISOString();
    const dated = ["--client-order-id", "a", "--expires", expires, "--valid-for", "60000"];
    expect(ordersOf(await run(buy(0.1, ...dated)))).toMatchObject([
      { time_in_force: "GTD", expires_ts: Date.parse(expires) * 1000 },
    ]);
    const amended = await run(["amend", "--client-order-id", "a", "--quantity", "4"]);
    expect(ordersOf(amended)).toMatchObject([{ quantity: 4, price: 0.1 }]);
    const timer = await run(["cancel-after", "--in", "300000"]);
    expect(JSON.parse(timer.stdout).trigger_ts / 1000).toBeGreaterThan(Date.now() + 200_000);
    expect((await run(["cancel-after", "--in", "0"])).stdout).toBe('{"trigger_ts":null}\n');
    const all = ["cancel", "--all", "--market", "1001"];
    expect((await run([...all, "--side", "Sell"])).stdout).toBe('{"count":0}\n');
    expect((await run(all)).stdout).toBe('{"count":1}\n');
    for (const [args, told] of [
      [["amend", "--order-id", "1"], "price, quantity: one of them must be given"],
      [["cancel", "--all", "--order-id", "1"], "all: takes no order-id"],
      [["cancel", "--order-id", "1", "--side", "Buy"], "go with --all only"],
      [["cancel-after", "--in", "999"], "It is not 0, nor an integer from 1000 to 300000."],
    ] as const) {
      const { code, stderr } = await run(args);
      expect([code, stderr]).toEqual([2, expect.stringContaining(told)]);
    }
  });

  it("order - is refused by --valid-for where it comes too late, by the server's clock", async () => {
    proxy.requests.length = 0;
    ordersOf(await run(buy(0.05, "--valid-for", "60000")));
    const [sent] = proxy.requests.flatMap((message) =>
      message.type === "PlaceOrder" ? [message.data.order] : [],
    );
    const left = (sent?.valid_until_ts ?? 0) / 1000 - Date.now();
    expect(left).toBeGreaterThan(30_000);
    expect(left).toBeLessThanOrEqual(60_000);
    const late = await run(buy(0.05, "--valid-for", "1", "--validate-only"));
    expect([late.code, late.stderr]).toEqual([
      1,
      expect.stringMatching(/valid_until_ts .+ is over/),
    ]);
  });

  it("order - of a file are placed 50 at a time, and each is told what became of it", async () => {
    proxy.requests.length = 0;
    const order = { market_id: 1001, side: "Buy", order_type: "Limit", price: 0.05, quantity: 1 };
    const lines = Array.from({ length: 55 }, () => JSON.stringify(order));
    lines[1] = JSON.stringify({ ...order, quantity: 0 });
    lines[2] = JSON.stringify({ ...order, client_order_id: "mine", self_trade: "CancelBoth" });
    lines[53] = JSON.stringify({ ...order, colour: "red" });
    const file = join(cwd, "orders.ndjson");
    writeFileSync(file, `${lines.join("\n\r\n")}\n`);
    const { code, stdout, stderr } = await run(["batch", file, "--encoding", "msgpack"]);
    expect([code, stderr]).toEqual([1, "marketcast: 2 of 55 orders were refused\n"]);
    const results = stdout.trim().split("\n");
    expect(results.map((line) => (JSON.parse(line).error?.code as string) ?? "placed")).toEqual(
      lines.map((_, index) => ({ 1: "ORDER_REJECTED", 53: "INVALID_MESSAGE" })[index] ?? "placed"),
    );
    expect(JSON.parse(results[2] ?? "")).toMatchObject({ order: { client_order_id: "mine" } });
    const sizes = proxy.requests.flatMap((message) =>
      message.type === "PlaceOrders" ? [message.data.orders.length] : [],
    );
    expect(sizes).toEqual([50, 5]);
    expect(ordersOf(await run(["list"]))).toHaveLength(53);
  });

  it("order - of a file whose answer is lost are told, so that they can be asked for again", async () => {
    const file = join(cwd, "unanswered.ndjson");
    const order = { market_id: 1001, side: "Buy", order_type: "Limit", price: 0.05, quantity: 1 };
    writeFileSync(file, `${JSON.stringify(order)}\n${JSON.stringify(order)}`);
    proxy.rules.dropFromServer = ({ type }) => type === "OrderResults";
    const lost = await run(["batch", file, "--timeout", "1500"]);
    expect([lost.code, lost.stdout]).toEqual([1, ""]);
    const told = [...lost.stderr.matchAll(/^marketcast: (\{.*\})$/gm)].map(
      ([, line]) => line ?? "",
    );
    expect(told.length).toBe(2);
    proxy.rules = {};
    writeFileSync(file, told.join("\n"));
    const again = await run(["batch", file]);
    expect(again.code).toBe(0);
    for (const line of again.stdout.trim().split("\n"))
      expect(JSON.parse(line)).toMatchObject({ duplicate: true, order: { status: "Open" } });
    expect(ordersOf(await run(["list"]))).toHaveLength(2);
  });

  it("order - is found when it is finished, with its fills, by its wallet alone", async () => {
    const [ask] = ordersOf(await run(buy(0.1, "--client-order-id", "mine")));
    const sell = ["place", "--market", "1001", "--side", "Sell", "--price", "0.1"];
    ordersOf(await run([...sell, "--quantity", "10"], "seller"));
    const filled = { order_id: ask?.order_id, status: "Filled", filled_quantity: 10 };
    for (const name of [
      ["--client-order-id", "mine"],
      ["--order-id", ask?.order_id ?? "", "--encoding", "protobuf"],
    ])
      expect(ordersOf(await run(["get", ...name]))).toMatchObject([filled]);
    ordersOf(await run(buy(0.2)));
    const history = (...flags: string[]) => run(["history", ...flags]).then(ordersOf);
    expect(await history()).toMatchObject([{ price: 0.2, status: "Open" }, filled]);
    expect(await history("--limit", "1")).toMatchObject([{ price: 0.2 }]);
    const statuses = ["--status", "Filled", "Cancelled"];
    expect(await history(...statuses, "--market", "1001")).toMatchObject([filled]);
    expect(await history("--market", "1002")).toEqual([]);
    const fills = ordersOf(await run(["fills", "--order-id", ask?.order_id ?? ""]));
    expect(fills).toMatchObject([{ order_id: ask?.order_id, quantity: 10, liquidity: "Maker" }]);
    expect(ordersOf(await run(["fills"], "seller"))).toMatchObject([{ liquidity: "Taker" }]);
    expect(ordersOf(await run(["fills"], "somebody-else"))).toEqual([]);
    const other = await run(["get", "--order-id", ask?.order_id ?? ""], "somebody-else");
    expect([other.code, other.stderr]).toEqual([1, expect.stringContaining("ORDER_NOT_FOUND")]);
  });

  it("order - Market, IOC and FOK orders fill or end at once", async () => {
    ordersOf(await run(buy(0.3), "maker"));
    const sell = ["place", "--market", "1001", "--side", "Sell", "--quantity"];
    const [market] = ordersOf(await run([...sell, "4", "--type", "Market"]));
    expect(market).toMatchObject({ status: "Filled", filled_quantity: 4, average_price: 0.3 });
    const [fok] = ordersOf(await run([...sell, "7", "--price", "0.3", "--tif", "FOK"]));
    expect(fok).toMatchObject({ status: "Cancelled", filled_quantity: 0 });
    const [ioc] = ordersOf(await run([...sell, "7", "--price", "0.3", "--tif", "IOC"]));
    expect(ioc).toMatchObject({ status: "Cancelled", filled_quantity: 6 });
  });

  it.each([
    [buy(0.12345), "ORDER_REJECTED"],
    [
      ["place", "--market", "9", "--side", "Buy", "--price", "1", "--quantity", "1"],
      "MARKET_NOT_FOUND",
    ],
    [["cancel", "--order-id", "12345678"], "ORDER_NOT_FOUND"],
    [["list", "--wallet", "somebody-else"], "FORBIDDEN"],
    [["history", "--wallet", "somebody-else"], "FORBIDDEN"],
    [["fills", "--market", "9"], "MARKET_NOT_FOUND"],
    [["get", "--client-order-id", "never"], "ORDER_NOT_FOUND"],
  ])("order - %j is refused with 1 and %s", async (args, code) => {
    const outcome = await run(args);
    expect([outcome.code, outcome.stdout]).toEqual([1, ""]);
    expect(withoutName(outcome.stderr)).toMatch(new RegExp(`^marketcast: ${code}: .+\n$`));
  });

  it("order - a lost answer ends it with 1 and says how to learn what became of it", async () => {
    proxy.rules.dropFromServer = ({ type }) => type === "OrderUpdate";
    const { code, stdout, stderr } = await run(buy(0.1, "--timeout", "1500"));
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toContain("REQUEST_TIMEOUT: no answer to PlaceOrder within 1500 ms");
    const [, id = ""] = /--client-order-id (\S+)/.exec(stderr) ?? [];
    proxy.rules = {};
    const [again] = ordersOf(await run(buy(0.1, "--client-order-id", id)));
    expect(again).toMatchObject({ status: "Open", client_order_id: id });
    expect(ordersOf(await run(["list"]))).toEqual([again]);
  });

  it("order - one whose connection breaks is placed once", async () => {
    let cuts = 0;
    proxy.rules.cutAfterClient = ({ type }) => type === "PlaceOrder" && ++cuts === 1;
    const { code, stdout, stderr } = await run(buy(0.1));
    expect(code).toBe(0);
    expect(stderr).toContain("not connected: DISCONNECTED");
    expect(ordersOf(await run(["list"]))).toEqual([JSON.parse(stdout)]);
  });

  it.runIf(hasTerminal)("order - a terminal gets a table", async () => {
    const list = (): Promise<Outcome> =>
      runOnTerminal(["order", "list", "--url", proxy.url], { cwd, env: env() });
    expect((await list()).stdout.trim()).toBe("no open orders");
    const [order] = ordersOf(await run(buy(0.25, "--client-order-id", "mine")));
    const rows = (await list()).stdout.trim().split(/\r?\n/);
    expect(rows.map((row) => row.split(/ {2,}/))).toEqual([
      [
        "order id",
        "client order id",
        "market",
        "side",
        "type",
        "tif",
        "price",
        "quantity",
        "filled",
        "status",
      ],
      [order?.order_id, "mine", "1001", "Buy", "Limit", "GTC", "0.25", "10", "0", "Open"],
    ]);
  });
});

describe("order, without an exchange", () => {
  it("order - is refused with TRADING_DISABLED", async () => {
    const server = await startServerProcess({ feed: "synthetic", shards: 1 });
    const args = ["order", "cancel", "--order-id", "1", "--port", String(server.port)];
    const outcome = await runMarketcast(args, { cwd, env: { MARKETCAST_TOKEN: testToken() } });
    await server.dispose();
    expect(outcome.code).toBe(1);
    expect(outcome.stderr).toMatch(/^marketcast: TRADING_DISABLED: .+\n$/);
  });
});

describe("order, wrong usage", () => {
  const PLACE = ["place", "--market", "1001", "--quantity", "1", "--side", "Buy"];
  it.each([
    [["place"], "--market"],
    [[...PLACE, "--side", "buy"], "Allowed choices are Buy, Sell"],
    [PLACE, "price: a Limit order needs one (flag --price)"],
    ...["", "-1", "1,5"].map((price): [string[], string] => [
      [...PLACE, "--price", price],
      `option '--price <PRICE>' argument '${price}' is invalid. It `,
    ]),
    [
      ["place", "--market", "1001", "--side", "Buy", "--quantity", "9007199254740993"],
      "option '--quantity <QUANTITY>' argument '9007199254740993' is invalid. It has more digits than can be kept",
    ],
    [["batch"], "missing required argument 'FILE'"],
    [["batch", "-"], "standard input: has no orders"],
    [["cancel", "--client-order-id", "a b"], "It is not 1 to 36 of A-Z a-z 0-9 _ -."],
    [[...PLACE, "--price", "1", "--client-order-id", ""], "It is not 1 to 36 of"],
    [[], "a command is missing"],
    [["plaice"], "unknown command 'plaice'"],
    [["cancel"], "order-id, client-order-id: one of them must be given"],
    [["list"], "token: is needed; set MARKETCAST_TOKEN"],
    [["list", "--token", ""], "It must not be empty"],
  ])("order - %j says what is wrong and exits with 2", async (args, message) => {
    const { code, stdout, stderr } = await runMarketcast(["order", ...args], { cwd });
    expect(stderr).toMatch(/^(marketcast: .+\n)+$/);
    expect(stderr).toContain(message);
    expect([code, stdout]).toEqual([2, ""]);
  });
});
