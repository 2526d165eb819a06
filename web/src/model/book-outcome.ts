import type { OrderBook, PriceLevel, ValidatedOrder } from "marketcast/client";

/** What a book, as it stands, makes of an order that comes. */
export interface BookOutcome {
  /** Traded at once. */
  readonly filled: number;
  /** At this price on average; undefined where nothing is. */
  readonly average: number | undefined;
  /** What is left rests in the book, or is cancelled. */
  readonly rest: "rests" | "is cancelled" | undefined;
}

/**
 * What a book makes of an order. It is a guess: books move, have more levels than are shown, and orders of the
 * same wallet in them.
 */
export function outcomeOf(order: ValidatedOrder, book: OrderBook): BookOutcome {
  const { quantity, time_in_force: timeInForce } = order;
  const levels = (order.side === "Buy" ? book.asks : book.bids).filter((level) =>
    meets(order, level),
  );
  let [filled, value] = [0, 0];
  for (const [price, there] of levels) {
    const taken = Math.min(there, quantity - filled);
    filled += taken;
    value += taken * price;
  }
  const isWhole = filled >= quantity;
  if (timeInForce === "FOK" && !isWhole)
    return { filled: 0, average: undefined, rest: "is cancelled" };
  const stays = timeInForce === "GTC" || timeInForce === "GTD";
  return {
    filled,
    average: filled > 0 ? value / filled : undefined,
    rest: isWhole ? undefined : stays ? "rests" : "is cancelled",
  };
}

function meets({ side, price }: ValidatedOrder, [level]: PriceLevel): boolean {
  if (price === undefined) return true;
  return side === "Buy" ? level <= price : level >= price;
}
