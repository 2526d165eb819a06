import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { closeClients, newClient, nextEvent } from "../support/client-harness.js";
import { FrameProxy } from "../support/frame-proxy.js";
import { endRuns, runNode } from "../support/run-node.js";
import { type ServerProcess, startServerProcess, testToken } from "../support/server-process.js";
import { until } from "../support/until.js";

let server: ServerProcess;
beforeAll(async () => {
  server = await startServerProcess({ feed: "synthetic", shards: 1, "feed-rate": 2000 });
});
afterEach(() => Promise.all([closeClients(), endRuns()]));
afterAll(() => server.dispose());

describe("examples", () => {
  it("examples - price-bot prints prices with their age, and ends when asked to", async () => {
    const bot = runNode([
      "examples/price-bot.mjs",
      `ws://127.0.0.1:${server.port}`,
      "1001",
      "1002",
    ]);
    const price = /^100[12]: [\d.]+ \([\d.]+ \/ [\d.]+\), -?[\d.]+ ms old$/;
    await until(
      "prices are printed",
      () => bot.lines.filter((line) => price.test(line)).length > 3,
      10_000,
      () => bot.lines,
    );
    expect(bot.lines[0]).toBe("open");
    bot.child.kill("SIGINT");
    expect(await bot.ended).toBe(0);
    expect(bot.lines.at(-1)).toBe("closed");
  });

  it("examples - price-bot names the error of a market that there is not, and ends", async () => {
    const bot = runNode(["examples/price-bot.mjs", `ws://127.0.0.1:${server.port}`, "7"]);
    expect(await bot.ended).toBe(1);
    expect(bot.lines).toContain("MARKET_NOT_FOUND: no market has the id 7");
  });

  it("examples - order-bot needs a token", async () => {
    const bot = runNode(["examples/order-bot.mjs"], { TOKEN: "" });
    expect(await bot.ended).toBe(2);
    expect(bot.lines[0]).toMatch(/^set TOKEN/);
  });

  it("examples - order-bot is told where a server takes no orders", async () => {
    const bot = runNode(["examples/order-bot.mjs", `ws://127.0.0.1:${server.port}`], {
      TOKEN: testToken(),
    });
    expect(await bot.ended).toBe(1);
    expect(bot.lines.join("\n")).toMatch(/^TRADING_DISABLED: /m);
  });

  it("examples - order-bot quotes both sides, and leaves nothing behind", async () => {
    const exchange = await startServerProcess({ feed: "exchange", shards: 1 });
    try {
      const wallet = "bot-wallet";
      const token = testToken({ wallet });
      const open = new Map<string, string>();
      const watcher = newClient(exchange.port, { token });
      watcher.on("OrderUpdate", ({ order }) => {
        if (order.status === "Open" || order.status === "PartiallyFilled")
          open.set(order.order_id, order.side);
        else open.delete(order.order_id);
      });
      await watcher.subscribe([{ type: "Orders", params: { wallet } }]);
      const bot = runNode(["examples/order-bot.mjs", `ws://127.0.0.1:${exchange.port}`], {
        TOKEN: token,
      });
      const both = (): boolean => new Set(open.values()).size === 2;
      await until("it quotes both sides", both, 15_000, () => bot.lines);
      // Without a goodbye: the server is the one to cancel.
      bot.child.kill("SIGKILL");
      while (open.size > 0) await nextEvent(watcher, "OrderUpdate");
    } finally {
      await exchange.dispose();
    }
  });

  it("examples - order-bot quotes a side again once it is filled, over reconnects, and never twice", async () => {
    const exchange = await startServerProcess({ feed: "exchange", shards: 1, "sim-traders": 0 });
    const proxy = await FrameProxy.start(exchange.port);
    try {
      const quotes = await watchQuotes(exchange.port, "bot-wallet");
      const trader = (wallet: string) =>
        newClient(exchange.port, { token: testToken({ sub: wallet, wallet }), offline: "queue" });
      const [other, taker] = [trader("other"), trader("taker")];
      const order = { market_id: 1001, order_type: "Limit", quantity: 500 } as const;
      await other.placeOrder({ ...order, side: "Buy", price: 0.4 });
      await other.placeOrder({ ...order, side: "Sell", price: 0.6 });
      const bot = runNode(["examples/order-bot.mjs", proxy.url], {
        TOKEN: testToken({ wallet: "bot-wallet" }),
      });
      const bothAgain = (): Promise<unknown> =>
        until("it quotes both sides", quotes.both, 15_000, () => bot.lines);
      await bothAgain();
      for (const [round, side] of (["Sell", "Buy", "Buy", "Sell"] as const).entries()) {
        const { filled, ended } = quotes;
        if (round === 1) proxy.cut();
        // The other way round: an order is on its way, and its answer never comes.
        if (round === 2)
          proxy.rules.cutAfterClient = ({ type }) => {
            if (type === "PlaceOrder") proxy.rules = {};
            return type === "PlaceOrder";
          };
        if (round === 1) await until("its orders are gone", () => quotes.ended >= ended + 2);
        // While the bot moves its quotes, it is the other's order that is met, at its own price.
        let price: number | undefined;
        do {
          await bothAgain();
          const taking = { market_id: 1001, order_type: "Market", side, quantity: 5 } as const;
          price = (await taker.placeOrder(taking)).order.average_price;
        } while (price === 0.4 || price === 0.6);
        await until("it is filled", () => quotes.filled > filled);
        await bothAgain();
      }
      expect(proxy.upgrades.length).toBe(3);
      expect(quotes.filled).toBe(4);
      expect(quotes.most).toBe(1);
      bot.child.kill("SIGINT");
      expect(await bot.ended).toBe(0);
    } finally {
      await proxy.close();
      await exchange.dispose();
    }
  }, 60_000);
});

interface Quotes {
  /** Whether there is an open order on each side. */
  readonly both: () => boolean;
  /** Orders that were filled, and that are not open any more for whatever reason. */
  readonly filled: number;
  readonly ended: number;
  /** Most open orders that there ever were on a side. */
  readonly most: number;
}

/** Follows the open orders of a wallet from outside. */
async function watchQuotes(port: number, wallet: string): Promise<Quotes> {
  const open = new Map<string, string>();
  const count = (side: string): number => [...open.values()].filter((one) => one === side).length;
  const figures = {
    filled: 0,
    ended: 0,
    most: 0,
    both: () => count("Buy") > 0 && count("Sell") > 0,
  };
  const watcher = newClient(port, { token: testToken({ wallet }) });
  watcher.on("OrderUpdate", ({ order }) => {
    if (order.status === "Open" || order.status === "PartiallyFilled")
      open.set(order.order_id, order.side);
    else if (open.delete(order.order_id)) figures.ended++;
    if (order.status === "Filled") figures.filled++;
    figures.most = Math.max(figures.most, count("Buy"), count("Sell"));
  });
  await watcher.subscribe([{ type: "Orders", params: { wallet } }]);
  return figures;
}
