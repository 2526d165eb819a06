import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import { Random } from "../../src/shared/random.js";
import { type ServerProcess, startServerProcess } from "./server-process.js";
import { checkTold, readStoredState, type StoredState } from "./stored-state.js";
import { Told } from "./told.js";
import { bookOf, connectTrader, temporaryDirectory, walletState } from "./trading.js";
import { FAST_EXCHANGE, LOAD_MARKETS, TradingLoad, WALLETS } from "./trading-load.js";
import { fillHistory, orderHistory, ordersSince } from "./wallet-history.js";

/** How long a server trades before it is killed. */
const LIFE_MS_MAX = 1200;
/** Every other server has simulated traders. */
const SIM_TRADERS = 5;
/** Orders that are sent again after a kill. */
const RETRIES_MAX = 50;
const BOOK_LEVELS = 20;

/**
 * Starts a server on one data directory again and again, and kills the process while orders are under
 * way; after each kill compares what clients were ever told with what is stored, and what the next
 * server says with both.
 */
export async function runCrashes(kills: number, seed: number): Promise<void> {
  const random = new Random(seed);
  const told = new Told();
  const folder = await temporaryDirectory();
  const dataDir = join(folder.path, "data");
  let server: ServerProcess | undefined;
  let stored: StoredState | undefined;
  try {
    for (let kill = 0; kill < kills; kill++) {
      const simTraders = kill % 2 === 0 ? 0 : SIM_TRADERS;
      server = await start(dataDir, simTraders);
      if (stored !== undefined) {
        // Without simulated traders nothing moves that the test does not move.
        if (simTraders === 0) await checkServed(server.port, told, stored);
        await checkRetries(server.port, told, stored);
      }
      const load = await TradingLoad.start(server.port, random, told);
      // It is killed at any moment, in the middle of whatever it does.
      await sleep(random.below(LIFE_MS_MAX));
      // An answer that came before its order was on disk would have that lost now.
      await load.answered();
      await killProcess(server);
      await load.ended();
      const before = stored;
      stored = await readStoredState(dataDir);
      checkTold(told, stored);
      if (before !== undefined) checkSessionsEnded(before, stored);
    }
    expect(told.orders.size).toBeGreaterThan(kills * 10);
    expect(told.trades.size).toBeGreaterThan(kills);
  } finally {
    await server?.dispose();
    await folder.remove();
  }
}

function start(dataDir: string, simTraders: number): Promise<ServerProcess> {
  return startServerProcess({
    ...FAST_EXCHANGE,
    shards: 2,
    "data-dir": dataDir,
    "sim-traders": simTraders,
    "feed-rate": 300,
  });
}

async function killProcess({ child }: ServerProcess): Promise<void> {
  const exited = once(child, "exit");
  child.kill("SIGKILL");
  await exited;
}

/** Snapshots and books are those of the stored orders, but for what was bound to connections. */
async function checkServed(port: number, told: Told, stored: StoredState): Promise<void> {
  const open = [...stored.orders.values()].filter(
    ({ status, session, wallet }) =>
      (status === "Open" || status === "PartiallyFilled") &&
      session === undefined &&
      !wallet.startsWith("sim-"),
  );
  for (const wallet of WALLETS) {
    await checkHistory(port, told, stored, wallet);
    const { orders, positions } = await walletState(port, wallet);
    expect(orders).toEqual(open.filter((one) => one.wallet === wallet).map(stored.contractOrder));
    for (const position of positions) told.take({ type: "PositionUpdate", data: { position } });
    expect(positions).toHaveLength(
      stored.positions.filter((position) => position.wallet === wallet).length,
    );
  }
  for (const marketId of LOAD_MARKETS) {
    const orders = open.filter((one) => one.marketId === marketId).map(stored.contractOrder);
    expect(await bookOf(port, marketId)).toEqual({
      bids: levelsOf(
        orders.filter(({ side }) => side === "Buy"),
        -1,
      ),
      asks: levelsOf(
        orders.filter(({ side }) => side === "Sell"),
        1,
      ),
    });
  }
}

/** A wallet's past is that of the store: all its orders, all its fills, and both since any moment. */
async function checkHistory(
  port: number,
  told: Told,
  stored: StoredState,
  wallet: string,
): Promise<void> {
  const client = await connectTrader(port, { wallet });
  const own = [...stored.orders.values()].filter((order) => order.wallet === wallet);
  const expected = new Map(own.map((order) => [String(order.orderId), order]));
  const orders = await orderHistory(client);
  expect(orders.map(({ order_id }) => Number(order_id))).toEqual(
    own.map(({ orderId }) => orderId).sort((a, b) => b - a),
  );
  for (const order of orders) {
    const { session } = expected.get(order.order_id) ?? {};
    // What was bound to a connection has been cancelled since.
    if (session === undefined)
      expect(order).toEqual(stored.contractOrder(expected.get(order.order_id) as never));
  }
  const fills = await fillHistory(client);
  expect(fills).toEqual(stored.fillsOf(wallet));
  for (const fill of fills) told.takeFill(fill);
  const since = fills[Math.floor(fills.length / 2)]?.ts ?? 0;
  const replayable = fills.filter(({ ts }) => ts >= since).reverse();
  const replayed = await ordersSince(client, wallet, since, replayable.length);
  expect(replayed.fills).toEqual(replayable);
  expect(new Map(replayed.orders.map((order) => [order.order_id, order]))).toEqual(
    new Map(
      orders.filter((one) => one.updated_ts >= since).map((order) => [order.order_id, order]),
    ),
  );
  await client.close();
}

function levelsOf(
  orders: readonly {
    readonly price?: number | undefined;
    readonly quantity: number;
    readonly filled_quantity: number;
  }[],
  deeper: 1 | -1,
): [number, number][] {
  const levels = new Map<number, number>();
  for (const { price, quantity, filled_quantity } of orders) {
    levels.set(Number(price), (levels.get(Number(price)) ?? 0) + quantity - filled_quantity);
  }
  return [...levels].sort(([a], [b]) => (a - b) * deeper).slice(0, BOOK_LEVELS);
}

/** An order that is sent again is the one that there is, also where its answer was lost. */
async function checkRetries(port: number, told: Told, stored: StoredState): Promise<void> {
  const ids = new Map([...stored.orders].map(([id, order]) => [order.clientOrderId, id]));
  // The latest ones: those without an answer are among them.
  const sent = [...told.sent].slice(-RETRIES_MAX);
  for (const wallet of WALLETS) {
    const client = await connectTrader(port, { wallet });
    const retries = new Map(sent.filter(([, one]) => one.wallet === wallet));
    for (const [id, { order }] of retries) client.send({ type: "PlaceOrder", id, data: { order } });
    while (retries.size > 0) {
      const reply = await client.next();
      const clientOrderId = String(reply.id);
      if (!retries.delete(clientOrderId)) continue;
      told.take(reply);
      const known = ids.get(clientOrderId);
      if (known !== undefined) {
        expect(reply).toMatchObject({ data: { order: { order_id: known } } });
      } else if (reply.type === "OrderUpdate") {
        expect(Number(reply.data.order.order_id)).toBeGreaterThan(stored.orders.size);
      } else {
        // It was not taken before, and may be against a rule now.
        expect(reply).toMatchObject({ type: "Error", data: { code: "ORDER_REJECTED" } });
        told.sent.delete(clientOrderId);
      }
    }
    await client.close();
  }
}

/** What was bound to a connection is cancelled, whatever the next server did. */
function checkSessionsEnded(before: StoredState, after: StoredState): void {
  for (const [id, { status, session }] of before.orders) {
    if (session === undefined || (status !== "Open" && status !== "PartiallyFilled")) continue;
    expect(after.orders.get(id)).toMatchObject({
      status: "Cancelled",
      reason: expect.stringMatching(/disconnect/),
    });
  }
}
