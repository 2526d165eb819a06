import type { ArchivePosition } from "../../../archive/archive-form.js";
import type { ArchiveReader, HistoryTrade } from "../../../archive/archive-reader.js";
import type { Trade } from "../../../contract/messages.js";
import { DecimalScale } from "../../../shared/decimal-scale.js";
import type { MarketId } from "../../../shared/market-id.js";

/** Trades of a piece. */
const PIECE_TRADES_MAX = 200;

/** What trades are replayed from. */
export type TradeArchive = Pick<ArchiveReader, "reach" | "lacks" | "tradesFrom">;
export type ArchiveReach = NonNullable<ReturnType<TradeArchive["reach"]>>;

/** See {@link ArchiveAccess}. */
export interface TradeArchiveSource {
  readonly reader: TradeArchive | undefined;
  /** Another one: it may be another archive that is read, which has not come so far. */
  readonly generation: number;
  noteFault(error: unknown): void;
}

/**
 * Trades that are replayed out of the archive: those of a market, or of all where it has none, whose `ts` is
 * not before `since`, in microseconds, and before `until`; behind `after`, where a former piece ended.
 *
 * Invariant: the archive of that generation had come to `until`, with the trade of `lastNumber`, and when this was
 * made it had all that was told since `since`.
 */
export interface ArchivedTrades {
  readonly marketId: MarketId | undefined;
  readonly since: number;
  readonly until: number;
  readonly after: ArchivePosition | undefined;
  readonly lastNumber: number;
  readonly generation: number;
}

interface ArchivedPiece {
  readonly trades: readonly HistoryTrade[];
  /** What comes behind them; undefined where those were the last. */
  readonly rest: ArchivedTrades | undefined;
}

/**
 * Reads the next of them: "away" while there is no archive to read, or it has not come so far again, and "lost"
 * where it may not have all of them any more. An archive that was opened or made anew has the same positions: of
 * the exchange's trades, as their numbers are the store's; of another feed's, or it lacks all of before. Throws what
 * the archive throws.
 */
export function nextPiece(
  part: ArchivedTrades,
  archive: TradeArchiveSource,
): ArchivedPiece | "away" | "lost" {
  const { marketId, since, until, after, lastNumber } = part;
  const { reader, generation } = archive;
  if (reader === undefined) return "away";
  const from = after?.ts ?? since;
  if (generation !== part.generation) {
    const reach = reader.reach();
    if (reach === undefined) return "away";
    if (reach.lastNumber < lastNumber) return reader.lacks(from, until) ? "lost" : "away";
  }
  const page = reader.tradesFrom(marketId, since, after, PIECE_TRADES_MAX);
  // Looked at behind the trades, as they may be pruned meanwhile.
  if (reader.lacks(from, until)) return "lost";
  const trades = page.trades.filter(({ ts }) => ts < until);
  const isLast = page.next === undefined || trades.length < page.trades.length;
  return { trades, rest: isLast ? undefined : { ...part, after: page.next, generation } };
}

/** A trade as messages tell it. @param epoch the present one; a trade of another one carries its own */
export function toldTrade({ market, ...trade }: HistoryTrade, epoch: string): Trade {
  return {
    trade_id: trade.tradeId,
    market_id: market.marketId,
    price: scaleOf(market.tickSize).toNumber(trade.price),
    quantity: scaleOf(market.lotSize).toNumber(trade.quantity),
    taker_side: trade.takerSide,
    seq: trade.seq,
    ts: trade.ts,
    ...(trade.epoch !== epoch && { epoch: trade.epoch }),
  };
}

const scales = new Map<number, DecimalScale>();

/** The scale of a step that a market has or had; there are as many as markets have different ones. */
export function scaleOf(step: number): DecimalScale {
  let scale = scales.get(step);
  if (scale === undefined) {
    scale = DecimalScale.of(step);
    if (scale === undefined) throw new Error(`archive: a step of ${step} is no decimal`);
    scales.set(step, scale);
  }
  return scale;
}
