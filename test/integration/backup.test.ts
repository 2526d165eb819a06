import { existsSync, readdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { Order } from "../../src/engine/order.js";
import { Random } from "../../src/shared/random.js";
import { runMarketcast } from "../cli/run-marketcast.js";
import { isLater } from "../support/order-progress.js";
import { drawSeed } from "../support/seeds.js";
import { type ServerProcess, startServerProcess } from "../support/server-process.js";
import { checkTold, readStoredState, type StoredState } from "../support/stored-state.js";
import { Told } from "../support/told.js";
import {
  bookOf,
  connectTrader,
  limitOrder,
  place,
  QUIET_EXCHANGE,
  temporaryDirectory,
  walletState,
} from "../support/trading.js";
import { FAST_EXCHANGE, LOAD_MARKETS, TradingLoad, WALLETS } from "../support/trading-load.js";

const SEED = drawSeed("backup");
/** What the load trades before a backup, between two, and behind the last, in ms. */
const LOAD_MS = 150;

let folder: Awaited<ReturnType<typeof temporaryDirectory>>;
const servers: ServerProcess[] = [];

beforeAll(async () => {
  folder = await temporaryDirectory();
});
afterEach(async () => {
  for (const server of servers.splice(0)) await server.dispose();
});
afterAll(() => folder.remove());

async function store(...args: readonly string[]): Promise<string> {
  const outcome = await runMarketcast(["store", ...args], { cwd: folder.path });
  expect(outcome, `store ${args.join(" ")}`).toMatchObject({ code: 0, stderr: "" });
  return outcome.stdout;
}

async function start(dataDir: string, flags: Readonly<Record<string, unknown>> = FAST_EXCHANGE) {
  const server = await startServerProcess({ ...(flags as object), "data-dir": dataDir });
  servers.push(server);
  return server;
}

/** All that was told by now, which goes on. */
function soFar(told: Told): Told {
  const copy = new Told();
  for (const [id, order] of told.orders) copy.orders.set(id, structuredClone(order));
  for (const [id, trade] of told.trades) copy.trades.set(id, structuredClone(trade));
  for (const [key, fill] of told.fills) copy.fills.set(key, structuredClone(fill));
  for (const [key, position] of told.positions) copy.positions.set(key, structuredClone(position));
  return copy;
}

/** What was restored is what the whole once was: its first trades and orders, as far as they had come. */
function checkPrefix(restored: StoredState, whole: StoredState): void {
  expect(restored.trades).toEqual(whole.trades.slice(0, restored.trades.length));
  const last = Math.max(...[...restored.orders.keys()].map(Number));
  const ids = [...whole.orders.keys()].map(Number).filter((id) => id <= last);
  expect([...restored.orders.keys()].map(Number).sort((a, b) => a - b)).toEqual(
    ids.sort((a, b) => a - b),
  );
  for (const [id, order] of restored.orders) {
    const later = whole.contractOrder(whole.orders.get(id) as Order);
    const now = restored.contractOrder(order);
    if (!isLater(later, now)) expect(later).toEqual(now);
  }
}

/** A server on what was restored says what is stored there, and takes orders. */
async function checkServed(dataDir: string, stored: StoredState): Promise<void> {
  const { port } = await start(dataDir, QUIET_EXCHANGE);
  const isOpen = ({ status, session }: Order): boolean =>
    (status === "Open" || status === "PartiallyFilled") && session === undefined;
  const open = [...stored.orders.values()].filter(isOpen);
  for (const wallet of WALLETS) {
    const { orders, positions } = await walletState(port, wallet);
    expect(orders).toEqual(open.filter((one) => one.wallet === wallet).map(stored.contractOrder));
    expect(positions.length).toBe(stored.positions.filter((one) => one.wallet === wallet).length);
  }
  for (const market of LOAD_MARKETS) expect((await bookOf(port, market)).bids).toBeDefined();
  const client = await connectTrader(port, { wallet: "w1" });
  const order = await place(client, limitOrder("Buy", 0.001, 1));
  expect(Number(order.order_id)).toBeGreaterThan(
    Math.max(...[...stored.orders.keys()].map(Number)),
  );
  await client.close();
}

describe("backup", () => {
  it(`backup - taken under load and restored, it is what clients were told up to a moment (seed ${SEED})`, async () => {
    const dataDir = join(folder.path, "data");
    const server = await start(dataDir);
    const told = new Told();
    const load = await TradingLoad.start(server.port, new Random(SEED), told);
    const backups: { readonly path: string; readonly before: Told }[] = [];
    for (const name of ["directory", "file.tar.gz"]) {
      await load.during(sleep(LOAD_MS));
      const path = join(folder.path, name);
      const before = soFar(told);
      await load.during(store("backup", path, "--data-dir", dataDir));
      // It went on meanwhile.
      expect(told.orders.size).toBeGreaterThan(before.orders.size);
      backups.push({ path, before });
    }
    await load.during(sleep(LOAD_MS));
    await load.stop();
    expect(await server.stop()).toBe(0);
    const whole = await readStoredState(dataDir);
    checkTold(told, whole);

    for (const [at, { path, before }] of backups.entries()) {
      const restoredDir = join(folder.path, `restored-${at}`);
      await store("restore", path, "--data-dir", restoredDir);
      expect(await store("check", "--data-dir", restoredDir)).toMatch(/no problems\n$/);
      const restored = await readStoredState(restoredDir);
      expect(before.fills.size).toBeGreaterThan(0);
      checkTold(before, restored);
      checkPrefix(restored, whole);
      await checkServed(restoredDir, restored);
    }
  }, 60_000);

  it("backup - restored into its own data directory, later trades of the archive are put aside", async () => {
    const dataDir = join(folder.path, "own");
    const server = await start(dataDir, QUIET_EXCHANGE);
    const [maker, taker] = [
      await connectTrader(server.port, { wallet: "maker" }),
      await connectTrader(server.port, { wallet: "taker" }),
    ];
    const trade = async (): Promise<void> => {
      await place(maker, limitOrder("Sell", 0.5, 1));
      await place(taker, limitOrder("Buy", 0.5, 1));
    };
    await trade();
    const path = join(folder.path, "of-own");
    await store("backup", path, "--data-dir", dataDir);
    await trade();
    const inUse = await runMarketcast(["store", "restore", path, "--data-dir", dataDir], {
      cwd: folder.path,
    });
    expect(inUse).toMatchObject({ code: 1, stderr: expect.stringContaining("stop") });
    await maker.close();
    await taker.close();
    await server.stop();

    renameSync(join(dataDir, "exchange"), join(folder.path, "moved away"));
    await store("restore", path, "--data-dir", dataDir);
    expect(readdirSync(dataDir).filter((name) => name.startsWith("archive-before-"))).toHaveLength(
      1,
    );
    expect(existsSync(join(dataDir, "archive"))).toBe(false);
    expect((await readStoredState(dataDir)).trades).toHaveLength(1);
    const again = await start(dataDir, QUIET_EXCHANGE);
    const history = `http://127.0.0.1:${again.port}/v3/markets/1001/trades`;
    await expect
      .poll(
        async () => ((await (await fetch(history)).json()) as { trades: unknown[] }).trades.length,
      )
      .toBe(1);
  }, 30_000);
});
