import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { type ServerProcess, startServerProcess } from "../support/server-process.js";
import { TestClient } from "../support/test-client.js";

type Trade = { readonly trade_id: string; readonly seq: number; readonly ts: number };

/** All trades of a market in history, oldest first. */
async function history(client: TestClient): Promise<Trade[]> {
  const all: Trade[] = [];
  let before: string | undefined;
  do {
    const data = { market_id: 1001, limit: 250, ...(before !== undefined && { before }) };
    const page = await client.request({ type: "TradeHistory", data });
    // Not yet: the archive is opened beside everything else.
    if (page.type === "Error" && page.data.code === "UNAVAILABLE") continue;
    if (page.type !== "TradePage") throw new Error(JSON.stringify(page));
    all.push(...page.data.trades);
    before = page.data.next;
  } while (before !== undefined || all.length === 0);
  return all.reverse();
}

it("history - every trade that was told is there once, over a killed archivist and kill -9", async () => {
  const folder = await mkdtemp(join(tmpdir(), "history-"));
  const flags = {
    feed: "exchange",
    shards: 1,
    "data-dir": join(folder, "data"),
    "feed-rate": 2000,
  };
  const file = join(folder, "markets.json");
  const market = { market_id: 1001, title: "A", status: "Active", tick_size: 0.01, lot_size: 1 };
  await writeFile(file, JSON.stringify([market]));
  const told: Trade[] = [];
  const start = () => startServerProcess({ ...flags, "markets-file": file }, { threadEnds: true });
  const listen = async (server: ServerProcess, count: number) => {
    const client = await TestClient.connect(server.port);
    await client.request({
      type: "Subscribe",
      data: { channels: [{ type: "Trades", params: { market_id: 1001 } }] },
    });
    for (let heard = 0; heard < count; ) {
      const message = await client.next();
      if (message.type !== "TradeExecution") continue;
      told.push(message.data.trade);
      heard++;
    }
    return client;
  };
  const first = await start();
  try {
    await listen(first, 50);
    first.command({ restartArchivist: true });
    await listen(first, 50);
  } finally {
    await first.dispose();
  }
  const second = await start();
  try {
    const client = await listen(second, 20);
    const last = told.at(-1) as Trade;
    let found = await history(client);
    while (!found.some(({ trade_id }) => trade_id === last.trade_id)) found = await history(client);
    const ids = found.map(({ trade_id }) => Number(trade_id));
    expect(ids).toEqual(ids.map((_, at) => at + 1));
    for (const { trade_id, seq, ts } of told)
      expect(found[Number(trade_id) - 1]).toMatchObject({ trade_id, seq, ts });
  } finally {
    await second.dispose();
    await rm(folder, { recursive: true, force: true });
  }
}, 30_000);
