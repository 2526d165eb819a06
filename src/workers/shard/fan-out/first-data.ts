import type { EncodingDescriptor } from "../../../codec/encoding.js";
import { FRAME, type FrameWriter } from "../../../codec/frame-writer.js";
import { CHANNEL_KINDS, channelKey } from "../../../contract/channel-kinds.js";
import type { Channel } from "../../../contract/channels-schema.js";
import type { MergeInterval, ServerMessage } from "../../../contract/messages.js";
import type { MarketId } from "../../../shared/market-id.js";
import type { AudienceStream } from "./audience.js";
import type { FanOut } from "./fan-out.js";
import { matchesFilter } from "./filter-registry.js";
import { bookOf, withTerms } from "./merged-stream.js";
import type { Mirror } from "./mirror.js";
import type { MirrorMarket } from "./mirror-market.js";
import type { BookTerms, StreamTerms } from "./stream-terms.js";
import { filterKey, type PriceTerms, priceTermsOf, SubscriptionSet } from "./subscription-set.js";

type ItemChannel = Extract<Channel, { readonly type: "Markets" | "Market" | "Book" | "Candles" }>;

/** How far first data have been sent. */
export interface Position {
  /** The item that comes next. */
  readonly index: number;
  /** Of an item that is a `Markets` channel: markets below this slot have been told. */
  readonly slot: number;
}

/** What first data are made of. */
type FirstDataSource = Pick<FanOut, "mirror" | "stream" | "candles">;

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
  readonly #channels: readonly ItemChannel[];
  readonly #prices: readonly (readonly [MarketId, PriceTerms])[];

  constructor(channels: readonly Channel[]) {
    this.key = channels.map(channelKey).join();
    this.systemStatus = channels.some(({ type }) => type === "SystemStatus");
    const items = new Map<string, ItemChannel>();
    const prices = new Map<MarketId, PriceTerms>();
    for (const channel of channels) {
      if (channel.type === "PriceFeed") {
        const terms = priceTermsOf(channel);
        for (const id of channel.params.market_ids) prices.set(id, terms);
      } else if (isItem(channel)) {
        // Of one market and type the last takes the others' place.
        const key = itemKey(channel);
        items.delete(key);
        items.set(key, channel);
      }
    }
    this.#channels = [...items.values()];
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
    source: FirstDataSource,
    { index, slot }: Position,
    sizes: PartSizes,
  ): WrittenPart {
    const { mirror } = source;
    const start = out.position;
    let messages = 0;
    let at = index;
    let fromSlot = slot;
    while (at < this.length && out.position - start < sizes.part) {
      const channel = this.#channels[at];
      if (channel === undefined) {
        messages += writePrice(out, encoding, mirror, ...this.#priceAt(at));
      } else if (channel.type === "Market") {
        messages += writeMarket(out, encoding, mirror, channel.params.market_id);
      } else if (channel.type === "Candles") {
        const { market_id: marketId, interval, limit } = channel.params;
        const snapshot = source.candles.snapshot({ marketId, interval, limit });
        messages += writeMessage(out, encoding, snapshot);
      } else if (channel.type === "Book") {
        const terms = streamsOf(channel)[0] as BookStreamTerms;
        const { market_id } = channel.params;
        messages += writeBook(
          out,
          encoding,
          mirror.find(market_id),
          source.stream(market_id, terms),
          terms,
        );
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
        key: filterKey(channel.params?.filter ?? null),
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
      if (channel === undefined) extended.prices.set(...this.#priceAt(at));
      else extended.add(channel);
    }
    return extended;
  }

  /** The merged streams that the items between two positions are of. */
  *streams(from: Position, to: Position): Generator<readonly [MarketId, StreamTerms]> {
    for (let at = from.index; at < to.index; at++) {
      const channel = this.#channels[at];
      if (channel === undefined) {
        const [id, terms] = this.#priceAt(at);
        if (terms.intervalMs > 0) yield [id, { what: "price", ...terms }];
      } else if (channel.type !== "Markets") {
        for (const terms of streamsOf(channel)) yield [channel.params.market_id, terms];
      }
    }
  }

  #priceAt(index: number): readonly [MarketId, PriceTerms] {
    return this.#prices[index - this.#channels.length] as readonly [MarketId, PriceTerms];
  }
}

/** The channels that a set of subscriptions stands for. */
function* channelsOf(subscriptions: SubscriptionSet): Generator<Channel> {
  for (const [key, filter] of subscriptions.filters) {
    const asked = {
      ...(filter !== null && { filter }),
      ...mergedBy(subscriptions.filterIntervals.get(key) ?? 0),
    };
    yield { type: "Markets", params: Object.keys(asked).length === 0 ? null : asked };
  }
  for (const [market_id, intervalMs] of subscriptions.states)
    yield { type: "Market", params: { market_id, ...mergedBy(intervalMs) } };
  for (const [market_id, { depth, checksum, intervalMs }] of subscriptions.books) {
    const params = { market_id, depth, ...(checksum && { checksum }), ...mergedBy(intervalMs) };
    yield { type: "Book", params };
  }
  const prices = new Map<PriceTerms, MarketId[]>();
  for (const [id, terms] of subscriptions.prices) {
    const ids = prices.get(terms) ?? [];
    ids.push(id);
    prices.set(terms, ids);
  }
  for (const [{ sizes, intervalMs }, market_ids] of prices) {
    const params = { market_ids, ...(sizes && { sizes }), ...mergedBy(intervalMs) };
    yield { type: "PriceFeed", params };
  }
  for (const { marketId: market_id, interval, limit } of subscriptions.candles.values())
    yield { type: "Candles", params: { market_id, interval, limit } };
  if (subscriptions.systemStatus) yield { type: "SystemStatus", params: null };
}

function mergedBy(intervalMs: MergeInterval) {
  return intervalMs === 0 ? {} : { interval_ms: intervalMs };
}

function isItem(channel: Channel): channel is ItemChannel {
  const { type } = channel;
  return CHANNEL_KINDS[type].marketSnapshot || type === "Book" || type === "Candles";
}

function itemKey(channel: ItemChannel): string {
  if (channel.type === "Markets") return channelKey(channel);
  const { type, params } = channel;
  const key = `${type} ${params.market_id}`;
  return type === "Candles" ? `${key} ${params.interval}` : key;
}

type BookStreamTerms = Extract<StreamTerms, { readonly what: "book" }>;

/** The merged streams that a channel of one market is. */
function streamsOf(channel: Exclude<ItemChannel, { readonly type: "Markets" }>): StreamTerms[] {
  if (channel.type === "Candles") return [];
  const { interval_ms: intervalMs = 0 } = channel.params;
  if (channel.type === "Book") {
    const { depth, checksum = false } = channel.params;
    return [{ what: "book", depth, checksum, intervalMs }];
  }
  if (intervalMs === 0) return [];
  return [
    { what: "state", intervalMs },
    { what: "top", intervalMs },
  ];
}

function matchingFrom(
  { markets }: Mirror,
  { params }: Extract<ItemChannel, { readonly type: "Markets" }>,
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
  encoding.encoder.orderBook(out, market, market.topBook ?? { ...EMPTY_BOOK, ts: market.ts });
  out.end(FRAME[encoding.frames]);
  return 2;
}

/** A stream that has told the latest goes on from what it told; else a book is what there is. */
function writeBook(
  out: FrameWriter,
  { encoder, frames }: EncodingDescriptor,
  market: MirrorMarket | undefined,
  stream: AudienceStream | undefined,
  terms: BookTerms,
): number {
  if (market === undefined) return 0;
  out.begin();
  if (stream === undefined || stream.pending)
    encoder.orderBook(out, market, withTerms(bookOf(market), terms));
  else stream.writeWhole(out, encoder, 0);
  out.end(FRAME[frames]);
  return 1;
}

const EMPTY_SIDE = { price: new Float64Array(), quantity: new Float64Array(), length: 0 };
/** The book of a market that has published none; the first one published follows it with seq 1. */
const EMPTY_BOOK = { bids: EMPTY_SIDE, asks: EMPTY_SIDE, seq: 0 };

function writePrice(
  out: FrameWriter,
  encoding: EncodingDescriptor,
  mirror: Mirror,
  marketId: MarketId,
  { sizes }: PriceTerms,
): number {
  const market = mirror.find(marketId);
  if (market === undefined || !market.hasQuote) return 0;
  out.begin();
  if (sizes) encoding.encoder.sizedPriceUpdate(out, market);
  else encoding.encoder.priceUpdate(out, market);
  out.end(FRAME[encoding.frames]);
  return 1;
}
