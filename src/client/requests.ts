import type {
  ClientData,
  ClientMessage,
  ClientType,
  RequestId,
  ServerData,
  ServerMessage,
} from "../codec/wire/messages.js";
import {
  type ClientClosedError,
  type MarketcastError,
  ServerError,
  TooManyRequestsError,
} from "./errors.js";
import { type Asking, PendingRequest } from "./pending-request.js";

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
 * Requests that are asked again where the server answers `UNAVAILABLE`: it may have taken the order
 * all the same, and says what became of it to whoever asks with the same id.
 */
const ASKED_AGAIN: ReadonlySet<ClientType> = new Set(["PlaceOrder", "CancelOrder"]);
/** How long to wait at most before asking again, in milliseconds. */
const ASK_AGAIN_MS_MAX = 500;

/**
 * For the client's own requests, which another connection has no use for. Their time is not the
 * user's to choose: one without an answer ends the connection.
 */
export const OWN: Asking = { whenLost: "reject", timeoutMs: 30_000 };

type Send = (message: ClientMessage) => void;

/**
 * The requests that have no answer yet, in the order they were made. Those made while there is no
 * connection wait for one. Their number is bounded.
 *
 * A request that was abandoned in flight stays until its reply, or the end of the connection, so that
 * what it did late can be undone.
 */
export class Requests {
  readonly #pending = new Map<RequestId, PendingRequest>();
  readonly #max: number;
  readonly #timeoutMs: number;
  readonly #onAbandon = (pending: PendingRequest): void => {
    if (!pending.inFlight) this.#forget(pending);
  };
  #lastId = 0;
  /** There while there is a connection. */
  #send: Send | undefined;
  #loss: MarketcastError | undefined;
  #closedWith: ((sent: boolean) => ClientClosedError) | undefined;
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

  /** Whether there is a connection. */
  get connected(): boolean {
    return this.#send !== undefined;
  }

  /**
   * Sends a request, now or when there is a connection, and resolves with its reply's data. The
   * timestamp of a `Ping` is filled in when it is sent.
   */
  async ask<T extends ClientType>(
    type: T,
    data: ClientData[T],
    asking: Asking,
  ): Promise<Replies[T]> {
    this.#admit(asking);
    const message = { type, id: ++this.#lastId, data } as ClientMessage;
    const timed = { timeoutMs: this.#timeoutMs, ...asking };
    const pending = new PendingRequest(message, timed, this.#onAbandon);
    pending.obstacle = this.#loss;
    this.#pending.set(this.#lastId, pending);
    if (this.#send !== undefined) this.#transmit(pending, this.#send);
    return pending.answer as Promise<Replies[T]>;
  }

  /** Whether a request of a type waits for its answer. */
  waits(type: ClientType): boolean {
    return [...this.#pending.values()].some(
      ({ message, abandoned }) => message.type === type && !abandoned,
    );
  }

  /** Takes a direct reply and settles its request, which it returns if there is one. */
  settle(reply: ServerMessage): PendingRequest | undefined {
    const pending = reply.id === undefined ? undefined : this.#pending.get(reply.id);
    if (pending === undefined) return undefined;
    if (reply.type === "Error") {
      const error = new ServerError(reply.data);
      if (this.#asksAgain(pending, error)) return pending;
      pending.reject(error);
    } else if (reply.type === "Pong") {
      this.rttMs = performance.now() - reply.data.timestamp;
      pending.resolve(this.rttMs);
    } else {
      pending.resolve(reply.data);
    }
    this.#forget(pending);
    return pending;
  }

  /** A connection is there: whatever is asked from now on is sent at once. */
  connect(send: Send): void {
    this.#send = send;
    this.#loss = undefined;
  }

  /** Sends all that waits for a connection, in order. */
  flush(): void {
    for (const pending of [...this.#pending.values()]) {
      if (!pending.inFlight && this.#send !== undefined) this.#transmit(pending, this.#send);
    }
  }

  /** The connection is gone, or could not be made. */
  disconnect(cause: MarketcastError): void {
    this.#send = undefined;
    this.#loss = cause;
    let subscribes = false;
    for (const pending of this.#pending.values()) {
      const { whenLost, abandoned, message } = pending;
      pending.inFlight = false;
      pending.obstacle = cause;
      // Behind a Subscribe that is sent again, an Unsubscribe has something to undo.
      if (!abandoned && (whenLost === "resend" || (whenLost === "done" && subscribes))) {
        subscribes ||= message.type === "Subscribe";
        continue;
      }
      this.#forget(pending);
      if (whenLost === "done") pending.resolve(message.data);
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

  /** Throws where a request cannot be taken. */
  #admit({ signal, whenLost }: Asking): void {
    signal?.throwIfAborted();
    if (this.#closedWith !== undefined) throw this.#closedWith(false);
    if (whenLost === "reject") {
      if (this.#loss !== undefined) throw this.#loss;
    } else if (this.#pending.size >= this.#max) {
      throw new TooManyRequestsError(`${this.#max} requests wait for an answer already`);
    }
  }

  /** Asks again in a while, where that is the thing to do. */
  #asksAgain(pending: PendingRequest, error: ServerError): boolean {
    if (error.code !== "UNAVAILABLE" || !ASKED_AGAIN.has(pending.message.type)) return false;
    if (pending.abandoned) return false;
    pending.inFlight = false;
    pending.obstacle = error;
    // Without a connection by then, the next one takes it along.
    pending.retryIn((0.5 + Math.random() / 2) * ASK_AGAIN_MS_MAX, () => {
      if (!pending.inFlight && this.#send !== undefined) this.#transmit(pending, this.#send);
    });
    return true;
  }

  #transmit(pending: PendingRequest, send: Send): void {
    const { message } = pending;
    try {
      send(
        message.type === "Ping" ? { ...message, data: { timestamp: performance.now() } } : message,
      );
      pending.inFlight = true;
      pending.sent = true;
    } catch (error) {
      // It cannot be encoded, as with a BigInt in JSON.
      this.#forget(pending);
      pending.reject(error);
    }
  }

  #forget(pending: PendingRequest): void {
    this.#pending.delete(pending.message.id as RequestId);
  }
}
