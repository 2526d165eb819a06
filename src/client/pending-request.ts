import type { Channel, ClientMessage } from "../contract/messages.js";
import { TIMEOUT_MS_MAX } from "./alarm.js";
import { type MarketcastError, RequestTimeoutError } from "./errors.js";
import type { RequestOptions } from "./options.js";
import { Subscriptions } from "./subscriptions.js";

/**
 * What becomes of a request when its connection breaks: `resend` it on the next one, `reject` it, or
 * take it for done, as nothing is left that it could change.
 */
type WhenLost = "resend" | "once" | "reject" | "done";

export interface Asking extends RequestOptions {
  readonly whenLost: WhenLost;
  /** Whether it does not wait for a connection: unsent it is of no use on a later one. */
  readonly presentOnly?: boolean;
  /** What to send in place of the message, each time it is sent. */
  readonly departing?: (message: ClientMessage) => ClientMessage;
}

/** One request without an answer, with its timeout and its signal. */
export class PendingRequest {
  readonly message: ClientMessage;
  /** The channels of a Subscribe or Unsubscribe, as the program named them. */
  readonly named: readonly Channel[] | undefined;
  readonly whenLost: WhenLost;
  readonly presentOnly: boolean;
  /** Resolves with whatever `resolve` is given. */
  readonly answer: Promise<unknown>;
  /** Length of its payload when it was last sent. */
  size = 0;
  /** Why it is not on its way; the cause of a timeout. */
  obstacle: MarketcastError | undefined;
  /** performance.now() when it was last sent. */
  departedAtMs = 0;
  /** Refusals as unavailable. */
  refusals = 0;
  /** Connections that were closed for slowness while it was on its way. */
  strikes = 0;
  /** What an Unsubscribe took from what is wanted. */
  ended: readonly Channel[] = [];
  #inFlight = false;
  #mayHaveWorked = false;
  /** What a later request has decided otherwise, and this one must not undo. */
  #superseded: Subscriptions | undefined;
  /** The channels it was last sent with. */
  #sentChannels: readonly Channel[] = [];
  readonly #timeoutMs: number;
  readonly #departing: Asking["departing"];
  readonly #resolve: (data: unknown) => void;
  readonly #reject: (error: unknown) => void;
  readonly #onAbandon: (pending: PendingRequest) => void;
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort = (): void => this.#abandon(this.#signal?.reason);
  #timer: ReturnType<typeof setTimeout> | undefined;
  #retry: ReturnType<typeof setTimeout> | undefined;

  /**
   * @param timeoutMs from now on; for the client's own from each sending, as the waiting for a turn
   * says nothing about the connection
   * @param onAbandon is called when the caller gives up: it timed out or was aborted
   */
  constructor(
    message: ClientMessage,
    timeoutMs: number,
    { whenLost, presentOnly = false, departing, signal }: Asking,
    onAbandon: (pending: PendingRequest) => void,
  ) {
    this.message = message;
    const { type, data } = message;
    if (type === "Subscribe" || type === "Unsubscribe") this.named = data.channels;
    this.whenLost = whenLost;
    this.presentOnly = presentOnly;
    this.#departing = departing;
    this.#timeoutMs = timeoutMs;
    this.#onAbandon = onAbandon;
    let settle: [(data: unknown) => void, (error: unknown) => void] | undefined;
    this.answer = new Promise((resolve, reject) => {
      settle = [resolve, reject];
    });
    [this.#resolve, this.#reject] = settle as NonNullable<typeof settle>;
    this.#signal = signal ?? undefined;
    this.#signal?.addEventListener("abort", this.#onAbort);
    if (!this.own) this.#startTimer();
  }

  /** Whether it is the client's own, not the program's. */
  get own(): boolean {
    return this.whenLost === "reject";
  }

  /** Whether it is on its way over the present connection. */
  get inFlight(): boolean {
    return this.#inFlight;
  }

  /** Whether it may have taken effect. */
  get sent(): boolean {
    return this.#inFlight || this.#mayHaveWorked;
  }

  /** The subscriptions that it is about: on its way, or to be sent. */
  get channels(): readonly Channel[] {
    return this.#inFlight ? this.#sentChannels : this.decided(this.named ?? []);
  }

  /** The part of `channels` that no later request has decided otherwise. */
  decided(channels: readonly Channel[]): readonly Channel[] {
    return this.#superseded?.without(channels) ?? channels;
  }

  /** A later request decides about these channels. */
  supersede(channels: readonly Channel[]): void {
    const mine = new Subscriptions(this.channels).of(channels);
    if (mine.length === 0) return;
    this.#superseded ??= new Subscriptions();
    this.#superseded.add(mine);
  }

  /** What to send now, after which it counts as on its way; undefined where nothing is left to ask. */
  depart(): ClientMessage | undefined {
    const { message, named, channels } = this;
    // One that never named any is for the server to refuse.
    if (named !== undefined && named.length > 0 && channels.length === 0) return undefined;
    this.#sentChannels = channels;
    this.#inFlight = true;
    this.departedAtMs = performance.now();
    if (this.own) this.#startTimer();
    if (named !== undefined) return { ...message, data: { channels } } as ClientMessage;
    if (message.type !== "Ping") return this.#departing?.(message) ?? message;
    return { ...message, data: { timestamp: this.departedAtMs } };
  }

  /** It is not on its way any more, and to be sent again; whether it may have worked all the same. */
  comeBack(obstacle: MarketcastError, mayHaveWorked: boolean): void {
    clearTimeout(this.#retry);
    if (this.own) clearTimeout(this.#timer);
    this.#mayHaveWorked ||= this.#inFlight && mayHaveWorked;
    this.#inFlight = false;
    this.obstacle = obstacle;
  }

  resolve(data: unknown): void {
    this.#release();
    this.#resolve(data);
  }

  reject(error: unknown): void {
    this.#release();
    this.#reject(error);
  }

  /** Calls `again` in `delayMs`, unless it has been settled by then. */
  retryIn(delayMs: number, again: () => void): void {
    this.#retry = setTimeout(again, delayMs);
  }

  #startTimer(): void {
    if (this.#timeoutMs <= TIMEOUT_MS_MAX)
      this.#timer = setTimeout(() => this.#expire(), this.#timeoutMs);
  }

  #expire(): void {
    const { sent, message, obstacle } = this;
    const cause = this.#inFlight ? undefined : obstacle;
    const text = `no answer to ${message.type} within ${this.#timeoutMs} ms`;
    this.#abandon(new RequestTimeoutError(text, sent, cause === undefined ? undefined : { cause }));
  }

  #abandon(error: unknown): void {
    this.reject(error);
    this.#onAbandon(this);
  }

  #release(): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#retry);
    this.#signal?.removeEventListener("abort", this.#onAbort);
  }
}
