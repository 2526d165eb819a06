import { expect } from "vitest";
import type { EngineEvent } from "../../src/engine/commands.js";
import type { Engine } from "../../src/engine/engine.js";
import type { MarketBounds } from "../../src/engine/market-bounds.js";
import type { Order, OrderTerms } from "../../src/engine/order.js";
import type { OrderBook } from "../../src/engine/order-book.js";
import type { MarketId } from "../../src/shared/market-id.js";
import type { TimedCommand } from "./engine-commands.js";

/*
 * What bounds ask, as anybody would write it down, in ticks and lots: of everything the wallet has, order
 * by order, and of whole percentages.
 */

const BOUND_RULES: readonly string[] = ["price_band", "max_order_value", "max_position"];
/** Rules that are looked at behind the bounds. */
const LATER_RULES: readonly string[] = ["post_only"];

type Terms = Pick<OrderTerms, "wallet" | "marketId" | "side" | "price" | "selfTrade">;

/** An order that comes into a market, or comes anew as it is amended. */
interface Incoming {
  readonly terms: Terms;
  readonly left: number;
  readonly filledValue: bigint;
  /** The order as it stands before. */
  readonly before: Order | undefined;
}

/** An engine whose bounds are in whole ticks and lots. */
export interface BoundedEngine {
  readonly engine: Engine;
  readonly books: ReadonlyMap<MarketId, OrderBook>;
  readonly bounds: ReadonlyMap<MarketId, Readonly<Required<MarketBounds>>>;
}

/** Where a price is: in the band that a market has before a command, or beyond its lower or upper end. */
type Place = "in" | "under" | "over";

function bandOf({ engine, bounds }: BoundedEngine, marketId: MarketId): (price: number) => Place {
  const percent = bounds.get(marketId)?.priceBandPercent ?? 0;
  const last = engine.totals(marketId)?.lastPrice;
  if (!percent || last === undefined) return () => "in";
  const distance = BigInt(percent) * BigInt(last);
  return (price) => {
    const off = (BigInt(price) - BigInt(last)) * 100n;
    if (off > distance) return "over";
    return off < -distance ? "under" : "in";
  };
}

/** Where an order of a side does not trade, whatever its price. */
const worstOf = ({ side }: Terms): Place => (side === "Buy" ? "over" : "under");

/** The order that a command would have come into a market, and not merely be reduced; undefined for none. */
function incomingOf(engine: Engine, { command, passed }: TimedCommand): Incoming | undefined {
  if (command.type === "place") {
    const { terms } = command;
    return { terms, left: terms.quantity, filledValue: 0n, before: undefined };
  }
  if (command.type !== "amend") return undefined;
  const name = command.order;
  const order =
    "orderId" in name
      ? engine.openOrder(name.orderId)
      : engine.latest(engine.knownOrder(command.wallet, name.clientOrderId, passed)?.orderId ?? 0);
  if (order === undefined || order.wallet !== command.wallet) return undefined;
  const { price = order.price, quantity = order.quantity } = command;
  if (price === order.price && quantity <= order.quantity) return undefined;
  const { filled, filledValue } = order;
  return { terms: { ...order, price }, left: quantity - filled, filledValue, before: order };
}

function brokenRule(all: BoundedEngine, incoming: Incoming): string | undefined {
  const { engine, bounds } = all;
  const { marketId, wallet, side, price } = incoming.terms;
  const { maxOrderValue = 0, maxPosition = 0 } = bounds.get(marketId) ?? {};
  if (price !== undefined && bandOf(all, marketId)(price) !== "in") return "price_band";
  if (maxOrderValue > 0 && worthOf(all, incoming) > BigInt(maxOrderValue)) return "max_order_value";
  if (maxPosition === 0) return undefined;
  const sign = side === "Buy" ? 1 : -1;
  let position = sign * incoming.left;
  for (const held of engine.positions(wallet))
    if (held.marketId === marketId) position += held.quantity;
  for (const order of engine.openOrders(wallet))
    if (order.marketId === marketId && order.side === side && order !== incoming.before)
      position += sign * (order.quantity - order.filled);
  return sign * position > maxPosition ? "max_position" : undefined;
}

/** Of an order to buy at a price what it could cost; of any other what it would trade for, and its rest. */
function worthOf(all: BoundedEngine, { terms, left, filledValue }: Incoming): bigint {
  const { marketId, wallet, side, price, selfTrade } = terms;
  if (side === "Buy" && price !== undefined) return filledValue + BigInt(price) * BigInt(left);
  const place = bandOf(all, marketId);
  let value = filledValue;
  let rest = left;
  for (const maker of all.books.get(marketId)?.orders(side === "Buy" ? "Sell" : "Buy") ?? []) {
    if (price === undefined ? place(maker.price) === worstOf(terms) : maker.price < price) break;
    if (all.engine.openOrder(maker.orderId)?.wallet === wallet) {
      if (selfTrade !== "CancelMaker") return value;
      continue;
    }
    const traded = Math.min(rest, maker.quantity);
    value += BigInt(maker.price) * BigInt(traded);
    rest -= traded;
  }
  return value + BigInt(price ?? 0) * BigInt(rest);
}

/**
 * Executes a command; whatever came of it, the bounds must have been kept: refused for a bound is what
 * breaks it and nothing else, and no order trades beyond the far end of the band that there was before. With deadlines that
 * are due, what they change comes before the command: then only the latter is looked at.
 */
export function executeBounded(all: BoundedEngine, timed: TimedCommand): readonly EngineEvent[] {
  const { engine } = all;
  const { command, ts, passed } = timed;
  const isDue = engine.isDue(ts, passed);
  const incoming = incomingOf(engine, timed);
  const expected = incoming === undefined ? undefined : brokenRule(all, incoming);
  const place = bandOf(all, incoming?.terms.marketId ?? 0);
  const events = engine.execute(command, ts, passed);
  for (const event of events)
    if (event.type === "trade" && incoming !== undefined)
      if (place(event.trade.price) === worstOf(incoming.terms))
        throw new Error(`${JSON.stringify(command)} traded at ${event.trade.price}, off the band`);
  if (isDue) return events;
  const rejected = events.find((event) => event.type === "rejected");
  const code = rejected?.rejection.code;
  const rule =
    rejected?.rejection.code === "ORDER_REJECTED" ? rejected.rejection.details.rule : undefined;
  if (rule !== undefined && BOUND_RULES.includes(rule)) expect(rule).toBe(expected);
  else if (code === undefined || LATER_RULES.includes(rule ?? "")) {
    const known = events.some(({ type }) => type === "duplicate");
    if (!known && expected !== undefined)
      throw new Error(`${JSON.stringify(command)} should break ${expected}`);
  }
  if (incoming !== undefined) expectRestTold(all, incoming, events, place);
  return events;
}

/** A Market order ends at the band where there is something behind it, and else for want of anything. */
function expectRestTold(
  { books }: BoundedEngine,
  { terms }: Incoming,
  events: readonly EngineEvent[],
  place: (price: number) => Place,
): void {
  const last = events.findLast((event) => event.type === "order")?.order;
  if (terms.price !== undefined || last?.status !== "Cancelled") return;
  const best = books.get(terms.marketId)?.best(terms.side === "Buy" ? "Sell" : "Buy");
  if (last.reasonCode === "price_band") expect(place(best as number)).toBe(worstOf(terms));
  if (last.reasonCode === "market_order") expect(best).toBeUndefined();
}
