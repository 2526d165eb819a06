import {
  CHANNEL_TYPES,
  PRIVATE_TYPES,
  type PrivateChannel,
  type PrivateType,
} from "../../../contract/channel-kinds.js";
import { type CounterSection, countListed, SHARD } from "../../../counters/counters.js";
import type { Connection } from "../connections/connection.js";

/**
 * A connection's subscription to a channel. It is live once its snapshot has been sent: what the
 * exchange tells before that is in the snapshot, what it tells after is news.
 */
interface PrivateSubscription {
  /** Snapshots of requests before this one were for an earlier subscription, which has ended. */
  readonly firstRequest: number;
  live: boolean;
  /** It is told what there was; until that is through, no news. */
  replaying: boolean;
}

/** A connection's channels of one wallet. */
type WalletChannels = { [T in PrivateType]?: PrivateSubscription };

/**
 * Who has subscribed to what of which wallet. Kept apart from the audiences of market data: a wallet
 * of its own must not cost a connection the buffer that it shares with others.
 *
 * Invariant: a wallet has an entry exactly while a connection has a channel of it, and is in
 * `connection.wallets` exactly while that connection has one.
 */
export class PrivateChannels {
  readonly #counters: CounterSection;
  readonly #byWallet = new Map<string, Map<Connection, WalletChannels>>();

  constructor(counters: CounterSection) {
    this.#counters = counters;
  }

  /** Wallets that some connection watches. */
  get wallets(): Iterable<string> {
    return this.#byWallet.keys();
  }

  /**
   * Subscribes; one that is live already stays so.
   * @param firstRequest the number of the first request that may ask for its snapshot
   */
  add(
    connection: Connection,
    { type, params: { wallet } }: PrivateChannel,
    firstRequest: number,
  ): void {
    const connections = this.#byWallet.get(wallet) ?? new Map<Connection, WalletChannels>();
    this.#byWallet.set(wallet, connections);
    const channels = connections.get(connection) ?? {};
    connections.set(connection, channels);
    connection.wallets ??= new Set();
    connection.wallets.add(wallet);
    if (channels[type] === undefined) this.#count(type, 1);
    channels[type] ??= { firstRequest, live: false, replaying: false };
  }

  /** Ends a subscription; returns whether it was the last one of its wallet. */
  remove(connection: Connection, { type, params: { wallet } }: PrivateChannel): boolean {
    const connections = this.#byWallet.get(wallet);
    const channels = connections?.get(connection);
    if (connections === undefined || channels?.[type] === undefined) return false;
    delete channels[type];
    this.#count(type, -1);
    if (PRIVATE_TYPES.some((other) => channels[other] !== undefined)) return false;
    connections.delete(connection);
    connection.wallets?.delete(wallet);
    if (connections.size > 0) return false;
    this.#byWallet.delete(wallet);
    return true;
  }

  /** The channels of a connection. */
  of(connection: Connection): readonly PrivateChannel[] {
    return [...(connection.wallets ?? [])].flatMap((wallet) => {
      const channels = this.#byWallet.get(wallet)?.get(connection) ?? {};
      return PRIVATE_TYPES.filter((type) => channels[type] !== undefined).map((type) => ({
        type,
        params: { wallet },
      }));
    });
  }

  /** Every connection with a channel of a wallet. */
  watching(wallet: string): Iterable<Connection> {
    return this.#byWallet.get(wallet)?.keys() ?? [];
  }

  /** Connections that are told what is new of a wallet. */
  *live(wallet: string, type: PrivateType): Generator<Connection> {
    for (const [connection, channels] of this.#byWallet.get(wallet) ?? []) {
      if (channels[type]?.live) yield connection;
    }
  }

  /** Whether the snapshot that a request has asked for will do for a subscription. */
  awaits(
    connection: Connection,
    { type, params: { wallet } }: PrivateChannel,
    request: number,
  ): boolean {
    const subscription = this.#byWallet.get(wallet)?.get(connection)?.[type];
    return subscription !== undefined && request >= subscription.firstRequest;
  }

  /** Notes that a request's snapshot is sent; returns false where its subscription is gone by now. */
  goLive(connection: Connection, wallet: string, type: PrivateType, request: number): boolean {
    const subscription = this.#byWallet.get(wallet)?.get(connection)?.[type];
    if (subscription === undefined || request < subscription.firstRequest) return false;
    subscription.live = !subscription.replaying;
    return true;
  }

  /** Has a subscription be told no news until its replay is through, and from then on all. */
  setReplaying(
    connection: Connection,
    wallet: string,
    type: PrivateType,
    replaying: boolean,
  ): void {
    const subscription = this.#byWallet.get(wallet)?.get(connection)?.[type];
    if (subscription === undefined) return;
    subscription.replaying = replaying;
    subscription.live = !replaying;
  }

  /** Everything waits for a snapshot again: the exchange is another one. */
  awaitAll(): void {
    for (const connections of this.#byWallet.values()) {
      for (const channels of connections.values()) {
        for (const subscription of Object.values(channels)) subscription.live = false;
      }
    }
  }

  #count(type: PrivateType, by: number): void {
    countListed(this.#counters, SHARD.subscriptionsByChannel, CHANNEL_TYPES, type, by);
  }
}
