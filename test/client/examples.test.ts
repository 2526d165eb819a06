import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { closeClients, newClient, nextEvent } from "../support/client-harness.js";
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
});
