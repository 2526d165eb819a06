import type { ClientOrderIdsFull } from "./client-order-ids.js";
import { crosses, limitOf, type Market } from "./market.js";
import type { Order, OrderTerms } from "./order.js";
import { opposite } from "./order-book.js";
import type { Rejection } from "./rejection.js";

export const FILL_OR_KILL_REASON = "fill-or-kill: not all of it can be filled at once";

/** The bounds that the engine's rules know. */
interface OrderLimits {
  readonly maxOpenOrders: number;
  readonly maxClientOrderIds: number;
  readonly maxAllClientOrderIds: number;
}

/** What the engine's rules know of the wallet that places an order. */
export interface WalletFigures {
  readonly openOrders: number;
  /** Lots that its position could grow to on the order's side without the order. */
  readonly exposure: number;
  /** The bound that the wallet has reached, where the order has a client order id. */
  readonly clientOrderIdsFull: ClientOrderIdsFull | undefined;
}

/** The first rule that an order breaks, in the order of the checks; undefined where it breaks none. */
export function checkOrder(
  terms: OrderTerms,
  { instrument, book, status }: Market,
  wallet: WalletFigures,
  limits: OrderLimits,
): Rejection | undefined {
  const { side, quantity } = terms;
  const { marketId, priceScale, quantityScale } = instrument;
  if (status !== "Active")
    return {
      code: "MARKET_NOT_ACTIVE",
      message: `market ${marketId} is ${status} and takes no orders`,
    };
  if (mayRest(terms) && wallet.openOrders >= limits.maxOpenOrders)
    return orderRejected(
      `the wallet has ${limits.maxOpenOrders} open orders, as many as it may have`,
      { rule: "max_open_orders", limit: limits.maxOpenOrders },
    );
  if (wallet.clientOrderIdsFull === "wallet") {
    const limit = limits.maxClientOrderIds;
    return orderRejected(
      `the wallet has used ${limit} client order ids, as many as are remembered`,
      { rule: "max_client_order_ids", limit },
    );
  }
  if (wallet.clientOrderIdsFull === "all") {
    const limit = limits.maxAllClientOrderIds;
    return orderRejected(
      `the wallet has used its share of the ${limit} client order ids that are remembered for all wallets`,
      { rule: "max_all_client_order_ids", limit },
    );
  }
  // Up to here every sum of the wallet's quantities is an exact integer, and can be sent as one.
  if (wallet.exposure + quantity > quantityScale.countMax)
    return orderRejected(
      `quantity ${quantityScale.toNumber(quantity)} could take the position in market ${marketId} ` +
        `past ${quantityScale.toNumber(quantityScale.countMax)}`,
    );
  const limit = limitOf(terms);
  if (terms.postOnly && crosses(book, side, limit))
    return orderRejected(
      `a post-only order to ${side === "Buy" ? "buy" : "sell"} at ${priceScale.toNumber(limit)} ` +
        `would trade at ${priceScale.toNumber(book.best(opposite(side)) as number)}`,
    );
  return undefined;
}

/** Why the rest of an order that has been matched is cancelled; undefined where it rests in the book. */
export function cancelReason(order: Order, { book }: Market): string | undefined {
  // Matching has stopped in front of an order that it could trade with: one of the same wallet.
  if (crosses(book, order.side, limitOf(order)))
    return "self-trade prevention: the rest would trade with an order of the same wallet";
  if (mayRest(order)) return undefined;
  if (order.orderType === "Market") return "market order: there is no more to trade with";
  return "immediate-or-cancel: there is no more to trade with at this price";
}

function mayRest({ orderType, timeInForce }: OrderTerms): boolean {
  return orderType === "Limit" && timeInForce === "GTC";
}

function orderRejected(message: string, details?: Rejection["details"]): Rejection {
  return { code: "ORDER_REJECTED", message, ...(details !== undefined && { details }) };
}
