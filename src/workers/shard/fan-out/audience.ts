import type { Closing } from "../../../contract/closings.js";
import type { Holder } from "../connections/fair-budget.js";
import type { FrameBatch, LentBatch } from "../connections/frame-batch.js";
import type { ActiveFilter } from "./filter-registry.js";
import { FrameRanges } from "./frame-ranges.js";
import type { Mirror } from "./mirror.js";
import type { MirrorMarket } from "./mirror-market.js";
import type { ReplayCursor } from "./replay-cursor.js";
import type { SubscriptionSet } from "./subscription-set.js";

/**
 * A connection as the fan-out sees it: what it takes, and how far it is with what its audience was sent.
 * Rounds are all that is noted of what it misses.
 */
export interface Member {
  /** Index of the encoding. */
  readonly encoding: number;
  /** Who uses its share of what all connections have together. */
  readonly holder: Holder;
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
  /** Private messages wait for its socket. */
  readonly hasQueue: boolean;
  /** It has missed data since the round `missedSince`, when its audience had been offered so much. */
  readonly behind: boolean;
  readonly missedSince: number;
  readonly offeredAtMiss: number;
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

/**
 * The connections of one encoding with the same subscriptions: everything that is encoded and
 * concatenated for one of them serves them all.
 */
export class Audience {
  readonly key: string;
  /** Index of the encoding. */
  readonly encoding: number;
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
  /** Most streams that a member can be due: of each it is due one message, however many it missed. */
  readonly streams: number;
  /** In the list of audiences with something to flush. */
  dirty = false;

  /** What a member that stopped at an earlier round has missed, by that round; for one round only. */
  readonly catchUps = new Map<number, FrameBatch>();
  readonly marketsBatches = new Map<number, FrameBatch>();

  #resolvedVersion = -1;
  #resolvedMirror: Mirror | undefined;
  #priceMarkets: readonly MirrorMarket[] = [];
  #stateMarkets: readonly MirrorMarket[] = [];

  constructor(
    key: string,
    encoding: number,
    subscriptions: SubscriptionSet,
    filters: readonly ActiveFilter[],
  ) {
    this.key = key;
    this.encoding = encoding;
    this.subscriptions = subscriptions;
    this.filters = filters;
    const { prices, states } = subscriptions;
    this.streams = prices.size + 2 * states.size;
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
    this.#priceMarkets = this.#stateMarkets = [];
  }

  /** Those of its `PriceFeed` markets that are listed. */
  priceMarkets(mirror: Mirror): readonly MirrorMarket[] {
    this.#resolve(mirror);
    return this.#priceMarkets;
  }

  /** Those of its `Market` channels' markets that are listed. */
  stateMarkets(mirror: Mirror): readonly MirrorMarket[] {
    this.#resolve(mirror);
    return this.#stateMarkets;
  }

  #resolve(mirror: Mirror): void {
    if (this.#resolvedMirror === mirror && this.#resolvedVersion === mirror.version) return;
    const listed = (ids: Iterable<string | number>): MirrorMarket[] =>
      [...ids].map((id) => mirror.find(id)).filter((market) => market !== undefined);
    this.#priceMarkets = listed(this.subscriptions.prices);
    this.#stateMarkets = listed(this.subscriptions.states);
    this.#resolvedMirror = mirror;
    this.#resolvedVersion = mirror.version;
  }
}
