import { Allowance } from "./allowance.js";

export interface AddressLimits {
  readonly maxMessagesPerSecondPerAddress: number;
  readonly maxBytesPerSecondPerAddress: number;
}

/** What all connections from one address may send to a shard, together. */
export interface AddressShare {
  readonly address: string;
  readonly messages: Allowance;
  readonly bytes: Allowance;
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
      const { maxMessagesPerSecondPerAddress, maxBytesPerSecondPerAddress } = this.#limits;
      share = {
        address,
        messages: new Allowance(now, maxMessagesPerSecondPerAddress),
        bytes: new Allowance(now, maxBytesPerSecondPerAddress),
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
      const { messages, bytes } = share;
      const full = messages.left(now) === messages.perSecond && bytes.left(now) === bytes.perSecond;
      if (!full) continue;
      this.#idle.delete(share);
      this.#shares.delete(share.address);
    }
  }
}
