import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Command, EngineEvent } from "../../src/engine/commands.js";
import { type SimMarket, SimulatedTraders } from "../../src/sim/simulated-traders.js";
import { TradingFloor } from "./trading-floor.js";

const MARKETS = markets(50, 1000);

interface Setting {
  readonly traders?: number;
  readonly seed?: number;
  readonly markets?: readonly SimMarket[];
  readonly maxOpenOrders?: number;
}

function markets(count: number, priceMax: number | undefined): SimMarket[] {
  return Array.from({ length: count }, (_, i) => ({ marketId: 1001 + i, priceMax }));
}

function open(setting: Setting = {}, before?: TradingFloor) {
  const all = { traders: 10, seed: 1, markets: MARKETS, maxOpenOrders: 1000, ...setting };
  const floor = before?.restarted() ?? new TradingFloor(all.markets, all.maxOpenOrders);
  return { floor, traders: new SimulatedTraders(all, floor.engine) };
}

const wallets = (count: number) => Array.from({ length: count }, (_, i) => `sim-${i + 1}`);

const openOrders = (floor: TradingFloor, count: number) =>
  wallets(count).flatMap((wallet) => [...floor.engine.openOrders(wallet)]);

const tradesOf = (events: readonly EngineEvent[]) =>
  events.flatMap((event) => (event.type === "trade" ? [event.trade] : []));

const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;

describe("simulated-traders", () => {
  it("simulated-traders - equal seeds give equal commands, another seed other ones", () => {
    const commandsOf = (seed: number) => {
      const { floor, traders } = open({ seed });
      const commands: Command[] = [];
      floor.run(traders, 3000, (_, command) => commands.push(command));
      return commands;
    };
    expect(commandsOf(7)).toEqual(commandsOf(7));
    expect(commandsOf(8)).not.toEqual(commandsOf(7));
  });

  it("simulated-traders - books are deep, spreads small, and every market trades", () => {
    const { floor, traders } = open();
    floor.run(traders, 5000);
    const traded = new Map<unknown, number>();
    const depths: number[] = [];
    const spreads: number[] = [];
    floor.run(traders, 20_000, (events) => {
      for (const { marketId } of tradesOf(events)) {
        traded.set(marketId, (traded.get(marketId) ?? 0) + 1);
      }
      const { marketId } = MARKETS[depths.length % MARKETS.length] as SimMarket;
      depths.push(Math.min(floor.depth(marketId, "Buy"), floor.depth(marketId, "Sell")));
      spreads.push(floor.spread(marketId) ?? Number.POSITIVE_INFINITY);
    });
    expect(mean(depths)).toBeGreaterThan(12);
    expect(depths.filter((depth) => depth < 10).length).toBeLessThan(depths.length / 50);
    expect(mean(spreads)).toBeLessThan(5);
    expect(traded.size).toBe(MARKETS.length);
    expect(Math.min(...traded.values())).toBeGreaterThan(20);
  });

  it("simulated-traders - takers sweep levels, use Market and IOC orders, and never rest", () => {
    const { floor, traders } = open();
    const kinds = new Set<string>();
    let levelsMax = 0;
    floor.run(traders, 20_000, (events, command) => {
      const trades = tradesOf(events);
      levelsMax = Math.max(levelsMax, new Set(trades.map(({ price }) => price)).size);
      if (command.type !== "place") return;
      const { orderType, timeInForce } = command.terms;
      kinds.add(`${orderType} ${timeInForce}`);
    });
    expect([...kinds].sort()).toEqual(["Limit GTC", "Limit IOC", "Market IOC"]);
    expect(levelsMax).toBeGreaterThanOrEqual(3);
    expect(openOrders(floor, 10).filter(({ timeInForce }) => timeInForce !== "GTC")).toEqual([]);
  });

  it("simulated-traders - two make trades, one alone makes books only", () => {
    const tradesWith = (count: number) => {
      const { floor, traders } = open({ traders: count });
      let trades = 0;
      floor.run(traders, 10_000, (events) => {
        trades += tradesOf(events).length;
      });
      expect(mean(MARKETS.map(({ marketId }) => floor.depth(marketId, "Buy")))).toBeGreaterThan(8);
      return trades;
    };
    expect(tradesWith(2)).toBeGreaterThan(1000);
    expect(tradesWith(1)).toBe(0);
  });

  it("simulated-traders - no command is rejected, no order meets its own wallet", () => {
    const { floor, traders } = open({ traders: 3 });
    let rejected = 0;
    floor.run(traders, 20_000, (events, command) => {
      if (events.some(({ type }) => type === "rejected")) rejected += 1;
      const last = events.filter((event) => event.type === "order").at(-1);
      if (command.type === "place" && command.terms.timeInForce === "GTC") {
        expect(last).not.toMatchObject({ order: { status: "Cancelled" } });
      }
    });
    expect(rejected).toBe(0);
  });

  it.each([2, 20, 500, 19_999, 20_000, 1e11])(
    "simulated-traders - in markets without a highest price, all prices are below a limit of %d ticks",
    (priceLimit) => {
      const limited = markets(5, undefined).map((market) => ({ ...market, priceLimit }));
      const { floor, traders } = open({ markets: limited });
      const prices: number[] = [];
      let trades = 0;
      for (let i = 0; i < 20_000; i++) {
        const command = traders.next();
        if (command === undefined) break;
        if (command.type === "place" && command.terms.price !== undefined)
          prices.push(command.terms.price);
        trades += tradesOf(floor.execute(command)).length;
        if (i % 100 === 0) floor.engine.takeChanges();
      }
      const [lowest, highest] = [Math.min(...prices), Math.max(...prices)];
      expect(lowest).toBeGreaterThan(0);
      expect(highest).toBeLessThan(priceLimit);
      // Where the limit says nothing of the market, prices are what they are without one.
      expect(highest).toBeLessThan(20_000);
      if (priceLimit >= 20) expect(trades).toBeGreaterThan(1000);
    },
  );

  it("simulated-traders - no order is larger than a market's limit, and where that is none there is none", () => {
    const limited = markets(2, 1000).map((market, at) => ({ ...market, quantityLimit: at * 7 }));
    const { floor, traders } = open({ markets: limited });
    const quantities = new Map<unknown, number>();
    floor.run(traders, 5000, (_, command) => {
      if (command.type !== "place") return;
      const { marketId, quantity } = command.terms;
      quantities.set(marketId, Math.max(quantity, quantities.get(marketId) ?? 0));
    });
    expect([...quantities]).toEqual([[1002, 7]]);
  });

  it("simulated-traders - over 200,000 commands prices stay within their bounds, and move", () => {
    const four = markets(4, 1000);
    const { floor, traders } = open({ traders: 5, markets: four });
    const seen = new Map<unknown, { min: number; max: number }>();
    floor.run(traders, 200_000, (events) => {
      for (const { marketId, price } of tradesOf(events)) {
        const range = seen.get(marketId) ?? { min: price, max: price };
        seen.set(marketId, { min: Math.min(range.min, price), max: Math.max(range.max, price) });
      }
    });
    expect(seen.size).toBe(four.length);
    for (const { min, max } of seen.values()) {
      expect(min).toBeGreaterThanOrEqual(1);
      expect(max).toBeLessThanOrEqual(999);
      expect(max - min).toBeGreaterThan(60);
      expect(max - min).toBeLessThan(500);
    }
  });

  it("simulated-traders - prices and open orders keep their bounds, for any markets", () => {
    const settings = fc.record({
      traders: fc.integer({ min: 1, max: 6 }),
      seed: fc.nat(),
      maxOpenOrders: fc.integer({ min: 1, max: 200 }),
      priceMaxima: fc.array(fc.option(fc.integer({ min: 1, max: 5000 }), { nil: undefined }), {
        minLength: 1,
        maxLength: 12,
      }),
    });
    fc.assert(
      fc.property(settings, ({ priceMaxima, ...setting }) => {
        const markets = priceMaxima.map((priceMax, marketId) => ({ marketId, priceMax }));
        const { floor, traders } = open({ ...setting, markets });
        const isWithin = (price: number, marketId: unknown) =>
          price >= 1 && price < (priceMaxima[marketId as number] ?? Number.POSITIVE_INFINITY);
        const faults: unknown[] = [];
        for (let i = 0; i < 1500; i++) {
          const command = traders.next();
          if (command === undefined) continue;
          // The engine refuses what is over the bound on open orders.
          const isRejected = floor.execute(command).some(({ type }) => type === "rejected");
          const { price = 1, marketId } = command.type === "place" ? command.terms : {};
          if (isRejected || !Number.isSafeInteger(price)) faults.push(command);
          else if (marketId !== undefined && !isWithin(price, marketId)) faults.push(command);
        }
        expect(faults).toEqual([]);
      }),
      { numRuns: 60 },
    );
  });

  it("simulated-traders - after a restart their orders are kept, and none is doubled", () => {
    const before = open();
    before.floor.run(before.traders, 10_000);
    const orders = openOrders(before.floor, 10);

    const { floor, traders } = open({}, before.floor);
    expect(openOrders(floor, 10)).toEqual(orders);
    const visited = new Set<unknown>();
    while (visited.size < MARKETS.length) {
      floor.run(traders, 1, (_, command) => {
        if (command.type === "place") visited.add(command.terms.marketId);
      });
    }
    const kept = orders.filter(({ orderId }) => floor.engine.openOrder(orderId) !== undefined);
    expect(kept.length).toBeGreaterThan(orders.length / 2);
    floor.run(traders, 5000);
    const later = openOrders(floor, 10);
    const places = new Set(
      later.map(({ marketId, side, price }) => `${marketId} ${side} ${price}`),
    );
    expect(places.size).toBe(later.length);
    expect(later.length).toBeLessThanOrEqual(MARKETS.length * 30);
  });

  it("simulated-traders - after a restart prices go on from where they were", () => {
    const before = open({ seed: 1 });
    before.floor.run(before.traders, 10_000);
    const { floor, traders } = open({ seed: 2 }, before.floor);
    floor.run(traders, 3000);
    for (const { marketId } of MARKETS) {
      const was = before.floor.engine.totals(marketId)?.lastPrice as number;
      const is = floor.engine.totals(marketId)?.lastPrice as number;
      expect(Math.abs(is - was)).toBeLessThan(30);
    }
  });

  it("simulated-traders - they start at the last price, else in the middle of a quote", () => {
    const one = markets(1, 1000);
    const options = { traders: 1, seed: 1, markets: one, maxOpenOrders: 1000 };
    const expectMakerBetween = (floor: TradingFloor, bid: number, ask: number) => {
      floor.run(new SimulatedTraders(options, floor.engine), 30);
      expect(floor.engine.book(1001)?.best("Buy")).toBeGreaterThan(bid);
      expect(floor.engine.book(1001)?.best("Sell")).toBeLessThan(ask);
    };
    const floor = new TradingFloor(one, 1000);
    floor.place("user", 1001, "Buy", 5, 700);
    floor.place("user", 1001, "Sell", 5, 720);
    expectMakerBetween(floor, 700, 720);

    const traded = new TradingFloor(one, 1000);
    traded.place("user", 1001, "Buy", 5, 100);
    traded.place("user", 1001, "Sell", 6, 160);
    traded.place("other", 1001, "Buy", 5, 160);
    expectMakerBetween(traded, 150, 170);
  });

  it("simulated-traders - fewer traders after a restart withdraw the orders of the others", () => {
    const before = open({ traders: 7 });
    before.floor.run(before.traders, 3000);
    const { floor, traders } = open({ traders: 2 }, before.floor);
    floor.run(traders, 6000);
    expect(openOrders(floor, 7).filter(({ wallet }) => !wallets(2).includes(wallet))).toEqual([]);
    const makers = new Map(openOrders(floor, 2).map(({ marketId, wallet }) => [marketId, wallet]));
    for (const { marketId, wallet } of openOrders(floor, 2)) {
      expect(wallet).toBe(makers.get(marketId));
    }
    expect(makers.size).toBe(MARKETS.length);
  });

  it("simulated-traders - none withdraw everything and then do nothing", () => {
    const before = open({ traders: 3 });
    before.floor.run(before.traders, 1000);
    const count = openOrders(before.floor, 3).length;
    const { floor, traders } = open({ traders: 0 }, before.floor);
    floor.run(traders, count);
    expect(openOrders(floor, 3)).toEqual([]);
    expect(traders.next()).toBeUndefined();
  });

  it("simulated-traders - only active markets get orders", () => {
    const two = markets(2, 1000);
    const { floor, traders } = open({ markets: two });
    floor.setStatus(1001, "Halted");
    floor.run(traders, 500, (_, command) => {
      if (command.type === "place") expect(command.terms.marketId).toBe(1002);
    });
    floor.setStatus(1002, "Closed");
    while (traders.next() !== undefined);
    expect(traders.next()).toBeUndefined();
  });

  it("simulated-traders - what several commands at once double, the next visits take out", () => {
    const four = markets(4, 1000);
    const { floor, traders } = open({ traders: 3, markets: four });
    for (let batch = 0; batch < 200; batch++) {
      const commands = Array.from({ length: 50 }, () => traders.next() as Command);
      for (const command of commands) floor.execute(command);
    }
    expect(openOrders(floor, 3).length).toBeLessThan(4 * 30 * 3);
    floor.run(traders, 500);
    const orders = openOrders(floor, 3);
    const places = new Set(
      orders.map(({ marketId, side, price }) => `${marketId} ${side} ${price}`),
    );
    expect(places.size).toBe(orders.length);
  });

  it("simulated-traders - a user's bid or ask inside the spread is filled soon", () => {
    for (const side of ["Buy", "Sell"] as const) {
      const { floor, traders } = open({ markets: markets(10, 1000) });
      floor.run(traders, 3000);
      const book = floor.engine.book(1001);
      const best = book?.best(side) as number;
      const price = side === "Buy" ? best + 1 : best - 1;
      expect(floor.spread(1001)).toBeGreaterThan(1);
      floor.place("user", 1001, side, 25, price);
      expect([...floor.engine.openOrders("user")]).toHaveLength(1);
      floor.run(traders, 1000);
      expect([...floor.engine.openOrders("user")]).toEqual([]);
      const [position] = floor.engine.positions("user");
      expect(position?.quantity).toBe(side === "Buy" ? 25 : -25);
    }
  });

  it("simulated-traders - a user's Market order is filled at once", () => {
    const { floor, traders } = open();
    floor.run(traders, 5000);
    for (const side of ["Buy", "Sell"] as const) {
      const events = floor.place("user", 1025, side, 100);
      const order = events.filter((event) => event.type === "order").at(-1);
      expect(order).toMatchObject({ order: { wallet: "user", status: "Filled", filled: 100 } });
    }
  });

  it("simulated-traders - nobody takes a user's silly price", () => {
    const { floor, traders } = open({ markets: markets(1, 1000) });
    floor.place("user", 1001, "Sell", 1_000_000, 999);
    floor.place("user", 1001, "Buy", 1_000_000, 1);
    floor.run(traders, 5000);
    expect([...floor.engine.openOrders("user")].map(({ filled }) => filled)).toEqual([0, 0]);
  });
});
