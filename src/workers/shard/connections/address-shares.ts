import type { ShardOptions } from "../../../config/thread-options.js";
import { TokenBucket } from "./token-bucket.js";

type AddressLimits = Pick<
  ShardOptions,
  | "maxHttpRequestsPerSecondPerAddress"
  | "maxMessagesPerSecondPerAddress"
  | "maxBytesPerSecondPerAddress"
>;

/** What all connections from one address may send to a shard, together. */
export interface AddressShare {
  readonly address: string;
  /** Requests before an upgrade, but for the first of each connection. */
  readonly httpRequests: TokenBucket;
  readonly messages: TokenBucket;
  readonly bytes: TokenBucket;
  connections: number;
}

/** The shares of the addresses that have connections, or have had some until just now. */
export class AddressShares {
  readonly #limits: AddressLimits;
  readonly #shares = new Map<string, AddressShare>();
  /** Without a connection, but not forgotten: who comes back at once has spent what it has spent. */
  readonly #idle = new Set<AddressShare>();

  constructor(limits: AddressLimits) {
    this.#limits = limits;
  }

  /** Addresses with a share. */
  get size(): number {
    return this.#shares.size;
  }

  /**
   * The share that a further connection uses.
   * @param now ms of performance.now()
   */
  acquire(address: string, now: number): AddressShare {
    let share = this.#shares.get(address);
    if (share === undefined) {
      const limits = this.#limits;
      share = {
        address,
        httpRequests: new TokenBucket(now, limits.maxHttpRequestsPerSecondPerAddress),
        messages: new TokenBucket(now, limits.maxMessagesPerSecondPerAddress),
        bytes: new TokenBucket(now, limits.maxBytesPerSecondPerAddress),
        connections: 0,
      };
      this.#shares.set(address, share);
    }
    share.connections++;
    this.#idle.delete(share);
    return share;
  }

  /** Gives a share back when a connection ends. */
  release(share: AddressShare): void {
    if (--share.connections === 0) this.#idle.add(share);
  }

  /** Forgets addresses without a connection that could send as much as a new one; now and then. */
  sweep(now: number): void {
    for (const share of this.#idle) {
      const { httpRequests, messages, bytes } = share;
      if ([httpRequests, messages, bytes].some((one) => one.left(now) < one.perSecond)) continue;
      this.#idle.delete(share);
      this.#shares.delete(share.address);
    }
  }
}
