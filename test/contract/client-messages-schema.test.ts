import { describe, expect, it } from "vitest";
import { clientData, requestIdSchema } from "../../src/contract/client-messages-schema.js";
import {
  CHANNELS_PER_REQUEST_MAX,
  CLIENT_ORDER_ID_CHARACTERS_MAX,
  REQUEST_ID_CHARACTERS_MAX,
} from "../../src/contract/limits.js";

describe("client-messages", () => {
  it("client-messages - a request id is a safe integer or a short string", () => {
    const taken = [0, -1, Number.MAX_SAFE_INTEGER, "", "x".repeat(REQUEST_ID_CHARACTERS_MAX)];
    for (const id of taken) expect(requestIdSchema.parse(id)).toBe(id);
    const refused = [1.5, 2 ** 53, Number.NaN, 1n, null, {}, [], true];
    for (const id of [...refused, "x".repeat(REQUEST_ID_CHARACTERS_MAX + 1)])
      expect(requestIdSchema.safeParse(id).success).toBe(false);
  });

  it("client-messages - a request names 1 to 100 channels, told back each of them once", () => {
    const channels = (count: number) =>
      Array.from({ length: count }, (_, at) => ({ type: "Market", params: { market_id: at } }));
    for (const schema of [clientData.Subscribe, clientData.Unsubscribe]) {
      expect(schema.safeParse({ channels: [] }).success).toBe(false);
      expect(schema.safeParse({}).success).toBe(false);
      const most = channels(CHANNELS_PER_REQUEST_MAX);
      expect(schema.parse({ channels: most }).channels).toEqual(most);
      expect(schema.safeParse({ channels: channels(CHANNELS_PER_REQUEST_MAX + 1) }).success).toBe(
        false,
      );
      const twice = [
        { type: "Market", params: { market_id: "7" } },
        { type: "Markets" },
        { type: "Market", params: { market_id: 7 } },
        { params: null, type: "Markets" },
      ];
      expect(schema.parse({ channels: twice }).channels).toEqual([
        { type: "Market", params: { market_id: 7 } },
        { type: "Markets", params: null },
      ]);
    }
  });

  it("client-messages - a client order id is 1 to 36 letters, digits, underscores and hyphens", () => {
    const longest = "x".repeat(CLIENT_ORDER_ID_CHARACTERS_MAX);
    expect(longest).toHaveLength(36);
    const order = { market_id: 1, side: "Buy", order_type: "Market", quantity: 1 };
    const results = (client_order_id: unknown) => [
      clientData.PlaceOrder.safeParse({ order: { ...order, client_order_id } }).success,
      clientData.CancelOrder.safeParse({ client_order_id }).success,
    ];
    for (const id of ["a", "-", "_", "0", "aZ09_-", longest])
      expect(results(id)).toEqual([true, true]);
    const refused = ["", " ", "a b", "a\n", "a.b", "ä", "a\u0000", `${longest}x`, 1, ["a"]];
    for (const id of refused) expect(results(id)).toEqual([false, false]);
  });

  it("client-messages - null for an optional field is as good as no field, and for no other one", () => {
    const order = { market_id: 1, side: "Buy", order_type: "Market", quantity: 1 };
    const nothing = { price: null, time_in_force: null, post_only: null, client_order_id: null };
    expect(clientData.PlaceOrder.parse({ order: { ...order, ...nothing } })).toStrictEqual({
      order,
    });
    expect(clientData.CancelOrder.parse({ order_id: "1", client_order_id: null })).toStrictEqual({
      order_id: "1",
    });
    expect(clientData.CancelOrder.parse({ order_id: null, client_order_id: "a" })).toStrictEqual({
      client_order_id: "a",
    });
    const refused = [
      { order: { ...order, order_type: "Limit", price: null } },
      ...Object.keys(order).map((field) => ({ order: { ...order, [field]: null } })),
      { order: { ...order, unknown: null } },
      { order: null },
    ];
    for (const data of refused) expect(clientData.PlaceOrder.safeParse(data).success).toBe(false);
    expect(
      clientData.CancelOrder.safeParse({ order_id: null, client_order_id: null }).success,
    ).toBe(false);
  });

  it("client-messages - a Limit order has a price and a Market order has none, in every time in force", () => {
    const order = { market_id: "1", side: "Sell", quantity: 2 };
    const parses = (more: object) =>
      clientData.PlaceOrder.safeParse({ order: { ...order, ...more } }).success;
    for (const time_in_force of ["GTC", "IOC", "FOK", undefined]) {
      expect(parses({ order_type: "Limit", price: 1, time_in_force })).toBe(true);
      expect(parses({ order_type: "Limit", time_in_force })).toBe(false);
      expect(parses({ order_type: "Market", time_in_force })).toBe(true);
      expect(parses({ order_type: "Market", price: 1, time_in_force })).toBe(false);
    }
    // What numbers will do is the exchange's to say.
    for (const number of [0, -1, 1e-9, 1e300]) {
      expect(parses({ order_type: "Limit", price: number, quantity: number })).toBe(true);
    }
  });
});
