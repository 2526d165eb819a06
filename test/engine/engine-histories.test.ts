import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Command, EngineChanges, EngineEvent } from "../../src/engine/commands.js";
import { Engine, type EngineLimits } from "../../src/engine/engine.js";
import type { MarketBounds } from "../../src/engine/market-bounds.js";
import type { Order, Position, Trade } from "../../src/engine/order.js";
import type { OrderBook } from "../../src/engine/order-book.js";
import { ReferenceOrderBook } from "../../src/engine/reference-order-book.js";
import { TrieOrderBook } from "../../src/engine/trie-order-book.js";
import type { MarketStatus } from "../../src/shared/market.js";
import type { MarketId } from "../../src/shared/market-id.js";
import { executeBounded } from "../support/bounds-model.js";
import {
  type CommandOptions,
  engineCommands,
  instrument,
  type TimedCommand,
} from "../support/engine-commands.js";
import { expectSound, expectTradesSound } from "../support/engine-invariants.js";
import { EngineRecord } from "../support/engine-record.js";

const MARKET_IDS: readonly MarketId[] = [1, 2, "340282366920938463463374607431768211455"];
const WALLETS = ["wallet-0", "wallet-1", "wallet-2", "wallet-3", "wallet-4"];
/** Low enough to be met, and ids are forgotten in the course of a history. */
const LIMITS: EngineLimits = {
  maxOpenOrders: 30,
  maxClientOrderIds: 12,
  maxAllClientOrderIds: 66,
  clientOrderIdRetentionMicros: 5_000,
};

/** Options under which the books are shallow and crossed all the time, or deep, or of wide prices. */
const anyWorld = fc.constantFrom<Partial<CommandOptions>>(
  {},
  { priceMax: 6, quantityMax: 5 },
  { priceMax: 2 ** 31 - 1, quantityMax: 2 ** 31 - 1 },
  { wallets: 2, clientOrderIds: 90 },
  { clientOrderIds: 90, clockJumps: 5 },
);
const seeds = fc.nat(1_000_000);

/** In ticks and lots, which are 1 here; of markets that are listed without one, none. */
type AllBounds = ReadonlyMap<MarketId, Readonly<Required<MarketBounds>>>;

/** Bounds that orders of a world meet now and then: all of them, one of them, and none. */
function boundsFor({ priceMax = 40, quantityMax = 20 }: Partial<CommandOptions>): AllBounds {
  const none = { priceBandPercent: 0, maxPosition: 0, maxOrderValue: 0 };
  const maxOrderValue = Math.ceil((priceMax * quantityMax) / 2);
  const all = { priceBandPercent: 50, maxPosition: 2 * quantityMax, maxOrderValue };
  return new Map<MarketId, Readonly<Required<MarketBounds>>>([
    [1, all],
    [2, { ...none, priceBandPercent: 20 }],
  ]);
}

/** An engine whose books can be looked into. */
class OpenEngine extends Engine {
  readonly books = new Map<MarketId, OrderBook>();

  constructor(
    createBook: () => OrderBook,
    bounds: AllBounds = new Map(),
    statuses = new Map<MarketId, MarketStatus>(),
  ) {
    const created: OrderBook[] = [];
    super(LIMITS, () => {
      const book = createBook();
      created.push(book);
      return book;
    });
    for (const marketId of MARKET_IDS) {
      const status = statuses.get(marketId) ?? "Active";
      this.list({ ...instrument(marketId, 1, 1), status, bounds: bounds.get(marketId) });
      this.books.set(marketId, created.at(-1) as OrderBook);
    }
  }

  /** Everything that there is to see. */
  view(): unknown {
    return {
      books: [...this.books.values()].map((book) => [
        [...book.orders("Buy")],
        [...book.orders("Sell")],
      ]),
      ...this.viewBesidesOwners(),
    };
  }

  /** Without the books' numbers of wallets, which another engine may give otherwise. */
  viewBesidesOwners(): object {
    const byMarket = (a: Position, b: Position): number =>
      String(a.marketId) < String(b.marketId) ? -1 : 1;
    return {
      orders: WALLETS.map((wallet) => [...this.openOrders(wallet)]),
      positions: WALLETS.map((wallet) => [...this.positions(wallet)].sort(byMarket)),
      totals: MARKET_IDS.map((marketId) => this.totals(marketId)),
      statuses: MARKET_IDS.map((marketId) => this.marketStatus(marketId)),
      sessions: [...this.sessions()].sort(),
      priorities: [...this.books.values()].map((book) =>
        (["Buy", "Sell"] as const).map((side) =>
          [...book.orders(side)].map(({ orderId, price, quantity }) => [orderId, price, quantity]),
        ),
      ),
    };
  }
}

const newEngine = (bounds?: AllBounds): OpenEngine =>
  new OpenEngine(() => new TrieOrderBook(), bounds);

/** Compares fast, and explains where it fails. */
function expectSame(actual: unknown, expected: unknown): void {
  if (!isDeepStrictEqual(actual, expected)) expect(actual).toEqual(expected);
}

function take(commands: Iterator<TimedCommand>, count: number): TimedCommand[] {
  return Array.from({ length: count }, () => commands.next().value as TimedCommand);
}

/** Holds for all seeds and worlds, in histories of up to `length` commands. */
function holdsForAll(
  length: number,
  numRuns: number,
  holds: (
    commands: Iterator<TimedCommand>,
    length: number,
    bounds: AllBounds,
    seed: number,
  ) => void,
): void {
  fc.assert(
    fc.property(
      seeds,
      anyWorld,
      fc.integer({ min: length / 10, max: length }),
      fc.boolean(),
      (seed, world, count, bounded) => {
        const commands = engineCommands(seed, { marketIds: MARKET_IDS, ...world });
        holds(commands, count, bounded ? boundsFor(world) : new Map(), seed);
      },
    ),
    { numRuns },
  );
}

describe("engine histories", () => {
  it("engine histories - the fast book and the reference lead to the same events and state", () => {
    holdsForAll(1500, 12, (commands, length, bounds) => {
      const fast = newEngine(bounds);
      const reference = new OpenEngine(() => new ReferenceOrderBook(), bounds);
      for (const { command, ts, passed } of take(commands, length)) {
        expectSame(fast.execute(command, ts, passed), reference.execute(command, ts, passed));
        expectSame(fast.view(), reference.view());
      }
      expectSame(fast.takeChanges(), reference.takeChanges());
    });
  });

  it("engine histories - after every command all invariants hold", () => {
    holdsForAll(700, 10, (commands, length, bounds) => {
      const engine = newEngine(bounds);
      const record = new EngineRecord();
      for (const { command, ts, passed } of take(commands, length)) {
        const events = engine.execute(command, ts, passed);
        expectOrderLast(command, events);
        const changes = engine.takeChanges();
        record.apply(changes);
        expectTold(events, changes);
        const expiresAt = command.type === "expire" ? Number.NEGATIVE_INFINITY : ts;
        expectSound(engine, engine.books, record, changes.orders, expiresAt);
      }
      expectTradesSound(record);
      const ids = [...record.orders.keys()];
      expectSame(
        ids,
        [...ids].sort((a, b) => a - b),
      );
    });
  });

  it("engine histories - an engine restored at any time goes on as the first one does", () => {
    holdsForAll(600, 40, (commands, length, bounds, seed) => {
      const first = newEngine(bounds);
      const record = new EngineRecord();
      const passedAt = new Map<number, number>();
      for (const [index, { command, ts, passed }] of take(commands, length).entries()) {
        passedAt.set(ts, passed);
        first.execute(command, ts, passed);
        if ((index + seed) % 7 === 0) record.apply(first.takeChanges());
      }
      record.apply(first.takeChanges());
      const statuses = new Map(
        MARKET_IDS.map((marketId) => [marketId, first.marketStatus(marketId) as MarketStatus]),
      );
      const second = new OpenEngine(() => new TrieOrderBook(), bounds, statuses);
      for (const _ of second.restoring(record.state(), (ts) => passedAt.get(ts) as number));
      expectSame(second.viewBesidesOwners(), first.viewBesidesOwners());
      expectSame(second.takeChanges(), first.takeChanges());
      for (const { command, ts, passed } of take(commands, 400)) {
        expectSame(second.execute(command, ts, passed), first.execute(command, ts, passed));
      }
      expectSame(second.viewBesidesOwners(), first.viewBesidesOwners());
    });
  });

  it("engine histories - an order is refused for a bound where the model says so, and nothing trades off a band", () => {
    holdsForAll(1500, 60, (commands, length, bounds) => {
      const engine = newEngine(bounds);
      const all = { engine, books: engine.books, bounds };
      for (const timed of take(commands, length)) executeBounded(all, timed);
    });
  });

  it("engine histories - an order that is sent again is answered, and changes nothing", () => {
    holdsForAll(600, 30, (commands, length) => {
      const engine = newEngine();
      let sentAgain = 0;
      for (const { command, ts, passed } of take(commands, length)) {
        const placed = engine.execute(command, ts, passed).findLast(({ type }) => type === "order");
        if (command.type !== "place" || command.terms.clientOrderId === undefined) continue;
        if (command.validateOnly === true) continue;
        if (placed?.type !== "order") continue;
        const { order } = placed;
        const view = engine.view();
        engine.takeChanges();
        const open = order.status === "Open" || order.status === "PartiallyFilled";
        expectSame(engine.execute(command, ts, passed), [
          { type: "duplicate", orderId: order.orderId, order: open ? order : undefined },
        ]);
        const { orders, trades, positions, totals } = engine.takeChanges();
        expectSame([orders, trades, positions, totals], [[], [], [], []]);
        expectSame(engine.view(), view);
        sentAgain++;
      }
      expect(sentAgain).toBeGreaterThan(0);
    });
  });

  it("engine histories - equal streams are equal, and other seeds give others", () => {
    const first = take(engineCommands(5), 200);
    expect(take(engineCommands(5), 200)).toEqual(first);
    expect(take(engineCommands(6), 200)).not.toEqual(first);
    // Every rule is met, or the histories prove little.
    const told = new Set<string>();
    const worlds = [
      { wallets: 2, clientOrderIds: 90 },
      { priceMax: 6, quantityMax: 5 },
      { wallets: 2, priceMax: 2 ** 31 - 1, clientOrderIds: 0 },
      { wallets: 12, clientOrderIds: 100 },
    ];
    for (const world of worlds) {
      for (const bounds of [undefined, boundsFor(world)]) {
        const engine = newEngine(bounds);
        for (const { command, ts } of take(
          engineCommands(5, { marketIds: MARKET_IDS, ...world }),
          8000,
        ))
          for (const event of engine.execute(command, ts)) told.add(kindOf(event));
      }
    }
    expect([...told].sort()).toEqual([
      "Cancelled cancel_on_disconnect",
      "Cancelled fill_or_kill",
      "Cancelled immediate_or_cancel",
      "Cancelled market_order",
      "Cancelled price_band",
      "Cancelled requested",
      "Cancelled self_trade",
      "Filled",
      "MARKET_NOT_ACTIVE",
      "MARKET_NOT_FOUND",
      "ORDER_NOT_FOUND",
      "ORDER_REJECTED below_filled",
      "ORDER_REJECTED expired",
      "ORDER_REJECTED max_all_client_order_ids",
      "ORDER_REJECTED max_client_order_ids",
      "ORDER_REJECTED max_open_orders",
      "ORDER_REJECTED max_order_value",
      "ORDER_REJECTED max_position",
      "ORDER_REJECTED post_only",
      "ORDER_REJECTED price_band",
      "Open",
      "PartiallyFilled",
      "duplicate",
      "lapsed cancel_after",
      "lapsed expired",
      "position",
      "timer",
      "trade",
      "unchanged",
      "validated",
    ]);
  });
});

/** The order that the command is about comes once: nothing but positions stands behind it. */
function expectOrderLast({ type }: Command, all: readonly EngineEvent[]): void {
  // What has lapsed comes first, and is of no command.
  const events = all.slice(all.findLastIndex((event) => event.type === "lapsed") + 1);
  expect(all.slice(0, all.length - events.length).every((one) => one.type === "lapsed")).toBe(true);
  if (type !== "place" && type !== "amend" && type !== "cancel") return;
  const orders = events.flatMap((event) => (event.type === "order" ? [event.order.orderId] : []));
  expect(new Set(orders).size).toBe(orders.length);
  if (orders.length === 0) expect(events).toHaveLength(1);
  const last = events.findLastIndex(({ type }) => type === "order");
  const after = last < 0 ? [] : events.slice(last + 1);
  expect(after.every(({ type }) => type === "position")).toBe(true);
  for (const event of events)
    if (event.type === "trade") expect(event.trade.takerOrderId).toBe(orders.at(-1));
}

/** Events tell what the changes say, and nothing more. */
function expectTold(events: readonly EngineEvent[], changes: EngineChanges): void {
  const told = {
    orders: new Set<Order>(),
    trades: new Set<Trade>(),
    positions: new Set<Position>(),
  };
  for (const event of events) {
    if (event.type === "order" || event.type === "lapsed") told.orders.add(event.order);
    if (event.type === "trade") told.trades.add(event.trade);
    if (event.type === "position") told.positions.add(event.position);
  }
  for (const kind of ["orders", "trades", "positions"] as const)
    expect(new Set<unknown>(changes[kind])).toEqual(told[kind]);
}

function kindOf(event: EngineEvent): string {
  if (event.type === "rejected") {
    const { rejection } = event;
    const rule = rejection.code === "ORDER_REJECTED" ? ` ${rejection.details.rule}` : "";
    return `${rejection.code}${rule}`;
  }
  if (event.type === "lapsed") return `lapsed ${event.order.reasonCode}`;
  if (event.type !== "order") return event.type;
  const { status, reasonCode } = event.order;
  return reasonCode === undefined ? status : `${status} ${reasonCode}`;
}
