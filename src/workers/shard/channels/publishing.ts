import type { MessageFault } from "../../../codec/decode.js";
import type { RequestId } from "../../../contract/client-messages-schema.js";
import type { ServerMessage } from "../../../contract/messages.js";
import { type CounterSection, count, SHARD } from "../../../counters/counters.js";
import type { HubNews, HubRequest } from "../../hub/messages.js";
import type { Connection } from "../connections/connection.js";
import { TokenBucket } from "../connections/token-bucket.js";
import { rateLimited } from "../requests/request-faults.js";
import type { CoalescedWrites } from "../trading/coalesced-writes.js";
import type { RequestHold } from "../trading/shard-sessions.js";

/**
 * What may wait of a connection for its answer, publications and their bytes of JSON: its further requests wait
 * then, so that nothing piles up where the hub is slow.
 */
const OUTSTANDING_MAX = 64;
const OUTSTANDING_BYTES_MAX = 64 * 1024;

const HUB_STARTING: MessageFault = {
  code: "UNAVAILABLE",
  message: "nothing can be published at the moment; try again",
};
/** Another code, as who may ask again may not do so here. */
const HUB_LOST: MessageFault = {
  code: "INTERNAL",
  message: "the answer was lost, and it may have been published",
};

interface Waiting {
  readonly connection: Connection;
  readonly id: RequestId | undefined;
  readonly channel: string;
  readonly bytes: number;
}

interface Publisher {
  readonly allowance: TokenBucket;
  /** What waits of it. */
  publications: number;
  bytes: number;
  held: boolean;
}

/**
 * Passes on to the hub what connections publish, and its answers back.
 *
 * Invariants: each publication is answered once, at the latest when the hub is lost; a connection is held exactly
 * while as much of it waits as may.
 */
export class Publishing {
  readonly #counters: CounterSection;
  readonly #perSecond: number;
  readonly #hold: RequestHold;
  readonly #send: (
    request: Omit<Extract<HubRequest, { type: "publish" }>, "request">,
  ) => number | undefined;
  readonly #publishers = new WeakMap<Connection, Publisher>();
  readonly #waiting = new Map<number, Waiting>();

  /**
   * @param perSecond publications of a connection
   * @param send sends a request to the hub; returns its number, or undefined where there is no hub
   */
  constructor(
    counters: CounterSection,
    perSecond: number,
    hold: RequestHold,
    send: (
      request: Omit<Extract<HubRequest, { type: "publish" }>, "request">,
    ) => number | undefined,
  ) {
    this.#counters = counters;
    this.#perSecond = perSecond;
    this.#hold = hold;
    this.#send = send;
  }

  /**
   * Publishes for a connection that may, or says why not.
   * @param data JSON
   * @param now performance.now()
   */
  publish(
    connection: Connection,
    id: RequestId | undefined,
    userId: string,
    { channel, data }: { readonly channel: string; readonly data: string },
    now: number,
  ): MessageFault | undefined {
    const publisher = this.#publisherOf(connection, now);
    if (!publisher.allowance.tryTake(now, 1)) {
      count(this.#counters, SHARD.publishesRateLimited);
      return rateLimited(publisher.allowance, "publications", now);
    }
    const request = this.#send({ type: "publish", channel, data, userId });
    if (request === undefined) {
      count(this.#counters, SHARD.publishesUnavailable);
      return HUB_STARTING;
    }
    const waiting = { connection, id, channel, bytes: Buffer.byteLength(data) };
    this.#waiting.set(request, waiting);
    this.#count(waiting, 1);
    return undefined;
  }

  /** Passes an answer of the hub on. */
  take(writes: CoalescedWrites, news: Extract<HubNews, { type: "published" | "refusal" }>): void {
    const waiting = this.#waiting.get(news.request);
    if (waiting === undefined) return;
    this.#waiting.delete(news.request);
    const { connection, channel } = waiting;
    if (news.type === "refusal") writes.add(connection, answer(waiting, refused(news.refusal)));
    else {
      const { seq, ts } = news;
      const message: ServerMessage = { type: "Published", data: { channel, seq, ts } };
      writes.add(connection, answer(waiting, message));
    }
    this.#count(waiting, -1);
  }

  /** The hub is gone. */
  lost(writes: CoalescedWrites): void {
    count(this.#counters, SHARD.publishesUnavailable, this.#waiting.size);
    for (const waiting of this.#waiting.values()) {
      writes.add(waiting.connection, answer(waiting, refused(HUB_LOST)));
      this.#count(waiting, -1);
    }
    this.#waiting.clear();
  }

  #publisherOf(connection: Connection, now: number): Publisher {
    const known = this.#publishers.get(connection);
    if (known !== undefined) return known;
    const allowance = new TokenBucket(now, this.#perSecond);
    const publisher = { allowance, publications: 0, bytes: 0, held: false };
    this.#publishers.set(connection, publisher);
    return publisher;
  }

  #count({ connection, bytes }: Waiting, sign: 1 | -1): void {
    const publisher = this.#publishers.get(connection) as Publisher;
    publisher.publications += sign;
    publisher.bytes += sign * bytes;
    const full =
      publisher.publications >= OUTSTANDING_MAX || publisher.bytes >= OUTSTANDING_BYTES_MAX;
    if (full === publisher.held) return;
    publisher.held = full;
    if (full) this.#hold.hold(connection);
    // Behind the answer, which is written with the others of this turn.
    else queueMicrotask(() => this.#hold.release(connection));
  }
}

function refused({ code, message, details }: MessageFault): ServerMessage {
  return { type: "Error", data: { code, message, ...(details !== undefined && { details }) } };
}

function answer({ id }: Waiting, message: ServerMessage): ServerMessage {
  return id === undefined ? message : { ...message, id };
}
