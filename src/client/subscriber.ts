import type { Channel, RequestId, ServerMessage } from "../codec/wire/messages.js";
import { canonicalChannel } from "./canonical-channel.js";
import type { RequestOptions } from "./options.js";
import type { PendingRequest } from "./pending-request.js";
import { OWN, type Replies, type Requests } from "./requests.js";
import { batchesOf, Subscriptions } from "./subscriptions.js";

/** Requests without an answer that are remembered; there are as many where the server does not answer. */
const SENT_MAX = 1000;

interface Sent {
  readonly id: RequestId | undefined;
  readonly channels: readonly Channel[];
  /** Whether the server has carried it out. */
  done: boolean;
}

export interface SubscriberEvents {
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
  readonly #held = new Subscriptions();
  /** What was sent, in order, from the first without an answer on. */
  readonly #sent: Sent[] = [];
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
      options.signal?.throwIfAborted();
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
  sent({ message: { id, type }, channels }: PendingRequest): void {
    if (type !== "Subscribe" && type !== "Unsubscribe") return;
    if (this.#sent.length >= SENT_MAX) this.#sent.shift();
    this.#sent.push({ id, channels, done: false });
  }

  /** Takes the answer to any request; `asked` is that, where its caller still waits and has it. */
  take(message: ServerMessage, asked: PendingRequest | undefined): void {
    switch (message.type) {
      case "Subscribed": {
        const channels = message.data.channels.map(canonicalChannel);
        this.#held.add(this.#undecided(message.id, channels));
        if (asked !== undefined && !asked.own) this.wanted.add(asked.decided(channels));
        return this.#align(channels);
      }
      case "Unsubscribed": {
        const channels = message.data.channels.map(canonicalChannel);
        this.#held.remove(this.#undecided(message.id, channels));
        this.#align(channels);
        return this.#events.reduced();
      }
      case "Error": {
        const refused = this.#settle(message.id, false)?.channels ?? [];
        if (asked?.own) return;
        // What the server did not end goes on, and has to after a reconnect.
        if (asked !== undefined) this.wanted.add(asked.decided(asked.ended));
        this.#align(refused);
      }
    }
  }

  /** The program has given a request up; an Unsubscribe is carried out all the same. */
  abandoned(pending: PendingRequest): void {
    this.#align(channelsOf(pending));
  }

  disconnected(): void {
    this.#held.clear();
    this.#sent.length = 0;
  }

  /**
   * The part of a request's channels about which no later one has had its answer before this one did;
   * that later one is what counts there.
   */
  #undecided(id: RequestId | undefined, channels: readonly Channel[]): readonly Channel[] {
    const later = this.#settle(id, true)?.later ?? [];
    return new Subscriptions(later).without(channels);
  }

  /** A request has its answer: what it was sent with, and what later ones have decided by now. */
  #settle(
    id: RequestId | undefined,
    done: boolean,
  ): { readonly channels: readonly Channel[]; readonly later: readonly Channel[] } | undefined {
    const at = this.#sent.findLastIndex((one) => one.id === id && !one.done);
    const answered = this.#sent[at];
    if (answered === undefined) return undefined;
    const later = this.#sent.slice(at + 1).filter((one) => one.done);
    if (done) answered.done = true;
    else this.#sent.splice(at, 1);
    while (this.#sent[0]?.done) this.#sent.shift();
    return { channels: answered.channels, later: later.flatMap((one) => one.channels) };
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

function channelsOf({ message }: PendingRequest): readonly Channel[] {
  const { type, data } = message;
  return type === "Subscribe" || type === "Unsubscribe" ? data.channels : [];
}
