import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { pino } from "pino";
import { describe, expect, it, vi } from "vitest";
import { ArchiveEnvironment } from "../../../src/archive/archive-environment.js";
import { decodeBatch, decodeBlock } from "../../../src/archive/archive-form.js";
import { EpochNotes, isUnknownEpoch, notedTs, TsNote } from "../../../src/archive/archive-notes.js";
import { ArchiveReader, type HistoryTrade } from "../../../src/archive/archive-reader.js";
import { ArchiveWriter } from "../../../src/archive/archive-writer.js";
import {
  ARCHIVIST,
  counted,
  counterBlockOf,
  createCounterBuffer,
} from "../../../src/counters/counters.js";
import { MarketWriter } from "../../../src/market-data/market-writer.js";
import { BroadcastReceiver, RECEIVED } from "../../../src/ring/broadcast-receiver.js";
import { createMarketMemory, type MarketMemory } from "../../../src/ring/market-memory.js";
import { utf8 } from "../../../src/ring/records.js";
import { Archivist } from "../../../src/workers/archivist/archivist.js";
import type { StoredTrade } from "../../../src/workers/archivist/stored-trades.js";

const MARKETS = 3;
const BEGIN = 1_790_000_000_000_000;
/** More than the smallest ring holds. */
const LAP = 1500;
const log = pino({ level: "silent" });

interface Told {
  readonly number: number;
  readonly ts: number;
  readonly seq: number;
  readonly epoch: string;
  readonly marketId: number;
}

/** Producers, one after another, and the store that all of them have. */
class Producers {
  readonly told: Told[] = [];
  readonly stored: StoredTrade[] = [];
  readonly memories: MarketMemory[] = [];
  readonly #tradeRingSize: number;
  #writer: MarketWriter | undefined;
  #seqs: number[] = [];

  constructor(tradeRingSize = 1 << 16) {
    this.#tradeRingSize = tradeRingSize;
    this.begin();
  }

  begin(): MarketMemory {
    const memory = createMarketMemory(`epoch-${this.memories.length}`, {
      ringSize: 1 << 16,
      tradeRingSize: this.#tradeRingSize,
      maxMarkets: MARKETS,
      maxTitleBytes: 16,
      bookDepth: 20,
    });
    const { producer } = counterBlockOf(createCounterBuffer(1));
    const writer = new MarketWriter(memory, producer);
    writer.continueTrades(this.told.length);
    for (let slot = 0; slot < MARKETS; slot++)
      writer.list({ marketId: 1000 + slot, title: "A", tickSize: 0.01, lotSize: 1 }, utf8("A"), {
        slot,
        status: "Active",
        changes: 1,
        stateSeq: 1,
        priceSeq: 0,
        price: null,
        bestBid: null,
        bestAsk: null,
        volume: 0,
        ts: BEGIN,
        sizedSeq: 0,
        bidQuantity: null,
        askQuantity: null,
        sizedTs: 0,
      });
    writer.publish();
    this.#writer = writer;
    this.#seqs = Array.from({ length: MARKETS }, () => 0);
    this.memories.push(memory);
    return memory;
  }

  /** Trades in the markets by turns that `markets` names. */
  trade(count: number, markets: readonly number[]): void {
    const writer = this.#writer as MarketWriter;
    for (let at = 0; at < count; at++) {
      const slot = markets[at % markets.length] as number;
      const number = this.told.length + 1;
      const seq = (this.#seqs[slot] as number) + 1;
      this.#seqs[slot] = seq;
      const ts = BEGIN + number * 1000;
      const trade = { slot, seq, price: 5, quantity: 2, takerSide: "Buy" as const, ts };
      writer.trade({ ...trade, tradeNumber: number }, utf8(String(number)));
      const epoch = this.memories.at(-1)?.epoch as string;
      this.told.push({ number, ts, seq, epoch, marketId: 1000 + slot });
      this.stored.push({
        market: { marketId: 1000 + slot, title: "A", tickSize: 0.01, lotSize: 1 },
        trade: {
          tradeId: number,
          marketId: 1000 + slot,
          price: 5,
          quantity: 2,
          takerSide: "Buy",
          makerOrderId: 1,
          takerOrderId: 2,
          makerWallet: "a",
          takerWallet: "b",
          ts,
        },
      } as StoredTrade);
      if (number % 50 === 0) writer.publish();
    }
    writer.publish();
  }
}

/** An archive and archivists of it, one after another. */
class Archive {
  readonly #producers: Producers;
  readonly #numbered: boolean;
  readonly counters = counterBlockOf(createCounterBuffer(1)).archivist;
  readonly dir: string;
  #writer: ArchiveWriter | undefined;
  #archivist: Archivist | undefined;
  readonly lacks: string[] = [];
  #seen = 0;
  /** Called when trades of the store are read. */
  onStored: (() => Promise<void>) | undefined;
  /** The number below which the store has pruned its trades. */
  storeFrom = 1;

  constructor(dir: string, producers: Producers, numbered: boolean) {
    this.dir = dir;
    this.#producers = producers;
    this.#numbered = numbered;
  }

  get writer(): ArchiveWriter {
    return this.#writer as ArchiveWriter;
  }

  async catchUp(): Promise<void> {
    if (this.#archivist === undefined) await this.#start();
    const { memories } = this.#producers;
    for (const memory of memories.slice(this.#seen)) this.#archivist?.add(memory);
    this.#seen = memories.length;
    await this.#archivist?.catchUp();
  }

  /** The archivist dies; with `lost` its file is damaged and has been moved aside. */
  async die({ lost }: { readonly lost: boolean }): Promise<void> {
    await this.#writer?.close();
    this.#writer = this.#archivist = undefined;
    if (!lost) return;
    await rm(join(this.dir, "data.mdb"), { force: true });
    await rm(join(this.dir, "lock.mdb"), { force: true });
  }

  /** As the thread does it: main keeps the memories of two producers. */
  async #start(): Promise<void> {
    const writer = new ArchiveWriter(new ArchiveEnvironment(this.dir));
    this.#writer = writer;
    const { memories, stored } = this.#producers;
    const kept = memories.slice(-2);
    const latest = kept.findIndex(({ epoch }) => epoch === writer.epoch);
    const { storeFrom } = this;
    const onStored = async (): Promise<void> => this.onStored?.();
    this.#archivist = new Archivist({
      relayed: false,
      writer,
      counters: this.counters,
      tsNote: new TsNote(this.dir),
      epochs: await EpochNotes.load(this.dir),
      stored: !this.#numbered
        ? undefined
        : async function* (from, to) {
            await onStored();
            for (let at = Math.max(from, storeFrom) - 1; at < to; at += 400)
              yield stored.slice(at, Math.min(to, at + 400));
          },
      unseen: memories.length > 2 && latest < 0,
      lookMs: 0,
      toldTo: () => (this.#producers.told.at(-1)?.ts ?? 0) + 1,
      lacks: (what) => this.lacks.push(what),
      log,
    });
    for (const memory of kept.slice(Math.max(0, latest))) this.#archivist.add(memory);
    this.#seen = memories.length;
  }

  /** The epoch that it says it has begun, with all before it. */
  async epoch(): Promise<string | undefined> {
    const reader = new ArchiveReader(this.dir);
    const epoch = reader.reach()?.epoch;
    await reader.close();
    return epoch;
  }

  /** All trades that it has, and from which `ts` on none is missing. */
  async found(): Promise<{ trades: HistoryTrade[]; completeFrom: number }> {
    const reader = new ArchiveReader(this.dir);
    const trades: HistoryTrade[] = [];
    let after = undefined as HistoryTrade | undefined;
    for (;;) {
      const page = reader.tradesFrom(undefined, 0, after, 1000);
      if (page.trades.length === 0) break;
      trades.push(...page.trades);
      after = page.trades.at(-1);
    }
    const { told } = this.#producers;
    const isComplete = (ts: number): boolean => !reader.lacks(ts, Number.MAX_SAFE_INTEGER);
    const first = told.find(({ ts }) => isComplete(ts))?.ts ?? Number.POSITIVE_INFINITY;
    const completeFrom = isComplete(0) ? 0 : first;
    await reader.close();
    return { trades, completeFrom };
  }
}

async function within(
  numbered: boolean,
  use: (producers: Producers, archive: Archive) => Promise<void>,
  producers = new Producers(),
): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), "archivist-"));
  const archive = new Archive(dir, producers, numbered);
  try {
    await use(producers, archive);
  } finally {
    await archive.die({ lost: false });
    await rm(dir, { recursive: true, force: true });
  }
}

function plain({ number, ts, seq, epoch, market }: HistoryTrade): Told {
  return { number, ts, seq, epoch, marketId: market.marketId as number };
}

const steps = fc.array(
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        type: fc.constant("trade" as const),
        count: fc.oneof(
          { weight: 5, arbitrary: fc.integer({ min: 1, max: 40 }) },
          { weight: 1, arbitrary: fc.constant(LAP) },
        ),
        markets: fc.array(fc.nat(MARKETS - 1), { minLength: 1, maxLength: 4 }),
      }),
    },
    { weight: 4, arbitrary: fc.constant({ type: "catchUp" as const }) },
    { weight: 1, arbitrary: fc.constant({ type: "producer" as const }) },
    { weight: 1, arbitrary: fc.constant({ type: "die" as const, lost: false }) },
    { weight: 1, arbitrary: fc.constant({ type: "die" as const, lost: true }) },
    {
      weight: 1,
      arbitrary: fc.record({
        type: fc.constant("prune" as const),
        share: fc.double({ min: 0, max: 1, noNaN: true }),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        type: fc.constant("pruneStore" as const),
        share: fc.double({ min: 0, max: 1, noNaN: true }),
      }),
    },
  ),
  { maxLength: 25 },
);

describe("archivist", () => {
  it("archivist - what it archives is what was told, or of no known epoch, over laps, deaths and damage", async () => {
    let exact = 0;
    await fc.assert(
      fc.asyncProperty(steps, async (history) => {
        await within(true, async (producers, archive) => {
          for (const step of history) {
            switch (step.type) {
              case "trade":
                producers.trade(step.count, step.markets);
                break;
              case "catchUp":
                await archive.catchUp();
                break;
              case "producer":
                producers.begin();
                break;
              case "die":
                await archive.die(step);
                break;
              case "prune": {
                await archive.catchUp();
                const { length } = producers.told;
                const before = BEGIN + Math.floor(length * step.share) * 1000;
                while (await archive.writer.prune(before, Infinity));
                break;
              }
              case "pruneStore":
                archive.storeFrom = Math.max(
                  archive.storeFrom,
                  Math.floor(producers.told.length * step.share),
                );
                break;
            }
          }
          // Whoever was lapped looks at the next trade to know where the epoch began.
          producers.trade(1, [0]);
          await archive.catchUp();
          const { trades, completeFrom } = await archive.found();
          const { told } = producers;
          for (const trade of trades) {
            const expected = told[trade.number - 1] as Told;
            const { seq, epoch, ...rest } = plain(trade);
            expect(expected).toMatchObject(rest);
            if (!isUnknownEpoch(epoch)) expect(plain(trade)).toEqual(expected);
          }
          const complete = (one: { readonly ts: number }) => one.ts >= completeFrom;
          expect(trades.filter(complete).map(({ number }) => number)).toEqual(
            told.filter(complete).map(({ number }) => number),
          );
          if (archive.storeFrom === 1 && !history.some(({ type }) => type === "prune"))
            expect(trades).toHaveLength(told.length);
          exact += trades.filter(({ epoch }) => !isUnknownEpoch(epoch)).length;
        });
      }),
      { numRuns: 20 },
    );
    expect(exact).toBeGreaterThan(0);
  }, 30_000);

  it("archivist - an archive that is made again from the store has every seq and epoch again", async () => {
    await within(true, async (producers, archive) => {
      for (let epoch = 0; epoch < 4; epoch++) {
        if (epoch > 0) producers.begin();
        producers.trade(30, [0, 1, 1, 2]);
        await archive.catchUp();
      }
      await archive.die({ lost: true });
      producers.trade(LAP, [1, 2]);
      await archive.catchUp();
      const { trades, completeFrom } = await archive.found();
      expect(completeFrom).toBe(0);
      expect(trades.map(plain)).toEqual(producers.told);
      expect(counted(archive.counters, ARCHIVIST.gaps)).toBe(0);
    });
  });

  it("archivist - a lap goes on counting a market whose trades have been pruned", async () => {
    await within(true, async (producers, archive) => {
      producers.trade(10, [0]);
      await archive.catchUp();
      producers.trade(10, [1]);
      await archive.catchUp();
      producers.trade(10, [1]);
      await archive.catchUp();
      while (await archive.writer.prune(BEGIN + 25_000, Infinity));
      producers.trade(1, [0]);
      producers.trade(LAP, [1]);
      await archive.catchUp();
      const { trades } = await archive.found();
      expect(trades.find(({ market }) => market.marketId === 1000)).toMatchObject({
        seq: 11,
        epoch: "epoch-0",
      });
    });
  });

  it("archivist - trades of no known epoch are said to be of none", async () => {
    await within(true, async (producers, archive) => {
      producers.trade(10, [0]);
      producers.begin();
      producers.begin();
      producers.trade(10, [0]);
      await archive.catchUp();
      const { trades } = await archive.found();
      const epochs = trades.map(({ epoch }) => epoch);
      expect(epochs).toEqual([
        ...Array.from({ length: 10 }, () => "unknown-1"),
        ...Array.from({ length: 10 }, () => "epoch-2"),
      ]);
    });
  });

  it("archivist - two stretches of no known epoch are two, each with a seq of its own", async () => {
    await within(true, async (producers, archive) => {
      for (let stretch = 0; stretch < 2; stretch++) {
        producers.trade(10, [0]);
        producers.begin();
        producers.begin();
        producers.trade(10, [0]);
        await archive.catchUp();
        await archive.die({ lost: false });
        producers.begin();
      }
      const { trades } = await archive.found();
      expect([...new Set(trades.map(({ epoch }) => epoch))]).toEqual([
        "unknown-1",
        "epoch-2",
        "unknown-21",
        "epoch-5",
      ]);
      const places = trades.map(({ epoch, seq }) => `${epoch} ${seq}`);
      expect(new Set(places).size).toBe(trades.length);
    });
  });

  it("archivist - an epoch is begun with all before it, and gone on with behind a lap", async () => {
    await within(true, async (producers, archive) => {
      producers.trade(10, [0]);
      await archive.catchUp();
      producers.begin();
      producers.trade(LAP, [0, 1]);
      const epochs: (string | undefined)[] = [];
      archive.onStored = async () => {
        epochs.push(await archive.epoch());
      };
      await archive.catchUp();
      expect(epochs).toEqual(["epoch-0"]);
      expect(await archive.epoch()).toBe("epoch-1");
      producers.trade(5, [0]);
      await archive.catchUp();
      producers.trade(LAP, [0, 1]);
      await archive.catchUp();
      // While that is taken from the store it is not known what all of the epoch is.
      expect(await archive.epoch()).toBe("epoch-1");
      const { trades, completeFrom } = await archive.found();
      expect([completeFrom, trades.length]).toEqual([0, producers.told.length]);
    });
  });

  it("archivist - a first trade that is told while it is looked for belongs to its epoch", async () => {
    await within(true, async (producers, archive) => {
      producers.trade(10, [0]);
      await archive.catchUp();
      producers.begin();
      const { receive } = BroadcastReceiver.prototype;
      let published = false;
      const spy = vi.spyOn(BroadcastReceiver.prototype, "receive");
      spy.mockImplementation(function look(this: BroadcastReceiver) {
        const received = receive.call(this);
        // The former ring is read to its end first.
        if (received === RECEIVED.nothing && spy.mock.calls.length > 1 && !published) {
          published = true;
          producers.trade(1, [0]);
        }
        return received;
      });
      await archive.catchUp();
      spy.mockRestore();
      expect(published).toBe(true);
      const { trades } = await archive.found();
      expect(trades.map(plain)).toEqual(producers.told);
    });
  });

  it("archivist - without a store a gap ends behind all that was told, wherever the clock is", async () => {
    await within(false, async (producers, archive) => {
      producers.trade(10, [0]);
      await archive.catchUp();
      await archive.die({ lost: false });
      producers.begin();
      producers.trade(10, [0]);
      producers.begin();
      producers.begin();
      await archive.catchUp();
      producers.trade(5, [0]);
      await archive.catchUp();
      const { trades, completeFrom } = await archive.found();
      expect(completeFrom).toBe(producers.told[20]?.ts);
      expect(trades.filter(({ ts }) => ts >= completeFrom)).toHaveLength(5);
    });
  });

  it("archivist - with the store a gap ends behind all that was told, and is there at once", async () => {
    await within(true, async (producers, archive) => {
      producers.trade(10, [0]);
      await archive.catchUp();
      archive.storeFrom = Number.POSITIVE_INFINITY;
      await archive.die({ lost: false });
      producers.trade(LAP, [0]);
      await archive.catchUp();
      const { length } = producers.told;
      expect((await archive.found()).completeFrom).toBe(Number.POSITIVE_INFINITY);
      producers.trade(5, [0]);
      await archive.catchUp();
      const { trades, completeFrom } = await archive.found();
      expect(completeFrom).toBe(producers.told[length]?.ts);
      expect(trades.filter(({ ts }) => ts >= completeFrom)).toHaveLength(5);
    });
  });

  it("archivist - a flood is written in batches that are soon read", async () => {
    await within(
      true,
      async (producers, archive) => {
        producers.trade(20_000, [0, 1, 2]);
        await archive.catchUp();
        const environment = new ArchiveEnvironment(archive.dir);
        const batches = [...environment.batches.getRange()].map(({ value }) =>
          decodeBatch(value).reduce((sum, key) => {
            const block = environment.blocks.get(key);
            return sum + (block === undefined ? 0 : decodeBlock(block).trades.length);
          }, 0),
        );
        await environment.close();
        expect(batches.reduce((sum, trades) => sum + trades, 0)).toBe(20_000);
        expect(Math.max(...batches)).toBeLessThan(4000);
      },
      new Producers(1 << 22),
    );
  });

  it("archivist - without a store a lap is a gap, told once, and what comes next is complete", async () => {
    await within(false, async (producers, archive) => {
      producers.trade(10, [0]);
      await archive.catchUp();
      producers.trade(LAP, [0]);
      await archive.catchUp();
      producers.trade(5, [0]);
      await archive.catchUp();
      producers.trade(5, [0]);
      await archive.catchUp();
      expect(counted(archive.counters, ARCHIVIST.gaps)).toBe(1);
      expect(archive.lacks).toEqual([
        expect.stringMatching(/^trades from 2026-.+Z to 2026-.+Z are missing/),
      ]);
      const { trades, completeFrom } = await archive.found();
      expect(trades.map(({ ts, seq }) => [ts, seq])).toEqual(
        [...producers.told.slice(0, 10), ...producers.told.slice(-10)].map(({ ts, seq }) => [
          ts,
          seq,
        ]),
      );
      expect(trades.filter(({ ts }) => ts >= completeFrom)).toHaveLength(10);
      // A producer of the next run begins behind what is archived.
      expect(notedTs(archive.dir)).toBeGreaterThanOrEqual(producers.told.at(-1)?.ts as number);
    });
  });
});
