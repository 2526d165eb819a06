import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { MarketcastClient } from "../../src/client/node.js";
import { ENCODINGS } from "../../src/contract/encodings.js";
import type { Channel, OrderRequest } from "../../src/contract/messages.js";
import { closeClients, newClient, nextEvent } from "../support/client-harness.js";
import { FrameProxy } from "../support/frame-proxy.js";
import { type ServerProcess, startServerProcess, testToken } from "../support/server-process.js";

let server: ServerProcess;
let proxy: FrameProxy;
beforeAll(async () => {
  server = await startServerProcess({ feed: "exchange", "sim-traders": 0, shards: 1 });
  proxy = await FrameProxy.start(server.port);
});
beforeEach(() => {
  proxy.rules = {};
  proxy.requests.length = 0;
});
afterEach(closeClients);
afterAll(() => Promise.all([proxy.close(), server.dispose()]));

const LIMIT = {
  market_id: 1001,
  side: "Buy",
  order_type: "Limit",
  price: 0.1,
  quantity: 1,
} as const;

let wallets = 0;
/** A program without types passes whatever it likes. */
const anything = (value: unknown): never => value as never;

describe.each(ENCODINGS)("values, %s", (encoding) => {
  let client: MarketcastClient;
  let wallet: string;
  beforeEach(async () => {
    wallet = `values-${++wallets}`;
    const token = testToken({ sub: wallet, wallet });
    client = newClient(proxy.url, { encoding, token: () => token });
    await client.ready();
    proxy.requests.length = 0;
  });

  it.each([undefined, null])(
    `values - a client_order_id of %s gets one made, over a cut connection as well, in ${encoding}`,
    async (client_order_id) => {
      let cuts = 0;
      proxy.rules.cutAfterClient = ({ type }) => type === "PlaceOrder" && cuts++ < 1;
      const snapshot = nextEvent(client, "OrderSnapshot");
      await client.subscribe([{ type: "Orders", params: { wallet } }]);
      await snapshot;
      const again = nextEvent(client, "resubscribed");
      const told: string[] = [];
      client.on("OrderUpdate", (update) => told.push(update.order.order_id));
      const { order } = await client.placeOrder(anything({ ...LIMIT, client_order_id }));
      const ids = proxy.requests.flatMap((message) =>
        message.type === "PlaceOrder" ? [message.data.order.client_order_id] : [],
      );
      expect(ids.length).toBe(2);
      expect(ids[0]).toMatch(/^[0-9a-f]{32}$/);
      expect(ids[1]).toBe(ids[0]);
      await again;
      expect(new Set(told)).toEqual(new Set([order.order_id]));
    },
  );

  it(`values - absent fields are absent in every request, in ${encoding}`, async () => {
    const none = anything(undefined);
    const { order } = await client.placeOrder(
      anything({ ...LIMIT, time_in_force: undefined, post_only: null, other: undefined }),
    );
    await client.cancelOrder(anything({ order_id: order.order_id, client_order_id: undefined }));
    await expect(
      client.cancelOrder(anything({ order_id: null, client_order_id: "nobody" })),
    ).rejects.toMatchObject({ code: "ORDER_NOT_FOUND" });
    const channels: Channel[] = [
      { type: "Markets", params: none },
      {
        type: "Markets",
        params: { filter: anything({ status: null, search: "a", min_volume: none }) },
      },
      { type: "Trades", params: { market_id: none } },
      anything({ type: "Trades", params: { market_id: null } }),
      { type: "SystemStatus", params: none },
    ];
    const taken = await client.subscribe(channels, { timeoutMs: none, signal: none });
    expect(taken.channels).toEqual([
      { type: "Markets", params: null },
      { type: "Markets", params: { filter: { search: "a" } } },
      { type: "Trades", params: null },
      { type: "SystemStatus", params: null },
    ]);
    await client.unsubscribe(channels);
    expect(client.subscriptions).toEqual([]);
    expect(await client.ping(anything({ timeoutMs: null, signal: null }))).toBeGreaterThan(0);
  });

  it(`values - a timeout of undefined is the client's own, in ${encoding}`, async () => {
    proxy.rules.dropFromServer = ({ type }) => type === "Pong";
    const impatient = newClient(proxy.url, { encoding, requestTimeoutMs: 100 });
    await expect(impatient.ping({ timeoutMs: anything(undefined) })).rejects.toMatchObject({
      code: "REQUEST_TIMEOUT",
    });
  });

  const cyclic: Record<string, unknown> = { ...LIMIT };
  cyclic["price"] = cyclic;
  it.each<[string, unknown, RegExp]>([
    ["a price that is no number", { ...LIMIT, price: Number.NaN }, /price: NaN cannot be sent/],
    ["an infinite quantity", { ...LIMIT, quantity: 1 / 0 }, /quantity: Infinity cannot be sent/],
    ["a BigInt", { ...LIMIT, market_id: 1001n }, /market_id: 1001 cannot be sent/],
    ["a function", { ...LIMIT, price: Math.abs }, /price: function abs.* cannot be sent/],
    ["itself in it", cyclic, /circular/],
    ["undefined in a list", { ...LIMIT, price: [undefined] }, /item 0: undefined cannot be sent/],
  ])(`values - an order with %s is refused at once, in ${encoding}`, async (_, order, text) => {
    const placing = client.placeOrder(order as OrderRequest);
    await expect(placing).rejects.toThrow(text);
    await expect(placing).rejects.toBeInstanceOf(TypeError);
    expect(proxy.requests).toEqual([]);
    expect(await client.ping()).toBeGreaterThan(0);
  });

  it(`values - channels that are none are refused, by the client or the server, in ${encoding}`, async () => {
    for (const channel of [undefined, null, 7, "Trades"]) {
      await expect(client.subscribe([anything(channel)])).rejects.toThrow(TypeError);
      await expect(client.unsubscribe([anything(channel)])).rejects.toThrow(TypeError);
    }
    await expect(client.subscribe(anything(undefined))).rejects.toThrow(TypeError);
    const lists = [[1001, undefined], [Number.NaN], [{ deep: 1n }]];
    for (const market_ids of lists) {
      const channel = anything({ type: "PriceFeed", params: { market_ids } });
      await expect(client.subscribe([channel])).rejects.toThrow(TypeError);
    }
    for (const channel of [
      {},
      { type: "Nothing" },
      { type: "PriceFeed" },
      { type: "PriceFeed", params: { market_ids: "1001" } },
      { type: "PriceFeed", params: { market_ids: [null] } },
      { type: "Market" },
      { type: "Orders" },
      { type: "Markets", params: { filter: { status: ["Bogus", "Active"] } } },
    ]) {
      const refusals = await Promise.all(
        [client.subscribe([anything(channel)]), client.unsubscribe([anything(channel)])].map(
          (asking) => asking.catch((error: unknown) => error),
        ),
      );
      // What Protocol Buffers have no place for the client refuses.
      for (const refusal of refusals) {
        if (encoding === "protobuf" && refusal instanceof TypeError) continue;
        expect(refusal, JSON.stringify(channel)).toMatchObject({ code: "INVALID_MESSAGE" });
      }
    }
    expect(client.subscriptions).toEqual([]);
    expect(client.state.status).toBe("open");
  });
});

describe("values", () => {
  it("values - of a server that says null for an optional field, it is absent", async () => {
    const { FakeServer, acceptance } = await import("../support/fake-server.js");
    const { CoreClient } = await import("../../src/client/core-client.js");
    const fake = new FakeServer(acceptance);
    const client = new CoreClient({ url: "ws://x", token: anything(null) }, fake.platform);
    const orders: unknown[] = [];
    const errors: unknown[] = [];
    client.on("OrderUpdate", (data) => orders.push(data.order));
    client.on("OrderSnapshot", (data) => orders.push(...data.orders));
    client.on("error", (error) => errors.push(error));
    await client.ready();
    const order = { order_id: "1", client_order_id: null, price: null, reason: null, quantity: 1 };
    fake.connection?.tell(anything({ type: "OrderUpdate", id: null, data: { order } }));
    fake.connection?.tell(anything({ type: "OrderSnapshot", data: { orders: [order] } }));
    const data = { code: "INTERNAL", message: "no", details: null };
    fake.connection?.tell(anything({ type: "Error", id: null, data }));
    expect(orders).toStrictEqual(Array(2).fill({ order_id: "1", quantity: 1 }));
    expect(errors).toMatchObject([{ code: "INTERNAL", details: undefined }]);
    // What is no message at all is an error of the server's, and none of the program's.
    fake.connection?.tell(anything(null));
    expect(client.state).toMatchObject({
      status: "reconnecting",
      cause: { code: "PROTOCOL_VIOLATION" },
    });
    await client.close();
  });
});
