import {
  addTrade,
  beginCandle,
  CANDLE_INTERVALS,
  type Candle,
  candleStart,
} from "../shared/candle.js";
import type { MarketId } from "../shared/market-id.js";
import type { ArchiveEnvironment } from "./archive-environment.js";
import {
  ARCHIVE_VERSION,
  ArchiveDamage,
  type ArchivedTrade,
  type ArchiveState,
  blockKey,
  candleKey,
  decodeBatch,
  decodeBlock,
  decodeCandle,
  decodeValue,
  encodeBatch,
  encodeBlock,
  encodeCandle,
  encodeValue,
  indexKey,
  pairKey,
  readIndex,
  readPair,
} from "./archive-form.js";

/** Trades of a market that one record holds at most: a page of LMDB's, where their ids are numbers. */
const BLOCK_TRADES_MAX = 96;
/** Batches, and candles of a market, that one step of pruning removes at most. */
const BATCHES_PER_STEP = 50;
const CANDLES_PER_STEP = 1000;
const STATE_KEY = Buffer.alloc(1);
const EMPTY: ArchiveState = {
  version: ARCHIVE_VERSION,
  lastTs: 0,
  lastNumber: 0,
  epoch: -1,
  nextRecord: 0,
  ended: true,
  whole: false,
  prunedTo: 0,
};

interface StoredMarket {
  readonly marketId: MarketId;
  readonly tickSize: number;
  readonly lotSize: number;
}

/** A market's candles that trades go into. */
interface OpenCandles {
  minute: Candle | undefined;
  hour: Candle | undefined;
}

/** Where a market's stream stood with its last archived trade. */
interface StreamPlace {
  readonly epoch: number;
  readonly seq: number;
}

/**
 * Writes an archive: trades are appended in the order in which they were told, and a commit makes all
 * that was appended one transaction. The single writer of its file.
 *
 * Invariant: numbers go up with each trade, over commits and writers. After a commit that failed the
 * writer is of no use any more.
 */
export class ArchiveWriter {
  readonly #environment: ArchiveEnvironment;
  readonly #indexes = new Map<MarketId, number>();
  readonly #markets: StoredMarket[] = [];
  readonly #candles: OpenCandles[] = [];
  readonly #pending = new Map<number, ArchivedTrade[]>();
  readonly #changed = new Set<number>();
  #puts: (() => Promise<boolean>)[] = [];
  #pendingTrades = 0;
  /** Changed in place, as it changes with each trade. */
  readonly #state: { -readonly [K in keyof ArchiveState]: ArchiveState[K] };
  #epochs = 0;
  #epoch: string | undefined;
  #pruningMarket = 0;

  /** Throws ArchiveDamage where the file is not what was written, or of another version. */
  constructor(environment: ArchiveEnvironment) {
    this.#environment = environment;
    const record = environment.state.get(STATE_KEY);
    this.#state = { ...(record === undefined ? EMPTY : decodeValue<ArchiveState>(record)) };
    const { version } = this.#state;
    if (version !== ARCHIVE_VERSION) throw new ArchiveDamage(`it has version ${version}`);
    for (const { key, value } of environment.markets.getRange()) {
      const market = decodeValue<StoredMarket>(value);
      this.#markets[readIndex(key)] = market;
      this.#indexes.set(market.marketId, readIndex(key));
    }
    for (const { value } of environment.epochs.getRange()) {
      this.#epoch = decodeValue<string>(value);
      this.#epochs++;
    }
  }

  /** How far the archive has come at the moment, with what is not committed. */
  get state(): ArchiveState {
    return this.#state;
  }

  /** Number of the next record of the epoch's ring. */
  set nextRecord(nextRecord: number) {
    this.#state.nextRecord = nextRecord;
  }

  /** Has the next trade's number be behind this one: what is between them cannot be had any more. */
  skipTo(number: number): void {
    this.#state.lastNumber = Math.max(this.#state.lastNumber, number);
    this.#state.whole = false;
  }

  /** Trades that wait for a commit. */
  get pendingTrades(): number {
    return this.#pendingTrades;
  }

  get usedBytes(): number {
    return this.#environment.usedBytes;
  }

  /** The name of the latest epoch; undefined where there was none. */
  get epoch(): string | undefined {
    return this.#epoch;
  }

  /**
   * Begins an epoch; what was appended before is committed. Returns its index.
   * @param whole whether the next trade is the first of it
   */
  beginEpoch(name: string, whole = true): number {
    this.#requireNothingPending();
    const index = this.#epochs++;
    this.#put(() => this.#environment.epochs.put(indexKey(index), encodeValue(name)));
    Object.assign(this.#state, { epoch: index, nextRecord: 0, ended: false, whole });
    this.#epoch = name;
    return index;
  }

  /** The index of a market; a known one whose steps have changed begins anew, as another. */
  market({ marketId, tickSize, lotSize }: StoredMarket): number {
    const known = this.#indexes.get(marketId);
    if (known !== undefined) {
      const market = this.#markets[known] as StoredMarket;
      if (market.tickSize === tickSize && market.lotSize === lotSize) return known;
    }
    const index = this.#markets.length;
    const market = { marketId, tickSize, lotSize };
    this.#markets.push(market);
    this.#indexes.set(marketId, index);
    this.#put(() => this.#environment.markets.put(indexKey(index), encodeValue(market)));
    return index;
  }

  /** Where a market's stream stood with its last trade; undefined where there is none. */
  placeOf(market: number): StreamPlace | undefined {
    const pending = this.#pending.get(market)?.at(-1);
    if (pending !== undefined) return { epoch: this.#state.epoch, seq: pending.seq };
    const range = {
      start: indexKey(market + 1),
      end: indexKey(market),
      reverse: true,
      limit: 1,
    };
    for (const { value } of this.#environment.blocks.getRange(range)) {
      const { epoch, trades } = decodeBlock(value);
      return { epoch, seq: trades.at(-1)?.seq ?? 0 };
    }
    const pruned = this.#environment.places.get(indexKey(market));
    return pruned === undefined ? undefined : decodeValue<StreamPlace>(pruned);
  }

  /** Appends a trade of the latest epoch. */
  append(market: number, trade: ArchivedTrade): void {
    const state = this.#state;
    if (trade.number <= state.lastNumber)
      throw new Error(`archive writer: trade ${trade.number} is not after ${state.lastNumber}`);
    const trades = this.#pending.get(market);
    if (trades === undefined) this.#pending.set(market, [trade]);
    else trades.push(trade);
    this.#pendingTrades++;
    this.#addToCandles(market, trade);
    state.lastNumber = trade.number;
    state.lastTs = Math.max(state.lastTs, trade.ts);
    state.ended = false;
  }

  /** Notes that trades from one `ts` on and before another may be missing. */
  gap(from: number, to: number): void {
    if (to > from) this.#put(() => this.#environment.gaps.put(pairKey(from, to), encodeValue(0)));
  }

  /**
   * Has all that was appended on disk, as one transaction. Rejects with LMDB's error.
   * @param ended whether nothing will be told that this writer has not seen
   */
  commit(ended = false): Promise<void> {
    const batch: Buffer[] = [];
    let first: ArchivedTrade | undefined;
    for (const [market, trades] of this.#pending) {
      for (let at = 0; at < trades.length; at += BLOCK_TRADES_MAX) {
        const some = trades.slice(at, at + BLOCK_TRADES_MAX);
        const head = some[0] as ArchivedTrade;
        if (first === undefined || head.number < first.number) first = head;
        const key = blockKey(market, head);
        const block = encodeBlock(this.#state.epoch, some);
        batch.push(key);
        this.#put(() => this.#environment.blocks.put(key, block));
      }
    }
    if (first !== undefined) {
      const key = pairKey(first.ts, first.number);
      this.#put(() => this.#environment.batches.put(key, encodeBatch(batch)));
    }
    this.#putCandles();
    this.#pending.clear();
    this.#pendingTrades = 0;
    this.#state.ended = ended;
    return this.#write();
  }

  /**
   * Removes one step's worth of what is older than `before`, and of the oldest while the records take
   * more than `bytesMax`. Resolves with whether there may be more to remove.
   */
  async prune(before: number, bytesMax: number): Promise<boolean> {
    this.#requireNothingPending();
    const { batches, blocks } = this.#environment;
    const oldest = [...batches.getRange({ limit: BATCHES_PER_STEP + 1 })];
    const isOver = this.usedBytes > bytesMax;
    let removed = 0;
    let { prunedTo } = this.#state;
    for (const [at, { key, value }] of oldest.entries()) {
      const next = oldest[at + 1];
      // The last batch stays: it says where the archive's streams have come to.
      if (next === undefined) break;
      const [nextTs] = readPair(next.key);
      if (!isOver && nextTs >= before) break;
      for (const block of decodeBatch(value)) {
        this.#keepPlace(block);
        this.#put(() => blocks.remove(block));
      }
      this.#put(() => batches.remove(key));
      // The next one may begin at the very `ts` that this one ends at.
      prunedTo = Math.max(prunedTo, nextTs + 1);
      removed++;
    }
    const candles = this.#pruneCandles(Math.max(before, prunedTo));
    for (const key of this.#environment.gaps.getKeys({ limit: BATCHES_PER_STEP }))
      if (readPair(key)[1] <= prunedTo) this.#put(() => this.#environment.gaps.remove(key));
    if (this.#puts.length > 0) {
      this.#state.prunedTo = prunedTo;
      await this.#write();
      this.#environment.clearDeadReaders();
    }
    return removed === BATCHES_PER_STEP || candles;
  }

  close(): Promise<void> {
    return this.#environment.close();
  }

  /** Has it remembered where a market's stream stood, before the last of its blocks is removed. */
  #keepPlace(key: Buffer): void {
    const { blocks, places } = this.#environment;
    const market = readIndex(key);
    const later = { start: key, exclusiveStart: true, end: indexKey(market + 1), limit: 1 };
    if ([...blocks.getKeys(later)].length > 0) return;
    const record = blocks.get(key);
    if (record === undefined) return;
    const { epoch, trades } = decodeBlock(record);
    const place: StreamPlace = { epoch, seq: trades.at(-1)?.seq ?? 0 };
    this.#put(() => places.put(indexKey(market), encodeValue(place)));
  }

  /** Removes old candles of the next market. Returns whether others are still to be looked at. */
  #pruneCandles(before: number): boolean {
    const market = this.#pruningMarket;
    for (const [table, length] of [
      [this.#environment.minutes, CANDLE_INTERVALS["1m"]],
      [this.#environment.hours, CANDLE_INTERVALS["1h"]],
    ] as const) {
      // A candle that has its end behind the line is whole.
      const end = candleKey(market, candleStart(before, length));
      const range = { start: candleKey(market, 0), end, limit: CANDLES_PER_STEP };
      for (const key of table.getKeys(range)) this.#put(() => table.remove(key));
    }
    this.#pruningMarket = market + 1 < this.#markets.length ? market + 1 : 0;
    return this.#pruningMarket !== 0;
  }

  #addToCandles(market: number, { ts, price, quantity }: ArchivedTrade): void {
    this.#candles[market] ??= { minute: undefined, hour: undefined };
    const open = this.#candles[market];
    for (const [name, length] of [
      ["minute", CANDLE_INTERVALS["1m"]],
      ["hour", CANDLE_INTERVALS["1h"]],
    ] as const) {
      const start = candleStart(ts, length);
      if (open[name] !== undefined && open[name].start !== start) this.#putCandles();
      open[name] =
        open[name]?.start === start ? open[name] : this.#storedCandle(market, name, start);
      if (open[name] === undefined) open[name] = beginCandle(start, price, quantity);
      else addTrade(open[name], price, quantity);
    }
    this.#changed.add(market);
  }

  #storedCandle(market: number, name: "minute" | "hour", start: number): Candle | undefined {
    const { minutes, hours } = this.#environment;
    const record = (name === "minute" ? minutes : hours).get(candleKey(market, start));
    if (record === undefined) return undefined;
    const [open = 0, high = 0, low = 0, close = 0, volume = 0, trades = 0] = decodeCandle(record);
    return { start, open, high, low, close, volume, trades };
  }

  #putCandles(): void {
    const { minutes, hours } = this.#environment;
    for (const market of this.#changed) {
      const { minute, hour } = this.#candles[market] as OpenCandles;
      for (const [table, candle] of [
        [minutes, minute],
        [hours, hour],
      ] as const) {
        if (candle === undefined) continue;
        const { start, open, high, low, close, volume, trades } = candle;
        const record = encodeCandle([open, high, low, close, volume, trades]);
        this.#put(() => table.put(candleKey(market, start), record));
      }
    }
    this.#changed.clear();
  }

  /** What is written says how far the archive has come, and of which epoch its trades are. */
  #requireNothingPending(): void {
    if (this.#pendingTrades > 0)
      throw new Error(`archive writer: ${this.#pendingTrades} trades wait for their commit`);
  }

  #put(put: () => Promise<boolean>): void {
    this.#puts.push(put);
  }

  async #write(): Promise<void> {
    const puts = this.#puts;
    this.#puts = [];
    const state = encodeValue(this.#state);
    puts.push(() => this.#environment.state.put(STATE_KEY, state));
    // All in one turn of the event loop, which makes them one transaction.
    await Promise.all(puts.map((put) => put()));
  }
}
