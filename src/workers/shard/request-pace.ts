/**
 * Spreads requests over time: as many at once as a second has, then each at its turn (the generic
 * cell rate algorithm, of which all state is one time).
 */
export class Pace {
  readonly #intervalMs: number;
  /** When all that was reserved is earned back; ms of performance.now(). */
  #earnedAt = 0;

  constructor(perSecond: number) {
    this.#intervalMs = 1000 / perSecond;
  }

  /** Reserves the next request; returns how long it has to wait, in ms. */
  reserve(now: number): number {
    this.#earnedAt = Math.max(now, this.#earnedAt) + this.#intervalMs;
    return Math.max(0, this.#earnedAt - now - 1000);
  }

  /** Whether nothing is known of it that a new one does not know. */
  restedAt(now: number): boolean {
    return this.#earnedAt <= now;
  }
}

interface Address {
  readonly pace: Pace;
  members: number;
}

const SWEEP_MS = 1000;

/**
 * The paces of addresses. One is kept while the address has members, and after that until it has
 * rested, so that a client gains nothing by connecting anew.
 */
export class AddressPaces {
  readonly #perSecond: number;
  readonly #addresses = new Map<string, Address>();
  #sweep: NodeJS.Timeout | undefined;

  constructor(perSecond: number) {
    this.#perSecond = perSecond;
  }

  /** Addresses that something is known of. */
  get size(): number {
    return this.#addresses.size;
  }

  /** An address has one member more; returns its pace. */
  enter(address: string): Pace {
    let known = this.#addresses.get(address);
    if (known === undefined) {
      known = { pace: new Pace(this.#perSecond), members: 0 };
      this.#addresses.set(address, known);
    }
    known.members++;
    return known.pace;
  }

  /** A member is gone. */
  leave(address: string): void {
    const known = this.#addresses.get(address);
    if (known === undefined) throw new Error(`no member of ${address} has entered`);
    if (--known.members > 0) return;
    if (known.pace.restedAt(performance.now())) this.#addresses.delete(address);
    else this.#sweepLater();
  }

  #sweepLater(): void {
    this.#sweep ??= setTimeout(() => {
      this.#sweep = undefined;
      const now = performance.now();
      let resting = false;
      for (const [address, { members, pace }] of this.#addresses) {
        if (members > 0) continue;
        if (pace.restedAt(now)) this.#addresses.delete(address);
        else resting = true;
      }
      if (resting) this.#sweepLater();
    }, SWEEP_MS).unref();
  }
}
