import { FeedInputError, type FeedSink, type ListedMarket } from "./feed.js";

/** Kinds of input that a feed rejects by itself; a {@link FeedInputError} adds its code as a kind. */
export type RejectionKind =
  | "LINE_TOO_LONG"
  | "INVALID_JSON"
  | "INVALID_MESSAGE"
  | "INVALID_ROW"
  | "INVALID_VALUE"
  | "UNKNOWN_MARKET"
  | "CROSSED_QUOTE"
  | "CROSSED_BOOK";

/** One line or record of the input that cannot be used. */
export class RejectedInput extends Error {
  override readonly name = "RejectedInput";
  readonly kind: RejectionKind;

  constructor(kind: RejectionKind, message: string) {
    super(message);
    this.kind = kind;
  }
}

/**
 * Runs `publish` for one line of the input; what it rejects, or the sink refuses, is counted and
 * skipped. Returns whether the line was taken.
 */
export function takeLine(sink: FeedSink, line: number, publish: () => void): boolean {
  try {
    publish();
    return true;
  } catch (error) {
    if (error instanceof RejectedInput) sink.reject(error.kind, error.message, line);
    else if (error instanceof FeedInputError) sink.reject(error.code, error.message, line);
    else throw error;
    return false;
  }
}

/** The ticks of a price. Throws RejectedInput where it is no multiple of the market's tick size. */
export function priceTicks(market: ListedMarket, price: number, field: string): number {
  const ticks = market.priceScale.toCount(price);
  if (ticks === undefined) {
    const rule = `is no multiple of the tick size ${market.priceScale.step}`;
    throw new RejectedInput("INVALID_VALUE", `${field} ${price} ${rule}`);
  }
  return ticks;
}

/** The lots of a quantity. Throws RejectedInput where it is no positive multiple of the lot size. */
export function quantityLots(market: ListedMarket, quantity: number, field: string): number {
  const lots = market.quantityScale.toCount(quantity);
  if (lots === undefined || lots <= 0) {
    const rule = `is no positive multiple of the lot size ${market.quantityScale.step}`;
    throw new RejectedInput("INVALID_VALUE", `${field} ${quantity} ${rule}`);
  }
  return lots;
}

/** Throws RejectedInput where the best bid is at or above the best ask. */
export function requireUncrossed(
  bestBid: number | null,
  bestAsk: number | null,
  kind: "CROSSED_QUOTE" | "CROSSED_BOOK",
): void {
  if (bestBid !== null && bestAsk !== null && bestBid >= bestAsk) {
    throw new RejectedInput(kind, "the best bid is not below the best ask");
  }
}
