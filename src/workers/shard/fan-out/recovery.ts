import type { PublicChannel } from "../../../contract/channels-schema.js";
import type { ReplayRefusal } from "../../../counters/counters.js";
import { isBefore } from "../../../ring/layout.js";
import { StreamWalk } from "../../../ring/stream-walk.js";
import { nowMicros } from "../../../shared/clock.js";
import type { MarketId } from "../../../shared/market-id.js";
import type { ArchivedTrades } from "./archived-trades.js";
import type { HistoryWindow } from "./history-window.js";
import { TOLD_BY } from "./replay-encoder.js";
import {
  endOf,
  newestOf,
  type StreamKind,
  type StreamName,
  type StreamPlace,
} from "./replay-streams.js";

/** By how much the clocks of two threads may differ; what another shard has told is not to come. */
const CLOCKS_APART_MICROS = 10_000;

/** What became of a channel's `since`. */
export type Recovered =
  | {
      readonly recovered: true;
      readonly ring: "states" | "trades" | undefined;
      /** Where each stream begins, where there is something to replay. */
      readonly places: readonly StreamPlace[];
      /** Trades before those. */
      readonly archived?: ArchivedTrades | undefined;
    }
  | { readonly recovered: false; readonly refusal: ReplayRefusal };

/** A channel whose first data, by themselves, leave nothing out that was told since. */
const COMPLETE: Recovered = { recovered: true, ring: undefined, places: [] };

/**
 * Finds where the messages of a channel begin that were told since a `ts`, and whether they are all there.
 * What it looks at in one step is bounded.
 */
export class Recovery {
  readonly window: HistoryWindow;
  readonly #maxMessages: number;
  readonly #since: number;
  readonly #streams: readonly StreamName[];
  readonly #walks: readonly StreamWalk[];
  readonly #ring: "states" | "trades";
  /** Of trades. */
  readonly #head: number;
  /** By stream. */
  readonly #ends: readonly number[];
  #records = 0;
  /** Messages that all walks have found so far. */
  #found = 0;
  /** The first walk that has not come to its end. */
  #walk = 0;
  /** Undefined while it is not known. */
  result: Recovered | undefined;

  /** @param maxMessages more are not replayed */
  constructor(window: HistoryWindow, channel: PublicChannel, since: number, maxMessages: number) {
    this.window = window;
    this.#maxMessages = maxMessages;
    this.#since = since;
    const { mirror } = window;
    const streams = streamsOf(channel);
    this.#streams = streams ?? [];
    this.#ring = channel.type === "Trades" ? "trades" : "states";
    this.#head = mirror.tradesRead;
    this.#ends = this.#streams.map((stream) => endOf(mirror, stream));
    this.#walks = [];
    // What was told before an epoch is no time to come, though the clock may have been set back.
    const present = Math.max(nowMicros() + CLOCKS_APART_MICROS, mirror.lastTs, mirror.completeFrom);
    if (since > present) this.result = refused("future");
    else if (streams === undefined) this.result = refused("channel");
    else if (streams.length === 0) this.result = COMPLETE;
    else if (since < mirror.completeFrom) this.result = refused("window");
    else if (this.#streams.some(({ marketId }) => marketId === undefined))
      this.result = this.#findAll();
    else
      this.#walks = this.#streams.map(
        (stream, index) =>
          new StreamWalk(
            window[this.#ring],
            newestOf(mirror, stream),
            this.#ends[index] as number,
            { ts: since },
            toldBy(stream.kind),
          ),
      );
  }

  /** Looks at up to so many records; returns how many it has looked at. */
  step(records: number): number {
    let looked = 0;
    while (this.result === undefined) {
      const walk = this.#walks[this.#walk];
      if (walk === undefined) {
        const places = this.#streams.map(this.#placeOf);
        this.result = { recovered: true, ring: this.#ring, places };
        break;
      }
      const before = walk.count;
      looked += walk.step(Math.max(0, records - looked));
      this.#found += walk.count - before;
      if (walk.state === "lost") this.result = refused("window");
      else if (this.#found > this.#maxMessages) this.result = refused("messages");
      else if (walk.state === "going") break;
      else this.#walk++;
    }
    this.#records += looked;
    return looked;
  }

  /** Records and streams that were looked at, which is what it has cost. */
  get cost(): number {
    return this.#records + this.#streams.length;
  }

  readonly #placeOf = (stream: StreamName, index: number): StreamPlace => {
    const { start } = this.#walks[index] as StreamWalk;
    const end = this.#ends[index] as number;
    return { ...stream, position: start ?? end, exact: start !== undefined };
  };

  /** Trades of all markets: the index leads near to their beginning, and the numbers of records count them. */
  #findAll(): Recovered {
    const reader = this.window.trades;
    const [stream] = this.#streams as [StreamName];
    const head = this.#head;
    const at = reader.before(this.#since);
    if (at === undefined)
      return {
        recovered: true,
        ring: "trades",
        places: [{ ...stream, position: head, exact: false }],
      };
    // The ring's first record is the first there is.
    if (at.ts >= this.#since && at.number !== 0) return refused("window");
    reader.refresh();
    let { position } = at;
    while (isBefore(position, head)) {
      if (!reader.read(position)) return refused("window");
      this.#records++;
      if (reader.type !== 0 && reader.recordTs >= this.#since) break;
      position = (position + reader.units) >>> 0;
    }
    const place = { ...stream, position, exact: isBefore(position, head) };
    if (!place.exact) return { recovered: true, ring: "trades", places: [place] };
    const from = reader.number;
    const last = this.#lastNumber(position);
    if (last === undefined) return refused("window");
    if (((last - from) >>> 0) + 1 > this.#maxMessages) return refused("messages");
    return { recovered: true, ring: "trades", places: [place] };
  }

  /** Number of the last trade before the head, which is the one at a position or comes after it. */
  #lastNumber(position: number): number | undefined {
    const reader = this.window.trades;
    const near = reader.lastBefore(this.#head);
    let at = near === undefined || isBefore(near.position, position) ? position : near.position;
    let last: number | undefined;
    while (isBefore(at, this.#head)) {
      if (!reader.read(at)) return undefined;
      this.#records++;
      if (reader.type !== 0) last = reader.number;
      at = (at + reader.units) >>> 0;
    }
    return last;
  }
}

export function refused(refusal: ReplayRefusal): Recovered {
  return { recovered: false, refusal };
}

/** Bits of which a record of a stream's market has to have one; 0 where all are told. */
function toldBy(kind: StreamKind): number {
  return kind === "trade" || kind === "book" || kind === "levels" ? 0 : TOLD_BY[kind];
}

/** The streams whose messages a channel tells one by one; undefined where it merges or compares them. */
function streamsOf(channel: PublicChannel): readonly StreamName[] | undefined {
  const of = (kind: StreamKind, marketId: MarketId | undefined): StreamName => ({ kind, marketId });
  switch (channel.type) {
    case "Trades":
      return [of("trade", channel.params?.market_id)];
    case "PriceFeed": {
      const { market_ids, sizes, interval_ms } = channel.params;
      if (interval_ms !== undefined) return undefined;
      return market_ids.map((id) => of(sizes === true ? "sized" : "price", id));
    }
    case "Market":
      if (channel.params.interval_ms !== undefined) return undefined;
      return [of("state", channel.params.market_id), of("book", channel.params.market_id)];
    case "Book": {
      const { market_id, depth, checksum = false, interval_ms } = channel.params;
      if (interval_ms !== undefined) return undefined;
      return [{ ...of("levels", market_id), terms: { depth, checksum } }];
    }
    case "Markets":
    case "SystemStatus":
    case "Candles":
    case "Heartbeat":
      return [];
    default:
      return channel satisfies never;
  }
}
