import type { ArchivePosition } from "../../../archive/archive-form.js";
import type { ArchiveReader } from "../../../archive/archive-reader.js";
import type { Trade } from "../../../contract/messages.js";
import type { Candle, CandleInterval } from "../../../shared/candle.js";
import { CodedError } from "../../../shared/coded-error.js";
import type { MarketId } from "../../../shared/market-id.js";
import { scaleOf, toldTrade } from "../fan-out/archived-trades.js";

/*
 * Pages of the archive in the contract's terms: what is asked for by a request of the socket or over HTTP,
 * and the page that answers it.
 */

/** Most that a page may have, and what it has by default. */
export const HISTORY_LIMIT_MAX = 1000;
export const HISTORY_LIMIT_DEFAULT = 100;

/** What a page is asked for by; `from` and `to` are µs, inclusive and exclusive. */
interface HistoryQuery {
  readonly market_id: MarketId;
  readonly from?: number | undefined;
  readonly to?: number | undefined;
  /** The `next` of the page before. */
  readonly before?: string | undefined;
  readonly limit?: number | undefined;
}

interface CandleQuery extends HistoryQuery {
  readonly interval: CandleInterval;
}

interface TradePage {
  readonly market_id: MarketId;
  readonly trades: readonly Trade[];
  readonly next?: string;
}

/** A candle: start in µs, prices, volume and how many trades it has. */
type PagedCandle = readonly [
  start: number,
  open: number,
  high: number,
  low: number,
  close: number,
  volume: number,
  trades: number,
];

interface CandlePage {
  readonly market_id: MarketId;
  readonly interval: CandleInterval;
  readonly candles: readonly PagedCandle[];
  readonly next?: string;
}

/** A `before` that no page has given. */
export class HistoryCursorError extends CodedError<"HISTORY_CURSOR_INVALID"> {
  constructor(before: string) {
    const cut = before.length > 40 ? `${before.slice(0, 40)}…` : before;
    super(
      "HISTORY_CURSOR_INVALID",
      `before is ${JSON.stringify(cut)}: it takes the next of the page before`,
    );
  }
}

/**
 * A page of a market's trades, newest first. Throws a HistoryCursorError, and what the archive throws.
 * @param epoch the present one
 */
export function tradePage(
  archive: Pick<ArchiveReader, "tradesBefore">,
  { market_id, from, to, before, limit = HISTORY_LIMIT_DEFAULT }: HistoryQuery,
  epoch: string,
): TradePage {
  const position = before === undefined ? undefined : positionFrom(before);
  const { trades, next } = archive.tradesBefore(market_id, { from, to }, position, limit);
  return {
    market_id,
    trades: trades.map((trade) => toldTrade(trade, epoch)),
    ...(next !== undefined && { next: textOf(next.ts, next.number) }),
  };
}

/**
 * A page of a market's closed candles, newest first, with how much was read for it: of candles as long as a
 * second every trade. Throws a HistoryCursorError, and what the archive throws.
 * @param closedTo µs since the Unix epoch, up to which candles are closed
 */
export function candlePage(
  archive: Pick<ArchiveReader, "candlesBefore" | "market">,
  { market_id, interval, from, to, before, limit = HISTORY_LIMIT_DEFAULT }: CandleQuery,
  closedTo: number,
): { readonly page: CandlePage; readonly read: number } {
  const start = before === undefined ? undefined : numbersFrom(before, 1)[0];
  const page = archive.candlesBefore(market_id, interval, { from, to }, start, limit, closedTo);
  const market = archive.market(market_id);
  return {
    page: {
      market_id,
      interval,
      candles: market === undefined ? [] : pagedCandles(page.candles, market),
      ...(page.next !== undefined && { next: textOf(page.next) }),
    },
    read: page.read,
  };
}

function pagedCandles(
  candles: readonly Candle[],
  { tickSize, lotSize }: { readonly tickSize: number; readonly lotSize: number },
): PagedCandle[] {
  const [prices, quantities] = [scaleOf(tickSize), scaleOf(lotSize)];
  const price = (ticks: number): number => prices.toNumber(ticks);
  return candles.map(({ start, open, high, low, close, volume, trades }) => [
    start,
    price(open),
    price(high),
    price(low),
    price(close),
    quantities.toNumber(volume),
    trades,
  ]);
}

// --- What `next` stands for -----------------------------------------------------------------------

const RADIX = 36;

function textOf(...numbers: readonly number[]): string {
  return numbers.map((number) => number.toString(RADIX)).join("-");
}

function positionFrom(before: string): ArchivePosition {
  const [ts = 0, number = 0] = numbersFrom(before, 2);
  return { ts, number };
}

function numbersFrom(before: string, count: number): number[] {
  const texts = before.split("-");
  const numbers = texts.map((text) => Number.parseInt(text, RADIX));
  const sound = texts.length === count && numbers.every(Number.isSafeInteger);
  if (!sound || textOf(...numbers) !== before) throw new HistoryCursorError(before);
  return numbers;
}
