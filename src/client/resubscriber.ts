import type { Channel } from "../codec/wire/messages.js";
import { type MarketcastError, RequestTimeoutError, ServerError } from "./errors.js";
import { OWN, type Requests } from "./requests.js";
import { batchesOf, halvesOf, type Subscriptions } from "./subscriptions.js";

/** How long to wait at most where the server asks to try again, in milliseconds. */
const RETRY_MS_MAX = 2000;
/** Errors that another time may not have; any other one is about the channels named. */
const PASSING_CODES: readonly string[] = ["UNAVAILABLE", "RATE_LIMITED", "INTERNAL"];

/** Subscribes again to what is subscribed already, over the present connection. */
export class Resubscriber {
  readonly #requests: Requests;
  readonly #subscriptions: Subscriptions;
  readonly #lost: (channels: readonly Channel[], cause: MarketcastError) => void;
  /** Ends each waiting for another try. */
  readonly #waits = new Set<() => void>();

  /** @param lost the server does not take these channels any more */
  constructor(
    requests: Requests,
    subscriptions: Subscriptions,
    lost: (channels: readonly Channel[], cause: MarketcastError) => void,
  ) {
    this.#requests = requests;
    this.#subscriptions = subscriptions;
    this.#lost = lost;
  }

  /**
   * Resolves when all first data of `channels` have come, but for those that the server does not
   * take. Resolves with false where the connection ended before, and rejects with
   * RequestTimeoutError where the server does not answer.
   */
  async run(channels: readonly Channel[]): Promise<boolean> {
    try {
      await Promise.all(batchesOf(channels).map((batch) => this.#subscribe(batch)));
      // First data are there before the answer to whatever is asked after their subscription.
      await this.#requests.ask("Ping", { timestamp: 0 }, OWN);
      return true;
    } catch (error) {
      if (error instanceof RequestTimeoutError) throw error;
      return false;
    }
  }

  /** The connection is gone. */
  stop(): void {
    for (const end of [...this.#waits]) end();
  }

  /** Rejects where the connection ended, or the server does not answer. */
  async #subscribe(channels: readonly Channel[]): Promise<void> {
    const wanted = this.#subscriptions.of(channels);
    if (wanted.length === 0) return;
    try {
      await this.#requests.ask("Subscribe", { channels: wanted }, OWN);
    } catch (error) {
      if (!(error instanceof ServerError)) throw error;
      if (PASSING_CODES.includes(error.code)) {
        await this.#wait();
        return this.#subscribe(wanted);
      }
      const halves = halvesOf(wanted);
      if (halves === undefined) return this.#lost(wanted, error);
      // One of them cannot be, and the server does not say which.
      await Promise.all(halves.map((half) => this.#subscribe(half)));
    }
  }

  #wait(): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        clearTimeout(timer);
        this.#waits.delete(end);
        resolve();
      };
      const timer = setTimeout(end, (0.5 + Math.random() / 2) * RETRY_MS_MAX);
      this.#waits.add(end);
    });
  }
}
