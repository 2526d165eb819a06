import type { ServerMessage } from "../../src/contract/messages.js";
import type { MarketStatus, Side } from "../../src/shared/market.js";
import type { MarketId } from "../../src/shared/market-id.js";
import type { ServerProcess } from "./server-process.js";
import { TestClient } from "./test-client.js";

/* Lines for the stdin feed; see docs/feeds.md. Markets have a tick size of 0.01 and a lot size of 1. */

export type FeedLine = Readonly<Record<string, unknown>>;
type Level = readonly [price: number, quantity: number];

export const TICK_SIZE = 0.01;

export function listing(market_id: MarketId, title: string, status?: MarketStatus): FeedLine {
  return { type: "market", market_id, title, tick_size: TICK_SIZE, lot_size: 1, status };
}

export function quote(
  market_id: MarketId,
  best_bid: number | null,
  best_ask: number | null,
): FeedLine {
  return { type: "quote", market_id, best_bid, best_ask };
}

export function trade(
  market_id: MarketId,
  price: number,
  quantity: number,
  more: { readonly trade_id?: string; readonly taker_side?: Side } = {},
): FeedLine {
  return { type: "trade", market_id, price, quantity, taker_side: "Buy", ...more };
}

export function book(
  market_id: MarketId,
  bids: readonly Level[],
  asks: readonly Level[],
): FeedLine {
  return { type: "book", market_id, bids, asks };
}

export function status(market_id: MarketId, to: MarketStatus): FeedLine {
  return { type: "status", market_id, status: to };
}

/** Feeds lines and resolves when all of the markets `ids` are listed for the clients. */
export async function feedListings(
  server: ServerProcess,
  ids: readonly MarketId[],
  ...lines: readonly FeedLine[]
): Promise<void> {
  const client = await TestClient.connect(server.port);
  await client.subscribe({ type: "Markets" });
  const missing = new Set(ids);
  server.feed(...lines);
  const note = (message: ServerMessage): boolean => {
    if (message.type === "MarketSnapshot")
      for (const market of message.data.markets) missing.delete(market.market_id);
    if (message.type === "MarketUpdate") missing.delete(message.data.market.market_id);
    return missing.size === 0;
  };
  await client.takeUntil(note);
  await client.close();
}

/** A market that tests move to know that all that was fed before it has been delivered. */
export const SENTINEL = 999;
export const SENTINEL_LISTING = listing(SENTINEL, "Sentinel");
let marks = 0;

/**
 * Feeds lines and takes what comes of them, up to a mark: the change of the sentinel market that is
 * fed behind them in the same chunk. The mark is seen on `stream`, which the client has to be
 * subscribed to for the sentinel, and is told behind whatever else that stream has to tell.
 */
export async function deliveries(
  server: ServerProcess,
  client: TestClient,
  stream: "PriceUpdate" | "MarketUpdate" | "TradeExecution",
  ...lines: readonly FeedLine[]
): Promise<ServerMessage[]> {
  const mark = ++marks;
  const trade_id = `mark-${mark}`;
  server.feed(...lines, trade(SENTINEL, mark, 1, { trade_id }), quote(SENTINEL, mark, mark + 1));
  const isMark = (message: ServerMessage): boolean => {
    if (message.type !== stream) return false;
    if (message.type === "TradeExecution") return message.data.trade.trade_id === trade_id;
    if (message.type === "PriceUpdate")
      return message.data.market_id === SENTINEL && message.data.best_bid === mark;
    return (
      message.type === "MarketUpdate" &&
      message.data.market.market_id === SENTINEL &&
      message.data.market.best_bid === mark
    );
  };
  return (await client.takeUntil(isMark)).slice(0, -1);
}
