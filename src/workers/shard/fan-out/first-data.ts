import type { EncodingDescriptor } from "../../../codec/encoding.js";
import { FRAME, type FrameWriter } from "../../../codec/frame-writer.js";
import type { BookView } from "../../../codec/push-encoder.js";
import { CHANNEL_KINDS, channelKey } from "../../../contract/channel-kinds.js";
import type { Channel } from "../../../contract/channels-schema.js";
import type { ServerMessage } from "../../../contract/messages.js";
import type { MarketId } from "../../../shared/market-id.js";
import type { Candles } from "./candles.js";
import { matchesFilter } from "./filter-registry.js";
import type { Mirror } from "./mirror.js";
import type { MirrorMarket } from "./mirror-market.js";
import { SubscriptionSet } from "./subscription-set.js";

type SnapshotChannel = Extract<Channel, { readonly type: "Markets" | "Market" | "Candles" }>;

/** How far first data have been sent. */
export interface Position {
  /** The item that comes next. */
  readonly index: number;
  /** Of an item that is a `Markets` channel: markets below this slot have been told. */
  readonly slot: number;
}

export const START: Position = { index: 0, slot: 0 };

/** What a part says of a `Markets` channel. */
interface SnapshotRange {
  /** The channel's key. */
  readonly key: string;
  /** The markets it tells of, by slot. */
  readonly from: number;
  readonly to: number;
  /** It was the last of them. */
  readonly complete: boolean;
}

/** Sizes in bytes: more than that goes into the next part, or the next message. */
export interface PartSizes {
  readonly part: number;
  /** The largest snapshot of `Markets` that is one message; a larger one is of messages of a part. */
  readonly snapshot: number;
}

/** No market is smaller in any encoding. */
const MARKET_BYTES_MIN = 100;

/** What first data are taken from. */
interface FirstDataSource {
  readonly mirror: Mirror;
  readonly candles: Candles;
}

/** What a part leads to, and how many messages it has. */
interface WrittenPart {
  readonly next: Position;
  readonly messages: number;
}

/**
 * What a subscriber of some channels gets at once, in its order: `Markets`, `Market` and `Candles` as they
 * were named, then the markets of any `PriceFeed`, each once.
 */
export class FirstDataPlan {
  /** A text that equal plans share. */
  readonly key: string;
  readonly systemStatus: boolean;
  readonly #channels: readonly SnapshotChannel[];
  readonly #prices: readonly MarketId[];

  constructor(channels: readonly Channel[]) {
    this.key = channels.map(channelKey).join();
    this.systemStatus = channels.some(({ type }) => type === "SystemStatus");
    this.#channels = channels.filter(
      (channel): channel is SnapshotChannel =>
        channel.type === "Candles" || CHANNEL_KINDS[channel.type].marketSnapshot,
    );
    const prices = new Set<MarketId>();
    for (const channel of channels) {
      if (channel.type !== "PriceFeed") continue;
      for (const id of channel.params.market_ids) prices.add(id);
    }
    this.#prices = [...prices];
  }

  /** The plan of all that a set of subscriptions stands for. */
  static of(subscriptions: SubscriptionSet): FirstDataPlan {
    return new FirstDataPlan([...channelsOf(subscriptions)]);
  }

  /** How many items there are. */
  get length(): number {
    return this.#channels.length + this.#prices.length;
  }

  /**
   * Writes what comes at a position, from the mirror as it stands between two rounds, so that the next
   * message of each stream is the one after it: an item or a part of a snapshot at least, and no more
   * once the size of a part is reached.
   */
  write(
    out: FrameWriter,
    encoding: EncodingDescriptor,
    { mirror, candles }: FirstDataSource,
    { index, slot }: Position,
    sizes: PartSizes,
  ): WrittenPart {
    const start = out.position;
    let messages = 0;
    let at = index;
    let fromSlot = slot;
    while (at < this.length && out.position - start < sizes.part) {
      const channel = this.#channels[at];
      if (channel === undefined) {
        messages += writePrice(out, encoding, mirror, this.#priceAt(at));
      } else if (channel.type === "Market") {
        messages += writeMarket(out, encoding, mirror, channel.params.market_id);
      } else if (channel.type === "Candles") {
        const { market_id: marketId, interval, limit } = channel.params;
        messages += writeMessage(out, encoding, candles.snapshot({ marketId, interval, limit }));
      } else {
        const before = out.position;
        const left = matchingFrom(mirror, channel, fromSlot);
        const next = writeMarkets(out, encoding, left, fromSlot === 0, sizes);
        // A large one waits for a part of its own.
        if (before > start && out.position - start > sizes.part) {
          out.position = before;
          break;
        }
        messages++;
        if (next < left.length) {
          fromSlot = (left[next - 1] as MirrorMarket).slot + 1;
          break;
        }
        fromSlot = 0;
      }
      at++;
    }
    return { messages, next: { index: at, slot: fromSlot } };
  }

  /** The ranges of slots of `Markets` channels that lie between two positions. */
  *snapshots(from: Position, to: Position, slots: number): Generator<SnapshotRange> {
    for (let at = from.index; at <= to.index; at++) {
      const channel = this.#channels[at];
      if (channel?.type !== "Markets") continue;
      yield {
        key: channelKey(channel),
        from: at === from.index ? from.slot : 0,
        to: at === to.index ? to.slot : slots,
        complete: at < to.index,
      };
    }
  }

  /** A set of subscriptions with what lies between two positions as well. */
  extend(subscriptions: SubscriptionSet, from: Position, to: Position): SubscriptionSet {
    const extended = new SubscriptionSet(subscriptions);
    for (let at = from.index; at < to.index; at++) {
      const channel = this.#channels[at];
      if (channel === undefined) extended.prices.add(this.#priceAt(at));
      else extended.add(channel);
    }
    return extended;
  }

  #priceAt(index: number): MarketId {
    return this.#prices[index - this.#channels.length] as MarketId;
  }
}

/** The channels that a set of subscriptions stands for. */
function* channelsOf(subscriptions: SubscriptionSet): Generator<Channel> {
  for (const filter of subscriptions.filters.values()) {
    yield { type: "Markets", params: filter === null ? null : { filter } };
  }
  for (const market_id of subscriptions.states) yield { type: "Market", params: { market_id } };
  if (subscriptions.prices.size > 0) {
    yield { type: "PriceFeed", params: { market_ids: [...subscriptions.prices] } };
  }
  for (const { marketId: market_id, interval, limit } of subscriptions.candles.values())
    yield { type: "Candles", params: { market_id, interval, limit } };
  if (subscriptions.systemStatus) yield { type: "SystemStatus", params: null };
}

function matchingFrom(
  { markets }: Mirror,
  { params }: Extract<SnapshotChannel, { readonly type: "Markets" }>,
  slot: number,
): readonly MirrorMarket[] {
  const filter = params?.filter ?? null;
  const matching: MirrorMarket[] = [];
  for (let at = slot; at < markets.length; at++) {
    const market = markets[at] as MirrorMarket;
    if (matchesFilter(filter, market)) matching.push(market);
  }
  return matching;
}

/** Writes a snapshot, or its next part; returns how many markets it has. */
function writeMarkets(
  out: FrameWriter,
  encoding: EncodingDescriptor,
  markets: readonly MirrorMarket[],
  whole: boolean,
  { part, snapshot }: PartSizes,
): number {
  if (whole && markets.length * MARKET_BYTES_MIN <= snapshot) {
    const before = out.position;
    const next = writeSnapshot(out, encoding, markets, snapshot);
    if (next === markets.length) return next;
    out.position = before;
  }
  return writeSnapshot(out, encoding, markets, part);
}

/** Writes what fits of markets as one frame; returns how many it has. */
function writeSnapshot(
  out: FrameWriter,
  { encoder, frames }: EncodingDescriptor,
  markets: readonly MirrorMarket[],
  bytesMax: number,
): number {
  out.begin();
  const next = encoder.marketSnapshot(out, markets, 0, bytesMax);
  out.end(FRAME[frames]);
  return next;
}

function writeMessage(
  out: FrameWriter,
  { encoder, frames }: EncodingDescriptor,
  message: ServerMessage | undefined,
): number {
  if (message === undefined) return 0;
  out.begin();
  encoder.message(out, message);
  out.end(FRAME[frames]);
  return 1;
}

/** A market that is not listed has no first data. */
function writeMarket(
  out: FrameWriter,
  encoding: EncodingDescriptor,
  mirror: Mirror,
  marketId: MarketId,
): number {
  const market = mirror.find(marketId);
  if (market === undefined) return 0;
  writeSnapshot(out, encoding, [market], Number.POSITIVE_INFINITY);
  out.begin();
  encoding.encoder.orderBook(out, market, bookOf(market));
  out.end(FRAME[encoding.frames]);
  return 2;
}

const EMPTY_SIDE = { price: new Float64Array(), quantity: new Float64Array(), length: 0 };
/** The book of a market that has published none; the first one published follows it with seq 1. */
const EMPTY_BOOK = { bids: EMPTY_SIDE, asks: EMPTY_SIDE, seq: 0 };

/** The book that a market has, or an empty one. */
export function bookOf(market: MirrorMarket): BookView {
  return market.book ?? { ...EMPTY_BOOK, ts: market.ts };
}

function writePrice(
  out: FrameWriter,
  encoding: EncodingDescriptor,
  mirror: Mirror,
  marketId: MarketId,
): number {
  const market = mirror.find(marketId);
  if (market === undefined || !market.hasQuote) return 0;
  out.begin();
  encoding.encoder.priceUpdate(out, market);
  out.end(FRAME[encoding.frames]);
  return 1;
}
