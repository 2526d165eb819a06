import type { ArchivePosition } from "../../src/archive/archive-form.js";
import type { HistoryTrade } from "../../src/archive/archive-reader.js";
import { ENCODING_TABLE } from "../../src/codec/encodings.js";
import type { ServerMessage } from "../../src/contract/messages.js";
import type { MarketId } from "../../src/shared/market-id.js";
import { ArchiveRecovery } from "../../src/workers/shard/fan-out/archive-recovery.js";
import type { TradeArchive } from "../../src/workers/shard/fan-out/archived-trades.js";
import { ReplayCursor } from "../../src/workers/shard/fan-out/replay-cursor.js";
import { ReplayEncoder } from "../../src/workers/shard/fan-out/replay-encoder.js";
import { parseFrames } from "./frames.js";
import { ShardWorld } from "./shard-world.js";

export const MARKETS = [1, 2, 3] as const;
/** How long the archive is waited for. */
export const WAIT_MS = 5000;
/** By how much a producer begins behind what was told, in µs. */
const LATER = 100;

/** A producer whose trades an archive takes when the test has it so, and a shard that reads both. */
export class ArchivedWorld {
  readonly world: ShardWorld;
  readonly trades: HistoryTrade[] = [];
  readonly faults: unknown[] = [];
  archived = 0;
  epoch = "";
  /** Before this `ts` it has been pruned. */
  completeFrom = 0;
  readonly gaps: { readonly from: number; readonly to: number }[] = [];
  generation = 1;
  /** How many trades a page has at most. */
  pageMax = 1000;
  nowMs = 0;
  fault: Error | undefined;
  /** Called before trades of a market, or of all, are read. */
  onRead: ((id: MarketId | undefined) => void) | undefined;
  readonly #seqs = new Map<MarketId, number>();

  readonly #reader: TradeArchive = {
    reach: () => {
      if (this.fault !== undefined) throw this.fault;
      if (this.epoch === "") return undefined;
      const lastTs = this.trades[this.archived - 1]?.ts ?? 0;
      return { epoch: this.epoch, lastTs, lastNumber: this.archived };
    },
    lacks: (from: number, to: number) =>
      this.completeFrom > from || this.gaps.some((gap) => gap.from < to && gap.to > from),
    tradesFrom: (
      id: MarketId | undefined,
      ts: number,
      after: ArchivePosition | undefined,
      limit: number,
    ) => {
      this.onRead?.(id);
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

  /** Undefined while there is none, which generation 0 says. */
  get reader(): TradeArchive | undefined {
    return this.generation === 0 ? undefined : this.#reader;
  }

  constructor() {
    const candles = { candleHead: () => undefined, candlesBefore: noCandles };
    const archive = this;
    this.world = new ShardWorld({
      sizes: { tradeRingSize: 1 << 16 },
      archive: {
        get reader() {
          const { reader } = archive;
          return reader && { ...reader, ...candles };
        },
        get generation() {
          return archive.generation;
        },
        noteFault: (error) => this.noteFault(error),
      },
    });
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
    const tradeId = `${this.trades.length + 1}`;
    const told = {
      price: 100 + this.trades.length,
      quantity: 1,
      takerSide: "Buy",
      tradeId,
    } as const;
    this.world.publisher.trade(this.world.market(marketId), told);
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
      tradeId,
      epoch: this.world.memory.epoch,
      market: { index: 0, marketId, tickSize: 0.01, lotSize: 1 },
    });
  }

  /** All is read that was told. */
  round(): void {
    this.world.flush();
    this.world.round();
  }

  /**
   * @param untold trades that the next producer tells first, with a `ts` of before its beginning
   * @param same all at the same time
   */
  restart(untold = 0, same = false): void {
    this.#seqs.clear();
    this.world.nowMicros += LATER;
    this.world.restartProducer(() => {
      this.world.nowMicros -= LATER;
      for (const id of MARKETS) this.world.list(id);
      for (let at = 0; at < untold; at++) this.trade(1, same && at > 0);
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

function noCandles(): never {
  throw new Error("no candles here");
}
