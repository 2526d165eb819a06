import { FeedInputError, type ListedMarket, type TradedSoFar } from "../feed/feed.js";
import { TRADE_ID_BYTES_MAX, utf8 } from "../ring/records.js";
import { DecimalScale } from "../shared/decimal-scale.js";
import {
  BOOK_LEVELS_MAX,
  type Book,
  type BookSide,
  MARKET_STATUSES,
  type MarketDefinition,
  type MarketStatus,
  SIDES,
  type Side,
} from "../shared/market.js";
import { type MarketId, parseMarketId } from "../shared/market-id.js";
import { type TextKind, textFault } from "../shared/text.js";

/*
 * What a feed says is checked before anything is made of it: a feed may be anybody's module. Each check
 * throws a FeedInputError that names the market, the value and the rule.
 */

/** A definition in canonical form, with what follows from it. */
export interface CheckedDefinition {
  readonly definition: MarketDefinition;
  /** The title as UTF-8. */
  readonly title: Uint8Array;
  readonly priceScale: DecimalScale;
  readonly quantityScale: DecimalScale;
}

/** A definition's id and scales: all that is needed to find out whether it is listed already. */
export function checkDefinition(definition: MarketDefinition): Omit<CheckedDefinition, "title"> {
  const { tickSize, lotSize } = definition;
  const marketId = parseMarketId(definition.marketId);
  const priceScale = DecimalScale.of(tickSize);
  const quantityScale = DecimalScale.of(lotSize);
  if (marketId !== undefined && priceScale !== undefined && quantityScale !== undefined)
    return { definition: { ...definition, marketId }, priceScale, quantityScale };
  throw new FeedInputError(
    "INVALID_DEFINITION",
    `market ${definition.marketId}: the id must be an integer from 0 to 2^128-1, tick size (${tickSize}) ` +
      `and lot size (${lotSize}) positive decimals`,
  );
}

/** A market's title as UTF-8. */
export function checkTitle(marketId: MarketId, text: string, bytesMax: number): Uint8Array {
  checkText(marketId, "title", "line", text);
  const title = utf8(text);
  if (title.length <= bytesMax) return title;
  throw new FeedInputError(
    "TITLE_TOO_LONG",
    `market ${marketId}: title of ${title.length} bytes; at most ${bytesMax} are allowed`,
  );
}

/** A market that is listed may be listed again as it is, not as another one. */
export function checkSame(listed: MarketDefinition, definition: MarketDefinition): void {
  const { marketId, title, tickSize, lotSize } = listed;
  if (
    title === definition.title &&
    tickSize === definition.tickSize &&
    lotSize === definition.lotSize
  ) {
    return;
  }
  throw new FeedInputError(
    "MARKET_REDEFINED",
    `market ${marketId} is listed with title ${JSON.stringify(title)}, tick size ${tickSize} and lot size ` +
      `${lotSize}, which cannot change`,
  );
}

export function checkPrice(
  market: Pick<ListedMarket, "marketId" | "priceScale">,
  ticks: number,
  what: string,
): void {
  if (Number.isInteger(ticks) && Math.abs(ticks) <= market.priceScale.countMax) return;
  throw new FeedInputError(
    "INVALID_VALUE",
    `market ${market.marketId}: ${what} ${ticks} is no count of ticks`,
  );
}

export function checkQuantity(market: ListedMarket, lots: number): void {
  if (Number.isInteger(lots) && lots > 0 && lots <= market.quantityScale.countMax) return;
  throw new FeedInputError(
    "INVALID_VALUE",
    `market ${market.marketId}: quantity ${lots} is no positive count of lots`,
  );
}

export function checkTakerSide({ marketId }: ListedMarket, side: Side): void {
  if (!SIDES.includes(side)) throw notOneOf(marketId, "taker side", side, SIDES);
}

export function checkStatus(marketId: MarketId, status: MarketStatus): void {
  if (!MARKET_STATUSES.includes(status))
    throw notOneOf(marketId, "status", status, MARKET_STATUSES);
}

/** What a market that is about to be listed has traded. */
export function checkTraded(
  { definition, priceScale, quantityScale }: Omit<CheckedDefinition, "title">,
  { lastPrice, volume }: TradedSoFar,
): void {
  const { marketId } = definition;
  if (lastPrice !== undefined) checkPrice({ marketId, priceScale }, lastPrice, "last price");
  if (Number.isInteger(volume) && volume >= 0 && volume <= quantityScale.countMax) return;
  throw new FeedInputError(
    "INVALID_VALUE",
    `market ${marketId}: traded volume ${volume} is no count of lots`,
  );
}

function notOneOf(
  marketId: MarketId,
  what: string,
  value: unknown,
  known: readonly string[],
): FeedInputError {
  return new FeedInputError(
    "INVALID_VALUE",
    `market ${marketId}: ${what} ${JSON.stringify(value)} is none of ${known.join(", ")}`,
  );
}

/** A trade's id as UTF-8. */
export function checkTradeId({ marketId }: ListedMarket, tradeId: string): Uint8Array {
  checkText(marketId, "trade id", "name", tradeId);
  const id = utf8(tradeId);
  if (id.length > 0 && id.length <= TRADE_ID_BYTES_MAX) return id;
  throw new FeedInputError(
    "INVALID_VALUE",
    `market ${marketId}: trade id of ${id.length} bytes; 1 to ${TRADE_ID_BYTES_MAX} are allowed`,
  );
}

export function checkBook(market: ListedMarket, book: Book): void {
  checkSide(market, book.bids, "bids");
  checkSide(market, book.asks, "asks");
}

function checkSide(market: ListedMarket, side: BookSide, name: "bids" | "asks"): void {
  if (!(side.length >= 0 && side.length <= BOOK_LEVELS_MAX)) {
    throw new FeedInputError(
      "INVALID_VALUE",
      `market ${market.marketId}: ${side.length} book levels a side; at most ${BOOK_LEVELS_MAX} are allowed`,
    );
  }
  for (let level = 0; level < side.length; level++) {
    checkPrice(market, side.price[level] as number, "book price");
    checkQuantity(market, side.quantity[level] as number);
    if (
      level > 0 &&
      !isBetter(name, side.price[level - 1] as number, side.price[level] as number)
    ) {
      throw new FeedInputError(
        "INVALID_VALUE",
        `market ${market.marketId}: ${name} are not sorted best first, or repeat the price ${side.price[level]}`,
      );
    }
  }
}

function isBetter(name: "bids" | "asks", one: number, other: number): boolean {
  return name === "bids" ? one > other : one < other;
}

function checkText(marketId: MarketId, what: string, kind: TextKind, text: string): void {
  const fault = textFault(kind, text);
  if (fault === undefined) return;
  const code = what === "title" ? "INVALID_DEFINITION" : "INVALID_VALUE";
  throw new FeedInputError(code, `market ${marketId}: ${what} ${fault}`);
}
