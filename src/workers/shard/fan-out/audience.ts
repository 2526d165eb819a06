import type { Closing } from "../../../contract/closings.js";
import type { MarketId } from "../../../shared/market-id.js";
import type { Holder } from "../connections/fair-budget.js";
import type { FrameBatch, LentBatch } from "../connections/frame-batch.js";
import type { Framing } from "../connections/framing.js";
import type { ActiveFilter } from "./filter-registry.js";
import { FrameRanges } from "./frame-ranges.js";
import type { HeldFrames } from "./held-frames.js";
import type { MergedStream } from "./merged-stream.js";
import type { Mirror } from "./mirror.js";
import type { MirrorMarket } from "./mirror-market.js";
import type { ReplayCursor } from "./replay-cursor.js";
import type { SubscriptionSet } from "./subscription-set.js";

/** Most closed candles that somebody who fell behind is told one by one; for more there is a snapshot. */
export const CLOSED_TOLD_MAX = 60;

/**
 * A connection as the fan-out sees it: what it takes, and how far it is with what its audience was sent.
 * Rounds are all that is noted of what it misses.
 */
export interface Member {
  /** Index of the encoding. */
  readonly encoding: number;
  /** How its messages come in frames; undefined for a plain frame each. */
  readonly framing: Framing | undefined;
  /** Who uses its share of what all connections have together. */
  readonly holder: Holder;
  /** Undefined for one of whom nobody knows who it is. */
  readonly userId: string | undefined;
  readonly audience: Audience | undefined;
  /** Whether frames may still be written. */
  readonly open: boolean;
  /** It has all that its audience was sent, and takes more. */
  readonly current: boolean;
  /** Nothing may be written to it that can wait. */
  readonly waiting: boolean;
  /** Its socket has not taken all that was written to it. */
  readonly blocked: boolean;
  /** Where its trades stand while it does not get those of rounds; TradeReplays says so. */
  replay: ReplayCursor | undefined;
  /** Channels of which it is still sent what was published before. */
  readonly channelReplays: number;
  /** Private messages wait for its socket. */
  readonly hasQueue: boolean;
  /** It has missed data since the round `missedSince`, when its audience had been offered so much. */
  readonly behind: boolean;
  readonly missedSince: number;
  readonly offeredAtMiss: number;
  /** Messages left out for it so far, as far as they are counted. */
  readonly conflated: number;
  /** Round up to which its `Markets` channels are told, and later ones of some markets, by slot. */
  readonly marketsSince: number;
  readonly marketsTold: ReadonlyMap<number, number> | undefined;

  moveTo(audience: Audience | undefined): void;
  writeLent(batch: LentBatch): void;
  writeAll(batches: readonly FrameBatch[]): void;
  takeQueue(): readonly FrameBatch[];
  /** Has its client pay for bytes that it asked for. */
  chargeAnswer(bytes: number): void;
  /** Writes at once what cannot wait: replies and notices. */
  reply(batches: readonly FrameBatch[]): void;
  close(closing: Closing): void;
  /** Data of the rounds after `round` are not kept for it. */
  miss(round: number, offered: number): void;
  /** Of what it misses so many messages will not be sent; returns how many were not counted yet. */
  conflate(messages: number): number;
  caughtUp(): void;
  /** Its `Markets` channels are told of everything up to a round, or of one market. */
  toldMarkets(round: number): void;
  toldMarket(slot: number, round: number): void;
}

/** A merged stream, with the audiences that want it. */
export type AudienceStream = MergedStream<Audience, Member>;

/**
 * The connections of one encoding and framing with the same subscriptions: everything that is encoded and
 * concatenated for one of them serves them all.
 */
export class Audience {
  readonly key: string;
  /** Index of the encoding. */
  readonly encoding: number;
  readonly framing: Framing | undefined;
  readonly subscriptions: SubscriptionSet;
  /** The filters of its `Markets` channels; any of them may match. */
  readonly filters: readonly ActiveFilter[];
  readonly members = new Set<Member>();

  /** Frames of this round: those that may be conflated, and trades. */
  readonly states = new FrameRanges();
  readonly trades = new FrameRanges();
  /** Messages of this round and of all time that were meant for each member and may be conflated. */
  offeredInRound = 0;
  offered = 0;
  /** `ts` of this round's first message, in microseconds; 0 where there is none. */
  oldestTs = 0;
  /** Most streams that a member can be due: of each it is due one message, however many it missed, of candles some. */
  readonly streamsMax: number;
  /** Its merged streams, with the ids of their markets. */
  readonly streams = new Map<AudienceStream, MarketId>();
  /** Members that cannot be told this round what the others are, as their first data said more. */
  readonly apart = new Set<Member>();
  /** The interval of its `Markets` channels, in ms: the shortest that one of them has. */
  readonly marketsIntervalMs: number;
  /** When they may be told again, in ms, and the round in which they were told last. */
  marketsDueAt = 0;
  marketsToldRound = 0;
  /** What of earlier rounds waits for more, to be one batch with it. */
  held: HeldFrames | undefined;
  /** In the list of audiences with something to flush. */
  dirty = false;

  /** What a member that stopped at an earlier round has missed, by that round; for one round only. */
  readonly catchUps = new Map<number, FrameBatch>();
  readonly marketsBatches = new Map<number, FrameBatch>();

  #resolvedVersion = -1;
  #resolvedMirror: Mirror | undefined;
  #priceMarkets: readonly MirrorMarket[] = [];
  #sizedMarkets: readonly MirrorMarket[] = [];
  #stateMarkets: readonly MirrorMarket[] = [];

  constructor(
    key: string,
    encoding: number,
    subscriptions: SubscriptionSet,
    filters: readonly ActiveFilter[],
    framing?: Framing,
  ) {
    this.key = key;
    this.encoding = encoding;
    this.framing = framing;
    this.subscriptions = subscriptions;
    this.filters = filters;
    const { prices, states, books, candles, filterIntervals } = subscriptions;
    this.streamsMax =
      prices.size + 2 * states.size + books.size + (CLOSED_TOLD_MAX + 1) * candles.size;
    this.marketsIntervalMs = Math.min(
      ...[...subscriptions.filters.keys()].map((key) => filterIntervals.get(key) ?? 0),
    );
  }

  /** Notes a message of this round; returns whether it is the first. */
  begin(ts: number): boolean {
    if (this.dirty) return false;
    this.dirty = true;
    this.oldestTs = ts;
    return true;
  }

  /** Counts a message that may be conflated. */
  offer(): void {
    this.offered++;
    this.offeredInRound++;
  }

  /** All of the round's frames have been written. */
  endRound(): void {
    this.states.clear();
    this.trades.clear();
    this.apart.clear();
    this.offeredInRound = 0;
    this.dirty = false;
  }

  /** Lets go of what was made for one round. */
  forgetBatches(): void {
    this.catchUps.clear();
    this.marketsBatches.clear();
  }

  /** Lets go of a mirror that is no more. */
  forgetMarkets(): void {
    this.forgetBatches();
    this.#resolvedMirror = undefined;
    this.#priceMarkets = this.#sizedMarkets = this.#stateMarkets = [];
  }

  /** Those of its `PriceFeed` markets that are listed and told every change, without sizes. */
  priceMarkets(mirror: Mirror): readonly MirrorMarket[] {
    this.#resolve(mirror);
    return this.#priceMarkets;
  }

  /** The same of those with sizes. */
  sizedMarkets(mirror: Mirror): readonly MirrorMarket[] {
    this.#resolve(mirror);
    return this.#sizedMarkets;
  }

  /** Those of its `Market` channels' markets that are listed and told every change. */
  stateMarkets(mirror: Mirror): readonly MirrorMarket[] {
    this.#resolve(mirror);
    return this.#stateMarkets;
  }

  #resolve(mirror: Mirror): void {
    if (this.#resolvedMirror === mirror && this.#resolvedVersion === mirror.version) return;
    const listed = <Terms>(
      map: ReadonlyMap<MarketId, Terms>,
      plain: (terms: Terms) => boolean,
    ): MirrorMarket[] =>
      [...map]
        .filter(([, terms]) => plain(terms))
        .map(([id]) => mirror.find(id))
        .filter((market) => market !== undefined);
    const { prices, states } = this.subscriptions;
    this.#priceMarkets = listed(prices, (terms) => terms.intervalMs === 0 && !terms.sizes);
    this.#sizedMarkets = listed(prices, (terms) => terms.intervalMs === 0 && terms.sizes);
    this.#stateMarkets = listed(states, (intervalMs) => intervalMs === 0);
    this.#resolvedMirror = mirror;
    this.#resolvedVersion = mirror.version;
  }
}
