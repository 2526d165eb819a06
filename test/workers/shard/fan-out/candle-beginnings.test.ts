import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { ArchiveEnvironment } from "../../../../src/archive/archive-environment.js";
import { ArchiveReader } from "../../../../src/archive/archive-reader.js";
import { ArchiveWriter } from "../../../../src/archive/archive-writer.js";
import type { Candle, ServerMessage } from "../../../../src/contract/messages.js";
import { CANDLE_INTERVALS, type CandleInterval } from "../../../../src/shared/candle.js";
import { type CandleTrade, obviousCandles } from "../../../support/obvious-candles.js";
import { type Client, ShardWorld } from "../../../support/shard-world.js";

const BEGIN = 1_790_000_000_000_000;
const INTERVALS = Object.keys(CANDLE_INTERVALS) as CandleInterval[];
const MARKET = { marketId: 1, tickSize: 0.01, lotSize: 1 };

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
});
afterEach(() => void vi.useRealTimers());

interface ToldTrade extends CandleTrade {
  readonly seq: number;
}

/** A shard, its producer and an archive, which is written when the test has it so. */
class ArchivedWorld {
  readonly world: ShardWorld;
  readonly trades: ToldTrade[] = [];
  readonly asked: { readonly client: Client; readonly interval: CandleInterval }[] = [];
  readonly reader: ArchiveReader;
  readonly generation = 1;
  readonly #writer: ArchiveWriter;
  #archived = 0;
  #seq = 0;

  noteFault(error: unknown): void {
    throw error;
  }

  constructor(dir: string) {
    this.#writer = new ArchiveWriter(new ArchiveEnvironment(dir));
    this.reader = new ArchiveReader(dir);
    this.world = new ShardWorld({ archive: this });
    this.world.nowMicros = BEGIN;
    this.world.list(1);
    this.world.flush();
    this.world.round();
    this.#writer.beginEpoch(this.world.memory.epoch);
  }

  trade(later: number, price: number, quantity: number): void {
    this.world.nowMicros += later - 1;
    this.world.trade(1, price, quantity);
    const ts = this.world.nowMicros;
    this.trades.push({ ts, seq: ++this.#seq, price, quantity });
  }

  /** Archives so many more trades. */
  async archive(count: number): Promise<void> {
    const market = this.#writer.market(MARKET);
    for (const trade of this.trades.slice(this.#archived, this.#archived + count)) {
      const number = ++this.#archived;
      this.#writer.append(market, { ...trade, number, takerSide: "Buy", tradeId: `t${number}` });
    }
    await this.#writer.commit();
  }

  /** Another producer comes; the archive takes all that was told by the one before. */
  async restart(): Promise<void> {
    this.world.restartProducer(() => this.world.list(1));
    await this.archive(Number.POSITIVE_INFINITY);
    this.#writer.beginEpoch(this.world.memory.epoch);
    await this.#writer.commit();
    this.#seq = 0;
  }

  ask(interval: CandleInterval): void {
    const client = this.world.connect(0);
    const params = { market_id: 1, interval, limit: 1000 };
    this.world.subscribe(client, { type: "Candles", params });
    this.asked.push({ client, interval });
  }

  round(): void {
    this.world.flush();
    this.world.round();
  }

  async close(): Promise<void> {
    await this.reader.close();
    await this.#writer.close();
  }
}

/** What a client has of a series. */
function chartOf(messages: readonly ServerMessage[]): {
  readonly told: boolean;
  readonly candles: Candle[];
} {
  const candles = new Map<number, Candle>();
  let told = false;
  for (const { type, data } of messages) {
    if (type === "EpochChanged") told = false;
    if (type === "CandleSnapshot") {
      told = true;
      candles.clear();
      for (const candle of data.candles) candles.set(candle[0], candle);
    } else if (type === "CandleUpdate") {
      if (!told) throw new Error("an update before the snapshot");
      candles.set(data.candle[0], data.candle);
    }
  }
  return { told, candles: [...candles.values()] };
}

const steps = fc.array(
  fc.oneof(
    {
      weight: 10,
      arbitrary: fc.record({
        type: fc.constant("trade" as const),
        later: fc.constantFrom(1, 1, 400_000, 1_000_000, 60_000_000, 3_600_000_000),
        price: fc.integer({ min: 1, max: 50 }),
        quantity: fc.integer({ min: 1, max: 9 }),
      }),
    },
    { weight: 4, arbitrary: fc.record({ type: fc.constant("round" as const) }) },
    {
      weight: 4,
      arbitrary: fc.record({ type: fc.constant("archive" as const), count: fc.nat(5) }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        type: fc.constant("ask" as const),
        interval: fc.constantFrom(...INTERVALS),
      }),
    },
    { weight: 3, arbitrary: fc.record({ type: fc.constant("turns" as const) }) },
    { weight: 1, arbitrary: fc.record({ type: fc.constant("restart" as const) }) },
    { weight: 1, arbitrary: fc.record({ type: fc.constant("lost" as const) }) },
  ),
  { minLength: 10, maxLength: 60 },
);

it("candle beginnings - each trade is in its candle once, whatever the archive's lag and restarts", async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (history) => {
      const dir = await mkdtemp(join(tmpdir(), "candles-"));
      const run = new ArchivedWorld(dir);
      for (const step of history) {
        if (step.type === "trade") run.trade(step.later, step.price, step.quantity);
        else if (step.type === "round") run.round();
        else if (step.type === "archive") await run.archive(step.count);
        else if (step.type === "ask") run.ask(step.interval);
        else if (step.type === "turns") vi.advanceTimersByTime(12);
        else if (step.type === "restart") await run.restart();
        else run.world.fanOut.tradesLost();
      }
      await run.archive(Number.POSITIVE_INFINITY);
      run.round();
      // What it was asked for has to come before it would be late.
      const endsAt = performance.now() + 1500;
      const goesOn = (): boolean => {
        vi.advanceTimersByTime(5);
        run.round();
        return performance.now() < endsAt;
      };
      while (run.asked.some(({ client }) => !chartOf(client.messages).told) && goesOn());
      run.trade(1, 7, 7);
      await run.archive(Number.POSITIVE_INFINITY);
      run.round();
      // A series that is begun anew tells its snapshot in a round of its own.
      const isWhole = ({ client, interval }: (typeof run.asked)[number]): boolean =>
        chartOf(client.messages).candles.at(-1)?.[6] ===
        obviousCandles(run.trades, interval).at(-1)?.[6];
      while (!run.asked.every(isWhole) && goesOn());
      for (const { client, interval } of run.asked)
        expect(chartOf(client.messages).candles).toEqual(obviousCandles(run.trades, interval));
      await run.close();
      await rm(dir, { recursive: true, force: true });
    }),
    { numRuns: 40 },
  );
});

it("candle beginnings - one that the archive was late for is begun anew when that has come so far", async () => {
  const dir = await mkdtemp(join(tmpdir(), "candles-"));
  const run = new ArchivedWorld(dir);
  run.trade(1, 5, 1);
  await run.archive(1);
  // Told before anybody asks, and not in the archive for long.
  run.trade(1, 9, 2);
  run.round();
  run.ask("1d");
  run.trade(1, 6, 3);
  run.round();
  const [{ client }] = run.asked as [(typeof run.asked)[number]];
  const volume = () => chartOf(client.messages).candles.at(-1)?.[5];
  const goesOn = (): void => {
    vi.advanceTimersByTime(20);
    run.round();
  };
  while (volume() === undefined) goesOn();
  expect(volume()).toBe(1 + 3);
  await run.archive(Number.POSITIVE_INFINITY);
  while (volume() !== 1 + 2 + 3) goesOn();
  run.trade(1, 4, 4);
  run.round();
  expect(chartOf(client.messages).candles).toEqual(obviousCandles(run.trades, "1d"));
  await run.close();
  await rm(dir, { recursive: true, force: true });
});
