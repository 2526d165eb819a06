import { ChannelHistories } from "../../channels/channel-histories.js";
import type { ChannelOptions } from "../../config/thread-options.js";
import {
  type CounterSection,
  count,
  counted,
  countListed,
  PRODUCER,
  PUBLICATION_DROPS,
} from "../../counters/counters.js";
import { type PublicationTexts, publicationTexts } from "../../ring/publication-record.js";
import { machineMs } from "../../shared/machine-clock.js";
import type { ChannelRequest, HubRefusal, PublishOutcome } from "../hub/messages.js";
import { TokenBucket } from "../shard/connections/token-bucket.js";
import type { HubShard } from "./hub.js";

interface ChannelDeskContext {
  readonly counters: CounterSection;
  readonly tell: () => number;
  /** Milliseconds of a clock that goes on evenly. */
  readonly now: () => number;
  readonly write: (texts: PublicationTexts, seq: number, ts: number) => void;
  /** Called now and then, and told that nothing will be published that is earlier than a `ts`. */
  readonly publishedTo: (ts: number) => void;
}

/** What one answer brings of a history, in bytes, and all answers of a turn, but for one publication each. */
const ANSWER_BYTES_MAX = 128 * 1024;
const TURN_BYTES_MAX = 512 * 1024;
/** How often old publications are looked for, and users who have not published for long, in ms. */
const SWEEP_INTERVAL_MS = 250;

const TOO_LATE: PublishOutcome = {
  refusal: {
    code: "UNAVAILABLE",
    message: "it came too late to the node that publishes, and was not published; try again",
  },
};

/**
 * What the hub does for channels: gives each publication its place in its channel, has it written to the ring that
 * all shards read, and answers what was there before.
 *
 * A `since` is answered by what is known when it is taken, and a publication is in the history and in the ring in the
 * same turn. So whoever goes on with the ring behind a history's last number misses nothing.
 */
export class ChannelDesk {
  readonly #options: ChannelOptions;
  readonly #context: ChannelDeskContext;
  readonly #histories: ChannelHistories;
  /** Of users that have published lately. */
  readonly #allowances = new Map<string, TokenBucket>();
  readonly #sweep: NodeJS.Timeout;
  /** What answers of this turn may still bring. */
  #turnBytes = TURN_BYTES_MAX;

  constructor(options: ChannelOptions, context: ChannelDeskContext) {
    const { counters, tell, now } = context;
    this.#options = options;
    this.#context = context;
    const ts = tell() - 1;
    this.#histories = new ChannelHistories(options, {
      ts,
      // Of what another process has published nobody knows the numbers, but that they are no later than its time.
      seq: Math.max(counted(counters, PRODUCER.publicationSeq), ts),
      now,
      dropped: (why, publications) =>
        countListed(counters, PRODUCER.publicationsDropped, PUBLICATION_DROPS, why, publications),
    });
    this.#noteSizes();
    this.#sweep = setInterval(() => this.#sweepOld(), SWEEP_INTERVAL_MS).unref();
  }

  close(): void {
    clearInterval(this.#sweep);
  }

  /** @param takeBy nothing is published later, in ms of the machine's clock */
  take(from: HubShard, request: ChannelRequest, takeBy = Number.POSITIVE_INFINITY): void {
    switch (request.type) {
      case "publish": {
        const { channel, data, userId } = request;
        const outcome = machineMs() > takeBy ? TOO_LATE : this.publish(channel, data, userId);
        if (outcome.refusal !== undefined)
          return from.tell({ type: "refusal", request: request.request, refusal: outcome.refusal });
        const { seq, ts } = outcome;
        return from.tell({ type: "published", request: request.request, seq, ts });
      }
      case "recover": {
        const { channel, since, max } = request;
        const found = this.#histories.find(channel, since, max, this.#context.tell());
        return from.tell({ type: "recoverable", request: request.request, ...found });
      }
      case "history": {
        const { channel, from: start } = request;
        const now = this.#context.tell();
        const bytesMax = Math.min(ANSWER_BYTES_MAX, this.#turnBytes);
        const found = this.#histories.read(channel, start, bytesMax, now);
        for (const { data } of found.publications) this.#turnBytes -= data.length;
        return from.tell({ type: "history", request: request.request, ...found });
      }
      default:
        return request satisfies never;
    }
  }

  /** All of a message has been heard. */
  heard(): void {
    this.#turnBytes = TURN_BYTES_MAX;
  }

  /** @param userId undefined for an operator */
  publish(channel: string, data: string, userId: string | undefined): PublishOutcome {
    const refusal = userId === undefined ? undefined : this.#overRate(userId);
    if (refusal !== undefined) return { refusal };
    const { counters, tell, write } = this.#context;
    const texts = publicationTexts(channel, userId, data);
    const bytes = texts.data.length;
    const placed = this.#histories.publish({ channel, data, userId, ts: tell(), bytes });
    this.#noteSizes();
    if (placed === undefined) {
      count(counters, PRODUCER.publicationsCrowdedOut);
      const { maxChannels } = this.#options;
      const message = `${maxChannels} channels are in use, as many as --max-channels allows, and this user has its share; publish to one that there is, or later`;
      return { refusal: { code: "UNAVAILABLE", message } };
    }
    write(texts, placed.seq, placed.ts);
    return { seq: placed.seq, ts: placed.ts };
  }

  #overRate(userId: string): HubRefusal | undefined {
    const { maxPublishesPerSecond: limit } = this.#options;
    const now = this.#context.now();
    const allowance = this.#allowances.get(userId) ?? new TokenBucket(now, limit);
    this.#allowances.set(userId, allowance);
    if (allowance.tryTake(now, 1)) return undefined;
    count(this.#context.counters, PRODUCER.publicationsRateLimited);
    return {
      code: "RATE_LIMITED",
      message: `at most ${limit} publications a second are taken from a user`,
      details: { limit, retry_after_ms: allowance.waitMs(now) },
    };
  }

  #sweepOld(): void {
    this.#context.publishedTo(this.#context.tell());
    this.#histories.sweep();
    this.#noteSizes();
    const now = this.#context.now();
    for (const [userId, allowance] of this.#allowances)
      if (allowance.left(now) >= allowance.perSecond) this.#allowances.delete(userId);
  }

  #noteSizes(): void {
    const { counters } = this.#context;
    counters[PRODUCER.channels] = this.#histories.channels;
    counters[PRODUCER.channelHistoryBytes] = this.#histories.bytes;
  }
}
