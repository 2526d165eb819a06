import type { MessageFault } from "../../../codec/decode.js";
import type { ClientMessage } from "../../../contract/client-messages-schema.js";
import { fieldAt } from "../../../contract/form-fault.js";
import { type CounterSection, count, SHARD } from "../../../counters/counters.js";
import { isSimulatedWallet } from "../../../sim/wallets.js";
import type { Refused } from "../../messages.js";
import type { Connection } from "../connections/connection.js";
import type { OrderQuestion, Trading } from "../trading/trading.js";
import { authRequired, forbidden, rateLimited, tradingFault } from "./request-faults.js";

type OrderType =
  | ("PlaceOrder" | "PlaceOrders" | "AmendOrder")
  | ("CancelOrder" | "CancelOrders" | "CancelAfter");
type OrderMessage = Extract<ClientMessage, { readonly type: OrderType }>;
type PlacedOrders = Extract<OrderMessage, { readonly type: "PlaceOrders" }>["data"]["orders"];

/** Passes what clients ask about orders on to the exchange, which answers. */
export class OrderRequests {
  readonly #trading: Trading;
  readonly #counters: CounterSection;

  constructor(trading: Trading, counters: CounterSection) {
    this.#trading = trading;
    this.#counters = counters;
  }

  /**
   * Passes a request on, or says why not.
   * @param now performance.now()
   */
  take(connection: Connection, message: OrderMessage, now: number): MessageFault | undefined {
    const trader = this.#traderOf(connection, message.type);
    if (trader.fault !== undefined) return trader.fault;
    const orders = ordersOf(message);
    const { orderAllowance } = connection;
    if (orders > 0 && !orderAllowance.tryTake(now, orders)) {
      count(this.#counters, SHARD.ordersRateLimited);
      return rateLimited(orderAllowance, "orders", now, orders);
    }
    const question = questionOf(connection, trader.wallet, message);
    return this.#trading.ask(connection, message.id, Math.max(1, orders), question);
  }

  /** The wallet that a connection trades for, or why it may not trade. */
  #traderOf(
    { identity }: Connection,
    what: string,
  ): { readonly fault: MessageFault } | { readonly wallet: string; readonly fault?: undefined } {
    const fault = tradingFault(this.#trading.takesOrders, what);
    if (fault !== undefined) return { fault };
    if (identity === undefined) return { fault: authRequired(what) };
    const { wallet } = identity;
    if (wallet === null) return { fault: forbidden(`${what}: the token has no wallet`) };
    if (!isSimulatedWallet(wallet)) return { wallet };
    return { fault: forbidden(`${what}: wallet ${wallet} belongs to a simulated trader`) };
  }
}

/** As how many orders a request counts; what only cancels is never one too many. */
function ordersOf(message: OrderMessage): number {
  if (message.type === "PlaceOrders") return message.data.orders.length;
  return message.type === "PlaceOrder" || message.type === "AmendOrder" ? 1 : 0;
}

function questionOf(
  { cancelAfterMs, session }: Connection,
  wallet: string,
  message: OrderMessage,
): OrderQuestion {
  const boundTo = cancelAfterMs === undefined ? undefined : session?.session;
  switch (message.type) {
    case "PlaceOrder": {
      const { order, validate_only } = message.data;
      const question = { type: "place", wallet, order, boundTo } as const;
      return validate_only === true ? { ...question, validateOnly: true } : question;
    }
    case "PlaceOrders":
      return { type: "place-all", wallet, orders: refusalsIn(message.data.orders), boundTo };
    case "AmendOrder": {
      const { price, quantity, ...order } = message.data;
      return { type: "amend", wallet, order, price, quantity };
    }
    case "CancelOrder":
      return { type: "cancel", wallet, order: message.data };
    case "CancelOrders": {
      const { market_id: marketId, side } = message.data;
      return { type: "cancel-all", wallet, marketId, side };
    }
    case "CancelAfter":
      return { type: "cancel-after", wallet, timeoutMs: message.data.timeout_ms };
    default:
      return message satisfies never;
  }
}

/** Orders, those whose form is wrong with the refusal that says so. */
function refusalsIn(orders: PlacedOrders): Extract<OrderQuestion, { type: "place-all" }>["orders"] {
  return orders.map((order, index) => {
    if (!("fault" in order)) return order;
    const { path, rule } = order.fault;
    const field = fieldAt("data", "orders", index, ...path).toWellFormed();
    const message = `${field}: ${rule}`.toWellFormed();
    const refusal: Refused = { code: "INVALID_MESSAGE", message, details: { field } };
    return { refusal };
  });
}
