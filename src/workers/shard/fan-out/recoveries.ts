import { type Channel, isPublic, type PublicChannel } from "../../../contract/channels-schema.js";
import type { Channel as ToldChannel } from "../../../contract/messages.js";
import {
  type CounterSection,
  count,
  countListed,
  REPLAY_REFUSALS,
  SHARD,
} from "../../../counters/counters.js";
import { isBefore } from "../../../ring/layout.js";
import type { MarketId } from "../../../shared/market-id.js";
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

/** What was found of trades since a `ts`. */
interface FoundTrades {
  readonly since: number;
  readonly places: readonly StreamPlace[];
  readonly archived: ArchivedTrades | undefined;
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
      if (!isPublic(channel) || channel.since === undefined) continue;
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
   * comes out of the archive comes before everything else. What was found may be overwritten while that is waited for.
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
   * @param elsewhere channels of wallets' orders, and of users' own, that are replayed by others
   */
  take(
    encoding: number,
    counters: CounterSection,
    elsewhere: ReadonlySet<Channel> = new Set(),
  ): Recovered {
    const { trades, archived } = this.#replayedTrades();
    const states = new Map<string, StreamPlace>();
    const replayed: PublicChannel[] = [];
    const books: PublicChannel[] = [];
    const told: ToldChannel[] = [];
    const channels: PublicChannel[] = [];
    for (const channel of this.#channels) {
      if (!isPublic(channel)) {
        // Positions and presence are complete with their first data.
        const whole = channel.type === "Positions" || channel.type === "Presence";
        told.push(
          channel.since === undefined
            ? channel
            : { ...channel, recovered: whole || elsewhere.has(channel) },
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
      if (result.ring === "trades") channels.push(channel);
      else {
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
            archived,
            states: cursor,
            channels: replayed,
            books,
          },
    };
  }

  /**
   * What is replayed of trades, of each market and of all from the earliest `since` on. Where all come out of the
   * archive, a market's that are among them come with them, and before them only what is earlier: the window's
   * places come behind what the archive has, and what was found of a market may end at another moment.
   */
  #replayedTrades(): Pick<Replays, "trades" | "archived"> {
    const found = new Map<MarketId | undefined, FoundTrades>();
    for (const [{ type, params, since }, { result }] of this.#found) {
      if (type !== "Trades" || since === undefined || result?.recovered !== true) continue;
      const marketId = params?.market_id;
      if (since < (found.get(marketId)?.since ?? Number.POSITIVE_INFINITY))
        found.set(marketId, { since, places: result.places, archived: result.archived });
    }
    const all = found.get(undefined);
    found.delete(undefined);
    const trades: StreamPlace[] = [...(all?.places ?? [])];
    const before: ArchivedTrades[] = [];
    const sinceOfAll = all?.since ?? Number.POSITIVE_INFINITY;
    for (const [marketId, { since, places, archived }] of found) {
      const part = all?.archived === undefined ? archived : { ...all.archived, marketId, since };
      if (part !== undefined && since < sinceOfAll)
        before.push({ ...part, until: Math.min(part.until, sinceOfAll) });
      if (all?.archived === undefined) trades.push(...places);
    }
    return { trades, archived: all?.archived === undefined ? before : [...before, all.archived] };
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
