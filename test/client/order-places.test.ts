import { describe, expect, it } from "vitest";
import { OrderPlaces } from "../../src/client/order-places.js";
import type { Channel, ServerMessage } from "../../src/contract/messages.js";

const ORDERS = { type: "Orders", params: { wallet: "w" } } as const satisfies Channel;

const fill = (trade_id: string, ts: number, wallet = "w"): ServerMessage<"Fill"> => ({
  type: "Fill",
  data: {
    fill: {
      ...{ trade_id, order_id: "1", market_id: 1, wallet, ts },
      ...{ side: "Buy", price: 1, quantity: 1, liquidity: "Maker" },
    },
  },
});
const order = (updated_ts: number, id?: number): ServerMessage<"OrderUpdate"> => ({
  type: "OrderUpdate",
  ...(id !== undefined && { id }),
  data: {
    order: {
      ...{ order_id: "1", market_id: 1, wallet: "w", side: "Buy", order_type: "Limit" },
      ...{ time_in_force: "GTC", post_only: false, price: 1, quantity: 2, filled_quantity: 0 },
      ...{ status: "Open", created_ts: 1, updated_ts },
    },
  } as ServerMessage<"OrderUpdate">["data"],
});

function begun(ts: number): OrderPlaces {
  const places = new OrderPlaces();
  places.begin(ORDERS, ts, false);
  places.begun("w");
  return places;
}

describe("order places", () => {
  it("order places - a wallet goes on from what was told last, and from its beginning", () => {
    const places = begun(1000);
    expect(places.since(ORDERS)).toBe(1000);
    places.take(fill("1", 2000));
    places.take(order(2000));
    places.take(order(1990, 1));
    expect(places.since(ORDERS)).toBe(2000);
    places.take(fill("2", 9000, "other"));
    expect(places.since(ORDERS)).toBe(2000);
    expect(places.since({ ...ORDERS, params: { wallet: "other" } })).toBeUndefined();
  });

  it("order places - before the snapshot has come nothing is known, so that it is asked for again", () => {
    const places = new OrderPlaces();
    places.begin(ORDERS, 1000, false);
    places.take(order(2000));
    expect(places.since(ORDERS)).toBeUndefined();
    places.begun("w");
    expect(places.since(ORDERS)).toBe(2000);
    // An answer may overtake what was missed on the next connection.
    places.reset();
    places.take(order(3000, 1));
    expect(places.since(ORDERS)).toBe(2000);
    const asked = new OrderPlaces();
    asked.begin(ORDERS, 1000, true);
    expect(asked.since(ORDERS)).toBe(1000);
  });

  it("order places - what comes again is no news, be it a fill or a state, and other states are", () => {
    const places = begun(1000);
    const all = [fill("1", 2000), fill("2", 2000), order(2000)];
    expect(all.map((one) => places.take(one))).toEqual([true, true, true]);
    expect(all.map((one) => places.take(one))).toEqual([false, false, false]);
    expect(places.take(fill("3", 2000))).toBe(true);
    // Of a wallet that nobody follows nothing is known.
    const other = fill("1", 2000, "other");
    expect([places.take(other), places.take(other)]).toEqual([true, true]);
  });

  it("order places - an answer is always news, and moves the place but where what was missed is on its way", () => {
    const places = begun(1000);
    expect(places.take(order(3000, 1))).toBe(true);
    expect(places.since(ORDERS)).toBe(3000);
    expect([places.take(order(3000)), places.take(order(3000, 2))]).toEqual([false, true]);
    places.subscribed({ ...ORDERS, recovered: true });
    expect(places.take(order(8000, 3))).toBe(true);
    expect(places.since(ORDERS)).toBe(3000);
    expect(places.take(order(8000))).toBe(true);
    expect(places.since(ORDERS)).toBe(8000);
    // What is behind the place has been told, whoever tells it again; an answer may be of any time.
    expect([places.take(fill("1", 7000)), places.take(order(7000, 4))]).toEqual([false, true]);
  });

  it("order places - what the program asks for from a moment on is news again", () => {
    const places = begun(1000);
    places.take(fill("1", 2000));
    places.begin(ORDERS, 10, false);
    expect(places.take(fill("1", 2000))).toBe(false);
    places.begin(ORDERS, 10, true);
    expect(places.since(ORDERS)).toBe(10);
    expect(places.take(fill("1", 2000))).toBe(true);
  });

  it("order places - nothing is known of wallets that are not followed any more", () => {
    const places = begun(1000);
    places.take(fill("1", 2000));
    places.retain(new Set(["w"]));
    expect(places.take(fill("1", 2000))).toBe(false);
    places.retain(new Set());
    expect(places.take(fill("1", 2000))).toBe(true);
    expect(places.since(ORDERS)).toBeUndefined();
  });
});
