import { CodedError } from "../shared/coded-error.js";
import type { DecimalScale } from "../shared/decimal-scale.js";
import { type JsonPath, locateInJson, parseExactJson } from "../shared/exact-json.js";
import { showPosition, TextFault } from "../shared/text-fault.js";
import { FeedInputError, type FeedSink, type ListedMarket } from "./feed.js";
import type { Line } from "./lines.js";

/** Kinds of input that a feed rejects by itself; a {@link FeedInputError} adds its code as a kind. */
type RejectionKind =
  | "LINE_TOO_LONG"
  | "INVALID_UTF8"
  | "INVALID_JSON"
  | "INVALID_MESSAGE"
  | "INVALID_ROW"
  | "INVALID_VALUE"
  | "UNKNOWN_MARKET"
  | "CROSSED_QUOTE"
  | "CROSSED_BOOK";

/** Where in a line something is: its column, counted from 1, or its path among the values. */
type LinePlace = number | JsonPath;

/** One line or record of the input that cannot be used. */
export class RejectedInput extends CodedError<RejectionKind> {
  /** Undefined where the line as a whole is meant. */
  readonly place: LinePlace | undefined;

  constructor(code: RejectionKind, message: string, place?: LinePlace) {
    super(code, message);
    this.place = place;
  }
}

/** Where lines come from. */
export interface LineSource {
  /** A file's path, say. */
  readonly name: string;
  /** The column, counted from 1, of the value at a path in a line. */
  readonly columnOf: (text: string, path: JsonPath) => number;
}

/**
 * Runs `take` for the text of one line of the input. What it rejects, or the sink refuses, is counted
 * and skipped, with a message that says where it stands. Returns whether the line was taken.
 */
export function takeLine(
  sink: FeedSink,
  source: LineSource,
  line: Line,
  take: (text: string) => void,
): boolean {
  try {
    take(requireText(line));
    return true;
  } catch (error) {
    const { text = "", number } = line;
    const reject = (kind: string, message: string, column?: number) => {
      const place =
        column === undefined ? `line ${number}` : showPosition({ line: number, column });
      sink.reject(kind, `${source.name}, ${place}: ${message}`, number);
    };
    if (error instanceof RejectedInput) {
      const { code, message, place } = error;
      reject(code, message, typeof place === "object" ? source.columnOf(text, place) : place);
    } else if (error instanceof FeedInputError) reject(error.code, error.message);
    else throw error;
    return false;
  }
}

/** The text of a line. Throws RejectedInput where it has none. */
export function requireText({ text, fault }: Line): string {
  if (text !== undefined) return text;
  if (fault !== undefined) {
    throw new RejectedInput("INVALID_UTF8", fault.message, fault.position.column);
  }
  throw new RejectedInput("LINE_TOO_LONG", "the line is too long");
}

/** The value of a line of NDJSON. Throws RejectedInput. */
export function parseJsonLine(text: string): unknown {
  try {
    return parseExactJson(text);
  } catch (error) {
    if (!(error instanceof TextFault)) throw error;
    throw new RejectedInput("INVALID_JSON", `no JSON: ${error.message}`, error.position.column);
  }
}

/** A source of NDJSON. */
export function jsonLines(name: string): LineSource {
  return { name, columnOf: (text, path) => locateInJson(text, path).column };
}

/** A field of the input: how messages call it, and where it stands in a line. */
export interface InputField {
  readonly name: string;
  readonly path: JsonPath;
}

/**
 * The ticks of a price. Throws RejectedInput where it is no multiple of the market's tick size.
 * @param scale of the input, where its prices are not the market's
 */
export function priceTicks(
  market: ListedMarket,
  price: number,
  field: InputField,
  scale: DecimalScale = market.priceScale,
): number {
  const ticks = scale.toExactCount(price);
  if (ticks !== undefined && Math.abs(ticks) <= market.priceScale.countMax) return ticks;
  const tick = `the tick size ${market.priceScale.step}`;
  const step = scale === market.priceScale ? tick : `${scale.step}, ${tick} in the file's scale`;
  const rule = isTooLarge(price, scale) ? "is too large for" : "is no multiple of";
  throw new RejectedInput("INVALID_VALUE", `${field.name} ${price} ${rule} ${step}`, field.path);
}

/** The lots of a quantity. Throws RejectedInput where it is no positive multiple of the lot size. */
export function quantityLots(market: ListedMarket, quantity: number, field: InputField): number {
  const { quantityScale: scale } = market;
  const lots = scale.toExactCount(quantity);
  if (lots !== undefined && lots > 0) return lots;
  const rule = isTooLarge(quantity, scale) ? "is too large for" : "is no positive multiple of";
  const message = `${field.name} ${quantity} ${rule} the lot size ${scale.step}`;
  throw new RejectedInput("INVALID_VALUE", message, field.path);
}

/** Whether a number is a multiple, but of so many digits that its neighbours may look like it. */
function isTooLarge(value: number, scale: DecimalScale): boolean {
  if (Math.abs(value) > scale.toNumber(scale.countMax)) return true;
  return scale.toCount(value) !== scale.toExactCount(value);
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
