import { expect } from "vitest";
import type { MarketTotals, Order, Position, Trade } from "../../src/engine/order.js";
import { DecimalScale } from "../../src/shared/decimal-scale.js";
import type { MarketId } from "../../src/shared/market-id.js";
import { isOpen } from "../../src/shared/order.js";
import { checkStore } from "../../src/store/check.js";
import { type MarketScales, toContractOrder } from "../../src/store/contract-form.js";
import { openComplete } from "../../src/store/open-complete.js";
import { COUNTERS_KEY } from "../../src/store/records.js";
import { storeDirectory } from "../../src/store/store-file.js";
import { isLater } from "./order-progress.js";
import type { TestFill, Told } from "./told.js";
import type { TestOrder } from "./trading.js";

/** Everything in the store of a data directory that no server runs on. */
export interface StoredState {
  readonly orders: ReadonlyMap<string, Order>;
  readonly trades: readonly Trade[];
  readonly positions: readonly Position[];
  readonly totals: readonly MarketTotals[];
  /** An order as clients would be told of it. */
  readonly contractOrder: (order: Order) => TestOrder;
  /** The fills of a wallet, newest first, as clients would be told of them. */
  readonly fillsOf: (wallet: string) => TestFill[];
}

/**
 * Reads a store in which the store's own check finds nothing, and checks it against itself by rules
 * of its own: that orders, positions and volumes are what its trades make them, and that each id was
 * used, and once. Nothing may have been pruned.
 * @param settled the markets that are settled, with their prices in ticks
 */
export async function readStoredState(
  dataDir: string,
  settled: ReadonlyMap<MarketId, number> = new Map(),
): Promise<StoredState> {
  const dir = storeDirectory(dataDir);
  for (const { name, named } of await checkStore(dir))
    expect(named, `what store check finds of ${name}`).toEqual([]);
  const environment = await openComplete(dir);
  const scales = new Map(
    [...environment.markets.values()].map(({ marketId, tickSize, lotSize }) => [
      marketId,
      {
        priceScale: DecimalScale.of(tickSize) as DecimalScale,
        quantityScale: DecimalScale.of(lotSize) as DecimalScale,
      },
    ]),
  );
  const open = [...environment.openOrders.values()];
  const finished = [...environment.finishedOrders.values()];
  const state: StoredState = {
    orders: new Map([...open, ...finished].map((order) => [String(order.orderId), order])),
    trades: [...environment.trades.values()],
    positions: [...environment.positions.values()],
    totals: [...environment.totals.values()],
    contractOrder: (order) => toContractOrder(order, scales.get(order.marketId) as MarketScales),
    fillsOf: (wallet) =>
      state.trades
        .filter((trade) => trade.makerWallet === wallet || trade.takerWallet === wallet)
        .map((trade) => fillOf(state, trade, trade.takerWallet === wallet, scales))
        .reverse(),
  };
  const counters = environment.counters.get(COUNTERS_KEY);
  await environment.close();

  expect(state.orders.size, "an order is open and finished").toBe(open.length + finished.length);
  expect(open.every(isOpen) && !finished.some(isOpen)).toBe(true);
  // Amends take numbers of the same counter.
  const numbers = [...state.orders.values()].flatMap(({ orderId, priority }) => [
    orderId,
    priority,
  ]);
  expect(counters?.nextOrderId).toBeGreaterThan(
    numbers.reduce((most, one) => Math.max(most, one), 0),
  );
  expect(state.trades.map(({ tradeId }) => tradeId)).toEqual(state.trades.map((_, at) => at + 1));
  expect(counters?.nextTradeId).toBe(state.trades.length + 1);
  checkOrdersOfTrades(state);
  checkPositionsOfTrades(state, settled);
  return state;
}

/** A trade as one of its two orders was filled by it. */
function fillOf(
  { orders }: StoredState,
  { tradeId, marketId, price, quantity, ts, takerOrderId, makerOrderId }: Trade,
  isTaker: boolean,
  scales: ReadonlyMap<unknown, MarketScales>,
): TestFill {
  const order_id = String(isTaker ? takerOrderId : makerOrderId);
  const { wallet, side, clientOrderId } = orders.get(order_id) as Order;
  const { priceScale, quantityScale } = scales.get(marketId) as MarketScales;
  return {
    trade_id: String(tradeId),
    order_id,
    ...(clientOrderId !== undefined && { client_order_id: clientOrderId }),
    market_id: marketId,
    wallet,
    side,
    price: priceScale.toNumber(price),
    quantity: quantityScale.toNumber(quantity),
    liquidity: isTaker ? "Taker" : "Maker",
    ts,
  };
}

/** Each order is filled by its trades and by nothing else. */
function checkOrdersOfTrades({ orders, trades }: StoredState): void {
  const fills = new Map<string, { filled: number; filledValue: bigint }>();
  for (const { makerOrderId, takerOrderId, price, quantity } of trades) {
    for (const orderId of [makerOrderId, takerOrderId].map(String)) {
      const { filled, filledValue } = fills.get(orderId) ?? { filled: 0, filledValue: 0n };
      fills.set(orderId, {
        filled: filled + quantity,
        filledValue: filledValue + BigInt(price) * BigInt(quantity),
      });
    }
  }
  const wrong: string[] = [];
  for (const [orderId, { filled, filledValue }] of orders) {
    const sum = fills.get(orderId) ?? { filled: 0, filledValue: 0n };
    fills.delete(orderId);
    if (sum.filled !== filled || sum.filledValue !== filledValue)
      wrong.push(
        `order ${orderId} says ${filled}, ${filledValue}; its trades ${sum.filled}, ${sum.filledValue}`,
      );
  }
  expect(wrong).toEqual([]);
  expect([...fills.keys()], "orders that have trades and are not stored").toEqual([]);
}

/**
 * Each position has the quantity and the cash of its wallet's trades, or their worth at the price of a market that
 * is settled; each volume is that of its market's.
 */
function checkPositionsOfTrades(
  { positions, trades, totals }: StoredState,
  settled: ReadonlyMap<MarketId, number>,
): void {
  const held = new Map<string, { quantity: number; cash: bigint }>();
  const volumes = new Map<string, { volume: number; lastPrice: number | undefined }>();
  for (const trade of trades) {
    const { marketId, makerWallet, takerWallet, takerSide, price, quantity } = trade;
    const bought = takerSide === "Buy" ? 1 : -1;
    for (const [wallet, sign] of [
      [takerWallet, bought],
      [makerWallet, -bought],
    ] as const) {
      const key = `${wallet} ${marketId}`;
      const before = held.get(key) ?? { quantity: 0, cash: 0n };
      held.set(key, {
        quantity: before.quantity + sign * quantity,
        cash: before.cash - BigInt(sign * price) * BigInt(quantity),
      });
    }
    const before = volumes.get(String(marketId))?.volume ?? 0;
    volumes.set(String(marketId), { volume: before + quantity, lastPrice: price });
  }
  for (const [marketId, settlementPrice] of settled)
    for (const [key, { quantity, cash }] of held)
      if (key.endsWith(` ${marketId}`))
        held.set(key, { quantity: 0, cash: cash + BigInt(settlementPrice) * BigInt(quantity) });
  expect(
    new Map(
      positions.map(({ wallet, marketId, quantity, cost, realizedPnl }) => [
        `${wallet} ${marketId}`,
        { quantity, cash: realizedPnl - cost },
      ]),
    ),
  ).toEqual(held);
  expect(
    new Map(
      totals.map(({ marketId, volume, lastPrice }) => [String(marketId), { volume, lastPrice }]),
    ),
  ).toEqual(volumes);
}

/** All that clients were told is stored, or what came of it later. */
export function checkTold(told: Told, stored: StoredState) {
  const { orders, trades, positions, contractOrder } = stored;
  const wallets = new Set([...told.fills.values()].map(({ wallet }) => wallet));
  const fills = new Map(
    [...wallets].flatMap(stored.fillsOf).map((fill) => [`${fill.trade_id} ${fill.order_id}`, fill]),
  );
  for (const [key, fill] of told.fills) expect(fills.get(key), `fill ${key}`).toEqual(fill);

  for (const [orderId, acknowledged] of told.orders) {
    const order = orders.get(orderId);
    if (order === undefined) throw new Error(`order ${orderId} was told and is not stored`);
    const stored = contractOrder(order);
    if (!isLater(stored, acknowledged)) expect(stored).toEqual(acknowledged);
  }
  const byClientOrderId = new Map<string, string>();
  for (const [orderId, { clientOrderId }] of orders) {
    if (clientOrderId === undefined) continue;
    const other = byClientOrderId.get(clientOrderId);
    if (other !== undefined)
      throw new Error(`orders ${other} and ${orderId} are both ${clientOrderId}`);
    byClientOrderId.set(clientOrderId, orderId);
  }
  for (const { trade_id, quantity, taker_side } of told.trades.values()) {
    const stored = trades[Number(trade_id) - 1];
    expect(stored, `trade ${trade_id}`).toMatchObject({ quantity, takerSide: taker_side });
  }
  const updatedTs = new Map(
    positions.map((one) => [`${one.wallet} ${one.marketId}`, one.updatedTs]),
  );
  for (const [key, { updated_ts }] of told.positions) {
    expect(updatedTs.get(key), `position ${key}`).toBeGreaterThanOrEqual(updated_ts);
  }
}
