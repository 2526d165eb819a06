import {
  addTrade,
  beginCandle,
  CANDLE_INTERVALS,
  type Candle,
  type CandleInterval,
  candleStart,
} from "../shared/candle.js";
import type { MarketId } from "../shared/market-id.js";
import { ArchiveEnvironment } from "./archive-environment.js";
import {
  ArchiveDamage,
  type ArchivedTrade,
  type ArchivePosition,
  type ArchiveState,
  blockKey,
  candleKey,
  decodeBatch,
  decodeBlock,
  decodeCandle,
  decodeValue,
  pairKey,
  readBlockPosition,
  readCandleStart,
  readIndex,
  readPair,
  type TradeBlock,
} from "./archive-form.js";
import { type ArchivedMarket, ArchivedMarkets } from "./archived-markets.js";
import { type CandleHistoryPage, collect, RECORDS_MAX } from "./candle-pieces.js";

const END: ArchivePosition = { ts: Number.MAX_SAFE_INTEGER, number: Number.MAX_SAFE_INTEGER };
/** A moment after all trades, to which the longest candle can be added, in µs. */
const LATEST = 2 ** 52;

/** A trade in the archive, its market and the epoch that it was published in. */
export interface HistoryTrade extends ArchivedTrade {
  readonly market: ArchivedMarket;
  readonly epoch: string;
}

/** Times in µs since the Unix epoch: `from` inclusive, `to` exclusive. */
interface HistoryRange {
  readonly from?: number | undefined;
  readonly to?: number | undefined;
}

interface TradeHistoryPage {
  readonly trades: readonly HistoryTrade[];
  /** Where the next page begins; undefined where there is no more. */
  readonly next: ArchivePosition | undefined;
}

/** A block and where it begins. */
interface BlockPlace {
  readonly position: ArchivePosition;
  readonly block: TradeBlock;
}

/** What an archive has. */
interface ArchiveReach {
  /** The latest epoch that it has begun, with all that was told before it. */
  readonly epoch: string;
  /** `ts` and number of the last trade of all markets; 0 where there is none. */
  readonly lastTs: number;
  readonly lastNumber: number;
}

/** How far the archive has come with a market, of one state of it. */
interface TradeHead {
  /** The latest epoch that the archive has begun, with all that was told before it. */
  readonly epoch: string;
  /** `ts` of the last trade of all markets. */
  readonly lastTs: number;
  /** Where the market's stream stands; undefined where no trade of it is kept. */
  readonly place: { readonly epoch: string; readonly seq: number } | undefined;
}

/** Where a market's candles stand, of one state of the archive. */
export interface CandleHead extends TradeHead {
  /** In which the market's candles count; undefined for one that has none. */
  readonly steps: Pick<ArchivedMarket, "tickSize" | "lotSize"> | undefined;
  /** The newest candle, of all trades up to that place. */
  readonly candle: Candle | undefined;
}

/**
 * Reads an archive, from any thread, while it is written. Each call reads one state and keeps none;
 * what it reads is bounded, so a page may be shorter than asked for and still have a next one.
 * All methods throw ArchiveDamage, or LMDB's error, where the file is not what was written.
 */
export class ArchiveReader {
  readonly #environment: ArchiveEnvironment;
  readonly #markets: ArchivedMarkets;
  readonly #epochs: string[] = [];

  /** @param dir the archive's directory, which its writer has open in this process */
  constructor(dir: string) {
    this.#environment = new ArchiveEnvironment(dir);
    this.#markets = new ArchivedMarkets(this.#environment);
  }

  close(): Promise<void> {
    return this.#environment.close();
  }

  /** The market of an id; undefined where the archive has never heard of it. */
  market(marketId: MarketId): ArchivedMarket | undefined {
    return this.#read(() => this.#market(marketId));
  }

  /**
   * A market's trades, newest first.
   * @param before those before this position; all where it is left out
   */
  tradesBefore(
    marketId: MarketId,
    { from = 0, to = Number.MAX_SAFE_INTEGER }: HistoryRange,
    before: ArchivePosition | undefined,
    limit: number,
  ): TradeHistoryPage {
    return this.#read(() => {
      const trades: HistoryTrade[] = [];
      const start = earlier(before ?? END, { ts: to, number: 0 });
      let records = 0;
      for (const { position, block, market } of this.#allBackwards(marketId, start)) {
        for (let at = block.trades.length - 1; at >= 0; at--) {
          const trade = block.trades[at] as ArchivedTrade;
          if (trade.ts >= to || (before !== undefined && trade.number >= before.number)) continue;
          if (trade.ts < from) return { trades, next: undefined };
          if (trades.length === limit) return { trades, next: positionOf(trades.at(-1)) };
          trades.push(this.#told(trade, market, block.epoch));
        }
        if (++records === RECORDS_MAX) {
          return { trades, next: trades.length > 0 ? positionOf(trades.at(-1)) : position };
        }
      }
      return { trades, next: undefined };
    });
  }

  /**
   * The trades from a `ts` on, oldest first, of a market, or of all markets in the order in which they
   * were told; behind `after`, where a former page ended. `next` is where the page ended, always there
   * unless it is empty; a page shorter than `limit` may be followed by others, an empty one is the end.
   */
  tradesFrom(
    marketId: MarketId | undefined,
    ts: number,
    after: ArchivePosition | undefined,
    limit: number,
  ): TradeHistoryPage {
    return this.#read(() => {
      const start = after ?? { ts, number: 0 };
      const batches =
        marketId === undefined ? this.#allForwards(start) : this.#marketForwards(marketId, start);
      const trades: HistoryTrade[] = [];
      let records = 0;
      for (const batch of batches) {
        for (const trade of batch) {
          if (trade.ts < ts || (after !== undefined && trade.number <= after.number)) continue;
          if (trades.length === limit) return { trades, next: positionOf(trades.at(-1)) };
          trades.push(trade);
        }
        if (++records >= RECORDS_MAX && trades.length > 0) break;
      }
      return { trades, next: positionOf(trades.at(-1)) };
    });
  }

  /** What of all that was told the archive has; undefined before the first trade or epoch. */
  reach(): ArchiveReach | undefined {
    return this.#read(() => {
      const state = this.#state();
      if (state === undefined) return undefined;
      const { epoch, lastTs, lastNumber } = state;
      return { epoch: this.#epoch(epoch), lastTs, lastNumber };
    });
  }

  /** Whether it has begun an epoch. */
  hasEpoch(epoch: string): boolean {
    const names = this.#read(() => [...this.#environment.epochs.getRange()]);
    return names.some(({ value }) => decodeValue(value) === epoch);
  }

  /**
   * Whether trades with a `ts` from one on and before another, of those that the archive has come to, may be
   * missing: they were missed, or have been pruned. True before the first trade or epoch.
   */
  lacks(from: number, to: number): boolean {
    return this.#read(() => {
      if ((this.#state()?.prunedTo ?? END.ts) > from) return true;
      // Of gaps, one begins where those before it have ended.
      const range = { start: pairKey(to, 0), reverse: true, limit: RECORDS_MAX };
      for (const key of this.#environment.gaps.getKeys(range))
        if (readPair(key)[1] > from) return true;
      return false;
    });
  }

  /**
   * A market's closed candles, newest first.
   * @param before those that start before this; all where it is left out
   * @param closedTo µs since the Unix epoch: a candle that ends later is not closed
   */
  candlesBefore(
    marketId: MarketId,
    interval: CandleInterval,
    { from = 0, to = Number.MAX_SAFE_INTEGER }: HistoryRange,
    before: number | undefined,
    limit: number,
    closedTo: number,
  ): CandleHistoryPage {
    return this.#read(() => {
      const market = this.#market(marketId);
      const length = CANDLE_INTERVALS[interval];
      // A candle is within the range where it starts there.
      const end = Math.min(before ?? to, to, candleStart(closedTo, length));
      if (market === undefined || end <= from) return { candles: [], next: undefined, read: 0 };
      return collect(this.#pieces(market, interval, end, from), length, { from, end, limit });
    });
  }

  /** Where a market's candles stand; undefined before the first trade or epoch. */
  candleHead(marketId: MarketId, interval: CandleInterval): CandleHead | undefined {
    return this.#read(() => {
      const market = this.#market(marketId);
      const head = this.#head(market);
      if (head === undefined) return undefined;
      if (market === undefined) return { ...head, steps: undefined, candle: undefined };
      const length = CANDLE_INTERVALS[interval];
      const range = { from: 0, end: LATEST, limit: 1 };
      const [candle] = collect(this.#pieces(market, interval, LATEST, 0), length, range).candles;
      return { ...head, steps: market, candle };
    });
  }

  /** How far the archive has come with a market; undefined before the first trade or epoch. */
  tradeHead(marketId: MarketId): TradeHead | undefined {
    return this.#read(() => this.#head(this.#market(marketId)));
  }

  #head(market: ArchivedMarket | undefined): TradeHead | undefined {
    const state = this.#state();
    if (state === undefined) return undefined;
    const [newest] = market === undefined ? [] : this.#blocksBackwards(market.index, END);
    const last = newest?.block.trades.at(-1);
    const place =
      newest === undefined || last === undefined
        ? undefined
        : { epoch: this.#epoch(newest.block.epoch), seq: last.seq };
    return { epoch: this.#epoch(state.epoch), lastTs: state.lastTs, place };
  }

  #read<T>(query: () => T): T {
    try {
      return query();
    } finally {
      // A state that is kept would keep the writer from using its pages again.
      this.#environment.endReads();
    }
  }

  #state(): ArchiveState | undefined {
    const record = this.#environment.state.get(Buffer.alloc(1));
    return record === undefined ? undefined : decodeValue<ArchiveState>(record);
  }

  /** A market as it is with its present steps, in which its candles count. */
  #market(marketId: MarketId): ArchivedMarket | undefined {
    return this.#markets.of(marketId).at(-1);
  }

  #epoch(index: number): string {
    if (this.#epochs[index] === undefined) {
      for (const { key, value } of this.#environment.epochs.getRange())
        this.#epochs[readIndex(key)] = decodeValue<string>(value);
    }
    return this.#epochs[index] ?? "";
  }

  #told(trade: ArchivedTrade, market: ArchivedMarket, epoch: number): HistoryTrade {
    return { ...trade, market, epoch: this.#epoch(epoch) };
  }

  *#blocksBackwards(market: number, before: ArchivePosition): Generator<BlockPlace, void> {
    const range = { start: blockKey(market, before), end: blockKey(market, ZERO), reverse: true };
    for (const { key, value } of this.#environment.blocks.getRange(range))
      yield { position: readBlockPosition(key), block: decodeBlock(value) };
  }

  *#marketForwards(marketId: MarketId, from: ArchivePosition): Generator<HistoryTrade[], void> {
    const { blocks } = this.#environment;
    for (const market of this.#markets.of(marketId)) {
      // The block that begins before may reach behind the position.
      let start = blockKey(market.index, from);
      const back = { start, end: blockKey(market.index, ZERO), reverse: true, limit: 1 };
      for (const key of blocks.getKeys(back)) start = key;
      const range = { start, end: blockKey(market.index + 1, ZERO) };
      for (const { value } of blocks.getRange(range)) {
        const { epoch, trades } = decodeBlock(value);
        yield trades.map((trade) => this.#told(trade, market, epoch));
      }
    }
  }

  /** A market's blocks, newest first, with any steps. */
  *#allBackwards(
    marketId: MarketId,
    before: ArchivePosition,
  ): Generator<BlockPlace & { readonly market: ArchivedMarket }, void> {
    for (const market of this.#markets.of(marketId).toReversed())
      for (const place of this.#blocksBackwards(market.index, before)) yield { ...place, market };
  }

  *#allForwards(from: ArchivePosition): Generator<HistoryTrade[], void> {
    const { batches, blocks } = this.#environment;
    this.#markets.load();
    let start = pairKey(from.ts, from.number);
    for (const key of batches.getKeys({ start, reverse: true, limit: 1 })) start = key;
    for (const { value } of batches.getRange({ start })) {
      const trades: HistoryTrade[] = [];
      for (const key of decodeBatch(value)) {
        const record = blocks.get(key);
        const market = this.#markets.at(readIndex(key));
        // They are written and removed together.
        if (record === undefined || market === undefined)
          throw new ArchiveDamage("a batch names a block that is not there");
        const block = decodeBlock(record);
        for (const trade of block.trades) trades.push(this.#told(trade, market, block.epoch));
      }
      yield trades.sort((a, b) => a.number - b.number);
    }
  }

  #pieces(
    market: ArchivedMarket,
    interval: CandleInterval,
    end: number,
    from: number,
  ): Iterable<Candle> {
    return interval === "1s"
      ? this.#secondPieces(market, end, from)
      : this.#storedPieces(market, CANDLE_INTERVALS[interval], end, from);
  }

  /** Stored candles, newest first, that longer ones are made of. */
  *#storedPieces(
    market: ArchivedMarket,
    length: number,
    end: number,
    from: number,
  ): Generator<Candle, void> {
    const { minutes, hours } = this.#environment;
    const table = length < CANDLE_INTERVALS["1h"] ? minutes : hours;
    const range = {
      start: candleKey(market.index, candleStart(end + length - 1, length)),
      end: candleKey(market.index, from),
      reverse: true,
      exclusiveStart: true,
      inclusiveEnd: true,
    };
    for (const { key, value } of table.getRange(range))
      yield candleOf(readCandleStart(key), decodeCandle(value));
  }

  /** Candles of a second each, made of trades, newest first. */
  *#secondPieces(market: ArchivedMarket, end: number, from: number): Generator<Candle, void> {
    for (const { block } of this.#blocksBackwards(market.index, {
      ts: end + 1_000_000,
      number: 0,
    })) {
      const candles: Candle[] = [];
      for (const { ts, price, quantity } of block.trades) {
        const start = candleStart(ts, CANDLE_INTERVALS["1s"]);
        const last = candles.at(-1);
        if (last?.start === start) addTrade(last, price, quantity);
        else candles.push(beginCandle(start, price, quantity));
      }
      yield* candles.reverse();
      if ((block.trades[0]?.ts ?? 0) < from) return;
    }
  }
}

const ZERO: ArchivePosition = { ts: 0, number: 0 };

function earlier(a: ArchivePosition, b: ArchivePosition): ArchivePosition {
  return a.ts < b.ts || (a.ts === b.ts && a.number < b.number) ? a : b;
}

function positionOf(trade: ArchivedTrade | undefined): ArchivePosition | undefined {
  return trade === undefined ? undefined : { ts: trade.ts, number: trade.number };
}

function candleOf(start: number, values: readonly number[]): Candle {
  const [open = 0, high = 0, low = 0, close = 0, volume = 0, trades = 0] = values;
  return { start, open, high, low, close, volume, trades };
}
