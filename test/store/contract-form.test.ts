import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Order, Position, Trade } from "../../src/engine/order.js";
import { DecimalScale } from "../../src/shared/decimal-scale.js";
import {
  type MarketScales,
  toContractOrder,
  toContractPosition,
  toContractTrade,
} from "../../src/store/contract-form.js";

function scales(tickSize: number, lotSize: number): MarketScales {
  return {
    priceScale: DecimalScale.of(tickSize) as DecimalScale,
    quantityScale: DecimalScale.of(lotSize) as DecimalScale,
  };
}

const ORDER: Order = {
  orderId: 7,
  marketId: 500,
  wallet: "0xA",
  clientOrderId: "mine",
  side: "Buy",
  orderType: "Limit",
  timeInForce: "GTC",
  postOnly: false,
  selfTrade: "CancelTaker",
  expiresTs: undefined,
  price: 5853,
  quantity: 30,
  session: "connection-1",
  priority: 7,
  original: undefined,
  filled: 0,
  filledValue: 0n,
  status: "Open",
  reason: undefined,
  reasonCode: undefined,
  createdTs: 1_000,
  updatedTs: 2_000,
};

const POSITION: Position = {
  wallet: "0xA",
  marketId: 500,
  quantity: 0,
  cost: 0n,
  realizedPnl: 0n,
  updatedTs: 2_000,
};

describe("contract form", () => {
  it("contract form - an order has what applies to it, and nothing else", () => {
    expect(toContractOrder(ORDER, scales(0.01, 0.5))).toStrictEqual({
      order_id: "7",
      client_order_id: "mine",
      market_id: 500,
      wallet: "0xA",
      side: "Buy",
      order_type: "Limit",
      time_in_force: "GTC",
      post_only: false,
      price: 58.53,
      quantity: 15,
      filled_quantity: 0,
      status: "Open",
      created_ts: 1_000,
      updated_ts: 2_000,
    });
    const market: Order = {
      ...ORDER,
      clientOrderId: undefined,
      orderType: "Market",
      timeInForce: "IOC",
      price: undefined,
      priority: 7,
      original: undefined,
      filled: 20,
      filledValue: 117_070n,
      status: "Cancelled",
      reason: "nothing left",
      reasonCode: "requested",
    };
    expect(toContractOrder(market, scales(0.01, 0.5))).toStrictEqual({
      order_id: "7",
      market_id: 500,
      wallet: "0xA",
      side: "Buy",
      order_type: "Market",
      time_in_force: "IOC",
      post_only: false,
      quantity: 15,
      filled_quantity: 10,
      average_price: 58.535,
      status: "Cancelled",
      reason: "nothing left",
      reason_code: "requested",
      created_ts: 1_000,
      updated_ts: 2_000,
    });
  });

  it("contract form - an average over fills of one price is that price", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 10 ** 9 }),
        fc.integer({ min: 1, max: 10 ** 9 }),
        fc.constantFrom(0.01, 0.001, 0.05, 5, 1e-8),
        (price, filled, tickSize) => {
          const filledValue = BigInt(price) * BigInt(filled);
          const order = { ...ORDER, price, quantity: filled, filled, filledValue };
          const { price: shown, average_price } = toContractOrder(order, scales(tickSize, 1));
          expect(average_price).toBe(shown);
        },
      ),
    );
  });

  it("contract form - an average is the number nearest to it, so one that ends is printed as it is", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 10 ** 9 }),
        fc.constantFrom(2, 4, 5, 8, 10, 25, 100),
        (value, filled) => {
          const order = { ...ORDER, quantity: filled, filled, filledValue: BigInt(value) };
          const { average_price } = toContractOrder(order, scales(0.01, 1));
          const thousandths = (BigInt(value) * 1000n) / BigInt(filled);
          expect(average_price).toBe(Number(`${thousandths}e-5`));
        },
      ),
    );
  });

  it.each([
    ["flat", { realizedPnl: -1n }, 0, 0, -0.005],
    ["long", { quantity: 3, cost: 1001n, realizedPnl: 7n }, 1.5, 3.3366666666666664, 0.035],
    ["short", { quantity: -4, cost: -2000n }, -2, 5, 0],
    // Beyond the integers that a number holds.
    ["of much profit", { realizedPnl: 2n ** 70n }, 0, 0, 2 ** 70 / 200],
  ])("contract form - a position that is %s", (_, changes, quantity, averagePrice, profit) => {
    expect(toContractPosition({ ...POSITION, ...changes }, scales(0.01, 0.5))).toStrictEqual({
      wallet: "0xA",
      market_id: 500,
      quantity,
      average_price: averagePrice,
      realized_pnl: profit,
      updated_ts: 2_000,
    });
  });

  it("contract form - profit is the number nearest to it, in any steps", () => {
    fc.assert(
      fc.property(fc.integer(), fc.constantFrom(0.01, 0.25, 1e-8), (profit, tickSize) => {
        const position = { ...POSITION, realizedPnl: BigInt(profit) };
        const { realized_pnl } = toContractPosition(position, scales(tickSize, 10));
        // A tick of 0.25 and a lot of 10 make 2.5, of 0.01 make 0.1, and of 1e-8 make 1e-7.
        const { multiplier, divisor } = DecimalScale.of(tickSize * 10) as DecimalScale;
        expect(realized_pnl).toBe((profit * multiplier) / divisor);
      }),
    );
  });

  it("contract form - a trade tells nobody whose it was", () => {
    const trade: Trade = {
      tradeId: 9,
      marketId: "340282366920938463463374607431768211455",
      price: 5853,
      quantity: 3,
      takerSide: "Sell",
      makerOrderId: 1,
      takerOrderId: 2,
      makerWallet: "0xA",
      takerWallet: "0xB",
      makerClientOrderId: undefined,
      takerClientOrderId: undefined,
      ts: 5_000,
    };
    expect(toContractTrade(trade, scales(0.01, 0.5))).toStrictEqual({
      trade_id: "9",
      market_id: "340282366920938463463374607431768211455",
      price: 58.53,
      quantity: 1.5,
      taker_side: "Sell",
      ts: 5_000,
    });
  });
});
