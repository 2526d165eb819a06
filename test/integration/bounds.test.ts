import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ENCODINGS } from "../../src/contract/encodings.js";
import { type ServerProcess, startServerProcess } from "../support/server-process.js";
import type { TestClient } from "../support/test-client.js";
import {
  connectTrader,
  limitOrder,
  place,
  QUIET_EXCHANGE,
  refusalOf,
  temporaryDirectory,
  writeMarkets,
} from "../support/trading.js";

/** By flags: a band of 10 %, positions up to 100, values up to 40. Market 2 has its own, and market 3 none. */
const BOUNDS = { "price-band": 10, "max-position": 100, "max-order-value": 40 };
const OWN = { price_band: 50, max_position: 5, max_order_value: 1.5 };
const NONE = { price_band: 0, max_position: 0, max_order_value: 0 };

let folder: Awaited<ReturnType<typeof temporaryDirectory>>;
let server: ServerProcess;

const start = (): Promise<ServerProcess> =>
  startServerProcess(
    {
      ...QUIET_EXCHANGE,
      ...BOUNDS,
      "markets-file": join(folder.path, "markets.json"),
      "data-dir": join(folder.path, "data"),
    },
    { threadEnds: true },
  );

beforeAll(async () => {
  folder = await temporaryDirectory();
  await writeMarkets(
    join(folder.path, "markets.json"),
    ...ENCODINGS.map((_, at) => ({ market_id: 101 + at })),
    { market_id: 2, ...OWN },
    { market_id: 3, ...NONE },
    { market_id: 4 },
  );
  server = await start();
});
afterAll(async () => {
  await server.dispose();
  await folder.remove();
});

const trader = (wallet: string, encoding: (typeof ENCODINGS)[number] = "json") =>
  connectTrader(server.port, { wallet, encoding });

/** Has a market trade one at a price, between two wallets that nobody else has. */
async function tradeAt(price: number, market_id: number): Promise<void> {
  const [maker, taker] = [await trader("maker"), await trader("taker")];
  await place(maker, limitOrder("Sell", price, 1, { market_id }));
  await place(taker, limitOrder("Buy", price, 1, { market_id }));
  await Promise.all([maker.close(), taker.close()]);
}

const refused = (rule: string, field: string | null, value: number, limit: number) => ({
  code: "ORDER_REJECTED",
  message: expect.any(String),
  details: { rule, field, value, limit },
});
const metric = (name: string) => server.metric(`marketcast_${name}`);
const refusals = (rule: string) => metric(`order_refusals_total{rule="${rule}"}`);

describe.each(ENCODINGS)("bounds in %s", (encoding) => {
  it(`bounds - each refuses orders, orders of a batch, amends and questions, in ${encoding}`, async () => {
    const market_id = 101 + ENCODINGS.indexOf(encoding);
    await tradeAt(0.5, market_id);
    const client = await trader(`refused ${encoding}`, encoding);
    const resting = await place(client, limitOrder("Buy", 0.5, 60, { market_id }));
    const cases = [
      [{ price: 0.56 }, refused("price_band", "price", 0.56, 0.55)],
      [{ price: 0.44 }, refused("price_band", "price", 0.44, 0.45)],
      [{ quantity: 90 }, refused("max_order_value", null, 45, 40)],
      [{ quantity: 41 }, refused("max_position", "quantity", 41, 100)],
    ] as const;
    const orders = cases.map(([given]) => limitOrder("Buy", 0.5, 1, { market_id, ...given }));
    for (const [at, [, refusal]] of cases.entries()) {
      const data = { order: orders[at] };
      expect(await refusalOf(client, { type: "PlaceOrder", data })).toEqual(refusal);
      const question = { type: "PlaceOrder", data: { ...data, validate_only: true } };
      expect(await refusalOf(client, question)).toEqual(refusal);
    }
    const batch = await client.request({ type: "PlaceOrders", data: { orders } });
    expect(batch).toMatchObject({
      type: "OrderResults",
      data: { results: cases.map(([, error]) => ({ error })) },
    });
    const amends = [
      [{ price: 0.56 }, refused("price_band", "price", 0.56, 0.55)],
      [{ quantity: 90 }, refused("max_order_value", null, 45, 40)],
      [{ price: 0.45, quantity: 80 }, undefined],
      [{ price: 0.46, quantity: 86 }, undefined],
    ] as const;
    for (const [data, refusal] of amends) {
      const request = { type: "AmendOrder", data: { order_id: resting.order_id, ...data } };
      if (refusal !== undefined) expect(await refusalOf(client, request)).toEqual(refusal);
      else expect(await client.request(request)).toMatchObject({ data: { order: data } });
    }
    await place(client, limitOrder("Buy", 0.46, 14, { market_id }));
    const past = { type: "AmendOrder", data: { order_id: resting.order_id, quantity: 86.5 } };
    expect(await refusalOf(client, past)).toMatchObject({ details: { rule: "lot_size" } });
    const over = { type: "AmendOrder", data: { order_id: resting.order_id, quantity: 87 } };
    expect(await refusalOf(client, over)).toMatchObject({ details: { rule: "max_order_value" } });
    const cheaper = { price: 0.45, quantity: 87 };
    expect(
      await refusalOf(client, {
        type: "AmendOrder",
        data: { order_id: resting.order_id, ...cheaper },
      }),
    ).toEqual(refused("max_position", "quantity", 87, 100));
    await client.request({ type: "CancelOrders", data: {} });
    await client.close();
  });

  it(`bounds - a Market order stops at the band, in ${encoding}`, async () => {
    const market_id = 101 + ENCODINGS.indexOf(encoding);
    const before = await metric("orders_stopped_by_band_total");
    const maker = await trader("maker");
    await tradeAt(0.52, market_id);
    await place(maker, limitOrder("Sell", 0.57, 5, { market_id }));
    await place(maker, limitOrder("Sell", 0.5, 1, { market_id }));
    const client = await trader(`stopped ${encoding}`, encoding);
    await place(client, limitOrder("Buy", 0.5, 1, { market_id }));
    await place(maker, limitOrder("Sell", 0.54, 2, { market_id }));
    const order = { market_id, side: "Buy", order_type: "Market", quantity: 10 };
    expect(await place(client, order)).toMatchObject({
      status: "Cancelled",
      filled_quantity: 2,
      average_price: 0.54,
      reason: "market order: there is no more to trade with inside the market's price band",
      reason_code: "price_band",
    });
    expect(await metric("orders_stopped_by_band_total")).toBe(before + 1);
    await maker.request({ type: "CancelOrders", data: {} });
    await Promise.all([client.close(), maker.close()]);
  });
});

describe("bounds by market", () => {
  it("bounds - a market's own stand in the place of the flags', 0 for none", async () => {
    const client = await trader("own");
    for (const market_id of [2, 3]) await tradeAt(0.5, market_id);
    const rules = async (market_id: number, orders: readonly object[]): Promise<unknown[]> => {
      const all = orders.map((given) => ({
        ...limitOrder("Buy", 0.5, 1, { market_id }),
        ...given,
      }));
      const reply = await client.request({ type: "PlaceOrders", data: { orders: all } });
      if (reply.type !== "OrderResults") throw new Error(JSON.stringify(reply));
      return reply.data.results.map((one) => one.error?.details);
    };
    const limits = [
      { price: 0.76 },
      { quantity: 4 },
      { price: 0.25, quantity: 6 },
      { price: 0.74 },
    ];
    expect(await rules(2, limits)).toMatchObject([
      { rule: "price_band", limit: 0.75 },
      { rule: "max_order_value", value: 2, limit: 1.5 },
      { rule: "max_position", limit: 5 },
      undefined,
    ]);
    expect(await rules(3, [{ price: 900 }, { quantity: 1e6 }])).toEqual([undefined, undefined]);
    await client.request({ type: "CancelOrders", data: {} });
    await client.close();
  });

  it("bounds - refusals are counted by rule, those of questions apart", async () => {
    const client = await trader("counted");
    await tradeAt(0.5, 4);
    const [before, others] = [await refusals("price_band"), await refusals("max_position")];
    const order = limitOrder("Buy", 0.6, 1, { market_id: 4 });
    await refusalOf(client, { type: "PlaceOrder", data: { order } });
    await refusalOf(client, { type: "PlaceOrder", data: { order, validate_only: true } });
    await client.request({ type: "PlaceOrders", data: { orders: [order, order] } });
    const { order_id } = await place(client, { ...order, price: 0.5 });
    await refusalOf(client, { type: "AmendOrder", data: { order_id, price: 0.6 } });
    expect(await refusals("price_band")).toBe(before + 4);
    expect(await refusals("max_position")).toBe(others);
    await client.request({ type: "CancelOrders", data: {} });
    await client.close();
  });

  it("bounds - after the exchange and after the server have died, bounds hold as before", async () => {
    const client = await trader("kept");
    await tradeAt(0.5, 4);
    await place(client, limitOrder("Buy", 0.5, 30, { market_id: 4 }));
    const seller = await trader("seller");
    await place(seller, limitOrder("Sell", 0.5, 20, { market_id: 4 }));
    await place(client, limitOrder("Buy", 0.49, 60, { market_id: 4 }));
    await seller.close();
    // 20 held and 70 open.
    const expectKept = async (one: TestClient) => {
      const ask = async (given: object) => {
        const order = { ...limitOrder("Buy", 0.49, 10, { market_id: 4 }), ...given };
        const data = { order, validate_only: true };
        const reply = await one.request({ type: "PlaceOrder", data });
        return reply.type === "Error" ? reply.data.details : reply.type;
      };
      expect(await ask({ quantity: 10 })).toBe("OrderValidated");
      expect(await ask({ quantity: 11 })).toMatchObject({ rule: "max_position", limit: 100 });
      expect(await ask({ price: 0.44 })).toMatchObject({ rule: "price_band", limit: 0.45 });
      expect(await ask({ quantity: 82 })).toMatchObject({ rule: "max_order_value", limit: 40 });
    };
    await expectKept(client);
    server.command({ restartProducer: true });
    await client.take("EpochChanged");
    await expectKept(client);
    await server.dispose();
    server = await start();
    const again = await trader("kept");
    await expectKept(again);
    await again.request({ type: "CancelOrders", data: {} });
    await again.close();
  });
});
