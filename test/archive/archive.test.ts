import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ArchiveEnvironment } from "../../src/archive/archive-environment.js";
import {
  ArchiveDamage,
  type ArchivedTrade,
  type ArchivePosition,
  blockKey,
} from "../../src/archive/archive-form.js";
import { ArchiveReader, type HistoryTrade } from "../../src/archive/archive-reader.js";
import { ArchiveWriter } from "../../src/archive/archive-writer.js";
import {
  addTrade,
  beginCandle,
  CANDLE_INTERVALS,
  type Candle,
  type CandleInterval,
  candleStart,
} from "../../src/shared/candle.js";

interface Told extends ArchivedTrade {
  readonly marketId: number;
  readonly epoch: string;
}

const BEGIN = 1_790_000_000_000_000;
const MARKETS = 3;

async function inDirectory<T>(use: (dir: string) => Promise<T>): Promise<T> {
  const dir = await mkdtemp(join(tmpdir(), "archive-"));
  try {
    return await use(dir);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

const steps = fc.array(
  fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({
        type: fc.constant("trade" as const),
        market: fc.nat(MARKETS - 1),
        later: fc.constantFrom(0, 0, 1, 400_000, 1_000_000, 59_000_000, 3_600_000_000),
        price: fc.integer({ min: 1, max: 50 }),
        quantity: fc.integer({ min: 1, max: 9 }),
        named: fc.boolean(),
      }),
    },
    { weight: 3, arbitrary: fc.record({ type: fc.constant("commit" as const) }) },
    { weight: 1, arbitrary: fc.record({ type: fc.constant("restart" as const) }) },
    { weight: 1, arbitrary: fc.record({ type: fc.constant("epoch" as const) }) },
    {
      weight: 1,
      arbitrary: fc.record({
        type: fc.constant("prune" as const),
        share: fc.double({ min: 0, max: 1, noNaN: true }),
      }),
    },
  ),
  { maxLength: 120 },
);

/** Runs steps on an archive; returns all that was told and is committed, and up to where it was pruned. */
async function run(
  dir: string,
  history: readonly (typeof steps extends fc.Arbitrary<infer T> ? T : never)[number][],
) {
  const told: Told[] = [];
  let writer = new ArchiveWriter(new ArchiveEnvironment(dir));
  let epoch = "e-0";
  let ts = BEGIN;
  const seqs = new Map<number, number>();
  writer.beginEpoch(epoch);
  for (const step of history) {
    switch (step.type) {
      case "trade": {
        const { market, price, quantity, named } = step;
        ts += step.later;
        const number = told.length + 1;
        const seq = (seqs.get(market) ?? 0) + 1;
        seqs.set(market, seq);
        const tradeId = named ? `trade ü ${number}` : String(number);
        const trade = { number, ts, seq, price, quantity, takerSide: "Sell" as const, tradeId };
        writer.append(
          writer.market({ marketId: 1000 + market, tickSize: 0.01, lotSize: 1 }),
          trade,
        );
        told.push({ ...trade, marketId: 1000 + market, epoch });
        break;
      }
      case "commit":
        await writer.commit();
        break;
      case "restart":
        await writer.commit();
        await writer.close();
        writer = new ArchiveWriter(new ArchiveEnvironment(dir));
        expect(writer.state.lastNumber).toBe(told.length);
        break;
      case "epoch":
        await writer.commit();
        epoch = `e-${told.length}`;
        writer.beginEpoch(epoch);
        seqs.clear();
        break;
      case "prune":
        await writer.commit();
        while (await writer.prune(BEGIN + Math.floor((ts - BEGIN) * step.share), Infinity));
        break;
    }
  }
  await writer.commit(true);
  return { told, writer, ts };
}

function plain({ market, ...trade }: HistoryTrade): Told {
  return { ...trade, marketId: market.marketId as number };
}

function candlesOf(trades: readonly Told[], interval: CandleInterval): Candle[] {
  const candles: Candle[] = [];
  for (const { ts, price, quantity } of trades) {
    const start = candleStart(ts, CANDLE_INTERVALS[interval]);
    const last = candles.at(-1);
    if (last?.start === start) addTrade(last, price, quantity);
    else candles.push(beginCandle(start, price, quantity));
  }
  return candles;
}

describe("archive", () => {
  it("archive - pages of any size are what plain arrays of the told trades are", async () => {
    await fc.assert(
      fc.asyncProperty(steps, fc.integer({ min: 1, max: 7 }), async (history, limit) => {
        await inDirectory(async (dir) => {
          const { told, writer } = await run(dir, history);
          const reader = new ArchiveReader(dir);
          const { prunedTo } = writer.state;
          const kept = told.filter(({ ts }) => ts >= prunedTo);
          for (let market = 0; market < MARKETS; market++) {
            const marketId = 1000 + market;
            const own = kept.filter((trade) => trade.marketId === marketId);
            const from = own[Math.floor(own.length / 4)]?.ts ?? BEGIN;
            const to = own[Math.floor((own.length * 3) / 4)]?.ts ?? BEGIN;
            for (const range of [
              { from: prunedTo },
              { from },
              { from: prunedTo, to },
              { from, to },
            ]) {
              const expected = own.filter(
                ({ ts }) => ts >= range.from && ts < (range.to ?? Infinity),
              );
              const pages: Told[] = [];
              let before: ArchivePosition | undefined;
              do {
                const page = reader.tradesBefore(marketId, range, before, limit);
                pages.push(...page.trades.map(plain));
                before = page.next;
              } while (before !== undefined);
              expect(pages).toEqual(expected.toReversed());
            }
          }
          for (const market of [undefined, 1000, 1001]) {
            const from = kept[Math.floor(kept.length / 3)]?.ts ?? BEGIN;
            const expected = kept.filter(
              ({ ts, marketId }) => ts >= from && (market ?? marketId) === marketId,
            );
            const pages: Told[] = [];
            let after: ArchivePosition | undefined;
            for (;;) {
              const page = reader.tradesFrom(market, from, after, limit);
              if (page.trades.length === 0) break;
              pages.push(...page.trades.map(plain));
              after = page.next;
            }
            expect(pages).toEqual(expected);
          }
          expect(reader.lacks(prunedTo, Number.MAX_SAFE_INTEGER)).toBe(false);
          if (prunedTo > 0) expect(reader.lacks(prunedTo - 1, prunedTo)).toBe(true);
          await reader.close();
          await writer.close();
        });
      }),
      { numRuns: 40 },
    );
  });

  it("archive - candles of every length are the sums of their trades", async () => {
    await fc.assert(
      fc.asyncProperty(steps, fc.integer({ min: 1, max: 5 }), async (history, limit) => {
        await inDirectory(async (dir) => {
          const unpruned = history.filter(({ type }) => type !== "prune");
          const { told, writer, ts } = await run(dir, unpruned);
          const reader = new ArchiveReader(dir);
          const own = told.filter(({ marketId }) => marketId === 1000);
          for (const interval of Object.keys(CANDLE_INTERVALS) as CandleInterval[]) {
            const length = CANDLE_INTERVALS[interval];
            for (const range of [{}, { from: own[2]?.ts ?? 0, to: own.at(-2)?.ts ?? 0 }]) {
              const { from = 0, to = Infinity } = range;
              const expected = candlesOf(own, interval)
                .filter(({ start }) => start + length <= ts && start >= from && start < to)
                .reverse();
              const pages: Candle[] = [];
              let before: number | undefined;
              do {
                const page = reader.candlesBefore(1000, interval, range, before, limit, ts);
                pages.push(...page.candles);
                before = page.next;
              } while (before !== undefined);
              expect(pages).toEqual(expected);
            }
          }
          await reader.close();
          await writer.close();
        });
      }),
      { numRuns: 25 },
    );
  });

  it("archive - the oldest go first where the records take more than they may", async () => {
    await inDirectory(async (dir) => {
      const writer = new ArchiveWriter(new ArchiveEnvironment(dir));
      writer.beginEpoch("e");
      const market = writer.market({ marketId: 1, tickSize: 1, lotSize: 1 });
      for (let batch = 0; batch < 400; batch++) {
        for (let at = 1; at <= 50; at++) {
          const number = batch * 50 + at;
          const trade = { number, ts: BEGIN + number, seq: number, price: 1, quantity: 1 };
          writer.append(market, { ...trade, takerSide: "Buy", tradeId: String(number) });
        }
        await writer.commit();
      }
      const bytesMax = writer.usedBytes / 2;
      while (await writer.prune(0, bytesMax));
      expect(writer.usedBytes).toBeLessThanOrEqual(bytesMax);
      const reader = new ArchiveReader(dir);
      const from = writer.state.prunedTo;
      expect(from).toBeGreaterThan(BEGIN);
      expect(reader.lacks(from, from + 1)).toBe(false);
      expect(reader.lacks(from - 1, from)).toBe(true);
      const { trades } = reader.tradesFrom(1, from, undefined, 100_000);
      expect(trades[0]?.ts).toBe(from);
      expect(trades.at(-1)?.number).toBe(20_000);
      expect(trades.length).toBeGreaterThan(1000);
      await reader.close();
      await writer.close();
    });
  });

  it("archive - a market whose steps have changed has the trades of all its steps, in their order", async () => {
    await inDirectory(async (dir) => {
      const writer = new ArchiveWriter(new ArchiveEnvironment(dir));
      writer.beginEpoch("e");
      const steps = [0.01, 0.1, 0.01];
      let number = 0;
      for (const tickSize of steps) {
        for (let at = 0; at < 5; at++) {
          for (const marketId of [1, 2]) {
            const index = writer.market({
              marketId,
              tickSize: marketId === 1 ? tickSize : 1,
              lotSize: 1,
            });
            const trade = { number: ++number, ts: BEGIN + number, seq: number, price: number };
            const id = String(number);
            writer.append(index, { ...trade, quantity: 1, takerSide: "Buy", tradeId: id });
          }
        }
        await writer.commit();
      }
      const reader = new ArchiveReader(dir);
      const expected = Array.from({ length: 15 }, (_, at) => [
        2 * at + 1,
        steps[Math.floor(at / 5)],
      ]);
      const plainOf = (trades: readonly HistoryTrade[]) =>
        trades.map(({ number, market }) => [number, market.tickSize]);
      for (const limit of [1, 3, 100]) {
        const forwards: unknown[] = [];
        let after: ArchivePosition | undefined;
        for (;;) {
          const { trades, next } = reader.tradesFrom(1, BEGIN, after, limit);
          if (trades.length === 0) break;
          forwards.push(...plainOf(trades));
          after = next;
        }
        expect(forwards).toEqual(expected);
        const backwards: unknown[] = [];
        let before: ArchivePosition | undefined;
        do {
          const { trades, next } = reader.tradesBefore(1, {}, before, limit);
          backwards.push(...plainOf(trades));
          before = next;
        } while (before !== undefined);
        expect(backwards).toEqual(expected.toReversed());
      }
      await reader.close();
      await writer.close();
    });
  });

  it("archive - a block that its batch names and that is not there is damage", async () => {
    await inDirectory(async (dir) => {
      const environment = new ArchiveEnvironment(dir);
      const writer = new ArchiveWriter(environment);
      writer.beginEpoch("e");
      for (let number = 1; number <= 2; number++) {
        const index = writer.market({ marketId: number, tickSize: 1, lotSize: 1 });
        const trade = { number, ts: BEGIN + number, seq: 1, price: 1, quantity: 1 };
        writer.append(index, { ...trade, takerSide: "Buy", tradeId: String(number) });
      }
      await writer.commit();
      await environment.blocks.remove(blockKey(1, { ts: BEGIN + 2, number: 2 }));
      const reader = new ArchiveReader(dir);
      expect(() => reader.tradesFrom(undefined, BEGIN, undefined, 10)).toThrow(ArchiveDamage);
      await reader.close();
      await writer.close();
    });
  });

  it("archive - what is missing is known of each time by itself", async () => {
    await inDirectory(async (dir) => {
      const writer = new ArchiveWriter(new ArchiveEnvironment(dir));
      const reader = new ArchiveReader(dir);
      expect(reader.lacks(0, 1)).toBe(true);
      writer.beginEpoch("e");
      writer.gap(BEGIN, BEGIN + 10);
      writer.gap(BEGIN + 50, BEGIN + 60);
      await writer.commit();
      const lacks = (from: number, to: number) => reader.lacks(BEGIN + from, BEGIN + to);
      for (const [from, to] of [
        [-9, 0],
        [10, 50],
        [60, 99],
      ] as const)
        expect(lacks(from, to)).toBe(false);
      for (const [from, to] of [
        [-9, 1],
        [9, 50],
        [10, 51],
        [59, 60],
        [-9, 99],
      ] as const)
        expect(lacks(from, to)).toBe(true);
      await reader.close();
      await writer.close();
    });
  });
});
