import { type CounterSection, count, SHARD } from "../../../counters/counters.js";
import { BroadcastReceiver, RECEIVED } from "../../../ring/broadcast-receiver.js";
import { RECORD, type Words } from "../../../ring/layout.js";
import type { MarketMemory } from "../../../ring/market-memory.js";
import { MarketTableReader } from "../../../ring/market-table.js";
import {
  CHANGE,
  readBook,
  readBookSeq,
  readDefinition,
  readSizedSeq,
  readSlot,
  readState,
  readStateSeq,
  readTrade,
  type TradeRecord,
} from "../../../ring/records.js";
import type { MarketId } from "../../../shared/market-id.js";
import { MirrorMarket } from "./mirror-market.js";

/** Told of every change, after the mirror has made it. */
export interface MirrorListener {
  /** `market.changes` says what changed; `before` is the round in which it changed last before. */
  stateChanged(market: MirrorMarket, before: number): void;
  /** Price, quote or best sizes have changed. */
  sizedChanged(market: MirrorMarket): void;
  /** @param top its first levels, those of `Market`, have changed */
  bookChanged(market: MirrorMarket, top: boolean): void;
  traded(market: MirrorMarket, trade: TradeRecord): void;
  /** The trade ring lapped this shard, or the producer itself has missed some: trades are missing for good. */
  tradesLost(): void;
}

/** How often a poll looks at the clock. */
const RECORDS_PER_CLOCK_READ = 64;

/**
 * A shard's copy of all markets, fed from the rings and, at the start and after a lap, from the table.
 *
 * Invariant: between polls it stands exactly at the ring cursor or, for what the table gave, ahead
 * of it; records that are not newer than what is known are skipped.
 */
export class Mirror {
  readonly epoch: string;
  /** What it is a copy of. */
  readonly memory: MarketMemory;
  /** By slot. */
  readonly markets: MirrorMarket[] = [];
  /** Moves with every market listed: what was resolved from ids may have to be resolved again. */
  version = 0;
  /** `ts` of the newest record read, in microseconds. */
  lastTs = 0;
  /** Every record with a lower `ts` has been read, in microseconds; less than `lastTs` in between. */
  position = 0;

  readonly #ring: BroadcastReceiver;
  readonly #trades: BroadcastReceiver;
  readonly #table: MarketTableReader;
  readonly #counters: CounterSection;
  readonly #listener: MirrorListener | undefined;
  readonly #bookDepth: number;
  readonly #byId = new Map<MarketId, MirrorMarket>();
  /** `ts` of the newest record read of each ring. */
  #ringTs = 0;
  #tradesTs = 0;
  /** Of the producer's losses of trades, those that were told. */
  #lossesTold: number;
  /** The copied batch of the ring is not read to its end. */
  #midBatch = false;

  /**
   * Starts at the rings' tails, with the table's content as of `round`.
   * @param trades where it starts with the trades: whoever has subscribed to them already is due all
   *   that there have been
   */
  constructor(
    memory: MarketMemory,
    counters: CounterSection,
    listener: MirrorListener,
    round: number,
    trades: "tail" | "start" = "tail",
  ) {
    this.epoch = memory.epoch;
    this.memory = memory;
    this.#counters = counters;
    this.#ring = new BroadcastReceiver(memory.ring);
    this.#trades = new BroadcastReceiver(memory.tradeRing, trades);
    this.#table = new MarketTableReader(memory.table);
    // Whoever has subscribed to the producer before is due what this one has missed since.
    this.#lossesTold = trades === "start" ? 0 : this.#table.losses;
    this.#bookDepth = memory.table.bookDepth;
    this.repair(round);
    this.position = this.#ringTs = this.#tradesTs = this.lastTs;
    // What it starts with is no change.
    this.#listener = listener;
  }

  find(marketId: MarketId): MirrorMarket | undefined {
    return this.#byId.get(marketId);
  }

  /** Positions on the two rings up to which they have been read. */
  get statesRead(): number {
    return this.#ring.nextPosition;
  }

  /** Units of the ring of states. */
  get statesCapacity(): number {
    return this.#ring.capacity;
  }

  get tradesRead(): number {
    return this.#trades.nextPosition;
  }

  /** From which `ts` on everything that was told lies in the memory. */
  get completeFrom(): number {
    return this.#table.completeFrom;
  }

  /** How full the rings are with what was not read yet: the fuller one's share, 0 to 1 and beyond. */
  get backlog(): number {
    return Math.max(this.#ring.backlog, this.#trades.backlog);
  }

  /** Whether there are trades to poll, whatever there is of states. */
  get tradesPending(): boolean {
    return this.#trades.backlog > 0;
  }

  /** Whether there is something to poll. */
  get pending(): boolean {
    return this.#midBatch || this.backlog > 0 || this.#table.losses !== this.#lossesTold;
  }

  /**
   * Reads at most `records` of each ring, or until `deadline` (in performance.now()'s ms), into the
   * mirror, as part of `round`. Returns whether this shard was lapped and has to {@link repair}.
   */
  poll(round: number, records: number, deadline: number): boolean {
    const lapped = this.#pollRing(round, records, deadline);
    const allTrades = this.#pollTrades(round, records, deadline);
    // What is published after a look has no lower ts than anything that was before it, in either ring.
    const told = allTrades ? this.#ringTs : Math.min(this.#ringTs, this.#tradesTs);
    this.position = Math.max(this.position, told);
    return lapped;
  }

  /**
   * Number of a market's newest trade, which is not less than that of the last one read; also after a lap.
   * Undefined while the producer writes there, or where it died doing so.
   */
  newestTradeSeq(market: MirrorMarket): number | undefined {
    if (!this.#table.tryRead(market.slot)) return undefined;
    return Math.max(market.tradeSeq, this.#table.newest.tradeSeq);
  }

  /** Brings every market to the table's state, which is at least that of the rings' tails. */
  repair(round: number): void {
    const listed = this.#table.listed;
    for (let slot = 0; slot < listed; slot++) {
      this.#table.read(slot);
      this.#repairMarket(this.markets[slot] ?? this.#list(slot), round);
    }
  }

  #pollRing(round: number, records: number, deadline: number): boolean {
    for (let read = 0; read < records; read++) {
      let type = this.#midBatch ? this.#ring.next() : 0;
      if (type === 0) {
        const received = this.#ring.receive();
        this.#midBatch = received === RECEIVED.records;
        if (received === RECEIVED.lapped) {
          count(this.#counters, SHARD.lapped);
          return true;
        }
        type = this.#midBatch ? this.#ring.next() : 0;
        if (type === 0) {
          this.#midBatch = false;
          break;
        }
      }
      this.#apply(type, round);
      this.#counters[SHARD.ringRecordNumber] = this.#ring.recordNumber;
      if (read % RECORDS_PER_CLOCK_READ === 0 && performance.now() > deadline) break;
    }
    return false;
  }

  #apply(type: number, round: number): void {
    const { words, offset } = this.#ring;
    const slot = readSlot(words, offset);
    if (type === RECORD.definition) return this.#adoptUpTo(slot, round);
    const market = this.markets[slot];
    if (market === undefined)
      throw new Error(`mirror: a record of type ${type} for slot ${slot}, not listed`);
    if (type === RECORD.state) {
      const { stateSeq, sizedSeq } = market;
      // Each record moves one of them at least, and none back. The table may have given a later one.
      if (readStateSeq(words, offset) < stateSeq || readSizedSeq(words, offset) < sizedSeq) return;
      readState(words, offset, market);
      market.statePosition = this.#ring.position;
      this.#ringTs = Math.max(this.#ringTs, market.ts);
      this.#told(market, stateSeq, sizedSeq, round);
    } else if (type === RECORD.book) {
      if (readBookSeq(words, offset) <= (market.book?.seq ?? 0)) return;
      this.#takeBook(market, words, offset, this.#ring.position, round);
      this.#ringTs = market.book?.ts ?? this.#ringTs;
    } else throw new Error(`mirror: a record of unknown type ${type}`);
  }

  #takeBook(
    market: MirrorMarket,
    words: Words,
    offset: number,
    position: number,
    round: number,
  ): void {
    const book = market.ownBook();
    market.bookPosition = position;
    readBook(words, offset, book);
    this.lastTs = Math.max(this.lastTs, book.ts);
    // Also where nobody is told of it.
    const top = market.bookRead(round);
    this.#listener?.bookChanged(market, top);
  }

  /** Returns whether all are read that there were. */
  #pollTrades(round: number, records: number, deadline: number): boolean {
    const trades = this.#trades;
    const { losses } = this.#table;
    if (losses !== this.#lossesTold) {
      this.#lossesTold = losses;
      this.#listener?.tradesLost();
    }
    for (let read = 0; read < records && (read === 0 || performance.now() < deadline); ) {
      const lostBefore = trades.lost;
      const received = trades.receive();
      if (received === RECEIVED.nothing) return true;
      if (received === RECEIVED.lapped) {
        this.#listener?.tradesLost();
        continue;
      }
      // The batch is read to its end: trades are never conflated, so nothing is won by waiting.
      while (trades.next() !== 0) {
        read++;
        const trade = readTrade(trades.words, trades.offset);
        this.#tradesTs = trade.ts;
        this.lastTs = Math.max(this.lastTs, trade.ts);
        // A market and its first trade come on different rings, published at the same moment.
        this.#adoptUpTo(trade.slot, round);
        const market = this.markets[trade.slot] as MirrorMarket;
        if (trade.seq >= market.tradeSeq) {
          market.tradeSeq = trade.seq;
          market.tradePosition = trades.position;
        }
        this.#listener?.traded(market, trade);
      }
      count(this.#counters, SHARD.tradesLost, trades.lost - lostBefore);
    }
    return false;
  }

  /**
   * Lists all markets up to a slot, with what the table has of them: a market is never without its
   * first state, and `markets` without holes.
   */
  #adoptUpTo(last: number, round: number): void {
    for (let slot = this.markets.length; slot <= last; slot++) {
      this.#table.read(slot);
      this.#repairMarket(this.#list(slot), round);
    }
  }

  /** Takes over state and book of the slot just read, where they are newer. */
  #repairMarket(market: MirrorMarket, round: number): void {
    const { words, stateOffset, bookOffset, newest } = this.#table;
    const { stateSeq, status, priceSeq, sizedSeq } = market;
    if (
      readStateSeq(words, stateOffset) > stateSeq ||
      readSizedSeq(words, stateOffset) > sizedSeq
    ) {
      readState(words, stateOffset, market);
      market.statePosition = newest.state;
      market.changes =
        (stateSeq === 0 ? CHANGE.created : 0) |
        (market.status === status ? 0 : CHANGE.status) |
        (market.priceSeq === priceSeq ? CHANGE.volume : CHANGE.quote);
      this.#told(market, stateSeq, sizedSeq, round);
    }
    if (readBookSeq(words, bookOffset) > (market.book?.seq ?? 0)) {
      this.#takeBook(market, words, bookOffset, newest.book, round);
    }
    if (newest.tradeSeq > market.tradeSeq) {
      market.tradeSeq = newest.tradeSeq;
      market.tradePosition = newest.trade;
    }
  }

  /** Tells what a state that was read has moved, of two streams that stood at these numbers. */
  #told(market: MirrorMarket, stateSeq: number, sizedSeq: number, round: number): void {
    this.lastTs = Math.max(this.lastTs, market.ts, market.sizedTs);
    if (market.stateSeq > stateSeq) {
      const before = market.stateRound;
      market.changed(market.changes, round);
      this.#listener?.stateChanged(market, before);
    }
    if (market.sizedSeq > sizedSeq) {
      market.sizedRound = round;
      this.#listener?.sizedChanged(market);
    }
  }

  /** Lists the market of the table's slot just read. */
  #list(slot: number): MirrorMarket {
    const definition = readDefinition(this.#table.words, this.#table.definitionOffset);
    const market = new MirrorMarket(slot, definition, this.#bookDepth);
    this.markets.push(market);
    this.#byId.set(market.marketId, market);
    this.version++;
    return market;
  }
}
