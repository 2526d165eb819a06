import { HEARTBEAT_INTERVAL_MS } from "../contract/limits.js";
import type { Channel, ChannelType, Heartbeat } from "../contract/messages.js";
import type { Staleness } from "./events.js";
import type { Subscriptions } from "./subscriptions.js";

/** Looks per time that data may be old, so that what is stale is found at most a quarter late. */
const LOOKS = 4;
/** Channels that are not of market data; the whole table of kinds would be much of the client. */
const OTHERS: readonly ChannelType[] = [
  "Orders",
  "Positions",
  "SystemStatus",
  "Heartbeat",
  "Presence",
];

export interface StaleWatchEvents {
  /** Subscribes to heartbeats. */
  ask(channel: Channel): void;
  /** Subscribes again to all there is, where there is a connection. */
  refresh(): void;
  tell(event: "stale" | "fresh", staleness: Staleness): void;
}

/**
 * Says when market data are stale, by `Heartbeat`s, which take the same way: as they do not come, or as
 * they say that the producer has told nothing for long. Asks for them when somebody wants to know.
 */
export class StaleWatch {
  readonly #afterMs: number;
  readonly #wanted: Subscriptions;
  readonly #events: StaleWatchEvents;
  #timer: ReturnType<typeof setInterval> | undefined;
  #lookedAt = 0;
  /** When the last heartbeat came, or began to be waited for. */
  #heardAt = 0;
  #refreshAt = 0;
  #cause: Staleness["cause"] | undefined;

  /** @param afterMs 0 for never */
  constructor(afterMs: number, wanted: Subscriptions, events: StaleWatchEvents) {
    this.#afterMs = afterMs;
    this.#wanted = wanted;
    this.#events = events;
  }

  /** Somebody wants to know. */
  start(): void {
    const after = this.#afterMs;
    if (after === 0 || this.#timer !== undefined) return;
    this.#heardAt = this.#lookedAt = performance.now();
    this.#timer = setInterval(() => this.#look(), after / LOOKS);
    if (this.#wanted.list("Heartbeat").length > 0) return;
    const { least, most } = HEARTBEAT_INTERVAL_MS;
    const interval_ms = Math.min(Math.max(Math.floor(after / LOOKS), least), most);
    this.#events.ask({ type: "Heartbeat", params: { interval_ms } });
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  take({ feed_age_ms }: Heartbeat): void {
    if (this.#timer === undefined) return;
    this.#heardAt = performance.now();
    this.#judge(feed_age_ms > this.#afterMs ? "feed" : undefined, feed_age_ms);
  }

  #look(): void {
    const now = performance.now();
    const [channel] = this.#wanted.list("Heartbeat") as Extract<Channel, { type: "Heartbeat" }>[];
    // After a stall of this process, what came meanwhile is read before the next look.
    if (channel === undefined || now - this.#lookedAt > this.#afterMs / 2) this.#heardAt = now;
    this.#lookedAt = now;
    const most = Math.max(this.#afterMs, 2 * (channel?.params?.interval_ms ?? 0));
    const ageMs = now - this.#heardAt;
    if (ageMs < most) return;
    this.#judge("connection", ageMs);
    if (now < this.#refreshAt) return;
    this.#refreshAt = now + most;
    this.#events.refresh();
  }

  /** Tells when there is another cause than before, or none any more. */
  #judge(found: Staleness["cause"] | undefined, ageMs: number): void {
    const channels = this.#wanted.list().filter(({ type }) => !OTHERS.includes(type));
    const before = this.#cause;
    this.#cause = channels.length > 0 ? found : undefined;
    const cause = this.#cause ?? before;
    if (this.#cause === before || cause === undefined) return;
    this.#events.tell(this.#cause ? "stale" : "fresh", { channels, cause, ageMs });
  }
}
