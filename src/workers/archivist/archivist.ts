import { setTimeout as sleep } from "node:timers/promises";
import type { ArchiveWriter } from "../../archive/archive-writer.js";
import { ARCHIVIST, type CounterSection, count } from "../../counters/counters.js";
import { BroadcastReceiver, RECEIVED } from "../../ring/broadcast-receiver.js";
import type { MarketMemory } from "../../ring/market-memory.js";
import { MarketTableReader } from "../../ring/market-table.js";
import { publishedMark } from "../../ring/published-mark.js";
import { readDefinition, readTrade, type TradeRecord } from "../../ring/records.js";
import { nowMicros } from "../../shared/clock.js";
import type { Logger } from "../../shared/log.js";
import { storedTrades } from "./stored-trades.js";

/** Trades of one commit. */
const TRADES_PER_COMMIT = 4096;
/** How often the next trade of a ring that was lapped is looked for, and the ms in between. */
const LOOKS_MAX = 100;
const LOOK_MS = 20;
/** Of trades that were told before the archive began. */
const EPOCH_BEFORE = "before-the-archive";

interface ArchivistContext {
  readonly writer: ArchiveWriter;
  readonly counters: CounterSection;
  /** The directory of the exchange's store; undefined where trades are in none. */
  readonly storeDir: string | undefined;
  readonly log: Logger;
}

/** A producer's memory while its trades are read. */
interface Source {
  readonly memory: MarketMemory;
  readonly receiver: BroadcastReceiver;
  readonly table: MarketTableReader;
  /** Indexes in the archive, by slot. */
  readonly markets: number[];
}

/**
 * Reads the trade rings of one producer after the other to their ends and has the archive written.
 *
 * With the exchange trades have numbers, ever upwards by one, so what is missing between two is known and
 * taken from the store; of a stream's trades each has the next `seq`, so theirs is known as well.
 * Elsewhere a trade's number in the archive is the next, whether one was read before is told by its
 * record's number, and what is missing is a gap.
 */
export class Archivist {
  readonly #context: ArchivistContext;
  readonly #waiting: MarketMemory[] = [];
  #source: Source | undefined;
  /** When the oldest trade happened that is not on disk, in µs since the Unix epoch. */
  #oldestTs: number | undefined;

  constructor(context: ArchivistContext) {
    this.#context = context;
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
    const { writer, storeDir } = this.#context;
    const source: Source = {
      memory,
      receiver: new BroadcastReceiver(memory.tradeRing, "start"),
      table: new MarketTableReader(memory.table),
      markets: [],
    };
    this.#source = source;
    if (writer.epoch === memory.epoch) return;
    if (storeDir !== undefined) await this.#fillBefore(source);
    else if (!writer.state.ended) this.#gap(writer.state.lastTs, nowMicros());
    writer.beginEpoch(memory.epoch);
    await writer.commit();
  }

  /** Takes from the store what was told before an epoch began. */
  async #fillBefore({ memory }: Source): Promise<void> {
    const { writer } = this.#context;
    const before = await lastTradeBefore(memory.tradeRing);
    if (before === undefined || before <= writer.state.lastNumber) return;
    if (writer.epoch === undefined) writer.beginEpoch(EPOCH_BEFORE);
    await this.#fill(before);
  }

  // --- The ring ---------------------------------------------------------------------------------

  async #readRing(): Promise<void> {
    const source = this.#source;
    if (source === undefined) return;
    const { receiver } = source;
    const { writer, storeDir } = this.#context;
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
        if (storeDir === undefined) this.#take(source, trade, receiver.recordNumber - 1);
        else await this.#takeNumbered(source, trade);
      }
      if (writer.pendingTrades >= TRADES_PER_COMMIT) await this.#commit();
    }
    // Not only when the next trade comes.
    if (lapped && storeDir !== undefined) await this.#fill(publishedMark(source.memory.tradeRing));
    if (writer.pendingTrades > 0) await this.#commit();
  }

  /** A trade of the exchange, whose id is its number. */
  async #takeNumbered(source: Source, trade: TradeRecord): Promise<void> {
    const { writer } = this.#context;
    const number = Number(trade.tradeId);
    if (number <= writer.state.lastNumber) return;
    if (number > writer.state.lastNumber + 1) await this.#fill(number - 1);
    this.#append(this.#marketOf(source, trade.slot), { ...trade, number });
  }

  /** A trade of another feed. */
  #take(source: Source, trade: TradeRecord, record: number): void {
    const { writer } = this.#context;
    const { nextRecord, lastTs, lastNumber } = writer.state;
    const ahead = (record - nextRecord) | 0;
    if (ahead < 0) return;
    if (ahead > 0) this.#gap(lastTs, trade.ts);
    this.#append(this.#marketOf(source, trade.slot), { ...trade, number: lastNumber + 1 });
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

  #append(market: number, trade: Parameters<ArchiveWriter["append"]>[1]): void {
    const { number, ts, seq, price, quantity, takerSide, tradeId } = trade;
    this.#context.writer.append(market, { number, ts, seq, price, quantity, takerSide, tradeId });
    this.#oldestTs ??= ts;
  }

  // --- What is missing ----------------------------------------------------------------------------

  /** Takes the trades of the exchange that are missing, up to a number, from its store. */
  async #fill(to: number): Promise<void> {
    const { writer, storeDir, log } = this.#context;
    const from = writer.state.lastNumber + 1;
    if (storeDir === undefined || to < from) return;
    await this.#commit();
    for await (const some of storedTrades(storeDir, from, to)) {
      for (const { trade, market } of some) {
        const { tradeId: number, ts, price, quantity, takerSide } = trade;
        const { lastNumber, lastTs, epoch } = writer.state;
        if (number > lastNumber + 1) this.#gap(lastTs, ts);
        const index = writer.market(market);
        const place = writer.placeOf(index);
        const seq = place?.epoch === epoch ? place.seq + 1 : 1;
        const told = { number, ts, seq, price, quantity, takerSide, tradeId: String(number) };
        this.#append(index, told);
      }
      await this.#commit();
    }
    log.info({ from, to }, "trades were archived from the store");
    if (writer.state.lastNumber >= to) return;
    // They cannot be had any more; what comes next goes on behind them.
    this.#gap(writer.state.lastTs, nowMicros());
    writer.skipTo(to);
  }

  #gap(from: number, to: number): void {
    const { writer, counters, log } = this.#context;
    log.error({ from, to }, "trades of this time are missing in the archive");
    writer.gap(from, Math.max(to, from + 1));
    count(counters, ARCHIVIST.gaps);
  }

  async #commit(ended = false): Promise<void> {
    const { writer, counters } = this.#context;
    const { pendingTrades } = writer;
    if (pendingTrades === 0 && !ended) return;
    await writer.commit(ended);
    count(counters, ARCHIVIST.trades, pendingTrades);
    counters[ARCHIVIST.bytes] = writer.usedBytes;
    counters[ARCHIVIST.lagS] =
      this.#oldestTs === undefined ? 0 : Math.max(0, nowMicros() - this.#oldestTs) / 1e6;
    this.#oldestTs = undefined;
  }
}

/**
 * Number of the last trade that was told before the epoch of a ring: its trades' numbers and those of
 * their records go up together. Undefined where the ring was lapped and nothing more comes.
 */
async function lastTradeBefore(ring: SharedArrayBuffer): Promise<number | undefined> {
  const receiver = new BroadcastReceiver(ring, "start");
  for (let look = 0; look < LOOKS_MAX; look++) {
    const received = receiver.receive();
    if (received === RECEIVED.records && receiver.next() !== 0) {
      const { tradeId } = readTrade(receiver.words, receiver.offset);
      return Number(tradeId) - receiver.recordNumber;
    }
    if (received === RECEIVED.nothing) {
      if (receiver.laps === 0) return publishedMark(ring);
      await sleep(LOOK_MS);
    }
  }
  return undefined;
}
