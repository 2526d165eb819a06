import { describe, expect, it } from "vitest";
import type { Command } from "../../src/engine/commands.js";
import type { Order, OrderTerms } from "../../src/engine/order.js";
import { newOrder } from "../../src/engine/order-versions.js";
import { Random } from "../../src/shared/random.js";
import { MarketMaker, type MarketMakerOptions } from "../../src/sim/market-maker.js";

const OPTIONS = {
  marketId: 1,
  wallet: "sim-1",
  start: 500,
  priceMax: 1000,
  levels: 10,
};

const makerWith = (options: Partial<MarketMakerOptions> = {}) =>
  new MarketMaker({ ...OPTIONS, ...options }, new Random(1));

/** The maker's open orders, as an exchange without other traders would have them. */
class OpenOrders {
  readonly byId = new Map<number, Order>();
  #nextOrderId = 1;

  rest(terms: OrderTerms): void {
    const orderId = this.#nextOrderId++;
    this.byId.set(orderId, newOrder(terms, orderId, 0));
  }

  execute(commands: readonly Command[]): void {
    for (const command of commands) {
      if (command.type === "place") this.rest(command.terms);
      else if (command.type === "cancel" && "orderId" in command.order)
        this.byId.delete(command.order.orderId);
    }
  }

  /** Lets the maker quote until its ladder stands. */
  settle(maker: MarketMaker): void {
    for (let commands = next(maker, this); commands.length > 0; commands = next(maker, this))
      this.execute(commands);
  }

  prices(side: "Buy" | "Sell"): number[] {
    const prices = [...this.byId.values()].flatMap((order) =>
      order.side === side && order.price !== undefined ? [order.price] : [],
    );
    return prices.sort((a, b) => a - b);
  }
}

const next = (maker: MarketMaker, orders: OpenOrders) =>
  maker.requote([...orders.byId.values()], 100);

const kindsOf = (commands: readonly Command[]) => commands.map(({ type }) => type);

describe("market-maker", () => {
  it("market-maker - quotes from the inside out, a few commands at a time, until it stands", () => {
    const maker = makerWith();
    const orders = new OpenOrders();
    const first = next(maker, orders);
    expect(kindsOf(first)).toEqual(Array(8).fill("place"));
    orders.execute(first);
    expect([orders.prices("Buy").length, orders.prices("Sell").length]).toEqual([4, 4]);
    const inside = { bid: orders.prices("Buy").at(-1), ask: orders.prices("Sell")[0] };

    orders.settle(maker);
    const [bids, asks] = [orders.prices("Buy"), orders.prices("Sell")];
    expect({ bid: bids.at(-1), ask: asks[0] }).toEqual(inside);
    expect({ Buy: bids[0], Sell: asks.at(-1) }).toEqual(maker.worst);
    for (const prices of [bids, asks]) {
      expect(prices).toEqual(Array.from({ length: 10 }, (_, i) => (prices[0] as number) + i));
    }
    expect((bids.at(-1) as number) + (asks[0] as number)).toBe(1000);
  });

  it("market-maker - follows its fair value, cancels first, and never crosses itself", () => {
    const maker = makerWith();
    const orders = new OpenOrders();
    orders.settle(maker);
    let moves = 0;
    for (let i = 0; i < 2000; i++) {
      maker.reconsider();
      const commands = next(maker, orders);
      if (commands.length > 0) {
        expect(kindsOf(commands)).toEqual(["cancel", "cancel", "place", "place"]);
        moves += 1;
      }
      for (const command of commands) {
        orders.execute([command]);
        expect(orders.prices("Buy").at(-1)).toBeLessThan(orders.prices("Sell")[0] as number);
      }
      expect(orders.byId.size).toBe(20);
    }
    expect(moves).toBeGreaterThan(800);
    expect(moves).toBeLessThan(1200);
  });

  it("market-maker - places nothing before all that does not fit is cancelled", () => {
    const orders = new OpenOrders();
    orders.settle(makerWith({ start: 300 }));
    const maker = makerWith({ start: 600 });
    expect(kindsOf(next(maker, orders))).toEqual(Array(8).fill("cancel"));
    orders.settle(maker);
    expect(orders.prices("Buy")[0]).toBe(maker.worst.Buy);
    expect(orders.byId.size).toBe(20);
  });

  it("market-maker - replaces what was filled, and takes out what is there twice", () => {
    const maker = makerWith();
    const orders = new OpenOrders();
    orders.settle(maker);
    const [id, order] = [...orders.byId][5] as [number, Order];
    orders.byId.delete(id);
    const { side, price } = order;
    expect(next(maker, orders)).toMatchObject([{ type: "place", terms: { side, price } }]);
    orders.rest(order);
    orders.rest(order);
    const [, twin] = [...orders.byId.keys()].slice(-2) as [number, number];
    expect(next(maker, orders)).toEqual([
      { type: "cancel", wallet: "sim-1", order: { orderId: twin } },
    ]);
  });

  it("market-maker - no more orders than there is room for, the best ones first", () => {
    const maker = makerWith();
    const orders = new OpenOrders();
    orders.execute(maker.requote([], 3));
    expect(orders.byId.size).toBe(3);
    const [best] = orders.prices("Sell");
    expect(best).toBe(maker.worst.Sell - 9);
    expect(maker.requote([...orders.byId.values()], 0)).toEqual([]);
    // Each order that is cancelled makes room for one.
    const elsewhere = makerWith({ start: 300 });
    const commands = elsewhere.requote([...orders.byId.values()], 0);
    expect(kindsOf(commands)).toEqual([...Array(3).fill("cancel"), ...Array(3).fill("place")]);
  });

  it("market-maker - a market of few ticks gets prices above 0 and below the highest", () => {
    for (let priceMax = 1; priceMax < 60; priceMax++) {
      const orders = new OpenOrders();
      orders.settle(makerWith({ priceMax }));
      const [bids, asks] = [orders.prices("Buy"), orders.prices("Sell")];
      for (const price of [...bids, ...asks]) {
        expect(price).toBeGreaterThan(0);
        expect(price).toBeLessThan(priceMax);
      }
      if (priceMax >= 6) expect(Math.min(bids.length, asks.length)).toBeGreaterThan(0);
      if (priceMax >= 34) expect([bids.length, asks.length]).toEqual([10, 10]);
    }
  });
});
