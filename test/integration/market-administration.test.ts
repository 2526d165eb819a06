import { once } from "node:events";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ENCODINGS } from "../../src/contract/encodings.js";
import { restartableExchange } from "../support/restartable-exchange.js";
import type { ServerProcess } from "../support/server-process.js";
import { readStoredState } from "../support/stored-state.js";
import { TestClient } from "../support/test-client.js";
import {
  connectTrader,
  limitOrder,
  place,
  refusalOf,
  walletState,
  writeMarkets,
} from "../support/trading.js";

const { folder, start } = restartableExchange({ shards: 1 });

async function administer(
  server: ServerProcess,
  path: string,
  body: object,
): Promise<{ readonly status: number; readonly body: unknown }> {
  const response = await fetch(`http://127.0.0.1:${server.opsPort}${path}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  return { status: response.status, body: await response.json() };
}

async function kill({ child }: ServerProcess): Promise<void> {
  const exited = once(child, "exit");
  child.kill("SIGKILL");
  await exited;
}

/** What a client is told of a settlement, until it was told of the notice, the status and its position. */
async function toldOfEnd(client: TestClient) {
  const awaited = new Set(["Notification", "MarketUpdate", "PositionUpdate"]);
  const messages = await client.takeUntil((one) => {
    if (one.type !== "MarketUpdate" || one.data.market.status === "Closed")
      awaited.delete(one.type);
    return awaited.size === 0;
  });
  const notice = messages.find((one) => one.type === "Notification");
  const update = messages.find((one) => one.type === "PositionUpdate");
  if (update?.type !== "PositionUpdate") throw new Error("there was no position");
  const orders = messages.flatMap((one) => (one.type === "OrderUpdate" ? one.data.order : []));
  return { notice: notice?.data, position: update.data.position, orders };
}

test("market administration - a market is settled with clients of all encodings, and stays so after kill -9", async () => {
  const first = await start();
  const clients = await Promise.all(
    ENCODINGS.map((encoding) => connectTrader(first.port, { wallet: encoding, encoding })),
  );
  const [one, two, three] = clients as [TestClient, TestClient, TestClient];
  for (const client of clients) {
    const params = { wallet: client.encoding };
    await client.subscribe(
      { type: "Orders", params },
      { type: "Positions", params },
      { type: "Market", params: { market_id: 1001 } },
    );
  }
  await place(one, limitOrder("Sell", 0.6, 10));
  await place(two, limitOrder("Buy", 0.6, 6));
  await place(three, limitOrder("Buy", 0.6, 3));
  const bid = await place(three, limitOrder("Buy", 0.2, 7));

  expect(await administer(first, "/halt", { market_id: 1001 })).toMatchObject({
    status: 200,
    body: { market: { market_id: 1001, status: "Halted" }, changed: true },
  });
  for (const client of clients)
    expect(
      (await client.take("MarketUpdate", ({ data }) => data.update_type === "Status")).data.market,
    ).toMatchObject({ market_id: 1001, status: "Halted" });
  expect(
    await refusalOf(one, { type: "PlaceOrder", data: { order: limitOrder("Sell", 0.7, 1) } }),
  ).toMatchObject({ code: "MARKET_NOT_ACTIVE" });

  await kill(first);
  const second = await start();
  const resumed = await Promise.all(
    ENCODINGS.map((encoding) => connectTrader(second.port, { wallet: encoding, encoding })),
  );
  const [seller] = resumed as [TestClient];
  const order = limitOrder("Sell", 0.7, 1);
  expect(await refusalOf(seller, { type: "PlaceOrder", data: { order } })).toMatchObject({
    code: "MARKET_NOT_ACTIVE",
    message: "market 1001 is Halted and takes no orders",
  });
  for (const client of resumed) {
    const params = { wallet: client.encoding };
    await client.subscribe(
      { type: "Orders", params },
      { type: "Positions", params },
      { type: "Market", params: { market_id: 1001 } },
    );
  }
  expect(await administer(second, "/settle", { market_id: 1001, price: 0.75 })).toEqual({
    status: 200,
    body: {
      market: {
        market_id: 1001,
        title: expect.any(String),
        status: "Closed",
        tick_size: 0.001,
        lot_size: 1,
        max_price: 1,
        settlement_price: 0.75,
      },
      changed: true,
      // The bid, and what is left of the ask.
      orders_cancelled: 2,
      positions_paid: 3,
    },
  });
  const realized = new Map<string, number>();
  for (const client of resumed) {
    const told = await toldOfEnd(client);
    expect(told.notice).toEqual({ level: "info", message: "market 1001 is settled at 0.75" });
    expect(told.position).toMatchObject({ wallet: client.encoding, quantity: 0 });
    realized.set(told.position.wallet, told.position.realized_pnl);
    // The second one has no order left.
    expect(told.orders.map(({ reason_code }) => reason_code)).toEqual(
      client.encoding === ENCODINGS[1] ? [] : ["market_settled"],
    );
  }
  expect([...realized.values()]).toEqual([-1.35, 0.9, 0.45]);

  for (const encoding of ENCODINGS) {
    const { orders, positions } = await walletState(second.port, encoding);
    expect(orders).toEqual([]);
    expect(positions).toMatchObject([{ quantity: 0, realized_pnl: realized.get(encoding) }]);
  }
  await kill(second);
  const dataDir = join(folder(), "data");
  const stored = await readStoredState(dataDir, new Map([[1001, 750]]));
  expect(stored.orders.get(bid.order_id)).toMatchObject({ reasonCode: "market_settled" });
  expect(stored.positions.map(({ quantity, cost }) => [quantity, cost])).toEqual([
    [0, 0n],
    [0, 0n],
    [0, 0n],
  ]);
  expect(stored.positions.reduce((sum, { realizedPnl }) => sum + realizedPnl, 0n)).toBe(0n);
});

test("market administration - a market that is listed while the server runs is traded, and there after kill -9", async () => {
  const first = await start();
  const watchers = await Promise.all(
    ENCODINGS.map((encoding) => TestClient.connect(first.port, { encoding })),
  );
  for (const watcher of watchers) {
    await watcher.subscribe({ type: "Markets", params: {} });
    await watcher.takeSnapshot();
  }
  const market_id = "18446744073709551616";
  const listing = {
    market_id,
    title: "Es regnet",
    tick_size: 0.05,
    lot_size: 0.5,
    max_price: 5,
  };
  expect(await administer(first, "/list", listing)).toEqual({
    status: 200,
    body: {
      market: { ...listing, status: "Active" },
      changed: true,
      orders_cancelled: 0,
      positions_paid: 0,
    },
  });
  for (const watcher of watchers) {
    const { data } = await watcher.take(
      "MarketUpdate",
      ({ data }) => data.market.market_id === market_id,
    );
    expect(data).toMatchObject({
      update_type: "Created",
      market: { title: "Es regnet", status: "Active", tick_size: 0.05, volume: 0 },
    });
  }
  const trader = await connectTrader(first.port, { wallet: "w" });
  const params = { market_id };
  await trader.subscribe({ type: "Market", params });
  const order = await place(trader, limitOrder("Buy", 1.15, 1.5, { market_id }));
  expect(
    await refusalOf(trader, {
      type: "PlaceOrder",
      data: { order: limitOrder("Buy", 5.05, 1, { market_id }) },
    }),
  ).toMatchObject({ code: "ORDER_REJECTED", details: { rule: "max_price", limit: 5 } });
  await kill(first);

  const second = await start();
  expect((await walletState(second.port, "w")).orders).toEqual([order]);
  expect(await administer(second, "/list", listing)).toMatchObject({
    status: 200,
    body: { changed: false },
  });
  expect(await administer(second, "/list", { ...listing, title: "Sonne" })).toEqual({
    status: 409,
    body: {
      error: {
        code: "MARKET_EXISTS",
        message: `market ${market_id} is listed already; it is Active`,
      },
    },
  });
  expect(await administer(second, "/close", { market_id })).toMatchObject({
    status: 200,
    body: { market: { status: "Closed" }, changed: true, orders_cancelled: 1 },
  });
  expect((await walletState(second.port, "w")).orders).toEqual([]);
  expect(await administer(second, "/resume", { market_id })).toMatchObject({
    status: 409,
    body: { error: { code: "MARKET_CLOSED" } },
  });
});

test("market administration - what was set wins over the markets file, but where that closes a market", async () => {
  const file = join(folder(), "markets.json");
  const markets = (...statuses: string[]) =>
    writeMarkets(
      file,
      ...statuses
        .map((status, at) => ({ market_id: 1001 + at, title: `Market ${at}`, status }))
        .filter(({ status }) => status !== ""),
    );
  const flags = { "markets-file": file };
  await markets("Active", "Halted", "Active", "Active", "Active");
  const first = await start(flags);
  for (const [path, market_id] of [
    ["/halt", 1001],
    ["/resume", 1002],
    ["/halt", 1003],
    ["/halt", 1004],
  ])
    expect((await administer(first, String(path), { market_id })).status).toBe(200);
  const settlement = { market_id: 1005, price: 0.5 };
  expect((await administer(first, "/settle", settlement)).status).toBe(200);
  await kill(first);
  // The fourth is there no more.
  await markets("Active", "Halted", "Closed", "", "Active");
  const second = await start(flags);
  const line = await second.logged(({ msg }) => /status that was set/.test(String(msg)));
  expect(line).toMatchObject({ markets: 3, market_ids: [1001, 1002, 1005] });
  const client = await TestClient.connect(second.port);
  await client.subscribe({ type: "Markets", params: {} });
  const shown = (await client.takeSnapshot()).map(({ market_id, status }) => [market_id, status]);
  expect(shown.sort()).toEqual([
    [1001, "Halted"],
    [1002, "Active"],
    [1003, "Closed"],
    [1004, "Closed"],
    [1005, "Closed"],
  ]);
  // Whoever missed the answer asks again.
  expect(await administer(second, "/settle", settlement)).toMatchObject({
    status: 200,
    body: { market: { settlement_price: 0.5 }, changed: false, positions_paid: 0 },
  });
});

test("market administration - what cannot be is refused, by code, value and rule", async () => {
  const server = await start({ "max-markets": 50 });
  for (const [path, body, status, code, message] of [
    ["/halt", { market_id: 9 }, 404, "MARKET_NOT_FOUND", /market 9 is not listed/],
    ["/settle", { market_id: 9, price: 1 }, 404, "MARKET_NOT_FOUND", /market 9 is not listed/],
    ["/settle", { market_id: 1001, price: 1.5 }, 400, "INVALID_MESSAGE", /price 1.5 is over .*, 1/],
    ["/settle", { market_id: 1001, price: -0.1 }, 400, "INVALID_MESSAGE", /-0.1 is below 0/],
    [
      "/settle",
      { market_id: 1001, price: 0.0005 },
      400,
      "INVALID_MESSAGE",
      /0.0005 is no multiple of the tick size 0.001/,
    ],
    ["/settle", { market_id: 1001 }, 400, "INVALID_MESSAGE", /price/],
    ["/resume", { market_id: 1001.5 }, 400, "INVALID_MESSAGE", /1001.5/],
    ["/close", { market_id: 1001, more: 1 }, 400, "INVALID_MESSAGE", /more/],
    [
      "/list",
      { market_id: 1, title: "x", tick_size: 0.1, lot_size: 1, max_price: 0.25 },
      400,
      "INVALID_MESSAGE",
      /max_price 0.25 is no exact multiple of tick_size 0.1/,
    ],
    [
      "/list",
      { market_id: 1, title: "x".repeat(600), tick_size: 0.1, lot_size: 1 },
      400,
      "INVALID_MESSAGE",
      /title of 600 bytes/,
    ],
    [
      "/list",
      { market_id: 1, title: "x", tick_size: -1, lot_size: 1 },
      400,
      "INVALID_MESSAGE",
      /positive decimal.*-1/,
    ],
  ] as const) {
    const answer = await administer(server, path, body);
    expect(answer, JSON.stringify(body)).toEqual({
      status,
      body: { error: { code, message: expect.stringMatching(message) } },
    });
  }
  const listing = { market_id: 1, title: "x", tick_size: 0.1, lot_size: 1 };
  expect(await administer(server, "/list", listing)).toMatchObject({
    status: 409,
    body: {
      error: {
        code: "TABLE_FULL",
        message: expect.stringMatching(/full with 50 markets; see --max-markets/),
      },
    },
  });
});
