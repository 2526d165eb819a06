import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import type { ServerMessage } from "../../src/contract/messages.js";
import { restartableExchange } from "../support/restartable-exchange.js";
import { TestClient } from "../support/test-client.js";
import {
  bookOf,
  connectTrader,
  limitOrder,
  place,
  type TestOrder,
  walletState,
} from "../support/trading.js";

const END_BEFORE_PUBLICATION = fileURLToPath(
  new URL("../support/end-before-publication.mjs", import.meta.url),
);
const RESTARTS = 4;
const BUYERS = 8;

/** A file of the name that `armedIn` gives ends the producer in place of a publication. */
const armedIn = (path: string): string => join(path, "armed");

const { folder, start } = restartableExchange({}, (path) => ({
  nodeFlags: ["--import", END_BEFORE_PUBLICATION],
  env: { END_BEFORE_PUBLICATION: armedIn(path) },
}));

test("exchange restarts - a producer that dies: a notice, a new epoch, fresh snapshots, and every order as it was", async () => {
  const running = await start({ shards: 2 });
  const [one, two] = await Promise.all(
    (["json", "msgpack"] as const).map((encoding, at) =>
      connectTrader(running.port, { wallet: `w${at + 1}`, encoding }),
    ),
  );
  const [seller, buyer] = [one as TestClient, two as TestClient];
  for (const [client, wallet] of [
    [seller, "w1"],
    [buyer, "w2"],
  ] as const) {
    const params = { wallet };
    await client.subscribe(
      { type: "Orders", params },
      { type: "Positions", params },
      { type: "Market", params: { market_id: 1001 } },
    );
  }
  const ask = await place(seller, limitOrder("Sell", 0.6, 10));
  await place(buyer, limitOrder("Buy", 0.6, 4));
  const before = await walletState(running.port, "w1");
  const bookBefore = await bookOf(running.port, 1001);
  expect(before.orders).toMatchObject([{ order_id: ask.order_id, filled_quantity: 4 }]);

  running.command({ restartProducer: true });
  for (const client of [seller, buyer]) {
    const messages = await client.takeUntil(({ type }) => type === "PositionSnapshot");
    const types = messages.map(({ type }) => type);
    const after = types.slice(types.indexOf("EpochChanged"));
    expect(types.slice(0, types.indexOf("EpochChanged"))).toContain("Notification");
    expect(after).toEqual([
      "EpochChanged",
      "MarketSnapshot",
      "OrderBook",
      "OrderSnapshot",
      "PositionSnapshot",
    ]);
  }
  expect(await walletState(running.port, "w1")).toEqual(before);
  expect(await bookOf(running.port, 1001)).toEqual(bookBefore);
  // Volume and last price are what they were, and ids go on.
  const market = await TestClient.connect(running.port);
  await market.subscribe({ type: "Market", params: { market_id: 1001 } });
  expect((await market.take("MarketSnapshot")).data.markets[0]).toMatchObject({
    price: 0.6,
    volume: 4,
    best_ask: 0.6,
  });
  const next = await place(buyer, limitOrder("Buy", 0.6, 1));
  expect(next).toMatchObject({ status: "Filled" });
  expect(Number(next.order_id)).toBeGreaterThan(Number(ask.order_id) + 1);
});

test("exchange restarts - orders sent while it dies get an answer each, and what was acknowledged is there once", async () => {
  const running = await start({ "max-orders-per-second": 1e6, "max-messages-per-second": 1e6 });
  const client = await connectTrader(running.port, { wallet: "w1" });
  const acknowledged = new Map<string, TestOrder>();
  const unanswered = new Map<string, ReturnType<typeof limitOrder>>();
  for (let round = 0; round < 5; round++) {
    for (let at = 0; at < 40; at++) {
      const id = `order-${round}-${at}`;
      const order = limitOrder("Buy", 0.1, 1, { client_order_id: id });
      unanswered.set(id, order);
      client.send({ type: "PlaceOrder", data: { order }, id });
      if (at === 20) running.command({ restartProducer: true });
    }
    for (let answers = 0; answers < 40; ) {
      const message = await client.next();
      if (typeof message.id !== "string") continue;
      answers++;
      if (message.type === "OrderUpdate") {
        acknowledged.set(message.id, message.data.order);
        unanswered.delete(message.id);
      } else expect(message).toMatchObject({ type: "Error", data: { code: "UNAVAILABLE" } });
    }
    // Sent again with the same client order ids until there is an exchange again.
    while (unanswered.size > 0) {
      for (const [id, order] of unanswered) {
        const reply = await client.request({ type: "PlaceOrder", data: { order } });
        if (reply.type === "Error") expect(reply.data.code).toBe("UNAVAILABLE");
        if (reply.type !== "OrderUpdate") continue;
        acknowledged.set(id, reply.data.order);
        unanswered.delete(id);
      }
    }
  }
  const { orders } = await walletState(running.port, "w1");
  expect(orders).toHaveLength(200);
  const stored = new Map(orders.map((order) => [order.client_order_id, order]));
  for (const [id, order] of acknowledged) expect(stored.get(id)).toEqual(order);
  expect(new Set(orders.map(({ order_id }) => order_id)).size).toBe(200);
});

test("exchange restarts - a trade that was stored and not published when the producer died comes first in the next epoch", async () => {
  const running = await start({ shards: 2, "max-stored-trades": 0 });
  const { port } = running;
  const [seller, buyer] = await Promise.all(
    ["w1", "w2"].map((wallet) => connectTrader(port, { wallet })),
  );
  const watching = await Promise.all(
    (["json", "msgpack"] as const).map((encoding) => TestClient.connect(port, { encoding })),
  );
  for (const client of watching)
    await client.subscribe({ type: "Trades" }, { type: "Market", params: { market_id: 1001 } });
  await place(seller as TestClient, limitOrder("Sell", 0.6, 100));
  const buy = (quantity: number) => place(buyer as TestClient, limitOrder("Buy", 0.6, quantity));
  await buy(1);
  for (const client of watching) await client.take("TradeExecution");

  await writeFile(armedIn(folder()), "");
  // It is on disk, so it is answered.
  expect(await buy(2)).toMatchObject({ status: "Filled" });
  const told = await Promise.all(
    watching.map(async (client) => {
      const { epoch } = (await client.take("EpochChanged")).data;
      // In whatever order: trades need no first data.
      const seen: ServerMessage[] = [];
      const has = (type: string) => seen.some((message) => message.type === type);
      while (!has("MarketSnapshot") || !has("TradeExecution")) seen.push(await client.next());
      expect(seen).toContainEqual(
        expect.objectContaining({
          type: "MarketSnapshot",
          data: { markets: [expect.objectContaining({ price: 0.6, volume: 3 })] },
        }),
      );
      const trade = { trade_id: "2", seq: 1, quantity: 2, taker_side: "Buy" };
      expect(seen).toContainEqual(
        expect.objectContaining({
          type: "TradeExecution",
          data: { trade: expect.objectContaining(trade) },
        }),
      );
      return epoch;
    }),
  );
  expect(new Set(told).size).toBe(1);
  // And once: the next one is the next one.
  await buy(3);
  for (const client of watching)
    expect((await client.take("TradeExecution")).data.trade).toMatchObject({
      trade_id: "3",
      seq: 2,
      quantity: 3,
    });
});

test("exchange restarts - whoever stays connected gets every trade once, however often the producer dies", async () => {
  const running = await start({ "max-orders-per-second": 1e6, "max-messages-per-second": 1e6 });
  const { port } = running;
  const seller = await connectTrader(port, { wallet: "w1" });
  await place(seller, limitOrder("Sell", 0.6, 1e6));
  const buyers = await Promise.all(
    Array.from({ length: BUYERS }, (_, at) => connectTrader(port, { wallet: `b${at}` })),
  );
  const watching = await TestClient.connect(port);
  const ids: number[] = [];
  watching.ws.on("message", (text: Buffer) => {
    const { type, data } = JSON.parse(String(text));
    if (type === "TradeExecution") ids.push(Number(data.trade.trade_id));
  });
  await watching.subscribe({ type: "Trades" });
  let trading = true;
  const traders = buyers.map(async (buyer) => {
    const order = limitOrder("Buy", 0.6, 1);
    while (trading) await buyer.request({ type: "PlaceOrder", data: { order } });
  });
  for (let restart = 1; restart <= RESTARTS; restart++) {
    running.command({ restartProducer: true });
    await watching.take("EpochChanged");
    await watching.take("TradeExecution");
  }
  trading = false;
  await Promise.all(traders);
  // Nothing is published behind this one.
  await place(buyers[0] as TestClient, limitOrder("Buy", 0.6, 7));
  await watching.take("TradeExecution", ({ data }) => data.trade.quantity === 7);
  expect(ids.length).toBeGreaterThan(RESTARTS);
  expect(ids).toEqual(ids.map((_, at) => at + 1));
});
