import { isDeepStrictEqual } from "node:util";
import { expect } from "vitest";
import type { Engine } from "../../src/engine/engine.js";
import type { Order } from "../../src/engine/order.js";
import type { OrderBook } from "../../src/engine/order-book.js";
import type { MarketId } from "../../src/shared/market-id.js";
import type { EngineRecord } from "./engine-record.js";

/**
 * Checks what must hold of an engine after every command, against the record of all its changes.
 *
 * @param changed orders, in their latest version
 */
export function expectSound(
  engine: Engine,
  books: ReadonlyMap<MarketId, OrderBook>,
  record: EngineRecord,
  changed: readonly Order[],
  ts: number,
): void {
  for (const order of changed) expectOrderSound(order);
  for (const book of books.values())
    expect(book.best("Buy") ?? 0).toBeLessThan(book.best("Sell") ?? Infinity);
  expectRestingIsOpen(books, record);
  expectByPriority(books, record);
  for (const { orderId, expiresTs } of record.openOrders)
    if (expiresTs !== undefined && expiresTs <= ts)
      throw new Error(`order ${orderId} is open at ${ts}, and expired at ${expiresTs}`);
  expectPositionsSound(record);
  expectEndedMarketsSound(engine, books, record);
  for (const order of record.openOrders)
    if (engine.openOrder(order.orderId) !== order)
      throw new Error(`order ${order.orderId} is open, and the engine has another version`);
}

function expectOrderSound({ orderId, quantity, filled, status, reason }: Order): void {
  const sound =
    (status === "Open" && filled === 0) ||
    (status === "PartiallyFilled" && filled > 0 && filled < quantity) ||
    (status === "Filled" && filled === quantity) ||
    (status === "Cancelled" && filled >= 0 && filled < quantity);
  const reasonFits = (status === "Cancelled") === (reason !== undefined);
  if (!sound || !reasonFits)
    throw new Error(`order ${orderId}: ${status} with ${filled} of ${quantity}, reason ${reason}`);
}

/** The orders of a price rest by ascending priority, which no two orders share. */
function expectByPriority(books: ReadonlyMap<MarketId, OrderBook>, record: EngineRecord): void {
  const priorities = new Set(record.openOrders.map(({ priority }) => priority));
  expect(priorities.size).toBe(record.openOrders.length);
  for (const book of books.values())
    for (const side of ["Buy", "Sell"] as const) {
      let before: { price: number; priority: number } | undefined;
      for (const { orderId, price } of book.orders(side)) {
        const priority = record.orders.get(orderId)?.priority ?? 0;
        if (before?.price === price && before.priority >= priority)
          throw new Error(`order ${orderId} rests behind one of priority ${before.priority}`);
        before = { price, priority };
      }
    }
}

/** What rests is what is open, with what is not filled, and every wallet has a number of its own. */
function expectRestingIsOpen(books: ReadonlyMap<MarketId, OrderBook>, record: EngineRecord): void {
  const resting: (readonly [orderId: number, ...unknown[]])[] = [];
  const wallets = new Map<number, string>();
  for (const [marketId, book] of books) {
    for (const side of ["Buy", "Sell"] as const) {
      for (const { orderId, price, quantity, owner } of book.orders(side)) {
        resting.push([orderId, marketId, side, price, quantity]);
        wallets.set(owner, record.orders.get(orderId)?.wallet ?? "");
      }
    }
  }
  const open = record.openOrders.map(({ orderId, marketId, side, price, quantity, filled }) => [
    orderId,
    marketId,
    side,
    price,
    quantity - filled,
  ]);
  const byId = resting.sort(([a], [b]) => a - b);
  if (!isDeepStrictEqual(byId, open)) expect(byId).toEqual(open);
  expect(wallets.size).toBe(new Set(record.openOrders.map(({ wallet }) => wallet)).size);
  expect(new Set(wallets.values()).size).toBe(wallets.size);
}

/** Of each market: nobody holds what nobody owes, money neither, and the trades are all of the fills. */
function expectPositionsSound(record: EngineRecord): void {
  const sums = new Map<MarketId, { quantity: number; cash: bigint }>();
  for (const { marketId, quantity, cost, realizedPnl } of record.positions) {
    const sum = sums.get(marketId) ?? { quantity: 0, cash: 0n };
    sums.set(marketId, {
      quantity: sum.quantity + quantity,
      cash: sum.cash + realizedPnl - cost,
    });
  }
  for (const [marketId, { quantity, cash }] of sums)
    if (quantity !== 0 || cash !== 0n)
      throw new Error(`market ${marketId}: positions sum to ${quantity}, and cash to ${cash}`);
}

/** What was closed stays so, and is wound up, or on its way. */
function expectEndedMarketsSound(
  engine: Engine,
  books: ReadonlyMap<MarketId, OrderBook>,
  record: EngineRecord,
): void {
  for (const { marketId, status, settlementPrice } of record.markets.values()) {
    if (engine.marketStatus(marketId) !== status)
      expect(engine.marketStatus(marketId)).toBe(status);
    if (status !== "Closed" || engine.isWindingUp(marketId)) continue;
    if (books.get(marketId)?.size !== 0)
      throw new Error(`market ${marketId} is closed, with orders`);
    if (settlementPrice === undefined) continue;
    const positions = record.positions.filter((one) => one.marketId === marketId);
    const realized = positions.reduce((sum, { realizedPnl }) => sum + realizedPnl, 0n);
    if (realized !== 0n || positions.some(({ quantity, cost }) => quantity !== 0 || cost !== 0n))
      throw new Error(`market ${marketId} is settled, with positions, or ${realized} realized`);
  }
}

/** Checks every trade that was ever made against the orders that it filled. */
export function expectTradesSound(record: EngineRecord): void {
  const fills = new Map<number, { filled: number; filledValue: bigint }>();
  const volumes = new Map<MarketId, number>();
  for (const [index, trade] of record.trades.entries()) {
    const { marketId, price, quantity, makerOrderId, takerOrderId } = trade;
    const [maker, taker] = [record.orders.get(makerOrderId), record.orders.get(takerOrderId)];
    expect(maker).toMatchObject({ marketId, wallet: trade.makerWallet });
    expect(record.makerPrices[index]).toBe(price);
    expect(taker).toMatchObject({ marketId, side: trade.takerSide, wallet: trade.takerWallet });
    expect(maker?.side).not.toBe(taker?.side);
    expect(trade.makerWallet).not.toBe(trade.takerWallet);
    // Of one that was amended the limit was another one at some time.
    const limit = taker?.original === undefined ? taker?.price : undefined;
    if (limit !== undefined && taker?.side === "Buy") expect(price).toBeLessThanOrEqual(limit);
    if (limit !== undefined && taker?.side === "Sell") expect(price).toBeGreaterThanOrEqual(limit);
    volumes.set(marketId, (volumes.get(marketId) ?? 0) + quantity);
    for (const orderId of [makerOrderId, takerOrderId]) {
      const { filled, filledValue } = fills.get(orderId) ?? { filled: 0, filledValue: 0n };
      const value = filledValue + BigInt(price) * BigInt(quantity);
      fills.set(orderId, { filled: filled + quantity, filledValue: value });
    }
  }
  for (const { orderId, filled, filledValue } of record.orders.values())
    expect({ filled, filledValue }).toEqual(fills.get(orderId) ?? { filled: 0, filledValue: 0n });
  for (const { marketId, volume } of record.totals.values())
    expect(volume).toBe(volumes.get(marketId));
}
