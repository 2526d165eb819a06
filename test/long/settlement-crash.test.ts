import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { Random } from "../../src/shared/random.js";
import { drawSeed } from "../support/seeds.js";
import { startServerProcess } from "../support/server-process.js";
import { readStoredState } from "../support/stored-state.js";
import { connectTrader, limitOrder, temporaryDirectory } from "../support/trading.js";
import { FAST_EXCHANGE } from "../support/trading-load.js";

const KILLS = 8;
const SEED = drawSeed("long settlement crash");
/** Whose cancels take more than one batch. */
const ORDERS = 6000;
const ORDERS_PER_REQUEST = 50;
/** How long a settlement goes on before the kill. */
const SETTLING_MS_MAX = 150;
const PRICE_TICKS = 750;

function start(dataDir: string) {
  const flags = { ...FAST_EXCHANGE, shards: 1, "sim-traders": 0, "max-open-orders": 10_000 };
  return startServerProcess({ ...flags, "data-dir": dataDir });
}

async function fill(port: number, market_id: number): Promise<void> {
  const [one, two] = await Promise.all([
    connectTrader(port, { wallet: `w1-${market_id}` }),
    connectTrader(port, { wallet: `w2-${market_id}` }),
  ]);
  const order = (side: "Buy" | "Sell", price: number, quantity: number) =>
    limitOrder(side, price, quantity, { market_id });
  for (let placed = 0; placed < ORDERS; placed += ORDERS_PER_REQUEST) {
    const orders = Array(ORDERS_PER_REQUEST).fill(order("Sell", 0.6, 1));
    expect(await one.request({ type: "PlaceOrders", data: { orders } })).toMatchObject({
      type: "OrderResults",
    });
  }
  for (const [client, side] of [
    [two, "Buy"],
    [one, "Sell"],
  ] as const)
    await client.request({ type: "PlaceOrder", data: { order: order(side, 0.6, 7) } });
  await Promise.all([one.close(), two.close()]);
}

test(`settlement crash - a settlement that is killed happens as a whole, or not at all (seed ${SEED})`, async () => {
  const random = new Random(SEED);
  const folder = await temporaryDirectory();
  const dataDir = join(folder.path, "data");
  const settled = new Map<number, number>();
  let server = await start(dataDir);
  try {
    for (let kill = 0; kill < KILLS; kill++) {
      const market_id = 1001 + kill;
      await fill(server.port, market_id);
      void fetch(`http://127.0.0.1:${server.opsPort}/settle`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ market_id, price: PRICE_TICKS / 1000 }),
      }).catch(() => {});
      await sleep(random.below(SETTLING_MS_MAX));
      const exited = once(server.child, "exit");
      server.child.kill("SIGKILL");
      await exited;
      server = await start(dataDir);
      const response = await fetch(`http://127.0.0.1:${server.port}/v3/markets/${market_id}`);
      const { status } = (await response.json()) as { status: string };
      if (status === "Closed") settled.set(market_id, PRICE_TICKS);
      await server.stop();
      const stored = await readStoredState(dataDir, settled);
      const open = [...stored.orders.values()].filter(
        ({ marketId, status }) => marketId === market_id && status !== "Cancelled",
      );
      const cancelled = [...stored.orders.values()].filter(
        ({ marketId, reasonCode }) => marketId === market_id && reasonCode === "market_settled",
      );
      if (settled.has(market_id)) expect(cancelled.length).toBeGreaterThan(ORDERS - 100);
      else expect([cancelled.length, open.length]).toEqual([0, ORDERS + 2]);
      server = await start(dataDir);
    }
  } finally {
    await server.dispose();
    await folder.remove();
  }
});
