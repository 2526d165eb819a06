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
import type { Replays } from "./first-data-load.js";
import type { HistoryWindow } from "./history-window.js";
import { Recovery } from "./recovery.js";
import { ReplayCursor } from "./replay-cursor.js";
import type { StreamPlace } from "./replay-streams.js";

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
  readonly #found = new Map<PublicChannel, Recovery>();

  /** @param maxMessages of a channel more are not replayed */
  constructor(window: HistoryWindow, channels: readonly Channel[], maxMessages: number) {
    this.#window = window;
    this.#channels = channels;
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

  /** Goes on for a turn; returns whether all is found. */
  step(): boolean {
    let left = RECORDS_PER_TURN;
    for (const recovery of this.#found.values()) {
      left -= recovery.step(left);
      if (recovery.result === undefined) return false;
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
    const states = new Map<string, StreamPlace>();
    const replayed: PublicChannel[] = [];
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
        channels.push(channel);
      } else {
        replayed.push(channel);
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
      replays: none ? undefined : { trades, states: cursor, channels: replayed },
    };
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
