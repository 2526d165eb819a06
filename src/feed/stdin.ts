import type { Readable } from "node:stream";
import {
  type Book,
  type BookSide,
  createBook,
  type Feed,
  type FeedContext,
  type FeedSink,
  type FeedTrade,
  type ListedMarket,
  type MarketId,
} from "./feed.js";
import { type Line, LineSplitter } from "./lines.js";
import { toMarketDefinition } from "./market-schema.js";
import {
  type InputField,
  jsonLines,
  priceTicks,
  quantityLots,
  RejectedInput,
  requireUncrossed,
  takeLine,
} from "./rejected-input.js";
import { openStandardInput } from "./standard-input.js";
import { parseStdinMessage, type StdinMessage } from "./stdin-message.js";

type MessageOf<Type extends StdinMessage["type"]> = Extract<StdinMessage, { type: Type }>;

const SOURCE = jsonLines("standard input");
const BEST_BID = fieldOf("best_bid");
const BEST_ASK = fieldOf("best_ask");
const PRICE = fieldOf("price");
const QUANTITY = fieldOf("quantity");
const BID_QUANTITY = fieldOf("bid_quantity");
const ASK_QUANTITY = fieldOf("ask_quantity");

function fieldOf(name: string): InputField {
  return { name, path: [name] };
}

/**
 * NDJSON from standard input, one message a line (see stdin-message.ts), as fast as it comes; the
 * writer is held back by the pipe. It ends with the input.
 */
export class StdinFeed implements Feed {
  readonly #openInput: () => Readable;

  constructor(openInput: () => Readable = openStandardInput) {
    this.#openInput = openInput;
  }

  async run(sink: FeedSink, { signal }: FeedContext): Promise<void> {
    if (signal.aborted) return;
    const input = this.#openInput();
    const stop = () => input.destroy();
    signal.addEventListener("abort", stop);
    const splitter = new LineSplitter();
    try {
      for await (const chunk of input) takeLines(sink, splitter.push(chunk as Buffer));
      takeLines(sink, splitter.end());
    } catch (error) {
      // Destroying the input makes its iteration reject.
      if (!signal.aborted) throw error;
    } finally {
      signal.removeEventListener("abort", stop);
    }
  }
}

function takeLines(sink: FeedSink, lines: readonly Line[]): void {
  for (const line of lines) {
    if (line.text?.trim() === "") continue;
    takeLine(sink, SOURCE, line, (text) => publishMessage(sink, parseStdinMessage(text)));
  }
}

function publishMessage(sink: FeedSink, message: StdinMessage): void {
  switch (message.type) {
    case "market":
      sink.list(toMarketDefinition(message), message.status ?? undefined);
      return;
    case "quote":
      publishQuote(sink, requireMarket(sink, message.market_id), message);
      return;
    case "trade": {
      const market = requireMarket(sink, message.market_id);
      sink.trade(market, toTrade(market, message));
      return;
    }
    case "book": {
      const market = requireMarket(sink, message.market_id);
      sink.book(market, toBook(market, message));
      return;
    }
    case "status":
      return sink.setStatus(requireMarket(sink, message.market_id), message.status);
    default:
      return message satisfies never;
  }
}

function requireMarket(sink: FeedSink, marketId: MarketId): ListedMarket {
  const market = sink.find(marketId);
  if (market !== undefined) return market;
  const message = `no "market" line came before for ${marketId}`;
  throw new RejectedInput("UNKNOWN_MARKET", message, ["market_id"]);
}

function publishQuote(sink: FeedSink, market: ListedMarket, quote: MessageOf<"quote">): void {
  const { best_bid, best_ask } = quote;
  const bestBid = best_bid === null ? null : priceTicks(market, best_bid, BEST_BID);
  const bestAsk = best_ask === null ? null : priceTicks(market, best_ask, BEST_ASK);
  requireUncrossed(bestBid, bestAsk, "CROSSED_QUOTE");
  sink.quote(
    market,
    bestBid,
    bestAsk,
    sizeOf(market, bestBid, quote.bid_quantity, BID_QUANTITY),
    sizeOf(market, bestAsk, quote.ask_quantity, ASK_QUANTITY),
  );
}

/** The size of a best price; null where there is none, or nothing is said of it. */
function sizeOf(
  market: ListedMarket,
  best: number | null,
  quantity: number | null | undefined,
  field: typeof QUANTITY,
): number | null {
  if (best === null || quantity === null || quantity === undefined) return null;
  return quantityLots(market, quantity, field);
}

function toTrade(market: ListedMarket, message: MessageOf<"trade">): FeedTrade {
  const { trade_id: tradeId, taker_side: takerSide } = message;
  const price = priceTicks(market, message.price, PRICE);
  const quantity = quantityLots(market, message.quantity, QUANTITY);
  return { price, quantity, takerSide, ...(typeof tradeId === "string" && { tradeId }) };
}

function toBook(market: ListedMarket, { bids, asks }: MessageOf<"book">): Book {
  const book = createBook();
  fillSide(book.bids, market, bids, "bids");
  fillSide(book.asks, market, asks, "asks");
  if (bids.length > 0 && asks.length > 0) {
    requireUncrossed(book.bids.price[0] ?? null, book.asks.price[0] ?? null, "CROSSED_BOOK");
  }
  return book;
}

function fillSide(
  side: BookSide,
  market: ListedMarket,
  levels: MessageOf<"book">["bids"],
  name: "bids" | "asks",
): void {
  let best = name === "bids" ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY;
  for (const [i, [price, quantity]] of levels.entries()) {
    const ticks = priceTicks(market, price, { name, path: [name, i, 0] });
    if (name === "bids" ? ticks >= best : ticks <= best) {
      const message = `${name} are not sorted best first, or repeat a price`;
      throw new RejectedInput("INVALID_VALUE", message, [name, i]);
    }
    best = ticks;
    side.price[i] = ticks;
    side.quantity[i] = quantityLots(market, quantity, { name, path: [name, i, 1] });
  }
  side.length = levels.length;
}
