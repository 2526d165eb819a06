import { CANDLES_MAX } from "../../../contract/limits.js";
import type { Candle as WireCandle } from "../../../contract/messages.js";
import {
  addTrade,
  beginCandle,
  CANDLE_INTERVALS,
  type Candle,
  type CandleInterval,
  candleStart,
} from "../../../shared/candle.js";
import type { DecimalScale } from "../../../shared/decimal-scale.js";
import type { MarketId } from "../../../shared/market-id.js";
import { type Audience, CLOSED_TOLD_MAX } from "./audience.js";

/** A candle is over when nothing of it has come for so long after its end by the clock, in microseconds. */
const GRACE_MICROS = 1_000_000;

/** Trades that wait for those before at most; with more, all of them are taken from the archive. */
const HELD_MAX = 50_000;

/** A candle, and the round in which it changed last; of a closed one, its end included. */
interface Entry {
  readonly candle: Candle;
  round: number;
}

interface Steps {
  readonly priceScale: DecimalScale;
  readonly quantityScale: DecimalScale;
}

/** A trade that waits until the archive's are known. */
interface HeldTrade {
  readonly ts: number;
  readonly seq: number;
  readonly price: number;
  readonly quantity: number;
}

/** One candle to be told. */
interface Told {
  readonly candle: WireCandle;
  readonly closed: boolean;
}

/**
 * The candles of a market in one interval, from trades in the order in which they were told. The newest
 * that are closed are kept, and rounds, from which follows what somebody who fell behind has missed.
 *
 * Invariants: candles are in the order of their starts, each with a trade; the current one, if any, is
 * behind all that are closed. While trades are held, there is none.
 */
export class CandleSeries {
  readonly marketId: MarketId;
  readonly interval: CandleInterval;
  /** Those who want it. */
  readonly audiences = new Set<Audience>();
  /** In the list of those that changed in the round under way. */
  dirty = false;
  /** It has the candles of before, and is told. */
  begun = true;
  /** `ts` of the last trade, in microseconds. */
  lastTs = 0;
  readonly #length: number;
  #steps: Steps;
  readonly #closed: Entry[] = [];
  #current: Entry | undefined;
  /** The last round of which a closed candle is not kept any more. */
  #evictedRound = -1;

  /** Trades that were told since it began anew, until those before are known. */
  #held: HeldTrade[] | undefined;
  /** How often all held trades were let go. */
  heldAnew = 0;
  /** Trades of this epoch up to this number came with the candles of before; the shard may read some later. */
  #joinedSeq = 0;
  /** Start of the last candle that was told before it began anew; undefined where none was. */
  #toldStart: number | undefined;

  constructor(marketId: MarketId, interval: CandleInterval, steps: Steps) {
    this.marketId = marketId;
    this.interval = interval;
    this.#length = CANDLE_INTERVALS[interval];
    this.#steps = steps;
  }

  /** Begins anew if another producer lists the market with other steps, in which nothing here is counted. */
  adopt(steps: Steps): void {
    const { priceScale, quantityScale } = steps;
    if (this.hasSteps({ tickSize: priceScale.step, lotSize: quantityScale.step })) return;
    this.#steps = steps;
    this.#closed.length = 0;
    this.#current = undefined;
    if (this.#held !== undefined) this.#held = [];
  }

  /** Whether its prices and quantities are counted in these steps. */
  hasSteps({
    tickSize,
    lotSize,
  }: {
    readonly tickSize: number;
    readonly lotSize: number;
  }): boolean {
    const { priceScale, quantityScale } = this.#steps;
    return priceScale.step === tickSize && quantityScale.step === lotSize;
  }

  // --- Its beginning ------------------------------------------------------------------------------

  /** Forgets its candles and holds the trades that follow, until it is joined with those before. */
  beginAnew(): void {
    if (this.begun) this.#toldStart = (this.#current ?? this.#closed.at(-1))?.candle.start;
    this.begun = false;
    this.#closed.length = 0;
    this.#current = undefined;
    this.#held = [];
    this.#joinedSeq = 0;
  }

  /**
   * Goes on from the newest candle of before, with the held trades that are not in it.
   * @param seq the number of the last trade that is, 0 where none of this epoch is
   */
  join(newest: Candle | undefined, seq: number): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    this.#joinedSeq = seq;
    if (newest !== undefined) {
      this.lastTs = Math.max(this.lastTs, newest.start);
      this.#current = { candle: { ...newest }, round: -1 };
    }
    for (const trade of held) this.take(-1, trade);
  }

  /** Puts closed candles, newest first, before those that there are. */
  prepend(older: readonly Candle[]): void {
    const room = CANDLES_MAX - this.#closed.length;
    const entries = older.slice(0, room).map((candle): Entry => ({ candle, round: -1 }));
    this.#closed.unshift(...entries.reverse());
  }

  /** Is told from this round on: to everybody, what changed since they were told last included. */
  begin(round: number): void {
    this.begun = true;
    this.#evictedRound = round;
    const told = this.#toldStart;
    this.#toldStart = undefined;
    if (told === undefined) return;
    for (const entry of this.#entries()) if (entry.candle.start >= told) entry.round = round;
  }

  // --- Its candles --------------------------------------------------------------------------------

  /** Adds a trade of a round, in ticks and lots. */
  take(round: number, { ts, seq, price, quantity }: HeldTrade): void {
    this.lastTs = ts;
    if (this.#held !== undefined) {
      if (this.#held.length === HELD_MAX) {
        this.#held.length = 0;
        this.heldAnew++;
      }
      this.#held.push({ ts, seq, price, quantity });
      return;
    }
    if (seq <= this.#joinedSeq) return;
    const start = candleStart(ts, this.#length);
    const entry = this.#current ?? this.#closed.at(-1);
    if (entry === undefined || start > entry.candle.start) {
      if (this.#current !== undefined) this.#close(round);
      this.#current = { candle: beginCandle(start, price, quantity), round };
    } else {
      // Of one that was over by the clock: the trade was told late, and the candle is told again.
      addTrade(entry.candle, price, quantity);
      entry.round = round;
    }
  }

  /**
   * Closes the current candle if it is over: all that was told before its end has been read, as far as
   * `position`, or its end is long enough ago by the clock. Both in microseconds. Returns whether it was.
   */
  closeAt(round: number, position: number, now: number): boolean {
    if (this.#current === undefined) return false;
    const end = this.#current.candle.start + this.#length;
    if (position < end && now < end + GRACE_MICROS) return false;
    this.#close(round);
    return true;
  }

  /** The newest candles, oldest first, the current one included. */
  newest(limit: number): WireCandle[] {
    const entries = this.#entries();
    return entries
      .slice(Math.max(0, entries.length - limit))
      .map(({ candle }) => this.#wire(candle));
  }

  /**
   * What changed after a round: closed candles in their order, then the current one. Undefined where they
   * are more than are told one by one, or not kept any more.
   */
  changedSince(round: number): Told[] | undefined {
    const told: Told[] = [];
    for (let at = this.#closed.length - 1; at >= 0; at--) {
      const { candle, round: changed } = this.#closed[at] as Entry;
      if (changed <= round) break;
      if (told.length === CLOSED_TOLD_MAX) return undefined;
      told.push({ candle: this.#wire(candle), closed: true });
    }
    if (this.#evictedRound > round) return undefined;
    told.reverse();
    const current = this.#current;
    if (current !== undefined && current.round > round)
      told.push({ candle: this.#wire(current.candle), closed: false });
    return told;
  }

  /** How many candles changed after a round, of those that are kept. */
  countSince(round: number): number {
    return this.#entries().filter((entry) => entry.round > round).length;
  }

  #entries(): readonly Entry[] {
    return this.#current === undefined ? this.#closed : [...this.#closed, this.#current];
  }

  #close(round: number): void {
    const entry = this.#current as Entry;
    entry.round = round;
    this.#closed.push(entry);
    this.#current = undefined;
    if (this.#closed.length <= CANDLES_MAX) return;
    this.#evictedRound = Math.max(this.#evictedRound, (this.#closed.shift() as Entry).round);
  }

  #wire({ start, open, high, low, close, volume, trades }: Candle): WireCandle {
    const { priceScale: price, quantityScale } = this.#steps;
    return [
      start,
      price.toNumber(open),
      price.toNumber(high),
      price.toNumber(low),
      price.toNumber(close),
      quantityScale.toNumber(volume),
      trades,
    ];
  }
}
