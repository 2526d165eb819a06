import type { DecimalScale } from "../shared/decimal-scale.js";
import { exactNumber, inexactReason, LongNumber } from "../shared/exact-number.js";
import { splitCsvLine } from "./csv-line.js";
import {
  type Book,
  createBook,
  type FeedSink,
  type FeedTrade,
  type ListedMarket,
  type MarketDefinition,
  type Side,
} from "./feed.js";
import type { Column, FeedMap, FeedMapColumns, FileFormat } from "./feed-map.js";
import {
  type InputField,
  parseJsonLine,
  priceTicks,
  quantityLots,
  RejectedInput,
  requireUncrossed,
} from "./rejected-input.js";
import { RowClock } from "./row-clock.js";

/** Raw price, positive or negative, that LOBSTER's files give an empty side. */
const EMPTY_SIDE_PRICE = 9_999_999_999;

const SHOWN_LENGTH_MAX = 60;

/** A row's values by column: an array for CSV, an object for NDJSON. */
type Cells = Readonly<Record<Column, unknown>>;

/** A column of the map. */
interface CellField extends InputField {
  readonly column: Column;
}

type Fields = { readonly [Name in keyof FeedMapColumns]: CellField };

/** A market of the map as its rows have left it. */
interface RowMarket {
  readonly listed: ListedMarket;
  /** Of the prices in the file. */
  readonly rawPrices: DecimalScale;
  readonly book: Book;
  bestBid: number | null;
  bestAsk: number | null;
}

/** One side of a quote, in ticks and lots; the price is null where the side is empty. */
interface QuoteSide {
  readonly price: number | null;
  readonly size: number;
}

const EMPTY_SIDE: QuoteSide = { price: null, size: 0 };

interface RowQuote {
  readonly bid: QuoteSide;
  readonly ask: QuoteSide;
  /** Whether the file has sizes; without them there is no book. */
  readonly hasSizes: boolean;
}

/** A row of a recorded file, checked and in the sink's units. */
export interface Row {
  readonly market: RowMarket;
  /** In ms since the first row; NaN without a time column. */
  readonly timeMs: number;
  readonly quote: RowQuote | undefined;
  readonly trade: FeedTrade | undefined;
}

/** Turns lines into rows, by a map whose columns are resolved (indexes for CSV, keys for NDJSON). */
export class RowReader {
  readonly #map: FeedMap;
  readonly #format: FileFormat;
  readonly #cellsMin: number;
  readonly #fields: Fields;
  readonly #time: { readonly field: CellField; readonly clock: RowClock } | undefined;
  readonly #markets: ReadonlyMap<string, RowMarket>;
  readonly #onlyMarket: RowMarket | undefined;

  /** Lists the map's markets. */
  constructor(map: FeedMap, format: FileFormat, sink: FeedSink) {
    this.#map = map;
    this.#format = format;
    const used = [...Object.values(map.columns), map.time?.column];
    this.#cellsMin = 1 + Math.max(...used.filter((column) => typeof column === "number"));
    this.#fields = fieldsOf(map.columns);
    this.#time = map.time && {
      field: fieldOf("time", map.time.column),
      clock: new RowClock(map.time.unitMs),
    };
    const list = (definition: MarketDefinition): RowMarket => {
      const listed = sink.list(definition);
      const rawPrices = rawPriceScale(listed.priceScale, map.priceScale);
      return { listed, rawPrices, book: createBook(1), bestBid: null, bestAsk: null };
    };
    this.#onlyMarket = map.market && list(map.market);
    this.#markets = new Map([...map.markets].map(([name, market]) => [name, list(market)]));
  }

  /** Throws RejectedInput, without any effect: a row with an impossible part is refused as a whole. */
  read(text: string): Row {
    const cells = this.#format === "csv" ? this.#csvCells(text) : jsonCells(text);
    const market = this.#onlyMarket ?? this.#marketOf(cells);
    const quote = this.#quoteOf(cells, market);
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
    const field = this.#fields.market as CellField;
    const cell = cellAt(cells, field);
    if (typeof cell !== "string" && typeof cell !== "number" && !(cell instanceof LongNumber)) {
      throw new RejectedInput("INVALID_ROW", `market ${shown(cell)} is no name`, field.path);
    }
    // Of a number that a double may not stand for, the digits are the name.
    const name = cell instanceof LongNumber ? cell.text : String(cell);
    const market = this.#markets.get(name);
    if (market !== undefined) return market;
    const message = `the map has no market ${shown(name)}`;
    throw new RejectedInput("UNKNOWN_MARKET", message, field.path);
  }

  #timeOf(cells: Cells): number {
    if (this.#time === undefined) return Number.NaN;
    const { field, clock } = this.#time;
    const cell = cellAt(cells, field);
    if (cell === undefined) {
      throw new RejectedInput("INVALID_ROW", "the row has no time", field.path);
    }
    if (typeof cell === "string" || typeof cell === "number" || cell instanceof LongNumber) {
      const elapsedMs = clock.elapsedMs(cell);
      if (elapsedMs !== undefined) return elapsedMs;
    }
    throw new RejectedInput("INVALID_ROW", `time ${shown(cell)} is no number`, field.path);
  }

  #quoteOf(cells: Cells, market: RowMarket): RowQuote | undefined {
    const fields = this.#fields;
    if (fields.bid_price === undefined || fields.ask_price === undefined) return undefined;
    const bid = sideOf(cells, market, fields.bid_price, fields.bid_size, "bid");
    const ask = sideOf(cells, market, fields.ask_price, fields.ask_size, "ask");
    if (bid === undefined && ask === undefined) return undefined;
    const quote = {
      bid: bid ?? EMPTY_SIDE,
      ask: ask ?? EMPTY_SIDE,
      hasSizes: fields.bid_size !== undefined,
    };
    requireUncrossed(quote.bid.price, quote.ask.price, "CROSSED_QUOTE");
    return quote;
  }

  #tradeOf(cells: Cells, market: RowMarket): FeedTrade | undefined {
    const { trade_price, trade_size, trade_side } = this.#fields;
    if (trade_price === undefined || trade_size === undefined) return undefined;
    const rawPrice = numberAt(cells, trade_price);
    const rawSize = numberAt(cells, trade_size);
    if (rawPrice === undefined && rawSize === undefined) return undefined;
    if (rawPrice === undefined || rawSize === undefined) {
      const missing = rawPrice === undefined ? trade_price : trade_size;
      throw new RejectedInput("INVALID_ROW", "a trade needs price and size", missing.path);
    }
    const price = priceTicks(market.listed, rawPrice, trade_price, market.rawPrices);
    const quantity = quantityLots(market.listed, rawSize, trade_size);
    const takerSide = takerSideAt(cells, trade_side) ?? likelySide(market, price);
    return { price, quantity, takerSide };
  }
}

function fieldsOf(columns: FeedMapColumns): Fields {
  const fields = Object.entries(columns).flatMap(([name, column]) =>
    column === undefined ? [] : [[name, fieldOf(name.replace("_", " "), column)]],
  );
  return Object.fromEntries(fields) as Fields;
}

function fieldOf(name: string, column: Column): CellField {
  return { name, column, path: [column] };
}

/** The scale of a file's prices, which are those of the market × `priceScale`. */
function rawPriceScale(market: DecimalScale, priceScale: number): DecimalScale {
  const scale = priceScale === 1 ? market : market.times(priceScale);
  if (scale === undefined) throw new Error(`a map with price_scale ${priceScale} was taken`);
  return scale;
}

function jsonCells(text: string): Cells {
  const value = parseJsonLine(text);
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Cells;
  throw new RejectedInput("INVALID_ROW", "the row is no JSON object");
}

/** What stands in a cell, a text without outer blanks; undefined where the cell is empty. */
function cellAt(cells: Cells, { column }: CellField): unknown {
  const cell = cells[column];
  if (cell === undefined || cell === null) return undefined;
  const value = typeof cell === "string" ? cell.trim() : cell;
  return value === "" ? undefined : value;
}

/** The number in a cell, exactly; undefined where the cell is empty. */
function numberAt(cells: Cells, field: CellField): number | undefined {
  const cell = cellAt(cells, field);
  if (cell === undefined) return undefined;
  if (typeof cell === "number" && Number.isFinite(cell)) return cell;
  const text = cell instanceof LongNumber ? cell.text : cell;
  if (typeof text !== "string") {
    throw new RejectedInput("INVALID_ROW", `${field.name} ${shown(cell)} is no number`, field.path);
  }
  const number = exactNumber(text);
  if (number !== undefined) return number;
  const message = `${field.name} ${shown(cell)} ${inexactReason(text)}`;
  throw new RejectedInput("INVALID_ROW", message, field.path);
}

/** A side of a quote; undefined where the row does not say anything of its price. */
function sideOf(
  cells: Cells,
  market: RowMarket,
  priceField: CellField,
  sizeField: CellField | undefined,
  name: string,
): QuoteSide | undefined {
  const rawPrice = numberAt(cells, priceField);
  const rawSize = sizeField === undefined ? undefined : numberAt(cells, sizeField);
  if (rawPrice === undefined) return undefined;
  if (Math.abs(rawPrice) === EMPTY_SIDE_PRICE || rawSize === 0) return EMPTY_SIDE;
  const price = priceTicks(market.listed, rawPrice, priceField, market.rawPrices);
  if (sizeField === undefined) return { price, size: 0 };
  if (rawSize === undefined) {
    throw new RejectedInput("INVALID_ROW", `the ${name} has no size`, sizeField.path);
  }
  return { price, size: quantityLots(market.listed, rawSize, sizeField) };
}

/** The side in a cell, undefined where the cell is empty or there is no such column. */
function takerSideAt(cells: Cells, field: CellField | undefined): Side | undefined {
  const cell = field && cellAt(cells, field);
  if (field === undefined || cell === undefined) return undefined;
  const initial = typeof cell === "string" ? cell.charAt(0).toUpperCase() : "";
  if (initial === "B") return "Buy";
  if (initial === "S") return "Sell";
  throw new RejectedInput("INVALID_ROW", `trade side ${shown(cell)} is no side`, field.path);
}

/** The quote rule: a trade in the upper half of the quote was likely bought. */
function likelySide({ bestBid, bestAsk }: RowMarket, price: number): Side {
  if (bestBid !== null && bestAsk !== null) return 2 * price >= bestBid + bestAsk ? "Buy" : "Sell";
  return bestBid !== null && price <= bestBid ? "Sell" : "Buy";
}

/** A cell for a message, bounded. */
function shown(cell: unknown): string {
  if (typeof cell === "object" && cell !== null && !(cell instanceof LongNumber)) {
    return Array.isArray(cell) ? "(a list)" : "(an object)";
  }
  const text = typeof cell === "string" ? JSON.stringify(cell) : String(cell);
  return text.length > SHOWN_LENGTH_MAX ? `${text.slice(0, SHOWN_LENGTH_MAX)}…` : text;
}
