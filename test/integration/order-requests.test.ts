import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ENCODINGS } from "../../src/contract/encodings.js";
import { type ServerProcess, startServerProcess } from "../support/server-process.js";
import type { TestClient } from "../support/test-client.js";
import { connectTrader, limitOrder, place, QUIET_EXCHANGE, refusalOf } from "../support/trading.js";

let server: ServerProcess;
beforeAll(async () => {
  server = await startServerProcess({ ...QUIET_EXCHANGE, shards: 2 });
});
afterAll(() => server.stop());

let wallets = 0;
/** A trader with a wallet that nothing has happened to. */
const trader = (options: Parameters<typeof connectTrader>[1] = {}): Promise<TestClient> =>
  connectTrader(server.port, { wallet: `wallet ${++wallets}`, ...options });

describe.each(ENCODINGS)("order requests in %s", (encoding) => {
  it(`order requests - an order is amended, by either name, in ${encoding}`, async () => {
    const client = await trader({ encoding });
    const { order_id } = await place(client, limitOrder("Buy", 0.2, 10, { client_order_id: "a" }));
    const reduced = await client.request({
      type: "AmendOrder",
      data: { order_id, quantity: 4 },
    });
    expect(reduced).toMatchObject({
      type: "OrderUpdate",
      data: { order: { order_id, price: 0.2, quantity: 4, status: "Open" } },
    });
    expect(reduced.data).not.toHaveProperty("duplicate");
    const moved = await client.request({
      type: "AmendOrder",
      data: { client_order_id: "a", price: 0.21, quantity: 5 },
    });
    expect(moved).toMatchObject({ data: { order: { order_id, price: 0.21, quantity: 5 } } });
    expect(
      await refusalOf(client, { type: "AmendOrder", data: { order_id, price: 0.2105 } }),
    ).toMatchObject({
      code: "ORDER_REJECTED",
      details: { rule: "tick_size", field: "price", value: 0.2105, limit: 0.001 },
    });
    expect(
      await refusalOf(client, { type: "AmendOrder", data: { order_id: "9999", quantity: 1 } }),
    ).toMatchObject({ code: "ORDER_NOT_FOUND" });
    expect(await client.request({ type: "CancelOrders", data: {} })).toMatchObject({
      type: "OrdersCancelled",
      data: { count: 1 },
    });
    await client.close();
  });
});
