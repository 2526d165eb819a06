import { expect } from "vitest";
import type { ServerMessage } from "../../src/contract/messages.js";
import { isFinished, isLater } from "./order-progress.js";
import type { MessageOf } from "./test-client.js";
import type { TestOrder } from "./trading.js";

export type TestTrade = MessageOf<"TradeExecution">["data"]["trade"];
export type TestFill = MessageOf<"Fill">["data"]["fill"];
export type TestPosition = MessageOf<"PositionUpdate">["data"]["position"];

/** A client order id that an order was sent with, and the order if that was told. */
export interface SentOrder {
  readonly wallet: string;
  readonly order: Readonly<Record<string, unknown>>;
  orderId: string | undefined;
}

/**
 * All that the clients of a data directory have ever been told, over all servers that it has had.
 * Fails where they are told what contradicts something earlier.
 */
export class Told {
  /** In the latest state that somebody was told. */
  readonly orders = new Map<string, TestOrder>();
  readonly trades = new Map<string, TestTrade>();
  /** By trade and order. */
  readonly fills = new Map<string, TestFill>();
  /** By wallet and market, the latest that somebody was told. */
  readonly positions = new Map<string, TestPosition>();
  /** By client order id. Those that were refused by a rule are not there. */
  readonly sent = new Map<string, SentOrder>();
  readonly #open = new Map<string, Set<string>>();
  readonly #nodes: "one" | "several";

  /** @param nodes where there are several, one may tell a client a trade that another has told others before */
  constructor(nodes: "one" | "several" = "one") {
    this.#nodes = nodes;
  }

  take(message: ServerMessage): void {
    switch (message.type) {
      case "OrderUpdate":
        return this.#takeOrder(message.data.order);
      case "OrderResults":
        for (const { order } of message.data.results)
          if (order !== undefined) this.#takeOrder(order);
        return;
      case "OrderSnapshot":
        for (const order of message.data.orders) this.#takeOrder(order);
        return;
      case "Fill":
        return this.takeFill(message.data.fill);
      case "PositionUpdate":
        return this.#takePosition(message.data.position);
      case "PositionSnapshot":
        for (const position of message.data.positions) this.#takePosition(position);
        return;
      case "TradeExecution": {
        const { trade } = message.data;
        const known = this.trades.get(trade.trade_id);
        if (this.#nodes === "one") expect(known, "a trade is told once").toBeUndefined();
        if (known !== undefined) expect(trade).toEqual(known);
        this.trades.set(trade.trade_id, trade);
      }
    }
  }

  /** Open orders of a wallet, as far as anybody was told. */
  openOrders(wallet: string): TestOrder[] {
    return [...(this.#open.get(wallet) ?? [])].map((id) => this.orders.get(id) as TestOrder);
  }

  /** Both connections of a wallet may be told of it. */
  takeFill(fill: TestFill): void {
    const key = `${fill.trade_id} ${fill.order_id}`;
    const known = this.fills.get(key);
    if (known !== undefined) expect(fill).toEqual(known);
    this.fills.set(key, fill);
  }

  #takeOrder(order: TestOrder): void {
    const known = this.orders.get(order.order_id);
    if (known !== undefined && !isLater(order, known)) return;
    this.orders.set(order.order_id, order);
    const open = this.#open.get(order.wallet) ?? new Set();
    this.#open.set(order.wallet, open);
    if (isFinished(order)) open.delete(order.order_id);
    else open.add(order.order_id);
    if (order.client_order_id === undefined) return;
    const sent = this.sent.get(order.client_order_id);
    if (sent === undefined) return;
    sent.orderId ??= order.order_id;
    expect(order.order_id, `of client order id ${order.client_order_id}`).toBe(sent.orderId);
  }

  #takePosition(position: TestPosition): void {
    const key = `${position.wallet} ${position.market_id}`;
    const known = this.positions.get(key);
    if (known === undefined || position.updated_ts >= known.updated_ts)
      this.positions.set(key, position);
  }
}
