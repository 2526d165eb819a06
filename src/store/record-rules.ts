import type { Order, Position, Trade } from "../engine/order.js";
import { DecimalScale } from "../shared/decimal-scale.js";
import { isOpen, mayRest } from "../shared/order.js";
import type { Counters, StoredMarket } from "./records.js";

/** What is wrong with one record by itself, as the ends of sentences that begin with its name. */
type Problems = readonly string[];

function problems(rules: readonly (readonly [broken: boolean, what: string])[]): Problems {
  return rules.filter(([broken]) => broken).map(([, what]) => what);
}

export function orderProblems(order: Order, { nextOrderId }: Counters): Problems {
  const { quantity, filled, filledValue, status, price, expiresTs } = order;
  return problems([
    [order.orderId >= nextOrderId, `has an id that the counter, ${nextOrderId}, has yet to give`],
    [filled > quantity, `has ${filled} filled of ${quantity}`],
    [(filledValue === 0n) !== (filled === 0), `has ${filled} filled for ${filledValue}`],
    [filledValue < 0n, `was filled for ${filledValue}`],
    [(price === undefined) !== (order.orderType === "Market"), `is ${order.orderType} at ${price}`],
    [status === "Open" && filled > 0, `is Open with ${filled} filled`],
    [status === "PartiallyFilled" && filled === 0, "is PartiallyFilled with nothing filled"],
    [(status === "Filled") !== (filled === quantity), `is ${status} with ${filled} of ${quantity}`],
    [(status === "Cancelled") !== (order.reason !== undefined), `is ${status} by ${order.reason}`],
    [order.updatedTs < order.createdTs, "was changed before it was made"],
    [order.priority < order.orderId, `has priority ${order.priority}`],
    [(expiresTs !== undefined) !== (order.timeInForce === "GTD"), `expires at ${expiresTs}`],
    [
      isOpen(order) && !mayRest(order),
      `is open, and is a ${order.orderType} ${order.timeInForce} order`,
    ],
  ]);
}

export function tradeProblems(trade: Trade, { nextOrderId, nextTradeId }: Counters): Problems {
  const { tradeId, makerOrderId, takerOrderId } = trade;
  return problems([
    [tradeId >= nextTradeId, `has an id that the counter, ${nextTradeId}, has yet to give`],
    [makerOrderId >= nextOrderId, `is of order ${makerOrderId}, which the counter has yet to give`],
    [takerOrderId >= nextOrderId, `is of order ${takerOrderId}, which the counter has yet to give`],
    // An order that was amended may trade with later ones.
    [makerOrderId === takerOrderId, `is of order ${makerOrderId} with itself`],
    [trade.makerWallet === trade.takerWallet, `is of ${trade.makerWallet} with itself`],
  ]);
}

export function positionProblems({ quantity, cost }: Position): Problems {
  return problems([
    [quantity === 0 && cost !== 0n, `is flat and cost ${cost}`],
    [quantity > 0 && cost < 0n, `is long and cost ${cost}`],
    [quantity < 0 && cost > 0n, `is short and cost ${cost}`],
  ]);
}

export function marketProblems({ tickSize, lotSize }: StoredMarket): Problems {
  return problems([
    [DecimalScale.of(tickSize) === undefined, `has tick size ${tickSize}`],
    [DecimalScale.of(lotSize) === undefined, `has lot size ${lotSize}`],
  ]);
}
