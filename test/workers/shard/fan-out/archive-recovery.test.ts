import fc from "fast-check";
import { expect, it } from "vitest";
import type { ArchivePosition } from "../../../../src/archive/archive-form.js";
import type { HistoryTrade } from "../../../../src/archive/archive-reader.js";
import { ENCODING_TABLE } from "../../../../src/codec/encodings.js";
import type { ServerMessage } from "../../../../src/contract/messages.js";
import type { MarketId } from "../../../../src/shared/market-id.js";
import { ArchiveRecovery } from "../../../../src/workers/shard/fan-out/archive-recovery.js";
import { nextPiece } from "../../../../src/workers/shard/fan-out/archived-trades.js";
import { ReplayCursor } from "../../../../src/workers/shard/fan-out/replay-cursor.js";
import { ReplayEncoder } from "../../../../src/workers/shard/fan-out/replay-encoder.js";
import { parseFrames } from "../../../support/frames.js";
import { ShardWorld } from "../../../support/shard-world.js";

const MARKETS = [1, 2, 3] as const;
const SEED = Math.floor(Math.random() * 2 ** 31);
/** By how much a producer begins behind what was told, in µs. */
const LATER = 100;
/** How long the archive is waited for. */
const WAIT_MS = 5000;

/** A producer whose trades an archive takes when the test has it so, and a shard that reads both. */
class ArchivedWorld {
  readonly world = new ShardWorld({ sizes: { tradeRingSize: 1 << 16 } });
  readonly trades: HistoryTrade[] = [];
  readonly faults: unknown[] = [];
  archived = 0;
  epoch = "";
  completeFrom = 0;
  generation = 1;
  /** How many trades a page has at most. */
  pageMax = 1000;
  nowMs = 0;
  fault: Error | undefined;
  readonly #seqs = new Map<MarketId, number>();

  readonly reader = {
    reach: () => {
      if (this.fault !== undefined) throw this.fault;
      if (this.epoch === "") return undefined;
      const lastTs = this.trades[this.archived - 1]?.ts ?? 0;
      return { epoch: this.epoch, lastTs, completeFrom: this.completeFrom };
    },
    tradesFrom: (
      id: MarketId | undefined,
      ts: number,
      after: ArchivePosition | undefined,
      limit: number,
    ) => {
      const trades = this.trades
        .slice(0, this.archived)
        .filter(
          (trade) =>
            trade.ts >= ts &&
            trade.number > (after?.number ?? 0) &&
            (id === undefined || trade.market.marketId === id),
        )
        .slice(0, Math.min(limit, this.pageMax));
      return { trades, next: trades.at(-1) };
    },
  };

  constructor() {
    for (const id of MARKETS) this.world.list(id);
    this.round();
    this.begin();
  }

  /** The archive begins the present epoch, with all that was told before. */
  begin(): void {
    this.archived = this.trades.length;
    this.epoch = this.world.memory.epoch;
  }

  noteFault(error: unknown): void {
    this.faults.push(error);
  }

  /** @param same at the same time as the one before */
  trade(marketId: MarketId, same = false): void {
    if (same && this.trades.length > 0) this.world.nowMicros--;
    this.world.trade(marketId, 100 + this.trades.length);
    const seq = (this.#seqs.get(marketId) ?? 0) + 1;
    this.#seqs.set(marketId, seq);
    const number = this.trades.length + 1;
    this.trades.push({
      number,
      ts: this.world.nowMicros,
      seq,
      price: 100 + number - 1,
      quantity: 1,
      takerSide: "Buy",
      tradeId: `${number}`,
      epoch: this.world.memory.epoch,
      market: { index: 0, marketId, tickSize: 0.01, lotSize: 1 },
    });
  }

  /** All is read that was told. */
  round(): void {
    this.world.flush();
    this.world.round();
  }

  /** @param untold trades that the next producer tells first, with a `ts` of before its beginning */
  restart(untold = 0): void {
    this.#seqs.clear();
    this.world.nowMicros += LATER;
    this.world.restartProducer(() => {
      this.world.nowMicros -= LATER;
      for (const id of MARKETS) this.world.list(id);
      for (let at = 0; at < untold; at++) this.trade(1);
      this.world.nowMicros += LATER;
    });
    this.world.round();
  }

  recovery(marketId: MarketId | undefined, since: number, maxMessages = 100_000): ArchiveRecovery {
    const { window } = this.world.fanOut.trades;
    const giveUpAt = this.nowMs + WAIT_MS;
    const now = () => this.nowMs;
    return new ArchiveRecovery(window, marketId, since, maxMessages, this, giveUpAt, now);
  }

  /** What a recovery that has found everything brings, as price and epoch. */
  replay({ result }: ArchiveRecovery): string[] {
    if (result?.recovered !== true) throw new Error("not recovered");
    const { window } = this.world.fanOut.trades;
    const encoder = new ReplayEncoder(ENCODING_TABLE);
    const archived = result.archived === undefined ? [] : [result.archived];
    let cursor = new ReplayCursor(window, "trades", 0, result.places, undefined, archived);
    const told: string[] = [];
    while (!cursor.atHead) {
      const piece =
        cursor.archived.length > 0 ? cursor.archivedPiece(encoder, this) : cursor.piece(encoder);
      if (piece === undefined) continue;
      if (piece === "lost" || piece === "away") throw new Error(`the replay is ${piece}`);
      for (const { payload } of parseFrames(piece.batch.bytes)) {
        const message = JSON.parse(payload.toString()) as ServerMessage;
        if (message.type !== "TradeExecution") throw new Error(`a ${message.type}`);
        const { price, epoch } = message.data.trade;
        told.push(`${Math.round(price * 100)} ${epoch ?? "present"}`);
      }
      cursor = piece.next;
    }
    return told;
  }

  /** The same, of the plain list of all trades. */
  obvious(marketId: MarketId | undefined, since: number): string[] {
    const { epoch: present } = this.world.memory;
    return this.trades
      .filter(({ ts, market }) => ts >= since && (marketId ?? market.marketId) === market.marketId)
      .map(({ price, epoch }) => `${price} ${epoch === present ? "present" : epoch}`);
  }
}

function runToEnd(recovery: ArchiveRecovery): ArchiveRecovery {
  do recovery.step(100);
  while (recovery.result === undefined && !recovery.waits);
  return recovery;
}

const histories = fc.record({
  steps: fc.array(
    fc.oneof(
      {
        weight: 4,
        arbitrary: fc.record({
          kind: fc.constant("trades" as const),
          // A window holds some 700.
          count: fc.constantFrom(1, 3, 100, 600),
          market: fc.constantFrom(...MARKETS, undefined),
          same: fc.boolean(),
        }),
      },
      { weight: 3, arbitrary: fc.constant({ kind: "round" as const }) },
      { weight: 3, arbitrary: fc.constant({ kind: "archive" as const }) },
      { weight: 1, arbitrary: fc.constant({ kind: "restart" as const }) },
    ),
    { minLength: 3, maxLength: 20 },
  ),
  back: fc.nat(3000),
  market: fc.constantFrom(...MARKETS, undefined),
  pageMax: fc.constantFrom(1, 7, 1000),
  laterTrades: fc.nat(200),
});

it(`archive recovery - archive and window together bring each trade once and in order (seed ${SEED})`, () => {
  let ofBoth = 0;
  fc.assert(
    fc.property(histories, ({ steps, back, market, pageMax, laterTrades }) => {
      const run = new ArchivedWorld();
      run.pageMax = pageMax;
      for (const step of steps) {
        if (step.kind === "trades")
          for (let at = 0; at < step.count; at++) {
            run.trade(step.market ?? MARKETS[at % 3] ?? 1, step.same && at % 2 === 1);
            // The window may be lapped between two rounds, but not within one.
            if (at % 100 === 99) run.round();
          }
        else if (step.kind === "round") run.round();
        else if (step.kind === "archive") {
          run.round();
          run.begin();
        } else run.restart();
      }
      run.round();
      // What nothing follows is never behind the window.
      const since = Math.max(0, (run.trades.at(-1)?.ts ?? 0) - back);
      const recovery = runToEnd(run.recovery(market, since));
      if (recovery.waits) {
        // It has not come so far that the window has the rest.
        run.begin();
        runToEnd(recovery);
      }
      expect(recovery.result?.recovered).toBe(true);
      if (recovery.result?.recovered === true && recovery.result.archived !== undefined) ofBoth++;
      // Who is passed by meanwhile is closed, and told so.
      const isPassed = run.trades.length - run.archived + laterTrades > 600;
      const more = isPassed ? 0 : laterTrades;
      for (let at = 0; at < more; at++) run.trade(MARKETS[at % 3] ?? 1);
      run.round();
      expect(run.replay(recovery)).toEqual(run.obvious(market, since));
    }),
    { numRuns: 150, seed: SEED },
  );
  expect(ofBoth).toBeGreaterThan(20);
});

it("archive recovery - waits until the archive has come to the present epoch, and gives up in the end", () => {
  const run = new ArchivedWorld();
  for (let at = 0; at < 10; at++) run.trade(1);
  run.round();
  run.restart();
  const recovery = runToEnd(run.recovery(1, 0));
  expect([recovery.waits, recovery.result]).toEqual([true, undefined]);
  run.begin();
  expect(runToEnd(recovery).result).toMatchObject({ recovered: true });
  expect(run.replay(recovery)).toEqual(run.obvious(1, 0));

  run.epoch = "another";
  const late = runToEnd(run.recovery(1, 0));
  run.nowMs += WAIT_MS;
  expect(runToEnd(late).result).toEqual({ recovered: false, refusal: "archive" });
  run.fault = new Error("a disk");
  const failing = runToEnd(run.recovery(1, 0));
  expect([failing.waits, run.faults]).toEqual([true, [run.fault]]);
});

it("archive recovery - trades that a producer left untold are not missed between archive and window", () => {
  const run = new ArchivedWorld();
  for (let at = 0; at < 10; at++) run.trade(1);
  run.round();
  run.restart(5);
  run.epoch = run.world.memory.epoch;
  for (const archived of [10, 12, 14]) {
    run.archived = archived;
    const early = runToEnd(run.recovery(1, 0));
    expect([early.waits, early.result]).toEqual([true, undefined]);
  }
  run.archived = 15;
  expect(run.replay(runToEnd(run.recovery(1, 0)))).toEqual(run.obvious(1, 0));
  expect(run.obvious(1, 0)).toHaveLength(15);
});

it("archive recovery - what the archive has and the mirror has not read comes once", () => {
  const run = new ArchivedWorld();
  for (let at = 0; at < 10; at++) run.trade(1);
  run.round();
  run.restart();
  run.begin();
  for (let at = 0; at < 5; at++) run.trade(1);
  run.round();
  for (let at = 0; at < 5; at++) run.trade(1);
  run.world.flush();
  run.archived = run.trades.length;
  const recovery = runToEnd(run.recovery(undefined, 0));
  run.round();
  expect(run.replay(recovery)).toEqual(run.obvious(1, 0));
});

it("archive recovery - what was pruned or missed is refused, and more than is replayed", () => {
  const run = new ArchivedWorld();
  for (let at = 0; at < 10; at++) run.trade(1);
  run.round();
  run.restart();
  run.begin();
  run.completeFrom = run.trades[4]?.ts ?? 0;
  expect(runToEnd(run.recovery(1, run.completeFrom - 1)).result).toEqual({
    recovered: false,
    refusal: "archive",
  });
  expect(runToEnd(run.recovery(1, run.completeFrom)).result).toMatchObject({ recovered: true });
  const refusal = { recovered: false, refusal: "messages" };
  expect(runToEnd(run.recovery(1, run.completeFrom, 5)).result).toEqual(refusal);
  for (let at = 0; at < 3; at++) run.trade(1);
  run.round();
  // Six of the archive, and three of the window.
  expect(runToEnd(run.recovery(1, run.completeFrom, 8)).result).toEqual(refusal);
  expect(runToEnd(run.recovery(1, run.completeFrom, 9)).result).toMatchObject({ recovered: true });
});

it("archive recovery - another archive begins the search anew, and ends a replay", () => {
  const run = new ArchivedWorld();
  for (let at = 0; at < 10; at++) run.trade(1);
  run.round();
  run.restart();
  run.begin();
  run.pageMax = 3;
  const recovery = run.recovery(1, 0);
  recovery.step(2);
  run.generation = 2;
  runToEnd(recovery);
  expect(run.replay(recovery)).toEqual(run.obvious(1, 0));
  const { result } = recovery;
  const part = result?.recovered === true ? result.archived : undefined;
  if (part === undefined) throw new Error("nothing of the archive");
  const first = nextPiece(part, run);
  if (typeof first === "string" || first.rest === undefined) throw new Error("no first piece");
  expect(first.trades.map(({ number }) => number)).toEqual([1, 2, 3]);
  // Pruned up to where it stands, and beyond.
  run.completeFrom = run.trades[2]?.ts ?? 0;
  expect(nextPiece(first.rest, run)).toMatchObject({ trades: [{ number: 4 }, {}, {}] });
  run.completeFrom++;
  expect(nextPiece(first.rest, run)).toBe("lost");
  run.completeFrom = 0;
  run.generation = 0;
  expect(nextPiece(first.rest, run)).toBe("away");
  run.generation = 3;
  expect(nextPiece(first.rest, run)).toBe("lost");
});
