import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { pack, unpack } from "msgpackr";
import type { MarketId } from "../shared/market-id.js";
import { openEntry } from "./entry-form.js";
import type { RecordSink, TradeNumbered } from "./packed-records.js";
import { ANSWER_MS_MAX, type RedisLink } from "./redis-link.js";
import type { RelayKeys } from "./relay-keys.js";

/** Trades of one answer. */
export const TRADES_PER_ANSWER = 1000;
/** Asks that are kept in their stream, about. */
const ASKS_MAX = 1000;
/**
 * How long it is asked again, in ms, while the origin answers and has not all of them, and while it does not answer:
 * one that starts again has them when it has read its store.
 */
const INCOMPLETE_MS_MAX = 5000;
const UNANSWERED_MS_MAX = 30_000;
/** How long an answer is waited for, in s, and between two asks where there was none, in ms. */
const ANSWER_S_MAX = 2;
const AGAIN_MS = 200;

/** Where a page of an archive's trades ends: `ts` and a number that goes up with each. */
interface ArchivePlace {
  readonly ts: number;
  readonly number: number;
}

/** What an edge asks of the origin's archive: trades of all markets, in order. */
export interface TradeAsk {
  readonly id: string;
  /** In which they were told; others are left out. */
  readonly epoch: string;
  /** From this `ts` on. */
  readonly from: number;
  /** Behind this place, where the answer before has ended. */
  readonly after: ArchivePlace | undefined;
}

/** What comes of it: some, or that they are beyond reach, or that nobody can say at the moment. */
export type TradeAnswer =
  | {
      readonly outcome: "trades";
      /** Of trades, whose slots are places in `markets`. */
      readonly entry: Buffer;
      readonly markets: readonly MarketId[];
      readonly next: ArchivePlace | undefined;
      /** The latest epoch of the archive: it has all that was told before. */
      readonly epoch: string;
    }
  | { readonly outcome: "lost" }
  | { readonly outcome: "away" };

function packAsk(ask: TradeAsk): Buffer {
  return pack(ask);
}

export function unpackAsk(bytes: Buffer): TradeAsk {
  return unpack(bytes) as TradeAsk;
}

export function packAnswer(answer: TradeAnswer): Buffer {
  return pack(answer);
}

/** Takes trades, and says whether that was all. */
interface FetchedTrades {
  /** Returns whether none is missing before it. */
  take(marketId: MarketId, trade: TradeNumbered): boolean;
  /**
   * Whether all are there that are wanted, after a page.
   * @param wholeOf where it was the last one: the epoch that the archive has begun, with all that was told before it
   */
  complete(wholeOf: string | undefined): boolean;
  /** After each page: what was taken may be told. */
  pageTaken(): void;
}

/**
 * Fetches trades of an epoch from a `ts` on out of the origin's archive, until all are there that are wanted; returns
 * whether they are. Where there is no answer, or not all of them are in the archive yet, it asks again for a while.
 * Rejects with RedisLinkError.
 */
export async function fetchTrades(
  link: RedisLink,
  keys: RelayKeys,
  epoch: string,
  from: number,
  wanted: FetchedTrades,
): Promise<boolean> {
  const unansweredUntil = performance.now() + UNANSWERED_MS_MAX;
  let incompleteUntil: number | undefined;
  let after: ArchivePlace | undefined;
  for (;;) {
    const answer = await ask(link, keys, { id: randomUUID(), epoch, from, after });
    if (answer?.outcome === "lost") return false;
    if (answer?.outcome === "trades") {
      if (!takePage(answer, wanted)) return false;
      const { next } = answer;
      if (wanted.complete(next === undefined ? answer.epoch : undefined)) return true;
      after = next ?? after;
      if (next !== undefined) continue;
      incompleteUntil ??= performance.now() + INCOMPLETE_MS_MAX;
    }
    if (performance.now() > (incompleteUntil ?? unansweredUntil)) return false;
    await sleep(AGAIN_MS);
  }
}

/** Returns whether none is missing before any of them. */
function takePage(
  { entry, markets }: Extract<TradeAnswer, { outcome: "trades" }>,
  wanted: FetchedTrades,
): boolean {
  let whole = true;
  const takes: Partial<RecordSink> = {
    trade: (trade) => {
      const marketId = markets[trade.slot];
      if (marketId !== undefined) whole = wanted.take(marketId, trade) && whole;
    },
  };
  openEntry(entry).read(takes as RecordSink);
  wanted.pageTaken();
  return whole;
}

/** Undefined where nobody answers. */
async function ask(
  link: RedisLink,
  keys: RelayKeys,
  asked: TradeAsk,
): Promise<TradeAnswer | undefined> {
  await link.send(["XADD", keys.asks, "MAXLEN", "~", String(ASKS_MAX), "*", "ask", packAsk(asked)]);
  const waitMs = ANSWER_S_MAX * 1000 + ANSWER_MS_MAX;
  const reply = await link.send(["BLPOP", keys.answer(asked.id), String(ANSWER_S_MAX)], waitMs);
  if (reply === null) return undefined;
  const [, bytes] = reply as readonly Buffer[];
  return unpack(bytes as Buffer) as TradeAnswer;
}
