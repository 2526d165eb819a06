import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import type { Order } from "../../src/contract/messages.js";
import { backUpStore } from "../../src/store/backup.js";
import { checkStore } from "../../src/store/check.js";
import { exportLines } from "../../src/store/export.js";
import { openComplete } from "../../src/store/open-complete.js";
import { restoreStore } from "../../src/store/restore.js";
import { startServerProcess } from "../support/server-process.js";
import {
  connectTrader,
  limitOrder,
  place,
  QUIET_EXCHANGE,
  walletState,
} from "../support/trading.js";
import { fillHistory } from "../support/wallet-history.js";
import { openStore, temporaryDirectory } from "./directories.js";

/*
 * A data file that a server of schema version 1 has written, built from the last commit of that version: three
 * traders with orders of all kinds beside simulated ones, a session that outlives its connection, some pruning,
 * and a SIGKILL at the end. Beside it what that version's own `store export` then printed.
 */
const fixture = (name: string): Buffer =>
  gunzipSync(readFileSync(new URL(`fixtures/server-of-version-1.${name}.gz`, import.meta.url)));
const DATA = fixture("mdb");
const EXPORT = fixture("ndjson").toString();
const OF_SESSION = "carol";

interface Line {
  readonly type: string;
  readonly wallet?: string;
  readonly maker_wallet?: string;
  readonly taker_wallet?: string;
}

const LINES = EXPORT.trimEnd()
  .split("\n")
  .map((line) => JSON.parse(line) as Line);
const isOpen = ({ status }: Order): boolean => status === "Open" || status === "PartiallyFilled";
const OPEN = LINES.filter(({ type }) => type === "order")
  .map(({ type: _, ...order }) => order as unknown as Order)
  .filter(isOpen);
const TRADES = LINES.filter(({ type }) => type === "trade");

function written(): { readonly dataDir: string; readonly dir: string } {
  const dataDir = temporaryDirectory();
  const dir = join(dataDir, "exchange");
  mkdirSync(dir);
  writeFileSync(join(dir, "data.mdb"), DATA);
  return { dataDir, dir };
}

async function exported(dir: string): Promise<string> {
  const environment = await openComplete(dir);
  const text = [...exportLines(environment, dir, ["orders", "trades"])].join("");
  await environment.close();
  return text;
}

const problemsOf = async (dir: string): Promise<string[]> =>
  (await checkStore(dir)).flatMap(({ named }) => [...named]);

describe("released version", () => {
  it("released version - what one of version 1 wrote is exported as it did, before and after it is carried over", async () => {
    expect(OPEN.length).toBeGreaterThan(1000);
    expect(TRADES.length).toBeGreaterThan(300);
    const { dir } = written();
    expect(await problemsOf(dir)).toEqual([]);
    expect(await exported(dir)).toBe(EXPORT);
    const store = await openStore(dir);
    const state = await store.load();
    expect([...state.openOrders].map(({ orderId }) => String(orderId))).toEqual(
      OPEN.map(({ order_id }) => order_id),
    );
    expect(state.sessions).toEqual([
      expect.objectContaining({ wallet: OF_SESSION, userId: "user of carol", waitMs: 300_000 }),
    ]);
    await store.close();
    expect(await problemsOf(dir)).toEqual([]);
    expect(await exported(dir)).toBe(EXPORT);
  });

  it("released version - a backup of it is of its version, and is carried over when it is opened", async () => {
    const { dir } = written();
    const target = join(temporaryDirectory(), "backup.tar.gz");
    expect(await backUpStore(dir, target)).toMatchObject({ schema: 1, commits: 0 });
    const restored = join(temporaryDirectory(), "exchange");
    await restoreStore(target, restored);
    expect(await exported(restored)).toBe(EXPORT);
    await (await openStore(restored)).close();
    expect(await problemsOf(restored)).toEqual([]);
    expect(await exported(restored)).toBe(EXPORT);
  });

  it("released version - a server starts on it, tells its wallets what they had, and goes on", async () => {
    const { dataDir } = written();
    const server = await startServerProcess({ ...QUIET_EXCHANGE, "data-dir": dataDir });
    try {
      for (const wallet of ["alice", "wället \u{1F600}", OF_SESSION]) {
        const own = OPEN.filter((order) => order.wallet === wallet);
        const { orders } = await walletState(server.port, wallet);
        expect(orders).toEqual(own);
        expect(own.length).toBeGreaterThan(0);
      }
      const client = await connectTrader(server.port, { wallet: "bob" });
      const ofBob = TRADES.flatMap(({ maker_wallet, taker_wallet }) =>
        [maker_wallet, taker_wallet].filter((wallet) => wallet === "bob"),
      );
      expect(ofBob.length).toBeGreaterThan(0);
      expect((await fillHistory(client)).length).toBe(ofBob.length);
      const { order_id } = await place(client, limitOrder("Buy", 0.001, 1));
      expect(Number(order_id)).toBeGreaterThan(
        Math.max(...OPEN.map((one) => Number(one.order_id))),
      );
      await client.close();
    } finally {
      await server.dispose();
    }
  });
});
