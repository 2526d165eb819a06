import type { Channel } from "../contract/messages.js";
import type { MarketcastError } from "./errors.js";
import type { MarketState } from "./market-state.js";
import type { ResolvedOptions } from "./options.js";
import type { Requests } from "./requests.js";
import type { Resubscriber } from "./resubscriber.js";
import type { SequenceTracker } from "./sequence-tracker.js";
import type { StaleWatch, StaleWatchEvents } from "./stale-watch.js";
import type { Subscriptions } from "./subscriptions.js";
import type { TokenKeeper } from "./token-keeper.js";
import type { TokenRenewal } from "./token-renewal.js";

/** What the companions are made of and tell. */
interface Parts extends StaleWatchEvents {
  readonly options: ResolvedOptions;
  readonly requests: Requests;
  readonly tokens: TokenKeeper;
  readonly wanted: Subscriptions;
  readonly tracker: SequenceTracker;
  readonly state: MarketState;
  /** Milliseconds since the Unix epoch, by the server's clock. */
  serverTimeMs(): number;
  /** A token could not be renewed. */
  report(error: unknown): void;
  /** The server does not take these channels any more. */
  lost(channels: readonly Channel[], cause: MarketcastError): void;
  /** The server does not answer. */
  failed(error: unknown): void;
}

/**
 * Parts of the client that are loaded when they are needed: a first connection without a token does
 * without. Where one cannot be had it is asked for again, and a connection that needs it waits for it.
 */
export class Companions {
  /** There where there is a token. */
  renewal: TokenRenewal | undefined;
  /** There soon after the client was first connected, and before it is again. */
  resubscriber: Resubscriber | undefined;
  /** There once somebody has wanted to know of stale data. */
  staleWatch: StaleWatch | undefined;
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Resolves when all is there that a connection needs, a first one or `another`. */
  async prepare(another: boolean): Promise<void> {
    await Promise.all([
      this.#parts.tokens.source !== undefined && this.loadRenewal(),
      another && this.loadResubscriber(),
    ]);
  }

  async loadRenewal(): Promise<TokenRenewal> {
    const { TokenRenewal, OrderPlaces } = await import("./token-renewal.js");
    const { requests, tokens, tracker, options, report } = this.#parts;
    tracker.orders ??= new OrderPlaces();
    const { tokenRefreshMarginMs } = options;
    const serverTimeMs = this.#parts.serverTimeMs();
    this.renewal ??= new TokenRenewal(requests, tokens, tokenRefreshMarginMs, serverTimeMs, report);
    return this.renewal;
  }

  async loadResubscriber(): Promise<Resubscriber> {
    const { Resubscriber } = await import("./resubscriber.js");
    const { requests, wanted, tracker, state } = this.#parts;
    this.resubscriber ??= new Resubscriber(requests, wanted, tracker, state, this.#parts);
    return this.resubscriber;
  }

  async loadStaleWatch(): Promise<StaleWatch> {
    const { StaleWatch } = await import("./stale-watch.js");
    const { options, wanted } = this.#parts;
    this.staleWatch ??= new StaleWatch(options.staleAfterMs, wanted, this.#parts);
    return this.staleWatch;
  }
}
