import { CLOSE_CODES } from "../contract/close-codes.js";
import type { Channel } from "../contract/messages.js";
import {
  DisconnectedError,
  type MarketcastError,
  RequestTimeoutError,
  ServerError,
} from "./errors.js";
import { OWN, type Requests, STRIKES_MAX } from "./requests.js";
import { batchesOf, halvesOf, Subscriptions } from "./subscriptions.js";

/**
 * How long a part under suspicion is looked at beyond its first data, in milliseconds: a server may
 * take a while to find that it is too much.
 */
const SUSPICION_MS = 250;

/**
 * Subscribes again to what is subscribed already, over the present connection.
 *
 * Where the server closes connection after connection as that of a slow consumer, right after the
 * same was asked for, it is asked for in parts, each once the data of the last are there: what was
 * under way at the last close comes at the end, in quarters, and in the end not at all.
 */
export class Resubscriber {
  readonly #requests: Requests;
  readonly #wanted: Subscriptions;
  readonly #lost: (channels: readonly Channel[], cause: MarketcastError) => void;
  /** Connections in a row that were closed for slowness right after a subscription. */
  #strikes = 0;
  /** Counts connections. */
  #connection = 0;
  /** What the last of them may have been closed over. */
  #suspects = new Subscriptions();
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
    const connection = this.#connection;
    try {
      if (this.#strikes === 0) {
        await Promise.all(batchesOf(channels).map((batch) => this.#subscribe(batch)));
        await this.#untilThere();
      } else {
        const suspected = this.#suspects.of(channels);
        const others = batchesOf(this.#suspects.without(channels));
        const quarters = batchesOf(suspected, Math.ceil(suspected.length / 4));
        for (const batch of [...others, ...quarters]) {
          this.#asked = batch;
          await this.#subscribe(batch);
          await this.#untilThere();
          if (quarters.includes(batch)) await sleep(SUSPICION_MS);
          if (connection !== this.#connection) return false;
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
    const atFault = this.#asked.length > 0 ? this.#asked : this.#wanted.list();
    this.#asked = [];
    this.#connection++;
    if (steady) this.#strikes = 0;
    if (steady || blamed || !isSlowness(cause) || atFault.length === 0) return;
    this.#suspects = new Subscriptions(atFault);
    if (++this.#strikes >= STRIKES_MAX) this.#lost(atFault, cause);
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

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Whether the server closed a connection as that of a slow consumer. */
export function isSlowness(cause: MarketcastError): boolean {
  return cause instanceof DisconnectedError && cause.closeCode === CLOSE_CODES.slowConsumer;
}
