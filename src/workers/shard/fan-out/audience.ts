import type { Connection } from "../connections/connection.js";
import type { ActiveFilter } from "./filter-registry.js";
import type { Mirror } from "./mirror.js";
import type { MirrorMarket } from "./mirror-market.js";
import type { Subscriptions } from "./subscriptions.js";

/** A buffer for the sockets and how many messages are in it. */
export interface Batch {
  readonly bytes: Buffer;
  readonly messages: number;
}

/** Stretches of a round's encoded frames, in order; neighbours are merged. */
export class FrameRanges {
  messages = 0;
  #bytes = 0;
  readonly #bounds: number[] = [];

  add({ start, end }: { readonly start: number; readonly end: number }): void {
    const bounds = this.#bounds;
    if (bounds.length > 0 && bounds[bounds.length - 1] === start) bounds[bounds.length - 1] = end;
    else bounds.push(start, end);
    this.#bytes += end - start;
    this.messages++;
  }

  clear(): void {
    this.#bounds.length = 0;
    this.#bytes = 0;
    this.messages = 0;
  }

  /**
   * A buffer of its own with the frames of all the ranges: sockets may hold it long after the round.
   * Never from Node's pool, of which one slow socket would hold back a whole block.
   */
  static concat(source: Buffer, ...all: readonly FrameRanges[]): Batch {
    let messages = 0;
    let length = 0;
    for (const ranges of all) {
      messages += ranges.messages;
      length += ranges.#bytes;
    }
    const bytes = Buffer.allocUnsafeSlow(length);
    let at = 0;
    for (const ranges of all) {
      for (let bound = 0; bound < ranges.#bounds.length; bound += 2) {
        at += source.copy(bytes, at, ranges.#bounds[bound], ranges.#bounds[bound + 1]);
      }
    }
    return { bytes, messages };
  }
}

/**
 * The connections of one encoding with the same subscriptions: everything that is encoded and
 * concatenated for one of them serves them all.
 */
export class Audience {
  readonly key: string;
  /** Index of the encoding. */
  readonly encoding: number;
  readonly subscriptions: Subscriptions;
  /** The filters of its `Markets` channels; any of them may match. */
  readonly filters: readonly ActiveFilter[];
  readonly members = new Set<Connection>();

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
  readonly catchUps = new Map<number, Batch>();
  readonly marketsBatches = new Map<number, Batch>();

  #resolvedVersion = -1;
  #resolvedMirror: Mirror | undefined;
  #priceMarkets: readonly MirrorMarket[] = [];
  #stateMarkets: readonly MirrorMarket[] = [];

  constructor(
    key: string,
    encoding: number,
    subscriptions: Subscriptions,
    filters: readonly ActiveFilter[],
  ) {
    this.key = key;
    this.encoding = encoding;
    this.subscriptions = subscriptions;
    this.filters = filters;
    const { prices, states } = subscriptions;
    this.streams = prices.size + 2 * states.size;
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
