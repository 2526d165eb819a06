import type {
  ClientData,
  ClientMessage,
  ClientType,
  RequestId,
  ServerData,
  ServerMessage,
} from "../codec/wire/messages.js";
import { TIMEOUT_MS_MAX } from "./alarm.js";
import {
  type ClientClosedError,
  type MarketcastError,
  RequestTimeoutError,
  ServerError,
  TooManyRequestsError,
} from "./errors.js";
import type { RequestOptions } from "./options.js";

/** What each request resolves with: its reply's data, and a ping with its round trip in milliseconds. */
export interface Replies {
  readonly Authenticate: ServerData["Authenticated"];
  readonly Subscribe: ServerData["Subscribed"];
  readonly Unsubscribe: ServerData["Unsubscribed"];
  readonly Ping: number;
  readonly PlaceOrder: ServerData["OrderUpdate"];
  readonly CancelOrder: ServerData["OrderUpdate"];
}

/**
 * What becomes of a request when its connection breaks: `resend` it on the next one, `reject` it, or
 * take it for done, as nothing is left that it could change.
 */
export type WhenLost = "resend" | "reject" | "done";

export interface Asking extends RequestOptions {
  readonly whenLost: WhenLost;
}

/** For the client's own requests, which another connection has no use for. */
export const OWN: Asking = { whenLost: "reject" };

interface Pending {
  readonly message: ClientMessage;
  readonly whenLost: WhenLost;
  /** Whether it is on its way over the present connection. */
  inFlight: boolean;
  /** Whether it may ever have reached the server. */
  sent: boolean;
  /** Nobody waits any more: it timed out or was aborted. */
  abandoned: boolean;
  resolve(data: unknown): void;
  reject(error: unknown): void;
}

/** A reply that came, and the request it is for. */
export interface Answered {
  readonly message: ClientMessage;
  /** Nobody waits for it any more. */
  readonly abandoned: boolean;
}

/**
 * The requests that have no answer yet, in the order they were made. Those made while there is no
 * connection wait for one. The number is bounded.
 *
 * A request that was abandoned in flight stays until its reply, or the end of the connection, so that
 * what it did late can be undone.
 */
export class Requests {
  readonly #pending = new Map<RequestId, Pending>();
  readonly #max: number;
  readonly #timeoutMs: number;
  /** Why there is no connection, for the cause of a timeout. */
  #lastLoss: MarketcastError | undefined;
  #closedWith: ((sent: boolean) => ClientClosedError) | undefined;
  #send: ((message: ClientMessage) => void) | undefined;
  #lastId = 0;
  /** Round trip of the last ping that was answered, in milliseconds. */
  rttMs: number | undefined;

  /**
   * @param max most requests without an answer; those that are rejected when lost, which are the
   * client's own, count but are not refused
   * @param timeoutMs of requests that name none
   */
  constructor(max: number, timeoutMs: number) {
    this.#max = max;
    this.#timeoutMs = timeoutMs;
  }

  /**
   * Sends a request, now or when there is a connection, and resolves with its reply's data. The
   * timestamp of a `Ping` is filled in when it is sent.
   */
  ask<T extends ClientType>(
    type: T,
    data: ClientData[T],
    { timeoutMs = this.#timeoutMs, signal, whenLost }: Asking,
  ): Promise<Replies[T]> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      if (this.#closedWith !== undefined) return reject(this.#closedWith(false));
      if (whenLost === "reject") {
        if (this.#send === undefined) return reject(this.#lastLoss);
      } else if (this.#pending.size >= this.#max) {
        return reject(new TooManyRequestsError(`${this.#max} requests wait for an answer already`));
      }
      const id = ++this.#lastId;
      const settled = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", onAbort);
      };
      const pending: Pending = {
        message: { type, id, data } as ClientMessage,
        whenLost,
        inFlight: false,
        sent: false,
        abandoned: false,
        resolve: (data) => {
          settled();
          resolve(data as Replies[T]);
        },
        reject: (error) => {
          settled();
          reject(error);
        },
      };
      const abandon = (error: unknown): void => {
        pending.abandoned = true;
        if (!pending.inFlight) this.#pending.delete(id);
        pending.reject(error);
      };
      const onAbort = (): void => abandon(signal?.reason);
      signal?.addEventListener("abort", onAbort);
      const timer =
        timeoutMs > TIMEOUT_MS_MAX
          ? undefined
          : setTimeout(() => {
              const cause = this.#send === undefined ? this.#lastLoss : undefined;
              abandon(
                new RequestTimeoutError(
                  `no answer to ${type} within ${timeoutMs} ms`,
                  pending.sent,
                  cause === undefined ? undefined : { cause },
                ),
              );
            }, timeoutMs);
      this.#pending.set(id, pending);
      if (this.#send !== undefined) this.#transmit(pending, this.#send);
    });
  }

  /** Whether there is a connection. */
  get connected(): boolean {
    return this.#send !== undefined;
  }

  /** Whether a request of a type waits for its answer. */
  waits(type: ClientType): boolean {
    return [...this.#pending.values()].some(
      ({ message, abandoned }) => message.type === type && !abandoned,
    );
  }

  /** Takes a direct reply and settles its request; undefined where it is for none. */
  settle(reply: ServerMessage): Answered | undefined {
    if (reply.id === undefined) return undefined;
    const pending = this.#pending.get(reply.id);
    if (pending === undefined) return undefined;
    this.#pending.delete(reply.id);
    if (reply.type === "Error") pending.reject(new ServerError(reply.data));
    else if (reply.type === "Pong") {
      this.rttMs = performance.now() - reply.data.timestamp;
      pending.resolve(this.rttMs);
    } else pending.resolve(reply.data);
    return pending;
  }

  /** A connection is there: whatever is asked from now on is sent at once. */
  connect(send: (message: ClientMessage) => void): void {
    this.#send = send;
  }

  /** Sends all that waits for a connection, in order. */
  flush(): void {
    for (const pending of [...this.#pending.values()]) {
      if (!pending.inFlight && this.#send !== undefined) this.#transmit(pending, this.#send);
    }
  }

  /** The connection is gone. */
  disconnect(cause: MarketcastError): void {
    this.#send = undefined;
    this.#lastLoss = cause;
    let subscribes = false;
    for (const [id, pending] of this.#pending) {
      const { whenLost, abandoned, message } = pending;
      pending.inFlight = false;
      // Behind a Subscribe that is sent again, an Unsubscribe has something to undo.
      if (!abandoned && (whenLost === "resend" || (whenLost === "done" && subscribes))) {
        subscribes ||= message.type === "Subscribe";
        continue;
      }
      this.#pending.delete(id);
      if (whenLost === "done" && "channels" in message.data)
        pending.resolve({ channels: message.data.channels });
      else pending.reject(cause);
    }
  }

  /** The client is closed: rejects all that waits, and whatever is asked from now on. */
  close(closedWith: (sent: boolean) => ClientClosedError): void {
    this.#send = undefined;
    this.#closedWith = closedWith;
    for (const pending of this.#pending.values()) pending.reject(closedWith(pending.sent));
    this.#pending.clear();
  }

  #transmit(pending: Pending, send: (message: ClientMessage) => void): void {
    const { message } = pending;
    try {
      send(
        message.type === "Ping" ? { ...message, data: { timestamp: performance.now() } } : message,
      );
      pending.inFlight = true;
      pending.sent = true;
    } catch (error) {
      // It cannot be encoded, as with a BigInt in JSON.
      this.#pending.delete(message.id as RequestId);
      pending.reject(error);
    }
  }
}
