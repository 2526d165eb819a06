import { CLOSE } from "../codec/wire/close-codes.js";
import type { Channel } from "../codec/wire/messages.js";
import {
  DisconnectedError,
  type MarketcastError,
  RequestTimeoutError,
  ServerError,
} from "./errors.js";
import { OWN, type Requests, STRIKES_MAX } from "./requests.js";
import { batchesOf, halvesOf, type Subscriptions } from "./subscriptions.js";

/**
 * Subscribes again to what is subscribed already, over the present connection.
 *
 * Where the server closes connection after connection as that of a slow consumer, right after the
 * same was asked for, less is asked for at a time, each part once the data of the last are there, and
 * in the end no more for what is at fault.
 */
export class Resubscriber {
  readonly #requests: Requests;
  readonly #wanted: Subscriptions;
  readonly #lost: (channels: readonly Channel[], cause: MarketcastError) => void;
  /** Connections in a row that were closed for slowness right after a subscription. */
  #strikes = 0;
  /** The part whose first data are on their way; none, where all are there. */
  #asked: readonly Channel[] = [];

  /** @param lost the server does not take these channels any more */
  constructor(
    requests: Requests,
    wanted: Subscriptions,
    lost: (channels: readonly Channel[], cause: MarketcastError) => void,
  ) {
    this.#requests = requests;
    this.#wanted = wanted;
    this.#lost = lost;
  }

  /**
   * Resolves when all first data of `channels` have come, but for those that the server does not
   * take. Resolves with false where the connection ended before, and rejects with
   * RequestTimeoutError where the server does not answer.
   */
  async run(channels: readonly Channel[]): Promise<boolean> {
    try {
      if (this.#strikes === 0) {
        await Promise.all(batchesOf(channels).map((batch) => this.#subscribe(batch)));
        await this.#untilThere();
      } else {
        for (const batch of batchesOf(channels, Math.max(1, 100 >> (2 * this.#strikes)))) {
          this.#asked = batch;
          await this.#subscribe(batch);
          await this.#untilThere();
        }
        this.#asked = [];
      }
      return true;
    } catch (error) {
      if (error instanceof RequestTimeoutError) throw error;
      return false;
    }
  }

  /**
   * A connection is gone.
   * @param steady whether it lasted for a while after the last subscription
   * @param blamed whether something else is known to be at fault
   */
  ended(cause: MarketcastError, steady: boolean, blamed: boolean): void {
    const asked = this.#asked;
    this.#asked = [];
    if (steady) this.#strikes = 0;
    else if (isSlowness(cause) && !blamed && ++this.#strikes >= STRIKES_MAX)
      this.#lost(asked.length > 0 ? asked : this.#wanted.list(), cause);
  }

  /** First data are there before the answer to whatever is asked after their subscription. */
  async #untilThere(): Promise<void> {
    await this.#requests.ask("Ping", { timestamp: 0 }, OWN);
  }

  /** Rejects where the connection ended, or the server does not answer. */
  async #subscribe(channels: readonly Channel[]): Promise<void> {
    const wanted = this.#wanted.of(channels);
    if (wanted.length === 0) return;
    try {
      await this.#requests.ask("Subscribe", { channels: wanted }, OWN);
    } catch (error) {
      if (!(error instanceof ServerError)) throw error;
      const halves = halvesOf(wanted);
      if (halves === undefined) return this.#lost(wanted, error);
      // One of them cannot be, and the server does not say which.
      await Promise.all(halves.map((half) => this.#subscribe(half)));
    }
  }
}

/** Whether the server closed a connection as that of a slow consumer. */
export function isSlowness(cause: MarketcastError): boolean {
  return cause instanceof DisconnectedError && cause.closeCode === CLOSE.slowConsumer;
}
