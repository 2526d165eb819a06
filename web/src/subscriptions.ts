import { type Channel, type MarketcastClient, type MarketId, ServerError } from "marketcast/client";
import { channelKey } from "../../src/contract/channel-kinds.js";
import { isTransient } from "./transient.js";

const RETRY_MS = 1000;

/** A channel with its key. */
type Entry = readonly [key: string, channel: Channel];

/**
 * What the page wants to receive, by the part of the page that wants it; brings the client's
 * subscriptions in line with it, one request at a time, whenever there is a connection.
 */
export class Subscriptions {
  readonly #wanted = new Map<string, readonly Channel[]>();
  /** What the present client was asked for, by key. */
  #held = new Map<string, Channel>();
  /** Keys of those that the server has refused on this connection. */
  #refusedKeys = new Set<string>();
  #client: MarketcastClient | undefined;
  /** The client whose subscriptions are being changed right now. */
  #busy: MarketcastClient | undefined;
  readonly #refused: (channel: Channel, error: Error) => void;

  /** `refused` is called when the server does not take a subscription, or ends it. */
  constructor(refused: (channel: Channel, error: Error) => void) {
    this.#refused = refused;
  }

  /** Goes on with another client, which has no subscriptions yet. */
  attach(client: MarketcastClient): void {
    this.#client = client;
    this.#held = new Map();
    this.#refusedKeys = new Set();
    client.on("state", ({ status }) => {
      if (status !== "open") return;
      for (const key of this.#refusedKeys) this.#held.delete(key);
      this.#refusedKeys.clear();
      void this.#sync();
    });
    client.on("subscriptionLost", ({ channels, cause }) => {
      for (const channel of channels) this.#refused(channel, cause);
    });
    void this.#sync();
  }

  /** Replaces what a part of the page wants. A `PriceFeed` has one market here. */
  want(part: string, channels: readonly Channel[]): void {
    this.#wanted.set(part, channels);
    void this.#sync();
  }

  async #sync(): Promise<void> {
    const client = this.#client;
    if (client === undefined || this.#busy === client) return;
    this.#busy = client;
    while (this.#client === client && client.state.status === "open") {
      // Nothing is awaited between finding nothing to do and giving up: no wish can come in between.
      const request = this.#nextRequest(client);
      if (request === undefined) break;
      // Not now, or not on this connection; what is wanted is looked at again.
      await request.catch(() => new Promise((resolve) => setTimeout(resolve, RETRY_MS)));
    }
    if (this.#busy === client) this.#busy = undefined;
  }

  /** Makes one request towards what is wanted; undefined where there is none to make. */
  #nextRequest(client: MarketcastClient): Promise<unknown> | undefined {
    const held = this.#held;
    const wanted = new Map([...this.#wanted.values()].flat().map((one) => [channelKey(one), one]));
    const surplus = [...held].filter(([key]) => !wanted.has(key));
    if (surplus.length > 0) {
      for (const [key] of surplus) held.delete(key);
      return client.unsubscribe(merged(surplus.map(([, channel]) => channel)));
    }
    const missing = [...wanted].filter(([key]) => !held.has(key));
    const [first] = missing;
    if (first === undefined) return undefined;
    return this.#subscribe(client, isPriceFeed(first) ? missing.filter(isPriceFeed) : [first]);
  }

  async #subscribe(client: MarketcastClient, batch: readonly Entry[]): Promise<void> {
    const held = this.#held;
    for (const [key, channel] of batch) held.set(key, channel);
    const channels = batch.map(([, channel]) => channel);
    try {
      await client.subscribe(merged(channels));
    } catch (error) {
      if (error instanceof ServerError && !isTransient(error)) {
        for (const [key] of batch) this.#refusedKeys.add(key);
        this.#refused(channels[0] as Channel, error);
        return;
      }
      for (const [key] of batch) held.delete(key);
      throw error;
    }
  }
}

function isPriceFeed([, channel]: Entry): boolean {
  return channel.type === "PriceFeed";
}

/** The same channels, with all `PriceFeed`s as one. */
function merged(channels: readonly Channel[]): readonly Channel[] {
  const markets: MarketId[] = [];
  const others = channels.filter((channel) => {
    if (channel.type !== "PriceFeed") return true;
    markets.push(...channel.params.market_ids);
    return false;
  });
  if (markets.length === 0) return others;
  return [...others, { type: "PriceFeed", params: { market_ids: markets } }];
}
