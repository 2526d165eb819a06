import type { ClientMessage } from "../codec/wire/messages.js";
import { TIMEOUT_MS_MAX } from "./alarm.js";
import { type MarketcastError, RequestTimeoutError } from "./errors.js";
import type { RequestOptions } from "./options.js";

/**
 * What becomes of a request when its connection breaks: `resend` it on the next one, `reject` it, or
 * take it for done, as nothing is left that it could change.
 */
export type WhenLost = "resend" | "reject" | "done";

export interface Asking extends RequestOptions {
  readonly whenLost: WhenLost;
}

/** One request without an answer, with its timeout and its signal. */
export class PendingRequest {
  readonly message: ClientMessage;
  readonly whenLost: WhenLost;
  /** Resolves with whatever `resolve` is given. */
  readonly answer: Promise<unknown>;
  /** Whether it is on its way over the present connection. */
  inFlight = false;
  /** Whether it may ever have reached the server. */
  sent = false;
  /** Whether its caller has given up: it timed out or was aborted. */
  abandoned = false;
  /** Why it is not on its way; the cause of a timeout. */
  obstacle: MarketcastError | undefined;
  readonly #resolve: (data: unknown) => void;
  readonly #reject: (error: unknown) => void;
  readonly #onAbandon: (pending: PendingRequest) => void;
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort = (): void => this.#abandon(this.#signal?.reason);
  readonly #timer: ReturnType<typeof setTimeout> | undefined;
  #retry: ReturnType<typeof setTimeout> | undefined;

  /** @param onAbandon is called when the caller gives up */
  constructor(
    message: ClientMessage,
    { whenLost, signal, timeoutMs = Number.POSITIVE_INFINITY }: Asking,
    onAbandon: (pending: PendingRequest) => void,
  ) {
    this.message = message;
    this.whenLost = whenLost;
    this.#onAbandon = onAbandon;
    let settle: [(data: unknown) => void, (error: unknown) => void] | undefined;
    this.answer = new Promise((resolve, reject) => {
      settle = [resolve, reject];
    });
    [this.#resolve, this.#reject] = settle as NonNullable<typeof settle>;
    this.#signal = signal;
    signal?.addEventListener("abort", this.#onAbort);
    if (timeoutMs <= TIMEOUT_MS_MAX)
      this.#timer = setTimeout(() => this.#expire(timeoutMs), timeoutMs);
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
    clearTimeout(this.#retry);
    this.#retry = setTimeout(again, delayMs);
  }

  #expire(timeoutMs: number): void {
    const { sent, message } = this;
    const cause = this.inFlight ? undefined : this.obstacle;
    const text = `no answer to ${message.type} within ${timeoutMs} ms`;
    this.#abandon(new RequestTimeoutError(text, sent, cause === undefined ? undefined : { cause }));
  }

  #abandon(error: unknown): void {
    this.abandoned = true;
    this.reject(error);
    this.#onAbandon(this);
  }

  #release(): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#retry);
    this.#signal?.removeEventListener("abort", this.#onAbort);
  }
}
