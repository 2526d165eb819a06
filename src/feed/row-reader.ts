import { parse as parseCsv } from "csv-parse/sync";
import {
  type Book,
  createBook,
  type FeedSink,
  type FeedTrade,
  type ListedMarket,
  type Side,
} from "./feed.js";
import type { Column, FeedMap, FileFormat } from "./feed-map.js";
import { priceTicks, quantityLots, RejectedInput, requireUncrossed } from "./rejected-input.js";

/** Raw price, positive or negative, that LOBSTER's files give an empty side. */
const EMPTY_SIDE_PRICE = 9_999_999_999;

/** A row's values by column: an array for CSV, an object for NDJSON. */
type Cells = Readonly<Record<Column, unknown>>;

/** A market of the map as its rows have left it. */
export interface RowMarket {
  readonly listed: ListedMarket;
  readonly book: Book;
  bestBid: number | null;
  bestAsk: number | null;
}

/** One side of a quote, in ticks and lots; the price is null where the side is empty. */
interface QuoteSide {
  readonly price: number | null;
  readonly size: number;
}

interface RowQuote {
  readonly bid: QuoteSide;
  readonly ask: QuoteSide;
  /** Whether the file has sizes; without them there is no book. */
  readonly hasSizes: boolean;
}

/** A row of a recorded file, checked and in the sink's units. */
export interface Row {
  readonly market: RowMarket;
  /** In ms since any moment; NaN without a time column. */
  readonly timeMs: number;
  readonly quote: RowQuote | undefined;
  readonly trade: FeedTrade | undefined;
}

/** The cells of one line of CSV. A quoted cell ends with its line. */
export function splitCsvLine(text: string, delimiter: string): readonly string[] {
  if (!text.includes('"')) return text.split(delimiter);
  try {
    return (parseCsv(text, { delimiter, relax_column_count: true }) as string[][])[0] ?? [];
  } catch (error) {
    throw new RejectedInput("INVALID_ROW", (error as Error).message);
  }
}

/** Turns lines into rows, by a map whose columns are resolved (indexes for CSV, keys for NDJSON). */
export class RowReader {
  readonly #map: FeedMap;
  readonly #format: FileFormat;
  readonly #cellsMin: number;
  readonly #markets: ReadonlyMap<string, RowMarket>;
  readonly #onlyMarket: RowMarket | undefined;

  /** Lists the map's markets. */
  constructor(map: FeedMap, format: FileFormat, sink: FeedSink) {
    this.#map = map;
    this.#format = format;
    const used = [...Object.values(map.columns), map.time?.column];
    this.#cellsMin = 1 + Math.max(...used.filter((column) => typeof column === "number"));
    const list = (definition: Parameters<FeedSink["list"]>[0]): RowMarket => {
      return { listed: sink.list(definition), book: createBook(), bestBid: null, bestAsk: null };
    };
    this.#onlyMarket = map.market && list(map.market);
    this.#markets = new Map([...map.markets].map(([name, market]) => [name, list(market)]));
  }

  /** Throws RejectedInput, without any effect. */
  read(text: string): Row {
    const cells = this.#format === "csv" ? this.#csvCells(text) : jsonCells(text);
    const market = this.#onlyMarket ?? this.#marketOf(cells);
    const quote = this.#quoteOf(cells, market.listed);
    const trade = this.#tradeOf(cells, market);
    if (quote === undefined && trade === undefined) {
      throw new RejectedInput("INVALID_ROW", "the row holds neither quote nor trade");
    }
    return { market, timeMs: this.#timeOf(cells), quote, trade };
  }

  #csvCells(text: string): Cells {
    const cells = splitCsvLine(text, this.#map.delimiter);
    if (cells.length < this.#cellsMin) {
      const message = `the row has ${cells.length} columns, the map needs ${this.#cellsMin}`;
      throw new RejectedInput("INVALID_ROW", message);
    }
    return cells as unknown as Cells;
  }

  #marketOf(cells: Cells): RowMarket {
    const name = String(cells[this.#map.columns.market as Column]).trim();
    const market = this.#markets.get(name);
    if (market !== undefined) return market;
    throw new RejectedInput("UNKNOWN_MARKET", `the map has no market ${JSON.stringify(name)}`);
  }

  #timeOf(cells: Cells): number {
    const { time } = this.#map;
    if (time === undefined) return Number.NaN;
    const value = numberAt(cells, time.column, "time");
    if (value === undefined) throw new RejectedInput("INVALID_ROW", "the row has no time");
    return value * time.unitMs;
  }

  #quoteOf(cells: Cells, market: ListedMarket): RowQuote | undefined {
    const { bid_price, bid_size, ask_price, ask_size } = this.#map.columns;
    if (bid_price === undefined || ask_price === undefined) return undefined;
    const bidPrice = numberAt(cells, bid_price, "bid price");
    const askPrice = numberAt(cells, ask_price, "ask price");
    if (bidPrice === undefined && askPrice === undefined) return undefined;
    const bid = this.#sideOf(market, bidPrice, cells, bid_size, "bid");
    const ask = this.#sideOf(market, askPrice, cells, ask_size, "ask");
    requireUncrossed(bid.price, ask.price, "CROSSED_QUOTE");
    return { bid, ask, hasSizes: bid_size !== undefined };
  }

  #sideOf(
    market: ListedMarket,
    rawPrice: number | undefined,
    cells: Cells,
    sizeColumn: Column | undefined,
    name: string,
  ): QuoteSide {
    const rawSize = sizeColumn === undefined ? undefined : numberAt(cells, sizeColumn, "size");
    const empty = rawPrice === undefined || Math.abs(rawPrice) === EMPTY_SIDE_PRICE;
    if (empty || rawSize === 0) return { price: null, size: 0 };
    const price = priceTicks(market, rawPrice / this.#map.priceScale, `${name} price`);
    if (sizeColumn === undefined) return { price, size: 0 };
    if (rawSize === undefined) throw new RejectedInput("INVALID_ROW", `the ${name} has no size`);
    return { price, size: quantityLots(market, rawSize, `${name} size`) };
  }

  #tradeOf(cells: Cells, market: RowMarket): FeedTrade | undefined {
    const { trade_price, trade_size, trade_side } = this.#map.columns;
    if (trade_price === undefined || trade_size === undefined) return undefined;
    const rawPrice = numberAt(cells, trade_price, "trade price");
    const rawSize = numberAt(cells, trade_size, "trade size");
    if (rawPrice === undefined && rawSize === undefined) return undefined;
    if (rawPrice === undefined || rawSize === undefined) {
      throw new RejectedInput("INVALID_ROW", "a trade needs price and size");
    }
    const price = priceTicks(market.listed, rawPrice / this.#map.priceScale, "trade price");
    const quantity = quantityLots(market.listed, rawSize, "trade size");
    const takerSide =
      trade_side === undefined ? likelySide(market, price) : sideAt(cells, trade_side);
    return { price, quantity, takerSide };
  }
}

function jsonCells(text: string): Cells {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new RejectedInput("INVALID_JSON", (error as Error).message);
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Cells;
  throw new RejectedInput("INVALID_ROW", "the row is no JSON object");
}

/** The number in a cell, undefined where the cell is empty. */
function numberAt(cells: Cells, column: Column, name: string): number | undefined {
  const cell = cells[column];
  if (cell === undefined || cell === null) return undefined;
  const text = typeof cell === "string" ? cell.trim() : cell;
  if (text === "") return undefined;
  const value = typeof text === "string" ? Number(text) : text;
  if (typeof value === "number" && Number.isFinite(value)) return value;
  throw new RejectedInput("INVALID_ROW", `${name} ${JSON.stringify(cell)} is no number`);
}

function sideAt(cells: Cells, column: Column): Side {
  const cell = cells[column];
  const initial = typeof cell === "string" ? cell.trim().charAt(0).toUpperCase() : "";
  if (initial === "B") return "Buy";
  if (initial === "S") return "Sell";
  throw new RejectedInput("INVALID_ROW", `trade side ${JSON.stringify(cell)} is no side`);
}

/** The quote rule: a trade in the upper half of the quote was likely bought. */
function likelySide({ bestBid, bestAsk }: RowMarket, price: number): Side {
  if (bestBid !== null && bestAsk !== null) return 2 * price >= bestBid + bestAsk ? "Buy" : "Sell";
  return bestBid !== null && price <= bestBid ? "Sell" : "Buy";
}
