import { type CounterSection, PRODUCER } from "../../counters/counters.js";
import { PresenceHub } from "../../presence/presence-hub.js";
import type { PresenceRequest } from "../hub/messages.js";
import type { HubShard } from "./hub.js";

/** The way between the shards and presence, and the timer that tells what is due. */
export class PresenceDesk {
  readonly #hub: PresenceHub<HubShard>;
  readonly #counters: CounterSection;
  #timer: NodeJS.Timeout | undefined;
  #timerAt = 0;
  /** Something was asked or told since the figures were noted. */
  #changed = false;

  /** @param usersMax most users of a market or private channel that are kept */
  constructor(usersMax: number, counters: CounterSection) {
    this.#counters = counters;
    this.#hub = new PresenceHub<HubShard>(
      {
        count: (shard, key) => shard.tell({ type: "presence-count", key }),
        ignore: (shard, key) => shard.tell({ type: "presence-ignore", key }),
        tell: (shard, news) => shard.tell({ type: "presence", news }),
      },
      { usersMax, now: () => performance.now() },
    );
    this.#note();
  }

  attach(shard: HubShard): void {
    this.#hub.attach(shard);
    this.#note();
  }

  gone(shard: HubShard): void {
    this.#hub.detach(shard);
    this.#note();
  }

  take(from: HubShard, request: PresenceRequest): void {
    switch (request.type) {
      case "presence":
        for (const share of request.shares) this.#hub.take(from, share);
        break;
      case "presence-watch":
        this.#hub.watch(from, request.key);
        break;
      case "presence-unwatch":
        this.#hub.unwatch(from, request.key);
        break;
      default:
        request satisfies never;
    }
    this.#changed = true;
  }

  /** All of a message has been heard. */
  heard(): void {
    if (this.#changed) this.#note();
  }

  /** Notes figures, and when something is due next. */
  #note(): void {
    this.#changed = false;
    this.#counters[PRODUCER.presenceKeys] = this.#hub.keys;
    this.#counters[PRODUCER.presenceUsers] = this.#hub.users;
    this.#counters[PRODUCER.presenceKeysOver] = this.#hub.keysOver;
    const at = this.#hub.nextAt;
    if (at === undefined || (this.#timer !== undefined && this.#timerAt <= at)) return;
    clearTimeout(this.#timer);
    this.#timerAt = at;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#hub.tell();
      this.#note();
    }, at - performance.now());
  }
}
