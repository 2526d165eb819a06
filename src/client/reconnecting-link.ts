import { NO_CLOSE_CODE, NORMAL, SERVICE_RESTART, SESSION_TAKEN } from "../contract/close-codes.js";
import type { ServerMessage } from "../contract/messages.js";
import { Alarm } from "./alarm.js";
import { DisconnectedError, type MarketcastError } from "./errors.js";
import type { Greeting, Link } from "./link.js";
import { LinkAttempt } from "./link-attempt.js";
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

interface ReconnectingLinkEvents {
  /** Resolves when all is there that the next link needs. */
  prepare(): Promise<void>;
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
 * Keeps one link open: connects, and connects again when a link ends and the reason allows it. Where the
 * server says that it will end it, the next one is opened before.
 *
 * - What comes over any other link than the current one is not told, but for the greeting of the next.
 * - There is a next one only while the current one is open, or has lost its session to it.
 */
export class ReconnectingLink {
  state: ConnectionState = { status: "connecting" };
  readonly #options: ResolvedOptions;
  readonly #platform: Platform;
  readonly #tokens: TokenKeeper;
  readonly #events: ReconnectingLinkEvents;
  readonly #alarm = new Alarm();
  /** The link that all goes over, or the attempt to make it. */
  #current: LinkAttempt | undefined;
  /** What follows an open link that the server will end. */
  #next: LinkAttempt | undefined;
  /** Attempts to open the next one while the link stands. */
  #moves = 0;
  /** The order session of the last link. */
  #session: string | undefined;
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
    return this.state.status === "open" ? this.#current?.link : undefined;
  }

  /** Starts an attempt to connect. */
  connect(): void {
    this.#current = this.#attemptAnew();
  }

  /**
   * The server will end the link: opens the next one while it lasts, and moves over to that. Where it ends
   * before, all is as with any end.
   */
  moveOver(): void {
    if (this.openLink === undefined || this.#moves > 0 || !this.#options.autoReconnect) return;
    this.#prepareNext(new DisconnectedError("the server restarts", SERVICE_RESTART));
  }

  /** Replaces the state by another one of the open link, as with another identity. */
  amend(state: ConnectionState & { readonly status: "open" }): void {
    if (this.state.status !== "open") return;
    this.state = state;
    this.#events.changed(state);
  }

  /** The server has given the link's identity an order session. */
  take(session: string | undefined): void {
    this.#session = session ?? this.#session;
  }

  /** More is asked of the link: it has yet to prove that it can bear that. */
  strain(): void {
    if (this.#steady) this.#attempt = 0;
    this.#steadySinceMs = performance.now();
  }

  /** Closes for good. Resolves when the connection is closed. */
  close(): Promise<void> {
    if (this.state.status === "closed") return this.#closing?.done ?? Promise.resolve();
    const current = this.#current;
    if (current?.link !== undefined) {
      let resolve = (): void => {};
      const done = new Promise<void>((settle) => {
        resolve = settle;
      });
      this.#closing = { done, resolve };
    }
    this.#closed(NORMAL, "", undefined);
    current?.close();
    return this.#closing?.done ?? Promise.resolve();
  }

  #attemptAnew(): LinkAttempt {
    const attempt: LinkAttempt = new LinkAttempt(
      this.#options,
      this.#platform,
      this.#tokens,
      this.#session,
      {
        prepare: () => this.#events.prepare(),
        received: (message) => {
          if (attempt === this.#current || attempt === this.#next) this.#events.received(message);
        },
        opened: (greeting, token) => this.#opened(attempt, greeting, token),
        ended: (cause) => this.#ended(attempt, cause),
      },
    );
    return attempt;
  }

  #opened(
    attempt: LinkAttempt,
    { connected, authenticated }: Greeting,
    token: string | undefined,
  ): void {
    if (attempt === this.#next) {
      const last = this.#current;
      this.#current = attempt;
      this.#next = undefined;
      if (last !== undefined) {
        this.#events.lost(new DisconnectedError("moved over", SERVICE_RESTART), true);
        last.close();
      }
    }
    if (this.state.status === "closed" || attempt !== this.#current) return;
    this.#alarm.clear();
    this.#moves = 0;
    this.#steadySinceMs = performance.now();
    this.#tokenRefusals = 0;
    const { session, resumed } = authenticated?.session === undefined ? connected : authenticated;
    this.#session = session;
    this.state = {
      status: "open",
      connectionId: connected.connection_id,
      encoding: this.#options.encoding,
      epoch: connected.epoch,
      userId: authenticated?.user_id,
      wallet: authenticated?.wallet,
      resumed,
    };
    // First what waits for the connection, then what listeners of the state may want of it.
    this.#events.opened({ connected, authenticated }, token);
    if (this.openLink !== undefined) this.#events.changed(this.state);
  }

  #ended(attempt: LinkAttempt, cause: MarketcastError): void {
    const next = this.#next;
    if (attempt === next) {
      this.#next = undefined;
      // The one that stands may outlast further attempts.
      if (this.#current !== undefined) return this.#prepareNext(cause);
    } else if (attempt !== this.#current) return;
    this.#current = undefined;
    this.#alarm.clear();
    if (this.state.status === "closed") {
      this.#closing?.resolve();
      return;
    }
    const steady = this.#steady;
    // It is the next one that the session was taken over by: that is about to open.
    if (attempt !== next && next !== undefined && isSessionTaken(cause))
      return this.#events.lost(cause, steady);
    if (steady) this.#attempt = 0;
    this.#steadySinceMs = Number.POSITIVE_INFINITY;
    this.#moves = 0;
    this.#tokenRefusals = isTokenRefusal(cause) ? this.#tokenRefusals + 1 : 0;
    const { autoReconnect, reconnectIntervalMs, maxReconnectIntervalMs } = this.#options;
    if (!autoReconnect || !mayReconnect(cause, this.#tokens.renewable, this.#tokenRefusals)) {
      const code = cause instanceof DisconnectedError ? cause.closeCode : NO_CLOSE_CODE;
      this.#closed(code, cause.message, cause);
      return;
    }
    const n = ++this.#attempt;
    let delayMs = 0;
    if (attempt !== next && next !== undefined) {
      this.#current = next;
      this.#next = undefined;
    } else {
      delayMs = reconnectDelayMs(n, reconnectIntervalMs, maxReconnectIntervalMs, cause);
      this.#alarm.set(delayMs, () => this.connect());
    }
    this.state = { status: "reconnecting", attempt: n, attemptAt: Date.now() + delayMs, cause };
    this.#events.lost(cause, steady);
    this.#events.changed(this.state);
  }

  /** Makes the attempt that follows an end to come, or a failed attempt, in a while. */
  #prepareNext(cause: MarketcastError): void {
    const { reconnectIntervalMs, maxReconnectIntervalMs } = this.#options;
    const delayMs = reconnectDelayMs(
      ++this.#moves,
      reconnectIntervalMs,
      maxReconnectIntervalMs,
      cause,
    );
    this.#alarm.set(delayMs, () => {
      this.#next = this.#attemptAnew();
    });
  }

  /** Whether the link has lasted for long enough to be a good one. */
  get #steady(): boolean {
    return performance.now() - this.#steadySinceMs >= STABLE_MS;
  }

  #closed(code: number, reason: string, cause: MarketcastError | undefined): void {
    this.#alarm.clear();
    this.state = { status: "closed", code, reason, cause };
    const next = this.#next;
    this.#next = undefined;
    next?.fail(new DisconnectedError("the client is closed", code));
    this.#events.lost(cause ?? new DisconnectedError("close() was called", code), false);
    this.#events.changed(this.state);
  }
}

function isSessionTaken(cause: MarketcastError): boolean {
  return cause instanceof DisconnectedError && cause.closeCode === SESSION_TAKEN;
}
