import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { MarketcastClient, type Order } from "../../src/client/node.js";
import { ENCODINGS, type Encoding } from "../../src/contract/encodings.js";
import { FrameProxy } from "../support/frame-proxy.js";
import { type ServerProcess, startServerProcess, testToken } from "../support/server-process.js";
import { QUIET_EXCHANGE } from "../support/trading.js";

let server: ServerProcess;
let proxy: FrameProxy;
const clients: MarketcastClient[] = [];
beforeAll(async () => {
  server = await startServerProcess({ ...QUIET_EXCHANGE, shards: 1 });
  proxy = await FrameProxy.start(server.port);
});
afterEach(async () => {
  proxy.rules = {};
  await Promise.all(clients.splice(0).map((client) => client.close()));
});
afterAll(() => Promise.all([proxy.close(), server.dispose()]));

function clientOf(wallet: string, encoding: Encoding): MarketcastClient {
  const token = testToken({ sub: wallet, wallet });
  const client = new MarketcastClient({ url: proxy.url, token, encoding, offline: "queue" });
  clients.push(client);
  return client;
}

const sell = (price: number, market_id = 1001) =>
  ({ market_id, side: "Sell", order_type: "Limit", price, quantity: 2 }) as const;

it.each(ENCODINGS)(
  "order history - orders and fills page by page, and an order by either name (%s)",
  async (encoding) => {
    const wallet = `w-${encoding}`;
    // Others have left something in the other markets.
    const market_id = 1001 + ENCODINGS.indexOf(encoding);
    const [client, other] = [clientOf(wallet, encoding), clientOf(`other-${encoding}`, encoding)];
    const told: string[] = [];
    client.on("Fill", ({ fill }) => told.push(`fill ${fill.order_id}`));
    client.on("OrderUpdate", ({ order }) => told.push(`order ${order.order_id}`));
    await client.subscribe([{ type: "Orders", params: { wallet } }]);
    const placed: Order[] = [];
    for (let at = 0; at < 5; at++)
      placed.push(
        (await client.placeOrder({ ...sell(0.5, market_id), client_order_id: `c-${at}` })).order,
      );
    told.length = 0;
    await other.placeOrder({ ...sell(0.5, market_id), side: "Buy", quantity: 3 });
    const [first, second] = placed;
    const { order } = await client.getOrder({ client_order_id: "c-1" });
    expect(order).toMatchObject({ order_id: second?.order_id, status: "PartiallyFilled" });
    expect((await client.getOrder({ order_id: first?.order_id as string })).order).toMatchObject({
      status: "Filled",
    });
    expect(told.slice(0, 4)).toEqual(
      [first, second].flatMap((one) => [`fill ${one?.order_id}`, `order ${one?.order_id}`]),
    );
    const history: string[] = [];
    for await (const one of client.history.orders({ limit: 4 })) history.push(one.order_id);
    expect(history).toEqual(
      placed
        .map(({ order_id }) => order_id)
        .reverse()
        .slice(0, 4),
    );
    const sizes: number[] = [];
    for await (const page of client.history.orders({ limit: 4 }).pages(3)) sizes.push(page.length);
    expect(sizes).toEqual([3, 1]);
    await expect(client.history.fills().pages(0).next()).rejects.toThrow(RangeError);
    const pages = [];
    for await (const page of client.history.fills()) pages.push(page);
    expect(pages).toMatchObject([
      { order_id: second?.order_id, quantity: 1, client_order_id: "c-1" },
      { order_id: first?.order_id, quantity: 2, liquidity: "Maker" },
    ]);
    const open: Order[] = [];
    for await (const one of client.history.orders({ status: "Open", market_id })) open.push(one);
    expect(open.map((one) => one.status)).toEqual(["Open", "Open", "Open"]);
    await expect(other.getOrder({ client_order_id: "c-1" })).rejects.toMatchObject({
      code: "ORDER_NOT_FOUND",
    });
    for await (const _ of other.history.orders({ status: ["Cancelled"] }))
      throw new Error("there is none");
  },
);

it("order history - what is asked when the connection breaks is asked again on the next", async () => {
  const client = clientOf("w-cut", "json");
  const { order } = await client.placeOrder(sell(0.9));
  for (const type of ["GetOrder", "OrderHistory"]) {
    let cuts = 0;
    proxy.rules = { cutAfterClient: (message) => message.type === type && ++cuts === 1 };
    const answer =
      type === "GetOrder" ? client.getOrder({ order_id: order.order_id }) : newest(client);
    expect(await answer).toEqual({ order });
    expect(cuts).toBeGreaterThan(1);
  }
});

async function newest(client: MarketcastClient): Promise<{ order: Order } | undefined> {
  for await (const order of client.history.orders()) return { order };
  return undefined;
}
