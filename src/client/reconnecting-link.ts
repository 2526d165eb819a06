import { CLOSE_CODES, NO_CLOSE_CODE } from "../contract/close-codes.js";
import type { ServerMessage } from "../contract/messages.js";
import { Alarm } from "./alarm.js";
import { CODEC_LOADERS } from "./codec-loaders.js";
import { DisconnectedError, MarketcastError } from "./errors.js";
import { type Greeting, Link } from "./link.js";
import type { ResolvedOptions } from "./options.js";
import type { Platform } from "./platform.js";
import { isTokenRefusal, mayReconnect, reconnectDelayMs } from "./reconnect-policy.js";
import type { ConnectionState } from "./state.js";
import type { TokenKeeper } from "./token-keeper.js";

/**
 * A connection that lived this long, in milliseconds, since more was last asked of it, was a good one:
 * delays start over after it.
 */
const STABLE_MS = 5000;
/** How long a closing handshake may take before the connection is cut, in milliseconds. */
const CLOSE_TIMEOUT_MS = 2000;

interface ReconnectingLinkEvents {
  received(message: ServerMessage): void;
  /** A link is open; `token` is the one it was opened with. */
  opened(greeting: Greeting, token: string | undefined): void;
  /**
   * The link is gone or could not be made, or the client is closed.
   * @param steady whether it lasted for a while since it was opened, or last strained
   */
  lost(cause: MarketcastError, steady: boolean): void;
  changed(state: ConnectionState): void;
}

/**
 * Keeps one link open at a time: asks for a token, connects, and connects again when a link ends and
 * the reason allows it.
 */
export class ReconnectingLink {
  state: ConnectionState = { status: "connecting" };
  readonly #options: ResolvedOptions;
  readonly #platform: Platform;
  readonly #tokens: TokenKeeper;
  readonly #events: ReconnectingLinkEvents;
  readonly #alarm = new Alarm();
  #link: Link | undefined;
  /** performance.now() when the link was opened, or last strained. */
  #steadySinceMs = Number.POSITIVE_INFINITY;
  #attempt = 0;
  #tokenRefusals = 0;
  /** Settles when the closing handshake is through. */
  #closing: { readonly done: Promise<void>; readonly resolve: () => void } | undefined;

  constructor(
    options: ResolvedOptions,
    platform: Platform,
    tokens: TokenKeeper,
    events: ReconnectingLinkEvents,
  ) {
    this.#options = options;
    this.#platform = platform;
    this.#tokens = tokens;
    this.#events = events;
  }

  /** The link, while it is open. */
  get openLink(): Link | undefined {
    return this.state.status === "open" ? this.#link : undefined;
  }

  /** Starts an attempt to connect. */
  connect(): void {
    const attempt = { live: true };
    const fail = (cause: MarketcastError): void => {
      if (!attempt.live) return;
      attempt.live = false;
      this.#ended(cause);
    };
    this.#alarm.set(this.#options.connectTimeoutMs, () => {
      const cause = new DisconnectedError(
        `no connection within ${this.#options.connectTimeoutMs} ms`,
        NO_CLOSE_CODE,
      );
      if (this.#link === undefined) fail(cause);
      else this.#link.fail(cause);
    });
    const { encoding, batch } = this.#options;
    Promise.all([this.#tokens.get(), CODEC_LOADERS[encoding](batch)])
      .then(([token, codec]) => {
        if (!attempt.live || this.state.status === "closed") return;
        this.#link = new Link(this.#platform, codec, this.#options, token, {
          received: this.#events.received,
          opened: (greeting) => this.#opened(greeting, token),
          ended: fail,
        });
      })
      .catch((cause: unknown) => fail(asMarketcastError(cause)));
  }

  /** Replaces the state by another one of the open link, as with another identity. */
  amend(state: ConnectionState & { readonly status: "open" }): void {
    if (this.state.status !== "open") return;
    this.state = state;
    this.#events.changed(state);
  }

  /** More is asked of the link: it has yet to prove that it can bear that. */
  strain(): void {
    if (this.#steady) this.#attempt = 0;
    this.#steadySinceMs = performance.now();
  }

  /** Closes for good. Resolves when the connection is closed. */
  close(): Promise<void> {
    if (this.state.status === "closed") return this.#closing?.done ?? Promise.resolve();
    this.#alarm.clear();
    const link = this.#link;
    if (link !== undefined) {
      let resolve = (): void => {};
      const done = new Promise<void>((settle) => {
        resolve = settle;
      });
      this.#closing = { done, resolve };
      link.close();
      const cut = new DisconnectedError("no answer to the closing handshake", NO_CLOSE_CODE);
      this.#alarm.set(CLOSE_TIMEOUT_MS, () => link.fail(cut));
    }
    this.#closed(CLOSE_CODES.normal, "", undefined);
    return this.#closing?.done ?? Promise.resolve();
  }

  #opened({ connected, authenticated }: Greeting, token: string | undefined): void {
    if (this.state.status === "closed") return;
    this.#alarm.clear();
    this.#steadySinceMs = performance.now();
    this.#tokenRefusals = 0;
    this.state = {
      status: "open",
      connectionId: connected.connection_id,
      encoding: this.#options.encoding,
      epoch: connected.epoch,
      userId: authenticated?.user_id,
      wallet: authenticated?.wallet,
    };
    // First what waits for the connection, then what listeners of the state may want of it.
    this.#events.opened({ connected, authenticated }, token);
    if (this.openLink !== undefined) this.#events.changed(this.state);
  }

  #ended(cause: MarketcastError): void {
    this.#link = undefined;
    this.#alarm.clear();
    if (this.state.status === "closed") {
      this.#closing?.resolve();
      return;
    }
    const steady = this.#steady;
    if (steady) this.#attempt = 0;
    this.#steadySinceMs = Number.POSITIVE_INFINITY;
    this.#tokenRefusals = isTokenRefusal(cause) ? this.#tokenRefusals + 1 : 0;
    const { autoReconnect } = this.#options;
    if (!autoReconnect || !mayReconnect(cause, this.#tokens.renewable, this.#tokenRefusals)) {
      const code = cause instanceof DisconnectedError ? cause.closeCode : NO_CLOSE_CODE;
      this.#closed(code, cause.message, cause);
      return;
    }
    this.#attempt++;
    const { reconnectIntervalMs, maxReconnectIntervalMs } = this.#options;
    const delayMs = reconnectDelayMs(
      this.#attempt,
      reconnectIntervalMs,
      maxReconnectIntervalMs,
      cause,
    );
    this.#alarm.set(delayMs, () => this.connect());
    const attemptAt = Date.now() + delayMs;
    this.state = { status: "reconnecting", attempt: this.#attempt, attemptAt, cause };
    this.#events.lost(cause, steady);
    this.#events.changed(this.state);
  }

  /** Whether the link has lasted for long enough to be a good one. */
  get #steady(): boolean {
    return performance.now() - this.#steadySinceMs >= STABLE_MS;
  }

  #closed(code: number, reason: string, cause: MarketcastError | undefined): void {
    this.state = { status: "closed", code, reason, cause };
    this.#events.lost(cause ?? new DisconnectedError("close() was called", code), false);
    this.#events.changed(this.state);
  }
}

function asMarketcastError(cause: unknown): MarketcastError {
  if (cause instanceof MarketcastError) return cause;
  return new DisconnectedError("could not prepare the connection", NO_CLOSE_CODE, { cause });
}
