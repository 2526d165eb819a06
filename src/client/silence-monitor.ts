import type { ChannelType, ServerType } from "../contract/messages.js";
import type { Silence } from "./events.js";

/** Looks per timeout, so that a silence is found at most a quarter late. */
const LOOKS_PER_TIMEOUT = 4;

/** Types of messages that no channel is missed by; orders and positions are silent by nature. */
type Unmissed =
  | ("Connected" | "Authenticated" | "Subscribed" | "Unsubscribed" | "EpochChanged" | "Error")
  | ("OrderSnapshot" | "OrderUpdate" | "PositionSnapshot" | "PositionUpdate")
  | ("Pong" | "Notification");

/** The channels whose data each message may be. */
const CHANNELS_OF: Readonly<Record<Exclude<ServerType, Unmissed>, readonly ChannelType[]>> &
  Readonly<Partial<Record<Unmissed, never>>> = {
  PriceUpdate: ["PriceFeed"],
  TradeExecution: ["Trades"],
  OrderBook: ["Market", "Book"],
  BookUpdate: ["Book"],
  MarketUpdate: ["Markets", "Market"],
  MarketSnapshot: ["Markets", "Market"],
  SystemStatus: ["SystemStatus"],
};

interface Activity {
  /** Messages since the last look. */
  messages: number;
  /** performance.now() of the last look that found any. */
  activeAtMs: number;
}

/** Finds channels that had data and fall silent on a connection that is otherwise alive. */
export class SilenceMonitor {
  readonly #timeoutMs: number;
  readonly #subscribed: (channel: ChannelType) => boolean;
  readonly #onSilence: (silence: Silence) => void;
  readonly #activity = new Map<ChannelType, Activity>();
  readonly #byMessage = new Map<ServerType, Activity[]>();
  #timer: ReturnType<typeof setInterval> | undefined;

  /** @param timeoutMs 0 for never */
  constructor(
    timeoutMs: number,
    subscribed: (channel: ChannelType) => boolean,
    onSilence: (silence: Silence) => void,
  ) {
    this.#timeoutMs = timeoutMs;
    this.#subscribed = subscribed;
    this.#onSilence = onSilence;
  }

  /** A connection is open. */
  start(): void {
    if (this.#timeoutMs === 0) return;
    const now = performance.now();
    for (const activity of this.#activity.values()) activity.activeAtMs = now;
    this.#timer = setInterval(() => this.#look(), this.#timeoutMs / LOOKS_PER_TIMEOUT);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  take(type: ServerType): void {
    const activities = this.#byMessage.get(type) ?? this.#learn(type);
    for (const activity of activities) activity.messages++;
  }

  #learn(type: ServerType): Activity[] {
    const activities = (CHANNELS_OF[type] ?? []).map((channel) => {
      const activity = this.#activity.get(channel) ?? {
        messages: 0,
        activeAtMs: performance.now(),
      };
      this.#activity.set(channel, activity);
      return activity;
    });
    this.#byMessage.set(type, activities);
    return activities;
  }

  #look(): void {
    const now = performance.now();
    for (const [channel, activity] of this.#activity) {
      if (activity.messages > 0 || !this.#subscribed(channel)) {
        activity.messages = 0;
        activity.activeAtMs = now;
        continue;
      }
      const silentMs = now - activity.activeAtMs;
      if (silentMs < this.#timeoutMs) continue;
      activity.activeAtMs = now;
      this.#onSilence({ channel, silentMs });
    }
  }
}
