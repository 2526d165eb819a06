import type { MarketTotals, Order } from "../engine/order.js";
import type { OrderBook } from "../engine/order-book.js";
import type { MarketStatus } from "../shared/market.js";
import type { MarketId } from "../shared/market-id.js";

/** What the simulated traders see of the exchange they trade on; the engine is one. */
export interface Venue {
  marketStatus(marketId: MarketId): MarketStatus | undefined;
  book(marketId: MarketId): Pick<OrderBook, "best"> | undefined;
  totals(marketId: MarketId): Pick<MarketTotals, "lastPrice"> | undefined;
  openOrder(orderId: number): Order | undefined;
  openOrders(wallet: string): Iterable<Order>;
}
