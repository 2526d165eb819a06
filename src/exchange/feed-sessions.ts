import type { MessagePort } from "node:worker_threads";
import type { CounterSection } from "../counters/counters.js";
import { isEdgeShard } from "../shared/edge-shards.js";
import { ExchangeShards } from "./exchange-shards.js";
import { SessionDesk } from "./session-desk.js";

/** How often waits are looked at. */
const WAITS_INTERVAL_MS = 50;

/**
 * The sessions of a server whose feed takes no orders: nothing is bound to them and nothing of them is
 * stored, and else they are the exchange's.
 */
export class FeedSessions {
  readonly #desk: SessionDesk;
  readonly #shards: ExchangeShards;

  constructor(run: string, maxWaiting: number, counters: CounterSection) {
    this.#desk = new SessionDesk({ run, maxWaiting, counters }, () => {});
    this.#shards = new ExchangeShards({
      request: (from, request) => {
        // Shards pass on no order where none is taken, and nobody watches a wallet.
        if (request.type !== "session" && request.type !== "ended" && request.type !== "attach")
          throw new Error(`a feed was asked to ${request.type}`);
        this.#desk.take(from, request);
        this.#shards.tell(this.#desk.takeNews());
      },
      gone: (from) => {
        if (isEdgeShard(from.shard)) this.#desk.sessions.awaitShard(from.shard);
        else this.#desk.take(from, { type: "attach", sessions: [] });
      },
    });
    setInterval(() => this.#desk.sessions.expire(), WAITS_INTERVAL_MS).unref();
  }

  attach(shard: number, port: MessagePort): void {
    this.#shards.attach(shard, port);
  }
}
