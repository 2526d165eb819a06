import type { Channel } from "../../../contract/channels-schema.js";
import { CANDLES_MAX } from "../../../contract/limits.js";
import type { ServerMessage } from "../../../contract/messages.js";
import { type CounterSection, SHARD } from "../../../counters/counters.js";
import type { TradeRecord } from "../../../ring/records.js";
import { CANDLE_INTERVALS, type CandleInterval } from "../../../shared/candle.js";
import { nowMicros } from "../../../shared/clock.js";
import type { MarketId } from "../../../shared/market-id.js";
import { FairBudget, type Holder } from "../connections/fair-budget.js";
import type { Audience } from "./audience.js";
import { type CandleArchiveSource, CandleBeginnings } from "./candle-beginnings.js";
import { CandleSeries } from "./candle-series.js";
import type { FrameRanges } from "./frame-ranges.js";
import type { Mirror } from "./mirror.js";
import type { MirrorMarket } from "./mirror-market.js";
import type { RoundFrames } from "./round-frames.js";
import { type CandleRequest, seriesKey } from "./subscription-set.js";

const INTERVALS = Object.keys(CANDLE_INTERVALS) as readonly CandleInterval[];
/** How often it is looked whether a candle is over, in milliseconds. */
const LOOK_INTERVAL_MS = 500;

/** What it costs whoever asks for a series that has not begun: it is read, and its snapshot told later. */
const BEGINNING_COST_BYTES = 32 * 1024;

/** Where the messages of a series lie in the buffer of an encoding. */
type Frames = { readonly start: number; readonly end: number }[];

/**
 * The `Candles` channel: series of the markets and intervals that are asked for, begun from the
 * archive, where there is one, and made from the trades that this shard reads from then on. What changed in
 * a round is told at its end, a candle's last state once and those that closed before the next one.
 *
 * Series in use are places of a budget that is shared fairly.
 *
 * Invariants: beyond `max` series those that nobody has are let go, the longest unused first; one with an
 * audience never is. A series says nothing until it has begun; then everybody who has it is told a snapshot.
 * Between rounds none is dirty.
 */
export class Candles {
  readonly #budget: FairBudget;
  readonly #counters: CounterSection;
  readonly #frames: RoundFrames;
  readonly #now: () => number;
  /** The longest unused first. */
  readonly #series = new Map<string, CandleSeries>();
  /** Those that somebody has, with whose share they are of: of the first who asked for them. */
  readonly #inUse = new Map<CandleSeries, Holder>();
  /** By slot, of markets that have traded since the last producer came. */
  readonly #bySlot: (readonly CandleSeries[] | undefined)[] = [];
  readonly #dirty: CandleSeries[] = [];
  /** Undefined where there is no archive: series begin with the first trade that they are told. */
  readonly #beginnings: CandleBeginnings | undefined;
  /** Those that have what they begin with, to be told in the next round. */
  readonly #begun: CandleSeries[] = [];
  #timer: ReturnType<typeof setInterval> | undefined;
  #lookDue = false;
  #wake: () => void = () => {};
  #mirror: Mirror | undefined;

  /**
   * @param archive the archive as it can be read at the moment; left out where there never is one
   * @param now a clock in microseconds
   */
  constructor(
    counters: CounterSection,
    frames: RoundFrames,
    max: number,
    archive?: CandleArchiveSource,
    now = nowMicros,
  ) {
    this.#counters = counters;
    this.#frames = frames;
    this.#budget = new FairBudget(max);
    this.#now = now;
    if (archive !== undefined) {
      const done = (series: CandleSeries): void => {
        this.#begun.push(series);
        this.#wake();
      };
      this.#beginnings = new CandleBeginnings(archive, done, now);
    }
  }

  /** Has a function called whenever a round is due, as candles may be over. */
  whenDue(wake: () => void): void {
    this.#wake = wake;
  }

  /** Reads the archive no more. */
  stop(): void {
    this.#beginnings?.stop();
  }

  get due(): boolean {
    return this.#lookDue || this.#begun.length > 0;
  }

  /**
   * Takes another producer's mirror: series begin anew, as the one before may not have told all of its
   * trades. Without an archive they go on, but for markets with other steps.
   */
  setMirror(mirror: Mirror): void {
    this.#mirror = mirror;
    this.#bySlot.length = 0;
    this.#beginnings?.setMirror(mirror);
    this.beginAnew();
  }

  /** Begins all series anew from the archive, where there is one: trades were not told to them. */
  beginAnew(): void {
    if (this.#beginnings === undefined) return;
    this.#begun.length = 0;
    for (const [key, series] of this.#series) {
      if (this.#inUse.has(series)) this.#beginnings.begin(series);
      else this.#drop(key, series);
    }
    this.#used();
  }

  /** Most series that are kept. */
  get max(): number {
    return this.#budget.max;
  }

  /** Those that somebody has. */
  get inUse(): number {
    return this.#budget.taken;
  }

  /** Whether somebody may have the series of these subscriptions; those in use already cost nothing. */
  mayHold(holder: Holder, wanted: Iterable<CandleRequest>): boolean {
    let more = 0;
    for (const { marketId, interval } of wanted) {
      const known = this.#series.get(seriesKey(marketId, interval));
      if (known === undefined || !this.#inUse.has(known)) more++;
    }
    return this.#budget.mayTake(holder, more);
  }

  /** What beginning the series of these channels costs, in bytes of answers; nothing for one that has begun. */
  beginningBytes(channels: readonly Channel[]): number {
    if (this.#beginnings === undefined) return 0;
    let bytes = 0;
    for (const { type, params } of channels) {
      if (type !== "Candles") continue;
      const { market_id: marketId, interval } = params;
      if (this.#series.get(seriesKey(marketId, interval))?.begun !== true)
        bytes += BEGINNING_COST_BYTES;
    }
    return bytes;
  }

  // --- Who wants them -----------------------------------------------------------------------------

  /** @param holder who has asked for it, of whose share are the series that nobody else has */
  add(audience: Audience, holder: Holder): void {
    for (const { marketId, interval } of audience.subscriptions.candles.values()) {
      const series = this.#of(marketId, interval);
      if (series === undefined) continue;
      series.audiences.add(audience);
      if (this.#inUse.has(series)) continue;
      this.#inUse.set(series, holder);
      this.#budget.take(holder);
    }
    this.#used();
  }

  remove(audience: Audience): void {
    for (const [key] of audience.subscriptions.candles) {
      const series = this.#series.get(key);
      if (series === undefined || !series.audiences.delete(audience)) continue;
      if (series.audiences.size > 0) continue;
      this.#budget.giveBack(this.#inUse.get(series) as Holder);
      this.#inUse.delete(series);
      // The longest unused are first.
      this.#series.delete(key);
      this.#series.set(key, series);
    }
    this.#used();
  }

  #used(): void {
    this.#counters[SHARD.candleSeries] = this.#series.size;
    if (this.#inUse.size > 0) {
      this.#timer ??= setInterval(() => {
        this.#lookDue = true;
        this.#wake();
      }, LOOK_INTERVAL_MS).unref();
    } else {
      clearInterval(this.#timer);
      this.#timer = undefined;
    }
  }

  /** The series of a market, made where there is none; undefined for one that is not listed. */
  #of(marketId: MarketId, interval: CandleInterval): CandleSeries | undefined {
    const key = seriesKey(marketId, interval);
    const known = this.#series.get(key);
    if (known !== undefined) return known;
    const market = this.#mirror?.find(marketId);
    if (market === undefined) return undefined;
    if (this.#series.size >= this.max) this.#letGo();
    const series = new CandleSeries(marketId, interval, market);
    this.#series.set(key, series);
    this.#bySlot[market.slot] = undefined;
    this.#beginnings?.begin(series);
    return series;
  }

  #letGo(): void {
    for (const [key, series] of this.#series) {
      if (this.#inUse.has(series)) continue;
      return this.#drop(key, series);
    }
  }

  #drop(key: string, series: CandleSeries): void {
    this.#series.delete(key);
    this.#bySlot.length = 0;
    this.#beginnings?.forget(series);
  }

  // --- Rounds -------------------------------------------------------------------------------------

  /** Takes a trade of a round. */
  traded(market: MirrorMarket, trade: TradeRecord, round: number): void {
    if (this.#series.size === 0) return;
    for (const series of this.#bySlot[market.slot] ?? this.#find(market)) {
      series.take(round, trade);
      if (series.begun) this.#markDirty(series);
    }
  }

  #find(market: MirrorMarket): readonly CandleSeries[] {
    const { slot, marketId } = market;
    const found: CandleSeries[] = [];
    for (const interval of INTERVALS) {
      const series = this.#series.get(seriesKey(marketId, interval));
      if (series === undefined) continue;
      series.adopt(market);
      found.push(series);
    }
    while (this.#bySlot.length < slot) this.#bySlot.push(undefined);
    this.#bySlot[slot] = found;
    return found;
  }

  #markDirty(series: CandleSeries): void {
    if (series.dirty) return;
    series.dirty = true;
    this.#dirty.push(series);
  }

  /**
   * Has the changes of a round added to audiences.
   * @param offer counts a message for an audience; returns whether this round tells it by itself
   */
  tell(mirror: Mirror, round: number, offer: (audience: Audience, ts: number) => boolean): void {
    const now = this.#now();
    for (const series of this.#begun) {
      series.closeAt(round, mirror.position, now);
      series.begin(round);
      this.#markDirty(series);
    }
    this.#begun.length = 0;
    if (this.#lookDue) {
      this.#lookDue = false;
      for (const series of this.#inUse.keys()) {
        const closed = series.closeAt(round, mirror.position, now);
        if (closed && series.begun) this.#markDirty(series);
      }
    }
    for (const series of this.#dirty) {
      series.dirty = false;
      if (series.begun && series.audiences.size > 0) this.#tell(series, round, offer);
    }
    this.#dirty.length = 0;
  }

  #tell(
    series: CandleSeries,
    round: number,
    offer: (audience: Audience, ts: number) => boolean,
  ): void {
    const told = new Map<number, readonly ServerMessage[]>();
    const byEncoding = new Map<string, Frames>();
    // A snapshot is as long as an audience has asked for.
    const whole = series.changedSince(round - 1) === undefined;
    const key = seriesKey(series.marketId, series.interval);
    for (const audience of series.audiences) {
      const { encoding, states, subscriptions } = audience;
      const limit = whole ? (subscriptions.candles.get(key)?.limit ?? 0) : 0;
      const messages = told.get(limit) ?? this.#changes(series, round - 1, limit);
      told.set(limit, messages);
      for (const [index, message] of messages.entries()) {
        if (!offer(audience, series.lastTs)) continue;
        const known = `${encoding} ${limit}`;
        const frames = byEncoding.get(known) ?? [];
        byEncoding.set(known, frames);
        frames[index] ??= this.#frames.message(message, encoding);
        states.add(frames[index]);
      }
    }
  }

  /** Adds what an audience has missed after a round: of each series no more than was offered to it. */
  addMissed(audience: Audience, round: number, ranges: FrameRanges): void {
    for (const [key, { limit }] of audience.subscriptions.candles) {
      const series = this.#series.get(key);
      if (series?.begun !== true) continue;
      for (const message of this.#changes(series, round, limit))
        ranges.add(this.#frames.message(message, audience.encoding));
    }
  }

  /** The messages that tell what changed after a round; a snapshot has all of it, and `limit` at least. */
  #changes(series: CandleSeries, round: number, limit: number): readonly ServerMessage[] {
    const { marketId: market_id, interval } = series;
    const told = series.changedSince(round);
    if (told === undefined) {
      const candles = series.newest(
        Math.min(CANDLES_MAX, Math.max(limit, series.countSince(round))),
      );
      return [{ type: "CandleSnapshot", data: { market_id, interval, candles } }];
    }
    return told.map((one) => ({ type: "CandleUpdate", data: { market_id, interval, ...one } }));
  }

  /** What a new subscriber gets at once; undefined for a market that is not listed or a series not begun. */
  snapshot({ marketId, interval, limit }: CandleRequest): ServerMessage | undefined {
    const series = this.#of(marketId, interval);
    if (series?.begun !== true) return undefined;
    const candles = series.newest(limit);
    return { type: "CandleSnapshot", data: { market_id: marketId, interval, candles } };
  }
}
