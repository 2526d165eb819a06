import { type CounterSection, count, PRODUCER } from "../counters/counters.js";
import type { ExchangeRequest } from "../workers/messages.js";
import { type AttachedShard, addNews, type News } from "./exchange-shards.js";
import { Sessions } from "./sessions.js";

/** What a shard asks that is about sessions. */
type SessionRequest = Extract<ExchangeRequest, { type: "session" | "ended" | "attach" }>;

interface SessionDeskOptions {
  readonly run: string;
  readonly maxWaiting: number;
  readonly counters: CounterSection;
  /** Milliseconds of a monotonic clock. */
  readonly now?: () => number;
}

/**
 * The way between the shards and the sessions. What they are told of sessions happens to no order, so it
 * stands whatever becomes of a batch: it is kept here until it is told.
 */
export class SessionDesk {
  readonly sessions: Sessions;
  /** By their numbers, the present ones. */
  readonly #shards = new Map<number, AttachedShard>();
  #news: News = new Map();

  /** @param ended what is bound to a session is to be cancelled for a reason */
  constructor(
    { run, maxWaiting, counters, now = () => performance.now() }: SessionDeskOptions,
    ended: (session: string, reason: string) => void,
  ) {
    counters[PRODUCER.sessionsWaiting] = 0;
    this.sessions = new Sessions(
      { run, maxWaiting, now },
      {
        ended,
        taken: ({ shard, connection }, session) => {
          const to = this.#shards.get(shard);
          if (to !== undefined)
            addNews(this.#news, to, { type: "session-taken", connection, session });
        },
        over: (shard) => this.#shards.delete(shard),
        waiting: (waiting, crowdedOut) => {
          counters[PRODUCER.sessionsWaiting] = waiting;
          count(counters, PRODUCER.sessionsCrowdedOut, crowdedOut);
        },
      },
    );
  }

  take(from: AttachedShard, request: SessionRequest): void {
    const { shard } = from;
    switch (request.type) {
      case "session": {
        const { type: _, resume, connection, ...terms } = request;
        const place = { shard, connection };
        if (resume === undefined) return this.sessions.open(place, terms);
        const session = this.sessions.resume(place, terms, resume);
        return addNews(this.#news, from, { type: "session", connection, session });
      }
      case "ended":
        return this.sessions.end({ shard, connection: request.connection });
      case "attach":
        this.#shards.set(shard, from);
        return this.sessions.attach(shard, request.sessions);
      default:
        return request satisfies never;
    }
  }

  /** What the shards are to be told, once. */
  takeNews(): News {
    const news = this.#news;
    this.#news = new Map();
    return news;
  }
}
