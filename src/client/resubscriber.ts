import type { Channel } from "../contract/messages.js";
import { type MarketcastError, RequestTimeoutError, ServerError } from "./errors.js";
import { halvesOf } from "./halves.js";
import type { MarketState } from "./market-state.js";
import { isSlowness } from "./reconnect-policy.js";
import { OWN, type Requests, STRIKES_MAX } from "./requests.js";
import type { SequenceTracker } from "./sequence-tracker.js";
import { since } from "./since.js";
import { batchesOf, Subscriptions } from "./subscriptions.js";

/**
 * How long a part under suspicion is looked at beyond its first data, in milliseconds: a server may
 * take a while to find that it is too much.
 */
const SUSPICION_MS = 250;

interface ResubscriberEvents {
  /** The server does not take these channels any more. */
  lost(channels: readonly Channel[], cause: MarketcastError): void;
  /** The server does not answer. */
  failed(error: unknown): void;
}

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
  readonly #tracker: SequenceTracker;
  readonly #state: MarketState;
  readonly #events: ResubscriberEvents;
  /** The refresh of this connection that ends last. */
  #refreshing: Promise<unknown> | undefined;
  /** Connections in a row that were closed for slowness right after a subscription. */
  #strikes = 0;
  /** Counts connections. */
  #connection = 0;
  /** What the last of them may have been closed over. */
  #suspects = new Subscriptions();
  /** The part whose first data are on their way; none, where all are there. */
  #asked: readonly Channel[] = [];

  /**
   * @param tracker knows where each stream stands
   * @param state holds nothing that is older than a refresh, when that is through
   */
  constructor(
    requests: Requests,
    wanted: Subscriptions,
    tracker: SequenceTracker,
    state: MarketState,
    events: ResubscriberEvents,
  ) {
    this.#requests = requests;
    this.#wanted = wanted;
    this.#tracker = tracker;
    this.#state = state;
    this.#events = events;
  }

  /**
   * Has first data sent again, after any that are being sent, and tells whether it came that far.
   * @param doubt what the mirrors hold that is older than this goes then
   */
  async refresh(channels: readonly Channel[], doubt?: number): Promise<boolean> {
    const before = this.#refreshing;
    const run = (): Promise<boolean> => this.#run(channels);
    const running = before === undefined ? run() : before.then(run);
    this.#refreshing = running.catch(() => {});
    try {
      const through = await running;
      if (through && doubt !== undefined) this.#state.settle(doubt);
      return through;
    } catch (error) {
      this.#events.failed(error);
      return false;
    }
  }

  /**
   * Resolves when all first data of the channels `asked`, and what was missed of them, have come, but for those that the server does not
   * take. Resolves with false where the connection ended before, and rejects with
   * RequestTimeoutError where the server does not answer.
   */
  async #run(asked: readonly Channel[]): Promise<boolean> {
    const connection = this.#connection;
    const channels = since(asked, this.#tracker);
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
    this.#refreshing = undefined;
    this.#connection++;
    if (steady) this.#strikes = 0;
    if (steady || blamed || !isSlowness(cause) || atFault.length === 0) return;
    this.#suspects = new Subscriptions(atFault);
    if (++this.#strikes >= STRIKES_MAX) this.#events.lost(atFault, cause);
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
      if (halves === undefined) return this.#events.lost(wanted, error);
      // One of them cannot be, and the server does not say which.
      await Promise.all(halves.map((half) => this.#subscribe(half)));
    }
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
