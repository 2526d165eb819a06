import type {
  ClientData,
  ClientMessage,
  ClientType,
  RequestId,
  ServerData,
  ServerMessage,
} from "../contract/messages.js";
import { Alarm } from "./alarm.js";
import {
  type ClientClosedError,
  type MarketcastError,
  NotConnectedError,
  ServerError,
  TooManyRequestsError,
} from "./errors.js";
import { namesOf } from "./order-names.js";
import { backoffMs, type LimitDetails, Pace } from "./pace.js";
import { type Asking, PendingRequest } from "./pending-request.js";
import { plainValue } from "./plain-value.js";

/** What each request resolves with: its reply's data, and a ping with its round trip in milliseconds. */
export interface Replies {
  readonly Authenticate: ServerData["Authenticated"];
  readonly Subscribe: ServerData["Subscribed"];
  readonly Unsubscribe: ServerData["Unsubscribed"];
  readonly Ping: number;
  readonly PlaceOrder: ServerData["OrderUpdate"];
  readonly PlaceOrders: ServerData["OrderResults"];
  readonly AmendOrder: ServerData["OrderUpdate"];
  readonly CancelOrder: ServerData["OrderUpdate"];
  readonly CancelOrders: ServerData["OrdersCancelled"];
  readonly CancelAfter: ServerData["CancelAfterSet"];
  readonly TradeHistory: ServerData["TradePage"];
  readonly CandleHistory: ServerData["CandlePage"];
  readonly OrderHistory: ServerData["OrderPage"];
  readonly FillHistory: ServerData["FillPage"];
  readonly GetOrder: ServerData["OrderUpdate"];
  readonly Publish: ServerData["Published"];
}

/**
 * For the client's own requests, which another connection has no use for. Their time is not the
 * user's to choose: one without an answer ends the connection.
 */
export const OWN: Asking = { whenLost: "reject", timeoutMs: 30_000 };

/**
 * Connections in a row that are closed for slowness over the same subscriptions before the client
 * stops asking for them.
 */
export const STRIKES_MAX = 6;

/** The server refuses a message over this many bytes before it reads its id. */
const UNREAD_BYTES_MIN = 4096;

interface RequestEvents {
  /** A request is on its way, or on its way again. */
  sent(pending: PendingRequest): void;
  /** The caller of a request has given up, and it is forgotten. */
  abandoned(pending: PendingRequest): void;
}

/** Sends a message and returns the length of its payload. */
type Send = (message: ClientMessage) => number;

/** Requests that go in their order and at one pace. */
interface Lane {
  /** What waits for its turn: the client's own first, then as they were made. */
  readonly queue: PendingRequest[];
  pace: Pace;
}

/**
 * The requests that have no answer yet, in the order they were made. Those made while there is no
 * connection wait for one, and others for their turn: orders, cancels, publications and the rest each have a pace,
 * so that orders that wait hold up no cancel. Their number is bounded.
 *
 * What the server refuses for now, RATE_LIMITED or UNAVAILABLE, is asked again within its timeout.
 */
export class Requests {
  readonly #pending = new Map<RequestId, PendingRequest>();
  readonly #orders: Lane = newLane();
  readonly #cancels: Lane = newLane();
  readonly #publications: Lane = newLane();
  readonly #rest: Lane = newLane();
  readonly #lanes = [this.#rest, this.#cancels, this.#orders, this.#publications] as const;
  readonly #alarm = new Alarm();
  readonly #max: number;
  readonly #timeoutMs: number;
  readonly #events: RequestEvents;
  #lastId = 0;
  /** There while there is a connection. */
  #send: Send | undefined;
  /** Whether there is no connection, and none that is just about to take over. */
  #offline = true;
  /** Whether what the program asked waits until the client's own requests are made. */
  #holding = false;
  #loss: MarketcastError | undefined;
  #closedWith: ((sent: boolean) => ClientClosedError) | undefined;
  /** Round trip of the last ping that was answered, in milliseconds. */
  rttMs: number | undefined;

  /**
   * @param max most requests without an answer; those that are rejected when lost, which are the
   * client's own, count but are not refused
   * @param timeoutMs of requests that name none
   */
  constructor(max: number, timeoutMs: number, events: RequestEvents) {
    this.#max = max;
    this.#timeoutMs = timeoutMs;
    this.#events = events;
  }

  /** Whether there is a connection. */
  get connected(): boolean {
    return this.#send !== undefined;
  }

  get closed(): boolean {
    return this.#closedWith !== undefined;
  }

  /** Those that have no answer yet, whose callers wait for one. */
  get pending(): Iterable<PendingRequest> {
    return this.#pending.values();
  }

  /** Sends a request, now or in its turn, and resolves with its reply's data. */
  async ask<T extends ClientType>(
    type: T,
    data: ClientData[T],
    asking: Asking,
  ): Promise<Replies[T]> {
    return this.submit(type, data, asking).answer as Promise<Replies[T]>;
  }

  /**
   * Takes a request; throws where it cannot be taken or sent. The timestamp of a `Ping` is filled in
   * when it is sent.
   */
  submit<T extends ClientType>(type: T, data: ClientData[T], asking: Asking): PendingRequest {
    this.#admit(asking);
    const message = { type, id: this.#lastId + 1, data: plainValue(data) } as ClientMessage;
    this.#lastId++;
    const timeoutMs = asking.timeoutMs ?? this.#timeoutMs;
    const pending = new PendingRequest(message, timeoutMs, asking, (abandoned) => {
      this.#forget(abandoned);
      this.#events.abandoned(abandoned);
      this.#pump();
    });
    pending.obstacle = this.#loss;
    this.#pending.set(this.#lastId, pending);
    this.#enqueue(pending);
    return pending;
  }

  /** Takes a direct reply and settles its request, which it returns if there is one that is done. */
  settle(reply: ServerMessage): PendingRequest | undefined {
    const pending = reply.id === undefined ? undefined : this.#pending.get(reply.id);
    if (pending === undefined) return undefined;
    if (reply.type === "Error") {
      const error = new ServerError(reply.data);
      if (this.#asksAgain(pending, error)) return undefined;
      this.#done(pending);
      pending.reject(error);
    } else {
      this.#done(pending);
      if (reply.type === "Pong") this.rttMs = performance.now() - reply.data.timestamp;
      pending.resolve(reply.type === "Pong" ? this.rttMs : reply.data);
    }
    this.#pump();
    return pending;
  }

  /**
   * Takes a RATE_LIMITED that names no request, as the server had not read the message yet: the
   * oldest large one on its way. Returns whether there is one, to be asked again.
   */
  refuseUnread(error: ServerError): boolean {
    const unread = [...this.#pending.values()].find(
      ({ inFlight, size }) => inFlight && size > UNREAD_BYTES_MIN,
    );
    if (unread === undefined) this.#limit(this.#rest, error);
    return unread !== undefined && this.#asksAgain(unread, error);
  }

  /** A connection is there. What waits is sent from `flush` on. */
  connect(send: Send): void {
    this.#send = send;
    this.#offline = false;
    this.#holding = true;
    this.#loss = undefined;
  }

  /** Sends all that waits for a connection, in its turn. */
  flush(): void {
    this.#holding = false;
    this.#pump();
  }

  /**
   * The connection is gone, or could not be made.
   * @param slow whether the server closed it as that of a slow consumer
   * @param moving whether the next one is about to take over
   * @returns whether it was closed so over what the program was just subscribing to
   */
  disconnect(cause: MarketcastError, slow: boolean, moving: boolean): boolean {
    this.#send = undefined;
    this.#offline = !moving;
    this.#loss = cause;
    this.#alarm.clear();
    for (const lane of this.#lanes) {
      lane.queue.length = 0;
      lane.pace = new Pace();
    }
    let blamed = false;
    for (const pending of [...this.#pending.values()]) {
      const { whenLost, inFlight, message } = pending;
      const atFault = slow && inFlight && !pending.own && message.type === "Subscribe";
      blamed ||= atFault;
      pending.comeBack(cause, true);
      const tooLate = pending.presentOnly && this.#offline && !pending.sent;
      const again = whenLost === "resend" || (whenLost === "once" && !pending.sent);
      if (again && !tooLate && !(atFault && ++pending.strikes >= STRIKES_MAX)) {
        this.#enqueue(pending);
        continue;
      }
      this.#pending.delete(message.id as RequestId);
      if (whenLost === "done") pending.resolve(message.data);
      else pending.reject(tooLate ? this.#notConnected() : cause);
    }
    return blamed;
  }

  /** The client is closed: rejects all that waits, and whatever is asked from now on. */
  close(closedWith: (sent: boolean) => ClientClosedError): void {
    this.#send = undefined;
    this.#alarm.clear();
    this.#closedWith = closedWith;
    for (const pending of this.#pending.values()) pending.reject(closedWith(pending.sent));
    this.#pending.clear();
  }

  /** Throws where a request cannot be taken. */
  #admit({ signal, whenLost, presentOnly }: Asking): void {
    signal?.throwIfAborted();
    if (this.#closedWith !== undefined) throw this.#closedWith(false);
    if (presentOnly === true && this.#offline) throw this.#notConnected();
    if (whenLost === "reject") {
      if (this.#loss !== undefined) throw this.#loss;
    } else if (this.#pending.size >= this.#max) {
      throw new TooManyRequestsError(`${this.#max} requests wait for an answer already`);
    }
  }

  #notConnected(): NotConnectedError {
    const cause = this.#loss;
    return new NotConnectedError(
      "there is no connection, and nothing was sent",
      cause === undefined ? undefined : { cause },
    );
  }

  /** Asks again in a while, where that is the thing to do. */
  #asksAgain(pending: PendingRequest, error: ServerError): boolean {
    const { code } = error;
    const lane = this.#laneOf(pending);
    const limited = code === "RATE_LIMITED";
    if (!limited && code !== "UNAVAILABLE" && !(pending.own && code === "INTERNAL")) return false;
    if (pending.inFlight) lane.pace.left();
    // What was one too many was not carried out; an order that met an exchange on its way out may be.
    pending.comeBack(error, !limited);
    if (limited) {
      this.#limit(lane, error);
      this.#enqueue(pending);
    } else if (lane === this.#rest) {
      // What one subscription waits for is no obstacle to others.
      pending.retryIn(backoffMs(++pending.refusals), () => this.#enqueue(pending));
    } else {
      lane.pace.unavailable(performance.now());
      this.#enqueue(pending);
    }
    return true;
  }

  /** A lane was too fast; all wait but for what only the limit of orders, or of publications, concerns. */
  #limit(lane: Lane, { details }: ServerError): void {
    const now = performance.now();
    lane.pace.limited(now, (details ?? {}) as LimitDetails);
    if (lane === this.#orders || lane === this.#publications) return;
    for (const other of this.#lanes) other.pace.pause(lane.pace.pausedUntil);
  }

  #laneOf({ message }: PendingRequest): Lane {
    switch (message.type) {
      case "PlaceOrder":
      case "PlaceOrders":
      case "AmendOrder":
        return this.#orders;
      case "CancelOrder":
      case "CancelOrders":
      case "CancelAfter":
        return this.#cancels;
      case "Publish":
        return this.#publications;
      default:
        return this.#rest;
    }
  }

  #enqueue(pending: PendingRequest): void {
    const { queue } = this.#laneOf(pending);
    const rank = ({ own, message }: PendingRequest): number =>
      (message.id as number) - (own ? Number.MAX_SAFE_INTEGER : 0);
    let at = queue.length;
    while (at > 0 && rank(queue[at - 1] as PendingRequest) > rank(pending)) at--;
    queue.splice(at, 0, pending);
    this.#pump();
  }

  /** Sends what may go now, and sees to it that the rest follows. */
  #pump(): void {
    if (this.#holding) return;
    let wakeInMs = Number.POSITIVE_INFINITY;
    for (const lane of this.#lanes) {
      while (this.#send !== undefined && lane.queue.length > 0) {
        const waitMs = lane.pace.readyAt - performance.now();
        const next = waitMs > 0 ? undefined : this.#nextOf(lane);
        if (next === undefined) {
          if (waitMs > 0) wakeInMs = Math.min(wakeInMs, waitMs);
          break;
        }
        lane.queue.splice(lane.queue.indexOf(next), 1);
        this.#transmit(next, lane.pace, this.#send);
      }
    }
    if (wakeInMs < Number.POSITIVE_INFINITY) this.#alarm.set(wakeInMs, () => this.#pump());
  }

  /**
   * The next of a lane. What was asked before about the same thing, and may have to be asked again, is not to be
   * overtaken: an order by its amends and its cancel, an amend by another, a `CancelAfter` by another.
   */
  #nextOf({ queue }: Lane): PendingRequest | undefined {
    if (queue === this.#rest.queue) return queue[0];
    return queue.find((one) => {
      const names = namesOf(one.message, true);
      if (names.length === 0) return true;
      for (const other of this.#pending.values()) {
        if ((other.message.id as number) >= (one.message.id as number)) continue;
        if (namesOf(other.message, false).some((name) => names.includes(name))) return false;
      }
      return true;
    });
  }

  #transmit(pending: PendingRequest, pace: Pace, send: Send): void {
    const message = pending.depart();
    if (message === undefined) {
      this.#forget(pending);
      pending.resolve(pending.message.data);
      return;
    }
    pace.sent(performance.now());
    this.#events.sent(pending);
    try {
      pending.size = send(message);
    } catch (error) {
      this.#forget(pending);
      pending.reject(error);
    }
  }

  /** A request has its answer. */
  #done(pending: PendingRequest): void {
    this.#laneOf(pending).pace.answered(performance.now());
    this.#forget(pending);
  }

  #forget(pending: PendingRequest): void {
    const { queue, pace } = this.#laneOf(pending);
    this.#pending.delete(pending.message.id as RequestId);
    if (pending.inFlight) pace.left();
    const at = queue.indexOf(pending);
    if (at >= 0) queue.splice(at, 1);
  }
}

function newLane(): Lane {
  return { queue: [], pace: new Pace() };
}
