import type { Channel, RequestId, ServerMessage } from "../contract/messages.js";
import { canonicalChannel } from "./canonical-channel.js";
import type { RequestOptions } from "./options.js";
import type { PendingRequest } from "./pending-request.js";
import { OWN, type Replies, type Requests } from "./requests.js";
import { batchesOf, Subscriptions } from "./subscriptions.js";

/** Requests without an answer that are remembered; there are as many where the server does not answer. */
const SENT_MAX = 256;

interface Sent {
  readonly id: RequestId | undefined;
  readonly channels: readonly Channel[];
  /** Whether the server has carried it out. */
  done: boolean;
}

interface SubscriberEvents {
  /** Less is wanted than before. */
  reduced(): void;
  /** The server lacks these, which are wanted. */
  missing(channels: readonly Channel[]): void;
  /** An answer to a request of the client's own was an error, or did not come. */
  failed(error: unknown): void;
}

/**
 * What the program wants, and what the server holds by its answers on this connection. Answers may
 * come after their callers have given up, and after those to later requests, so none of them is taken
 * for the last word: where no request about a subscription is under way, what the server holds and
 * nobody wants is ended, and what it lacks is asked for.
 */
export class Subscriber {
  /** Outlives connections. */
  readonly wanted = new Subscriptions();
  #held = new Subscriptions();
  /** What was sent, in order, from the first without an answer on. */
  #sent: Sent[] = [];
  readonly #requests: Requests;
  readonly #events: SubscriberEvents;

  constructor(requests: Requests, events: SubscriberEvents) {
    this.#requests = requests;
    this.#events = events;
  }

  async subscribe(
    channels: readonly Channel[],
    options: RequestOptions,
  ): Promise<Replies["Subscribe"]> {
    const data = { channels: channels.map(canonicalChannel) };
    const asked = this.#requests.submit("Subscribe", data, { ...options, whenLost: "resend" });
    for (const pending of this.#requests.pending) {
      // One that waits to be sent, or is sent again, must not end what is wanted from now on.
      if (pending.message.type === "Unsubscribe") pending.supersede(data.channels);
    }
    return asked.answer as Promise<Replies["Subscribe"]>;
  }

  async unsubscribe(
    channels: readonly Channel[],
    options: RequestOptions,
  ): Promise<Replies["Unsubscribe"]> {
    const data = { channels: channels.map(canonicalChannel) };
    const ended = this.wanted.of(data.channels);
    let asked: PendingRequest | undefined;
    // Subscriptions end with their connection.
    if (this.#requests.connected || this.#requests.closed) {
      asked = this.#requests.submit("Unsubscribe", data, { ...options, whenLost: "done" });
      asked.ended = ended;
    } else {
      options?.signal?.throwIfAborted();
    }
    for (const pending of this.#requests.pending) {
      if (pending !== asked) pending.supersede(data.channels);
    }
    this.drop(ended);
    return (asked?.answer ?? data) as Promise<Replies["Unsubscribe"]>;
  }

  /** These are not wanted any more. */
  drop(channels: readonly Channel[]): void {
    this.wanted.remove(channels);
    this.#align(channels);
    this.#events.reduced();
  }

  /** A request is on its way. */
  sent({ message: { id }, named, channels }: PendingRequest): void {
    if (named === undefined) return;
    // What is sent again had no answer, and will have none but this.
    this.#sent = this.#sent.filter((one) => one.id !== id).slice(1 - SENT_MAX);
    this.#sent.push({ id, channels, done: false });
  }

  /** Takes the answer to any request; `asked` is that, where its caller still waits and has it. */
  take({ type, id, data }: ServerMessage, asked: PendingRequest | undefined): void {
    const done = type === "Subscribed" || type === "Unsubscribed";
    if (!done && type !== "Error") return;
    const at = this.#sent.findLastIndex((one) => one.id === id && !one.done);
    const sent = this.#sent[at];
    const channels = done ? data.channels.map(canonicalChannel) : (sent?.channels ?? []);
    // Where a later request has had its answer before, that is what counts.
    const later = at < 0 ? [] : this.#sent.slice(at).filter((one) => one.done);
    const decided = new Subscriptions(later.flatMap((one) => one.channels)).without(channels);
    if (sent !== undefined) {
      if (done) sent.done = true;
      else this.#sent.splice(at, 1);
    }
    while (this.#sent[0]?.done) this.#sent.shift();
    if (type === "Subscribed") {
      this.#held.add(decided);
      if (asked !== undefined && !asked.own) this.wanted.add(asked.decided(channels));
    } else if (done) {
      this.#held.remove(decided);
    } else if (asked !== undefined) {
      // Its own are dealt with where they are made.
      if (asked.own) return;
      // What the server did not end goes on, and has to after a reconnect.
      this.wanted.add(asked.decided(asked.ended));
    }
    this.#align(channels);
    if (type === "Unsubscribed") this.#events.reduced();
  }

  /** The program has given a request up; an Unsubscribe is carried out all the same. */
  abandoned(pending: PendingRequest): void {
    this.#align(pending.named ?? []);
  }

  disconnected(): void {
    this.#held = new Subscriptions();
    this.#sent = [];
  }

  /** Ends what the server holds of these and nobody wants, and asks for what it lacks. */
  #align(channels: readonly Channel[]): void {
    const idle = this.#idle(channels);
    const missing = this.#held.without(this.wanted.of(idle));
    if (missing.length > 0) this.#events.missing(missing);
    const surplus = this.wanted.without(this.#held.of(idle));
    for (const batch of batchesOf(surplus))
      this.#requests.ask("Unsubscribe", { channels: batch }, OWN).catch(this.#events.failed);
  }

  /** Those about which no request is under way, whose answer will be looked at again. */
  #idle(channels: readonly Channel[]): Channel[] {
    const busy = new Subscriptions();
    for (const pending of this.#requests.pending) busy.add(pending.channels);
    return busy.without(channels);
  }
}
