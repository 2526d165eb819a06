import { setTimeout as sleep } from "node:timers/promises";
import {
  type EpochNotes,
  isUnknownEpoch,
  type TsNote,
  unknownEpoch,
} from "../../archive/archive-notes.js";
import type { ArchiveWriter } from "../../archive/archive-writer.js";
import { ARCHIVIST, type CounterSection, count } from "../../counters/counters.js";
import { BroadcastReceiver, RECEIVED } from "../../ring/broadcast-receiver.js";
import type { MarketMemory } from "../../ring/market-memory.js";
import { MarketTableReader } from "../../ring/market-table.js";
import { publishedMark } from "../../ring/published-mark.js";
import { readDefinition, readTrade, type TradeRecord } from "../../ring/records.js";
import { nowMicros } from "../../shared/clock.js";
import type { Logger } from "../../shared/log.js";
import type { StoredTrade, StoredTrades } from "./stored-trades.js";

/** Trades of one commit, which all have to be read for a page of all markets. */
const TRADES_PER_COMMIT = 2048;
/** How often the next trade of a ring that was lapped is looked for. */
const LOOKS_MAX = 100;

interface ArchivistContext {
  readonly writer: ArchiveWriter;
  readonly counters: CounterSection;
  readonly tsNote: TsNote;
  readonly epochs: EpochNotes;
  /** The exchange's trades; undefined where trades are in no store. */
  readonly stored: StoredTrades | undefined;
  /** What is told comes of another node: a trade's place is its `seq` in its epoch, over any number of memories. */
  readonly relayed: boolean;
  /** Whether there may have been epochs, behind what the archive has, that no archivist has seen. */
  readonly unseen: boolean;
  /** The ms between two looks for the next trade of a ring that was lapped. */
  readonly lookMs: number;
  /** A `ts`, in µs, that is later than all that was told so far. */
  readonly toldTo: () => number;
  /** Takes, once, what is missing and will not come any more. */
  readonly lacks: (what: string) => void;
  readonly log: Logger;
}

/** A producer's memory while its trades are read. */
interface Source {
  readonly memory: MarketMemory;
  readonly receiver: BroadcastReceiver;
  readonly table: MarketTableReader;
  /** Indexes in the archive, by slot. */
  readonly markets: number[];
  /** Of its producer's losses of trades, those that are noted. */
  losses: number;
  /** `ts` of the last trade when that was looked at, in µs. */
  lookedAt: number;
}

/**
 * Reads the trade rings of one producer after the other to their ends and has the archive written.
 *
 * With the exchange trades have numbers, ever upwards by one, so what is missing between two is known and
 * taken from the store. Of a stream's trades each has the next `seq`, so theirs is known as well where the
 * epoch that they were told in has been read from its first trade on, and where it began is noted beside the
 * archive, so that one that was damaged can be made again; others are of an {@link unknownEpoch}.
 * Elsewhere a trade's number in the archive is the next, whether one was read before is told by its
 * record's number, and what is missing is a gap. Of another node's trades the `seq` tells both, as one epoch of
 * that may come by several memories here, and in its middle.
 */
export class Archivist {
  readonly #context: ArchivistContext;
  readonly #waiting: MarketMemory[] = [];
  #unseen: boolean;
  #begunRelayed = false;
  #source: Source | undefined;
  /** When the oldest trade happened that is not on disk, in µs since the Unix epoch. */
  #oldestTs: number | undefined;

  constructor(context: ArchivistContext) {
    this.#context = context;
    this.#unseen = context.unseen;
  }

  /** Another producer has taken over; the rings of those before are final. */
  add(memory: MarketMemory): void {
    this.#waiting.push(memory);
  }

  /** Archives all that has been told; resolves when it is on disk. Rejects where it cannot be written. */
  async catchUp(): Promise<void> {
    for (;;) {
      await this.#readRing();
      const next = this.#waiting.shift();
      if (next === undefined) return;
      if (this.#source !== undefined) await this.#commit(true);
      await this.#begin(next);
    }
  }

  /** Archives what is left when nothing more will be told. */
  async end(): Promise<void> {
    await this.catchUp();
    await this.#commit(true);
  }

  // --- Epochs -----------------------------------------------------------------------------------

  async #begin(memory: MarketMemory): Promise<void> {
    const { writer, stored } = this.#context;
    const source: Source = {
      memory,
      receiver: new BroadcastReceiver(memory.tradeRing, "start"),
      table: new MarketTableReader(memory.table),
      markets: [],
      losses: 0,
      lookedAt: this.#context.writer.state.lastTs,
    };
    this.#source = source;
    if (stored !== undefined) return this.#beginNumbered(source);
    if (this.#context.relayed) return this.#beginRelayed(source);
    if (writer.epoch === memory.epoch) return;
    if (!writer.state.ended) this.#gap(writer.state.lastTs, this.#context.toldTo());
    writer.beginEpoch(memory.epoch);
    await writer.commit();
  }

  /**
   * What another node told before the first memory begins was not told here, which is no fault. A later one goes on
   * where the one before has ended, or says that trades were lost.
   */
  async #beginRelayed({ memory, table }: Source): Promise<void> {
    const { writer, log } = this.#context;
    const { completeFrom } = table;
    const { lastTs } = writer.state;
    if (!this.#begunRelayed && completeFrom > lastTs) {
      log.warn({ from: lastTs, to: completeFrom }, "the archive has no trades of this time");
      writer.gap(lastTs, completeFrom);
    }
    this.#begunRelayed = true;
    if (writer.epoch !== memory.epoch) writer.beginEpoch(memory.epoch);
    await writer.commit();
  }

  /** Takes from the store what was told before the epoch. */
  async #beginNumbered({ memory }: Source): Promise<void> {
    const { writer, epochs } = this.#context;
    const { lastNumber } = writer.state;
    if (epochs.find(memory.epoch) === undefined) {
      const before = await lastTradeBefore(memory.tradeRing, this.#context.lookMs);
      if (this.#unseen || before === undefined) await epochs.addUnknown(lastNumber + 1);
      if (before !== undefined) await epochs.add({ epoch: memory.epoch, first: before + 1 });
    }
    this.#unseen = false;
    if (writer.epoch === memory.epoch) return;
    const begin = epochs.find(memory.epoch);
    // With the epoch begun readers take it that all before it is there.
    await this.#fill(begin === undefined ? publishedMark(memory.tradeRing) : begin.first - 1);
    await this.#enter(memory.epoch, begin?.first === writer.state.lastNumber + 1);
  }

  /** Has the next trades be of an epoch. */
  async #enter(epoch: string, whole: boolean): Promise<void> {
    const { writer } = this.#context;
    if (writer.epoch === epoch && writer.state.whole === whole) return;
    await this.#commit();
    writer.beginEpoch(epoch, whole);
    await writer.commit();
  }

  // --- The ring ---------------------------------------------------------------------------------

  async #readRing(): Promise<void> {
    const source = this.#source;
    if (source === undefined) return;
    const { receiver } = source;
    const { writer, stored, relayed } = this.#context;
    let lapped = false;
    for (;;) {
      const received = receiver.receive();
      if (received === RECEIVED.nothing) break;
      if (received === RECEIVED.lapped) {
        lapped = true;
        this.#context.log.warn(
          "the trade ring has overtaken the archivist; what it lost is taken from the store, or missing",
        );
        continue;
      }
      while (receiver.next() !== 0) {
        const trade = readTrade(receiver.words, receiver.offset);
        if (relayed) this.#takeRelayed(source, trade);
        else if (stored === undefined) this.#take(source, trade, receiver.recordNumber - 1);
        else await this.#takeNumbered(source, trade);
      }
      if (writer.pendingTrades >= TRADES_PER_COMMIT) await this.#commit();
    }
    if (writer.pendingTrades > 0) await this.#commit();
    await this.#noteLosses(source);
    // Not only when the next trade comes.
    if (lapped && stored !== undefined) await this.#fillAfterLap(source.memory);
  }

  /** What the producer itself has missed is somewhere before that from which on it has all. */
  async #noteLosses(source: Source): Promise<void> {
    const { losses, completeFrom } = source.table;
    const { writer } = this.#context;
    const { lookedAt } = source;
    source.lookedAt = writer.state.lastTs;
    if (losses === source.losses) return;
    source.losses = losses;
    this.#gap(lookedAt, Math.max(completeFrom, source.lookedAt));
    await writer.commit();
  }

  /** Takes from the store what a lap has lost, after which the archive is of the present epoch again. */
  async #fillAfterLap({ epoch, tradeRing }: MarketMemory): Promise<void> {
    await this.#fill(publishedMark(tradeRing));
    if (this.#context.writer.epoch !== epoch) await this.#enter(epoch, false);
  }

  /** A trade of the exchange, whose id is its number. */
  async #takeNumbered(source: Source, trade: TradeRecord): Promise<void> {
    const { writer } = this.#context;
    const number = Number(trade.tradeId);
    if (number <= writer.state.lastNumber) return;
    if (number > writer.state.lastNumber + 1) await this.#fill(number - 1);
    if (writer.epoch !== source.memory.epoch) await this.#enter(source.memory.epoch, false);
    this.#append(this.#marketOf(source, trade.slot), number, trade);
  }

  /** A trade of another node: each of a market has the next `seq` of its epoch. */
  #takeRelayed(source: Source, trade: TradeRecord): void {
    const { writer } = this.#context;
    const market = this.#marketOf(source, trade.slot);
    const place = writer.placeOf(market);
    const { lastTs, lastNumber } = writer.state;
    if (place?.epoch === writer.state.epoch) {
      if (trade.seq <= place.seq) return;
      if (trade.seq > place.seq + 1) this.#gap(lastTs, trade.ts);
    }
    this.#append(market, lastNumber + 1, trade);
  }

  /** A trade of another feed. */
  #take(source: Source, trade: TradeRecord, record: number): void {
    const { writer } = this.#context;
    const { nextRecord, lastTs, lastNumber } = writer.state;
    const ahead = (record - nextRecord) | 0;
    if (ahead < 0) return;
    if (ahead > 0) this.#gap(lastTs, trade.ts);
    this.#append(this.#marketOf(source, trade.slot), lastNumber + 1, trade);
    writer.nextRecord = (record + 1) >>> 0;
  }

  #marketOf({ table, markets }: Source, slot: number): number {
    const known = markets[slot];
    if (known !== undefined) return known;
    table.read(slot);
    const index = this.#context.writer.market(readDefinition(table.words, table.definitionOffset));
    markets[slot] = index;
    return index;
  }

  #append(market: number, number: number, trade: Omit<TradeRecord, "slot">): void {
    const { ts, seq, price, quantity, takerSide, tradeId } = trade;
    this.#context.writer.append(market, { number, ts, seq, price, quantity, takerSide, tradeId });
    this.#oldestTs ??= ts;
  }

  // --- What is missing ----------------------------------------------------------------------------

  /** Takes the trades of the exchange that are missing, up to a number, from its store. */
  async #fill(to: number): Promise<void> {
    const { writer, stored, log } = this.#context;
    const from = writer.state.lastNumber + 1;
    if (stored === undefined || to < from) return;
    await this.#commit();
    for await (const some of stored(from, to)) {
      for (const one of some) await this.#takeStored(one);
      await this.#commit();
    }
    log.info({ from, to: writer.state.lastNumber }, "trades were archived from the store");
    if (writer.state.lastNumber >= to) return;
    // They cannot be had any more; what comes next goes on behind them.
    this.#gap(writer.state.lastTs, this.#context.toldTo());
    writer.skipTo(to);
    await writer.commit();
  }

  async #takeStored({ trade, market }: StoredTrade): Promise<void> {
    const { writer, epochs } = this.#context;
    const { tradeId: number, ts, price, quantity, takerSide } = trade;
    const { lastNumber, lastTs } = writer.state;
    const isNext = number === lastNumber + 1;
    if (!isNext) this.#gap(lastTs, ts);
    const begin = epochs.of(number);
    const goesOn = isNext && writer.epoch === begin?.epoch && writer.state.whole;
    if (begin !== undefined && (goesOn || begin.first === number)) {
      if (!goesOn) await this.#enter(begin.epoch, true);
    } else if (!isUnknownEpoch(writer.epoch)) await this.#enter(unknownEpoch(number), false);
    const index = writer.market(market);
    const place = writer.placeOf(index);
    const seq = place?.epoch === writer.state.epoch ? place.seq + 1 : 1;
    const told = { ts, seq, price, quantity, takerSide, tradeId: String(number) };
    this.#append(index, number, told);
  }

  #gap(from: number, to: number): void {
    const { writer, counters, lacks, log } = this.#context;
    log.error({ from, to }, "trades of this time are missing in the archive");
    lacks(`trades from ${isoTime(from)} to ${isoTime(to)} are missing in the archive`);
    writer.gap(from, Math.max(to, from + 1));
    count(counters, ARCHIVIST.gaps);
  }

  async #commit(ended = false): Promise<void> {
    const { writer, counters, tsNote, stored } = this.#context;
    const { pendingTrades } = writer;
    if (pendingTrades === 0 && !ended) return;
    // Before anybody can read them; the exchange's store says it where there is one.
    if (stored === undefined && pendingTrades > 0) await tsNote.cover(writer.state.lastTs);
    await writer.commit(ended);
    count(counters, ARCHIVIST.trades, pendingTrades);
    counters[ARCHIVIST.bytes] = writer.usedBytes;
    counters[ARCHIVIST.lagS] =
      this.#oldestTs === undefined ? 0 : Math.max(0, nowMicros() - this.#oldestTs) / 1e6;
    this.#oldestTs = undefined;
  }
}

function isoTime(micros: number): string {
  return new Date(micros / 1000).toISOString();
}

/**
 * Number of the last trade that was told before the epoch of a ring: its trades' numbers and those of
 * their records go up together. Undefined where the ring was lapped and nothing more comes.
 */
async function lastTradeBefore(
  ring: SharedArrayBuffer,
  lookMs: number,
): Promise<number | undefined> {
  const receiver = new BroadcastReceiver(ring, "start");
  for (let look = 0; look < LOOKS_MAX; look++) {
    // Before the look: where that finds nothing, nothing had been told when the mark was read.
    const mark = publishedMark(ring);
    const received = receiver.receive();
    if (received === RECEIVED.records && receiver.next() !== 0) {
      const { tradeId } = readTrade(receiver.words, receiver.offset);
      return Number(tradeId) - receiver.recordNumber;
    }
    if (received === RECEIVED.nothing) {
      if (receiver.laps === 0) return mark;
      await sleep(lookMs);
    }
  }
  return undefined;
}
