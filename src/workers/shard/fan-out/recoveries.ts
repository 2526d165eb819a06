import { isPrivate } from "../../../contract/channel-kinds.js";
import type { Channel, PublicChannel } from "../../../contract/channels-schema.js";
import type { Channel as ToldChannel } from "../../../contract/messages.js";
import {
  type CounterSection,
  count,
  countListed,
  REPLAY_REFUSALS,
  SHARD,
} from "../../../counters/counters.js";
import { isBefore } from "../../../ring/layout.js";
import { ArchiveRecovery } from "./archive-recovery.js";
import type { ArchivedTrades, TradeArchiveSource } from "./archived-trades.js";
import type { Replays } from "./first-data-load.js";
import type { HistoryWindow } from "./history-window.js";
import { Recovery } from "./recovery.js";
import { ReplayCursor } from "./replay-cursor.js";
import type { StreamPlace } from "./replay-streams.js";

/** How long a request waits for the archive, in ms: after a start that has to catch up with what was told. */
const ARCHIVE_WAIT_MS_MAX = 5000;
/** Records that are looked at in a turn. */
const RECORDS_PER_TURN = 16_384;

/** What comes of the channels of a request. */
interface Recovered {
  readonly told: readonly ToldChannel[];
  readonly replays: Replays | undefined;
  /** Those that get first data. */
  readonly channels: readonly PublicChannel[];
}

/** Finds what is replayed of the channels of a request that have a `since`, a bounded part in a turn. */
export class Recoveries {
  readonly #window: HistoryWindow;
  readonly #channels: readonly Channel[];
  readonly #maxMessages: number;
  readonly #archive: TradeArchiveSource | undefined;
  readonly #giveUpAt = performance.now() + ARCHIVE_WAIT_MS_MAX;
  readonly #found = new Map<PublicChannel, Recovery | ArchiveRecovery>();

  /**
   * @param maxMessages of a channel more are not replayed
   * @param archive undefined where nothing is archived
   */
  constructor(
    window: HistoryWindow,
    channels: readonly Channel[],
    maxMessages: number,
    archive: TradeArchiveSource | undefined,
  ) {
    this.#window = window;
    this.#channels = channels;
    this.#maxMessages = maxMessages;
    this.#archive = archive;
    for (const channel of channels) {
      if (isPrivate(channel) || channel.since === undefined) continue;
      this.#found.set(channel, new Recovery(window, channel, channel.since, maxMessages));
    }
  }

  /** Records that were looked at, which is what it has cost. */
  get cost(): number {
    let sum = 0;
    for (const { cost } of this.#found.values()) sum += cost;
    return sum;
  }

  /** Goes on for a turn: "found" when all is, "waits" where the archive has to come further first. */
  step(): "found" | "going" | "waits" {
    let left = RECORDS_PER_TURN;
    for (const [channel, recovery] of this.#found) {
      left -= recovery.step(left);
      const { result } = recovery;
      if (result === undefined)
        return recovery instanceof ArchiveRecovery && recovery.waits ? "waits" : "going";
      if (this.#archive === undefined || channel.type !== "Trades") continue;
      if (result.recovered || result.refusal !== "window") continue;
      const { since = 0, params } = channel;
      const deeper = new ArchiveRecovery(
        this.#window,
        params?.market_id,
        since,
        this.#maxMessages,
        this.#archive,
        this.#giveUpAt,
      );
      this.#found.set(channel, deeper);
      return "going";
    }
    return "found";
  }

  /**
   * Whether a member that has a cursor of trades can be sent what was found, which is known once all is. What
   * comes out of the archive comes before everything else.
   */
  follows(cursor: ReplayCursor | undefined): boolean {
    if (cursor === undefined) return true;
    for (const [{ type }, { result }] of this.#found) {
      if (type !== "Trades" || result?.recovered !== true) continue;
      if (cursor.archived.length > 0 || result.archived !== undefined) return false;
    }
    return true;
  }

  /**
   * What was found, once all is.
   * @param orders channels of wallets' orders that are replayed
   */
  take(
    encoding: number,
    counters: CounterSection,
    orders: ReadonlySet<Channel> = new Set(),
  ): Recovered {
    const trades: StreamPlace[] = [];
    const archived: ArchivedTrades[] = [];
    const states = new Map<string, StreamPlace>();
    const replayed: PublicChannel[] = [];
    const books: PublicChannel[] = [];
    const told: ToldChannel[] = [];
    const channels: PublicChannel[] = [];
    for (const channel of this.#channels) {
      if (isPrivate(channel)) {
        // Positions are complete with their first data.
        told.push(
          channel.since === undefined
            ? channel
            : { ...channel, recovered: channel.type === "Positions" || orders.has(channel) },
        );
        continue;
      }
      const result = this.#found.get(channel)?.result;
      told.push(result === undefined ? channel : { ...channel, recovered: result.recovered });
      if (result?.recovered === false)
        countListed(counters, SHARD.replaysRefused, REPLAY_REFUSALS, result.refusal);
      if (result?.recovered !== true || result.ring === undefined) {
        channels.push(channel);
        continue;
      }
      count(counters, SHARD.replays);
      if (result.ring === "trades") {
        trades.push(...result.places);
        if (result.archived !== undefined) archived.push(result.archived);
        channels.push(channel);
      } else {
        // A whole book follows what is replayed, so that updates have a book that they go on from.
        if (channel.type === "Book") {
          books.push(channel);
          channels.push(channel);
        } else replayed.push(channel);
        for (const place of result.places) addEarliest(states, place);
      }
    }
    const cursor =
      states.size === 0
        ? undefined
        : new ReplayCursor(this.#window, "states", encoding, [...states.values()]);
    const none = trades.length === 0 && cursor === undefined;
    return {
      told,
      channels,
      replays: none
        ? undefined
        : {
            trades,
            archived: this.#withoutDoubles(archived),
            states: cursor,
            channels: replayed,
            books,
          },
    };
  }

  /** Of a market's trades those are left that are before what is replayed of all markets, which comes last. */
  #withoutDoubles(archived: readonly ArchivedTrades[]): readonly ArchivedTrades[] {
    const ofAll = archived.filter(({ marketId }) => marketId === undefined);
    let sinceOfAll = Number.POSITIVE_INFINITY;
    for (const [{ type, params, since }, { result }] of this.#found) {
      if (type === "Trades" && params?.market_id === undefined && result?.recovered === true)
        sinceOfAll = Math.min(sinceOfAll, since ?? sinceOfAll);
    }
    const ofMarkets = archived
      .filter(({ marketId, since }) => marketId !== undefined && since < sinceOfAll)
      .map((part) => ({ ...part, until: Math.min(part.until, sinceOfAll) }));
    return [...ofMarkets, ...ofAll];
  }

  /** Whether another producer has come meanwhile, so that it has to begin anew. */
  isOf(window: HistoryWindow): boolean {
    return window === this.#window;
  }
}

/** Keeps the first place of each stream. */
function addEarliest(places: Map<string, StreamPlace>, place: StreamPlace): void {
  const key = `${place.kind} ${place.marketId}`;
  const known = places.get(key);
  if (known === undefined || isBefore(place.position, known.position)) places.set(key, place);
}
