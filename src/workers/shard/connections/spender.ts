import type { ShardOptions } from "../../../config/thread-options.js";
import type { Identity } from "../requests/authenticator.js";
import type { AddressShare } from "./address-shares.js";
import type { Holder } from "./fair-budget.js";
import { TokenBucket } from "./token-bucket.js";
import { Usage } from "./usage.js";

/** What a client may spend a second. */
export type SpendingLimits = Pick<
  ShardOptions,
  "maxMessagesPerSecond" | "maxBytesPerSecond" | "maxOrdersPerSecond"
>;

/** The side of a connection that pays for what its client sends and asks for, and says who that is. */
export abstract class Spender {
  /** What it shares with the other connections of its address. */
  readonly share: AddressShare;
  /** Messages and orders the client may still send. */
  readonly messageAllowance: TokenBucket;
  readonly orderAllowance: TokenBucket;
  /** Bytes it may still send and have in answers; see {@link charge}. */
  readonly byteAllowance: TokenBucket;
  /** What its requests have cost lately, in bytes. */
  readonly usage: Usage;

  identity: Identity | undefined;

  constructor(share: AddressShare, limits: SpendingLimits, now: number) {
    this.share = share;
    this.messageAllowance = new TokenBucket(now, limits.maxMessagesPerSecond);
    this.orderAllowance = new TokenBucket(now, limits.maxOrdersPerSecond);
    this.byteAllowance = new TokenBucket(now, limits.maxBytesPerSecond);
    this.usage = new Usage(now);
  }

  get address(): string {
    return this.share.address;
  }

  /** Undefined without a token. */
  get userId(): string | undefined {
    return this.identity?.userId;
  }

  /** Who uses its share of what all connections have together. */
  get holder(): Holder {
    const { address, identity } = this;
    const name = identity === undefined ? `address ${address}` : `user ${identity.userId}`;
    return { name, group: address };
  }

  /** Whose trading it is: its wallet's, however many connections and users that has. */
  get trader(): Holder {
    const wallet = this.identity?.wallet ?? undefined;
    return wallet === undefined ? this.holder : { name: `wallet ${wallet}`, group: this.address };
  }

  /**
   * Charges what a client has sent, or made the server do, in bytes: to it and to its address. A debt
   * has its next requests wait.
   */
  charge(bytes: number, now: number): void {
    this.usage.add(bytes, now);
    this.byteAllowance.take(now, bytes);
    this.share.bytes.take(now, bytes);
  }

  /** Charges an answer to the connection alone: many of an address may be given the same bytes, made once. */
  chargeAnswer(bytes: number): void {
    const now = performance.now();
    this.usage.add(bytes, now);
    this.byteAllowance.take(now, bytes);
  }
}
