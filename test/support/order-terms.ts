import type { OrderTerms } from "../../src/engine/order.js";

/** A good-till-cancelled limit order to buy 10 lots of market 1 at 50 ticks, but for what is given. */
export function orderTerms(given: Partial<OrderTerms> = {}): OrderTerms {
  return {
    marketId: 1,
    wallet: "alice",
    clientOrderId: undefined,
    side: "Buy",
    orderType: "Limit",
    timeInForce: "GTC",
    postOnly: false,
    selfTrade: "CancelTaker",
    expiresTs: undefined,
    price: 50,
    quantity: 10,
    session: undefined,
    ...given,
  };
}
