import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Order, Trade } from "../../src/engine/order.js";
import { Store } from "../../src/store/store.js";
import { type Outcome, runMarketcast } from "./run-marketcast.js";

const COMMAND = fileURLToPath(new URL("../../dist/cli/marketcast.js", import.meta.url));
const WRITER = fileURLToPath(new URL("../store/store-writer.mjs", import.meta.url));
const RETENTION = {
  orderRetentionMs: 1_000_000,
  maxStoredOrders: 1_000_000,
  clientOrderIdRetentionMs: 1_000_000,
  tradeRetentionMs: 1_000_000,
  maxStoredTrades: 1_000_000,
};

const MAKER: Order = {
  orderId: 1,
  marketId: "340282366920938463463374607431768211455",
  wallet: "0xA",
  clientOrderId: undefined,
  side: "Sell",
  orderType: "Limit",
  timeInForce: "GTC",
  postOnly: true,
  selfTrade: "CancelTaker",
  expiresTs: undefined,
  price: 520,
  quantity: 30,
  session: "connection-1",
  priority: 1,
  original: undefined,
  filled: 20,
  filledValue: 10_400n,
  status: "PartiallyFilled",
  reason: undefined,
  reasonCode: undefined,
  createdTs: 1_000,
  updatedTs: 2_000,
};
const TAKER: Order = {
  ...MAKER,
  orderId: 2,
  priority: 2,
  wallet: "0xB",
  clientOrderId: "mine",
  side: "Buy",
  orderType: "Market",
  timeInForce: "IOC",
  postOnly: false,
  selfTrade: "CancelTaker",
  expiresTs: undefined,
  price: undefined,
  quantity: 40,
  session: undefined,
  status: "Cancelled",
  reason: "nothing left to trade with",
  reasonCode: "requested",
  createdTs: 2_000,
};
const TRADE: Trade = {
  tradeId: 1,
  marketId: MAKER.marketId,
  price: 520,
  quantity: 20,
  takerSide: "Buy",
  makerOrderId: 1,
  takerOrderId: 2,
  makerWallet: "0xA",
  takerWallet: "0xB",
  makerClientOrderId: undefined,
  takerClientOrderId: undefined,
  ts: 2_000,
};

let directory: string;
let dir: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "marketcast-store-cli-"));
  dir = join(directory, "data", "exchange");
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

function store(...args: string[]): Promise<Outcome> {
  return runMarketcast(["store", ...args], { cwd: directory });
}

/** A closed store with one trade, its two orders, and as many more orders as are asked for. */
async function fillStore(more = 0): Promise<void> {
  const filled = await Store.open(dir, RETENTION);
  const { marketId } = MAKER;
  await filled.putMarkets([{ marketId, title: "Rain", tickSize: 0.001, lotSize: 0.5 }]);
  const position = { marketId, realizedPnl: 0n, updatedTs: 2_000 };
  await filled.commit({
    orders: [
      MAKER,
      TAKER,
      ...Array.from({ length: more }, (_, index) => ({
        ...MAKER,
        orderId: index + 3,
        priority: index + 3,
        original: undefined,
        filled: 0,
        filledValue: 0n,
        status: "Open" as const,
      })),
    ],
    trades: [TRADE],
    positions: [
      { ...position, wallet: "0xA", quantity: -20, cost: -10_400n },
      { ...position, wallet: "0xB", quantity: 20, cost: 10_400n },
    ],
    totals: [{ marketId, lastPrice: 520, volume: 20 }],
    timers: [],
    markets: [],
    nextOrderId: more + 3,
    nextTradeId: 2,
  });
  await filled.close();
}

const MAKER_LINE = {
  type: "order",
  order_id: "1",
  market_id: "340282366920938463463374607431768211455",
  wallet: "0xA",
  side: "Sell",
  order_type: "Limit",
  time_in_force: "GTC",
  post_only: true,
  price: 0.52,
  quantity: 15,
  filled_quantity: 10,
  average_price: 0.52,
  status: "PartiallyFilled",
  created_ts: 1_000,
  updated_ts: 2_000,
};
const TAKER_LINE = {
  type: "order",
  order_id: "2",
  client_order_id: "mine",
  market_id: "340282366920938463463374607431768211455",
  wallet: "0xB",
  side: "Buy",
  order_type: "Market",
  time_in_force: "IOC",
  post_only: false,
  quantity: 20,
  filled_quantity: 10,
  average_price: 0.52,
  status: "Cancelled",
  reason: "nothing left to trade with",
  reason_code: "requested",
  created_ts: 2_000,
  updated_ts: 2_000,
};
const TRADE_LINE = {
  type: "trade",
  trade_id: "1",
  market_id: "340282366920938463463374607431768211455",
  price: 0.52,
  quantity: 10,
  taker_side: "Buy",
  ts: 2_000,
  maker_order_id: "1",
  taker_order_id: "2",
  maker_wallet: "0xA",
  taker_wallet: "0xB",
};

function linesOf(text: string): unknown[] {
  expect(text.endsWith("\n")).toBe(true);
  return text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
}

describe("store command", () => {
  it("store command - check prints a line per check, and exits with 0 where all is well", async () => {
    await fillStore();
    const { code, stdout, stderr } = await store("check");
    expect([code, stderr]).toEqual([0, ""]);
    const lines = stdout.trimEnd().split("\n");
    expect(lines[0]).toBe("ok       file (1)");
    expect(lines).toContain("ok       open orders, and books that do not cross (1)");
    expect(lines.at(-1)).toBe("data/exchange: no problems");
    expect(lines.slice(0, -1).every((line) => line.startsWith("ok "))).toBe(true);
  });

  it("store command - check names each problem, and exits with 1", async () => {
    await fillStore();
    truncateSync(join(dir, "data.mdb"), 10_000);
    const { code, stdout, stderr } = await store("check", "--data-dir", join(directory, "data"));
    expect([code, stderr]).toEqual([1, ""]);
    expect(stdout).toMatch(/^PROBLEM {2}file \(0\)\n {9}\S+data\.mdb is damaged: .*cut off/);
    expect(stdout).toContain("exchange: problems: 1\n");
  });

  it.each(["check", "export"])(
    "store command - %s without a store exits with 1 and makes none",
    async (command) => {
      const { code, stdout, stderr } = await store(command);
      expect([code, stdout]).toEqual([1, ""]);
      expect(stderr).toBe(
        "marketcast: data/exchange/data.mdb is not there; name the server's data directory with --data-dir\n",
      );
      expect(existsSync(join(directory, "data"))).toBe(false);
    },
  );

  it("store command - export prints orders and trades in the contract's form", async () => {
    await fillStore();
    const { code, stdout, stderr } = await store("export");
    expect([code, stderr]).toEqual([0, ""]);
    expect(linesOf(stdout)).toEqual([MAKER_LINE, TAKER_LINE, TRADE_LINE]);
  });

  it("store command - export takes one kind alone, and writes a file for its owner", async () => {
    await fillStore();
    expect(linesOf((await store("export", "--only", "orders")).stdout)).toHaveLength(2);
    const file = join(directory, "trades.ndjson");
    const { code, stdout } = await store("export", "--only", "trades", "--output", file);
    expect([code, stdout]).toEqual([0, ""]);
    expect(linesOf(readFileSync(file, "utf8"))).toEqual([TRADE_LINE]);
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  it("store command - export of many gives each once, by id", async () => {
    await fillStore(2500);
    const ids = linesOf((await store("export", "--only", "orders")).stdout).map((line) =>
      Number((line as { order_id: string }).order_id),
    );
    expect(ids).toEqual(Array.from({ length: 2502 }, (_, index) => index + 1));
  });

  it("store command - export ends quietly when its reader has had enough", async () => {
    await fillStore(5000);
    const command = spawn(process.execPath, [COMMAND, "store", "export"], {
      cwd: directory,
      stdio: ["ignore", "pipe", "pipe"],
    });
    let stderr = "";
    command.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
    });
    command.stdout.once("data", () => command.stdout.destroy());
    const [code] = await once(command, "close");
    expect([code, stderr]).toEqual([0, ""]);
  });

  it.each([
    [["export", "--only", "positions"], "Allowed choices are orders, trades"],
    [["export", "--output", ""], "output: must not be empty (flag --output)"],
  ])("store command - refuses %j with 2", async (args, message) => {
    await fillStore();
    const { code, stdout, stderr } = await store(...args);
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toContain(message);
  });

  it("store command - works beside a server that writes, and finds its state whole", async () => {
    await fillStore();
    rmSync(dir, { recursive: true });
    const task = JSON.stringify({ dir, retention: RETENTION });
    const writer = spawn(process.execPath, [WRITER, task], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    try {
      const lines = createInterface(writer.stdout);
      await once(lines, "line");
      for (let round = 0; round < 2; round++) {
        const { code, stdout } = await store("check");
        // The writer lists no markets, and its positions are no trader's.
        expect(code).toBe(1);
        expect(stdout).toMatch(/^ok {7}file \(1\)\nok {7}counters \(1\)\n/);
        expect(stdout).toMatch(/^ok {7}finish times, each with its order \(\d+\)$/m);
        const finished = /finished orders, each with its finish time \((\d+)\)/.exec(stdout)?.[1];
        expect(stdout).toContain(`finish times, each with its order (${finished})`);
      }
    } finally {
      writer.kill("SIGKILL");
      await once(writer, "exit");
    }
  });
});
