import { isBefore } from "../../../ring/layout.js";
import { readTrade } from "../../../ring/records.js";
import type { MarketId } from "../../../shared/market-id.js";
import type {
  ArchivedTrades,
  ArchiveReach,
  TradeArchive,
  TradeArchiveSource,
} from "./archived-trades.js";
import type { HistoryWindow } from "./history-window.js";
import { type Recovered, Recovery, refused } from "./recovery.js";

/** Trades that are counted in one read. */
const COUNTED_AT_ONCE = 250;
/** What a read costs, and each trade of it, as so many records of a ring that are looked at. */
const READ_COST = 128;
const TRADE_COST = 16;

/**
 * Finds what is replayed of the trades of a market, or of all, since a `ts` that the window does not reach
 * back to: out of the archive what was told before a moment, out of the window what was told from there on. The
 * moment is the latest that both the archive and the mirror have come to, so that the window has the least to
 * hold meanwhile.
 *
 * Whoever has been told that it is recovered gets them all: what the archive has is looked at first, and waited
 * for within bounds.
 */
export class ArchiveRecovery {
  readonly #window: HistoryWindow;
  readonly #marketId: MarketId | undefined;
  readonly #since: number;
  readonly #maxMessages: number;
  readonly #archive: TradeArchiveSource;
  readonly #now: () => number;
  readonly #giveUpAt: number;
  #part: ArchivedTrades | undefined;
  /** What follows the part, once that is counted. */
  #rest: Recovery | undefined;
  #counted = 0;
  /** What it has cost, as so many records that were looked at. */
  cost = 0;
  /** It has to wait for the archive. */
  waits = false;
  result: Recovered | undefined;

  /**
   * @param maxMessages more are not replayed
   * @param giveUpAt until when the archive is waited for
   * @param now the clock of that, in ms
   */
  constructor(
    window: HistoryWindow,
    marketId: MarketId | undefined,
    since: number,
    maxMessages: number,
    archive: TradeArchiveSource,
    giveUpAt: number,
    now: () => number = () => performance.now(),
  ) {
    this.#window = window;
    this.#marketId = marketId;
    this.#since = since;
    this.#maxMessages = maxMessages;
    this.#archive = archive;
    this.#now = now;
    this.#giveUpAt = giveUpAt;
  }

  /** Goes on until it has cost so many records, or one read more; returns what it has cost. */
  step(records: number): number {
    this.waits = false;
    const before = this.cost;
    try {
      while (this.result === undefined && !this.waits && this.cost - before < records)
        this.#look(records);
    } catch (error) {
      this.#archive.noteFault(error);
      this.#wait();
    }
    return this.cost - before;
  }

  #look(records: number): void {
    if (this.#rest !== undefined) return this.#findRest(this.#rest, records);
    const { reader, generation } = this.#archive;
    if (reader === undefined) return this.#wait();
    if (this.#part?.generation !== generation) return this.#begin(reader, generation);
    this.#count(reader, this.#part);
  }

  #begin(reader: TradeArchive, generation: number): void {
    this.cost += READ_COST;
    const { mirror } = this.#window;
    const since = this.#since;
    const reach = reader.reach();
    // Of the epoch's beginning it is known that all before it is there.
    if (reach?.epoch !== mirror.epoch) return this.#wait();
    // What the mirror has not read yet is told from where it stands, whatever its ts.
    const read = Math.min(reach.lastTs, mirror.position);
    const until = Math.max(read, mirror.completeFrom);
    if (until < since || (until > read && !this.#hasAllBefore(until, reach))) return this.#wait();
    if (reader.lacks(since, until)) {
      this.result = refused("archive");
      return;
    }
    this.#counted = 0;
    const { lastNumber } = reach;
    const part = { marketId: this.#marketId, since, until, after: undefined };
    this.#part = { ...part, lastNumber, generation };
  }

  /**
   * Whether all trades with a `ts` before an epoch's beginning are in an archive that has come so far: the
   * first that a producer tells may be those that the one before has left untold.
   */
  #hasAllBefore(ts: number, { lastTs, lastNumber }: ArchiveReach): boolean {
    const { mirror, trades } = this.#window;
    if (mirror.tradesPending) return false;
    const at = trades.before(ts);
    // The first ones have been overwritten: when the archive has come to what is left, it has those.
    if (at !== undefined && at.ts >= ts && at.number !== 0) return false;
    trades.refresh();
    for (
      let position = at?.position ?? mirror.tradesRead;
      isBefore(position, mirror.tradesRead);
    ) {
      this.cost++;
      if (!trades.read(position)) return false;
      if (trades.type !== 0) {
        const { recordTs } = trades;
        if (recordTs >= ts) return true;
        // Only the exchange leaves trades untold, and their ids are their numbers.
        const { tradeId } = readTrade(trades.words, trades.offset);
        if (recordTs > lastTs || Number(tradeId) > lastNumber) return false;
      }
      position = (position + trades.units) >>> 0;
    }
    return true;
  }

  #count(reader: TradeArchive, part: ArchivedTrades): void {
    const { marketId, since, until, after } = part;
    const { trades, next } = reader.tradesFrom(marketId, since, after, COUNTED_AT_ONCE);
    this.cost += READ_COST + TRADE_COST * trades.length;
    const before = trades.filter(({ ts }) => ts < until).length;
    this.#counted += before;
    if (this.#counted > this.#maxMessages) this.result = refused("messages");
    else if (next !== undefined && before === trades.length) this.#part = { ...part, after: next };
    else this.#rest = this.#recoveryFrom(until);
  }

  #recoveryFrom(ts: number): Recovery {
    const market_id = this.#marketId;
    const params = market_id === undefined ? null : { market_id };
    const left = this.#maxMessages - this.#counted;
    return new Recovery(this.#window, { type: "Trades", params }, ts, left);
  }

  #findRest(rest: Recovery, records: number): void {
    const before = rest.cost;
    rest.step(records);
    this.cost += Math.max(1, rest.cost - before);
    const { result } = rest;
    if (result === undefined) return;
    this.#rest = undefined;
    const part = this.#part as ArchivedTrades;
    this.#part = undefined;
    // The window has moved on meanwhile, and so has the archive.
    if (!result.recovered && result.refusal === "window") return this.#wait();
    const archived = this.#counted === 0 ? undefined : { ...part, after: undefined };
    this.result = result.recovered ? { ...result, archived } : result;
  }

  /** It is looked again later, or given up. */
  #wait(): void {
    if (this.#now() < this.#giveUpAt) this.waits = true;
    else this.result = refused("archive");
  }
}
