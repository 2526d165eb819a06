import type { Command, EngineEvent } from "../../src/engine/commands.js";
import { Engine, type EngineLimits } from "../../src/engine/engine.js";
import type { MarketBounds } from "../../src/engine/market-bounds.js";
import type { Order, OrderTerms } from "../../src/engine/order.js";
import { instrument } from "./engine-commands.js";
import { orderTerms } from "./order-terms.js";

const DAY = 86_400_000_000;
const LIMITS: EngineLimits = {
  maxOpenOrders: 5,
  maxClientOrderIds: 4,
  maxAllClientOrderIds: 1000,
  clientOrderIdRetentionMicros: DAY,
};

/** An engine with markets 1 and 2, of ticks of 0.01 and lots of 0.1, and a clock of its own. */
export class Venue extends Engine {
  ts = 1_700_000_000_000_000;

  /** @param bounds of market 1 */
  constructor(limits: Partial<EngineLimits> = {}, bounds: MarketBounds = {}) {
    super({ ...LIMITS, ...limits });
    this.list({ ...instrument(1, 0.01, 0.1), bounds });
    this.list(instrument(2, 0.01, 0.1));
  }

  /** Has a command carried out at the next moment. */
  tell(command: Command): readonly EngineEvent[] {
    return this.execute(command, ++this.ts);
  }

  place(given: Partial<OrderTerms> = {}): readonly EngineEvent[] {
    return this.tell({ type: "place", terms: orderTerms(given) });
  }

  cancel(wallet: string, orderId: number): readonly EngineEvent[] {
    return this.tell({ type: "cancel", wallet, order: { orderId } });
  }

  cancelByClientOrderId(wallet: string, clientOrderId: string): readonly EngineEvent[] {
    return this.tell({ type: "cancel", wallet, order: { clientOrderId } });
  }

  amend(
    orderId: number,
    to: { readonly price?: number; readonly quantity?: number },
    wallet = "alice",
  ): readonly EngineEvent[] {
    return this.tell({ type: "amend", wallet, order: { orderId }, ...to });
  }
}

/** What came of the order that a command was about. */
export function outcome(events: readonly EngineEvent[]): Order {
  const orders = events.flatMap((event) => (event.type === "order" ? [event.order] : []));
  const last = orders.at(-1);
  if (last === undefined) throw new Error(`no order event among ${JSON.stringify(events)}`);
  return last;
}

/** Why a command was refused, or else what came of it. */
export function rejection(events: readonly EngineEvent[]): unknown {
  const event = events.at(-1);
  return event?.type === "rejected" ? event.rejection : event;
}

export const ids = (orders: Iterable<Order>): number[] => [...orders].map((one) => one.orderId);
