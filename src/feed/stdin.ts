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
  priceTicks,
  quantityLots,
  RejectedInput,
  requireUncrossed,
  takeLine,
} from "./rejected-input.js";
import { openStandardInput } from "./standard-input.js";
import { parseStdinMessage, type StdinMessage } from "./stdin-message.js";

type MessageOf<Type extends StdinMessage["type"]> = Extract<StdinMessage, { type: Type }>;

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
  for (const { number, text, illFormed } of lines) {
    if (text?.trim() === "") continue;
    takeLine(sink, number, () => {
      if (text === undefined) throw new RejectedInput("LINE_TOO_LONG", "the line is too long");
      if (illFormed) throw new RejectedInput("INVALID_JSON", "the line is not UTF-8");
      publishMessage(sink, parseStdinMessage(text));
    });
  }
}

function publishMessage(sink: FeedSink, message: StdinMessage): void {
  switch (message.type) {
    case "market":
      sink.list(toMarketDefinition(message), message.status);
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
      sink.setStatus(requireMarket(sink, message.market_id), message.status);
  }
}

function requireMarket(sink: FeedSink, marketId: MarketId): ListedMarket {
  const market = sink.find(marketId);
  if (market !== undefined) return market;
  throw new RejectedInput("UNKNOWN_MARKET", `no "market" line came before for ${marketId}`);
}

function publishQuote(sink: FeedSink, market: ListedMarket, quote: MessageOf<"quote">): void {
  const { best_bid, best_ask } = quote;
  const bestBid = best_bid === null ? null : priceTicks(market, best_bid, "best_bid");
  const bestAsk = best_ask === null ? null : priceTicks(market, best_ask, "best_ask");
  requireUncrossed(bestBid, bestAsk, "CROSSED_QUOTE");
  sink.quote(market, bestBid, bestAsk);
}

function toTrade(market: ListedMarket, message: MessageOf<"trade">): FeedTrade {
  const { trade_id: tradeId, taker_side: takerSide } = message;
  const price = priceTicks(market, message.price, "price");
  const quantity = quantityLots(market, message.quantity, "quantity");
  return { price, quantity, takerSide, ...(tradeId !== undefined && { tradeId }) };
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
    const ticks = priceTicks(market, price, name);
    if (name === "bids" ? ticks >= best : ticks <= best) {
      throw new RejectedInput(
        "INVALID_VALUE",
        `${name} are not sorted best first, or repeat a price`,
      );
    }
    best = ticks;
    side.price[i] = ticks;
    side.quantity[i] = quantityLots(market, quantity, name);
  }
  side.length = levels.length;
}
