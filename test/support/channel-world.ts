import { vi } from "vitest";
import type { ServerMessage } from "../../src/contract/messages.js";
import {
  type CounterSection,
  counterBlockOf,
  createCounterBuffer,
} from "../../src/counters/counters.js";
import { createMarketMemory } from "../../src/ring/market-memory.js";
import type { ChannelNews, ChannelRequest } from "../../src/workers/hub/messages.js";
import { ChannelDesk } from "../../src/workers/producer/channel-desk.js";
import type { HubShard } from "../../src/workers/producer/hub.js";
import { PublicationWriter } from "../../src/workers/producer/publication-writer.js";
import { Channels } from "../../src/workers/shard/channels/channels.js";
import type { Connection, PrivateBatch } from "../../src/workers/shard/connections/connection.js";
import type { Outbox } from "../../src/workers/shard/connections/outbox.js";

/** What was published and has its place, of whichever hub. */
export interface Placed {
  readonly channel: string;
  readonly data: string;
  readonly seq: number;
  readonly ts: number;
}

const SIZES = {
  ringSize: 1 << 16,
  tradeRingSize: 1 << 16,
  maxMarkets: 1,
  maxTitleBytes: 16,
  bookDepth: 1,
};

/** A batch that says what is in it. */
interface TellingBatch extends PrivateBatch {
  readonly message: ServerMessage;
}

/** A connection without a socket; the test says what it takes, and looks at what it is given. */
export class ChannelClient {
  /** What it has been given. */
  readonly messages: ServerMessage[] = [];
  closedFor: string | undefined;
  readonly connection: Connection;
  #blocked = false;
  #queue: ServerMessage[] = [];

  constructor(number: number) {
    const client = this;
    this.connection = {
      number,
      encoding: 0,
      channels: undefined,
      channelReplays: 0,
      held: false,
      get open() {
        return client.closedFor === undefined;
      },
      get blocked() {
        return client.#blocked;
      },
      get hasQueue() {
        return client.#queue.length > 0;
      },
      deliver: (batches: readonly TellingBatch[]) => {
        if (client.closedFor !== undefined) return;
        const told = batches.map(({ message }) => message);
        if (client.#blocked || client.#queue.length > 0) client.#queue.push(...told);
        else client.messages.push(...told);
      },
      chargeAnswer: () => {},
      close: ({ code, reason }: { code: number; reason: string }) => {
        client.closedFor ??= `${code} ${reason}`;
      },
    } as unknown as Connection;
  }

  set blocked(blocked: boolean) {
    this.#blocked = blocked;
    if (!blocked) this.messages.push(...this.#queue.splice(0));
  }

  /** The numbers that it was told of a channel. */
  seqsOf(channel: string): number[] {
    return this.messages.flatMap((message) =>
      message.type === "Publication" && message.data.channel === channel ? [message.data.seq] : [],
    );
  }
}

interface ChannelWorldOptions {
  readonly channelHistorySize?: number;
  readonly channelHistoryTimeMs?: number;
  readonly maxPublishesPerSecond?: number;
  /** The shard's clock in ms; the test's own by default. */
  readonly now?: () => number;
}

/**
 * The hub's desk for channels and a shard's part in them, without their threads and over a real ring. What they tell
 * each other goes on when the test says so. Uses the timers of the test, which it fakes.
 */
export class ChannelWorld {
  readonly channels: Channels;
  readonly counters: CounterSection;
  readonly producerCounters: CounterSection;
  readonly published: Placed[] = [];
  readonly holds: string[] = [];
  /** On their ways. */
  readonly requests: ChannelRequest[] = [];
  readonly news: ChannelNews[] = [];
  nowMs = 0;
  ts = 1_000_000;
  desk: ChannelDesk;
  #writer: PublicationWriter;
  #connected = true;
  #epochs = 0;
  readonly #options: ChannelWorldOptions;
  readonly #shard: HubShard = { shard: 0, tell: (news) => this.news.push(news as ChannelNews) };

  constructor(options: ChannelWorldOptions = {}) {
    const block = counterBlockOf(createCounterBuffer(1));
    const world = this;
    this.#options = options;
    this.counters = block.shards[0] as CounterSection;
    this.producerCounters = block.producer;
    this.channels = new Channels({
      options: {
        maxPublishesPerSecond: options.maxPublishesPerSecond ?? 1e6,
        maxReplayMessages: 1000,
      },
      outbox: {
        encode: (_: number, message: ServerMessage): TellingBatch => ({
          bytes: Buffer.from(JSON.stringify(message)),
          messages: 1,
          message,
        }),
      } as unknown as Outbox,
      counters: this.counters,
      ...(options.now !== undefined && { now: options.now }),
      hold: {
        hold: ({ number }) => this.holds.push(`hold ${number}`),
        release: ({ number }) => this.holds.push(`release ${number}`),
      },
      hub: {
        get connected() {
          return world.#connected;
        },
        send: (request) => this.requests.push(request),
      },
    });
    [this.desk, this.#writer] = this.#newHub();
  }

  #newHub(): [ChannelDesk, PublicationWriter] {
    const memory = createMarketMemory(`e${++this.#epochs}`, SIZES);
    const writer = new PublicationWriter(memory, this.producerCounters);
    const desk = new ChannelDesk(
      {
        channelHistorySize: this.#options.channelHistorySize ?? 20,
        channelHistoryTimeMs: this.#options.channelHistoryTimeMs ?? 1000,
        channelHistoryBytes: 10_000_000,
        maxChannels: 100,
        maxPublishesPerSecond: this.#options.maxPublishesPerSecond ?? 1e6,
      },
      {
        counters: this.producerCounters,
        tell: () => this.ts,
        now: () => this.nowMs,
        write: (texts, seq, ts) => writer.write(texts, seq, ts),
        publishedTo: (ts) => writer.publishedTo(ts),
      },
    );
    this.channels.setMemory(memory, this.ts++);
    return [desk, writer];
  }

  /** Publishes as an operator does. */
  publish(channel: string, data = "1"): Placed {
    const outcome = this.desk.publish(channel, data, undefined);
    if (outcome.refusal !== undefined) throw new Error(outcome.refusal.message);
    this.#writer.publish();
    const placed = { channel, data, ...outcome };
    this.published.push(placed);
    return placed;
  }

  /** Has the hub hear requests, all by default. */
  hear(most = this.requests.length): void {
    for (const request of this.requests.splice(0, most)) this.desk.take(this.#shard, request);
    this.desk.heard();
    this.#writer.publish();
  }

  /** Has the shard hear news, all by default. */
  tell(most = this.news.length): void {
    this.channels.take(this.news.splice(0, most));
  }

  /** The hub ends, and what is on its way with it. */
  lose(): void {
    this.#connected = false;
    this.requests.length = this.news.length = 0;
    this.desk.close();
    this.channels.lost();
  }

  /** There is another one, which knows nothing of before. */
  restart(): void {
    if (this.#connected) this.lose();
    this.ts++;
    [this.desk, this.#writer] = this.#newHub();
    this.#connected = true;
    this.channels.connected();
  }

  /** Has all that is on its way arrive, until nothing more comes of it. */
  settle(): void {
    for (let round = 0; round < 1000; round++) {
      while (this.channels.pending) this.channels.poll();
      this.hear();
      this.tell();
      vi.advanceTimersByTime(60);
      if (this.requests.length + this.news.length === 0 && !this.channels.pending) return;
    }
    throw new Error("it does not settle");
  }

  /** Subscribes, as a request does that was answered; resolves with what was found. */
  subscribe(
    client: ChannelClient,
    channel: string,
    ...sinces: readonly (number | undefined)[]
  ): void {
    const since = sinces.filter((one) => one !== undefined);
    const named = { type: "Private", params: { channel } } as const;
    if (since.length === 0) return this.channels.subscribe(client.connection, [named], new Map());
    const asked = since.map((one) => ({ ...named, since: one }));
    this.channels.find(asked, (found) => {
      const channels = asked.map((one) => ({
        ...one,
        recovered: found.get(one)?.recovered === true,
      }));
      client.messages.push({ type: "Subscribed", data: { channels } });
      this.channels.subscribe(client.connection, asked, found);
    });
  }

  unsubscribe(client: ChannelClient, channel: string): void {
    this.channels.unsubscribe(client.connection, [{ type: "Private", params: { channel } }]);
  }
}
