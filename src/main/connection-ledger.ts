import type { Socket } from "node:net";
import { descriptorOf, fileOf } from "../transport/socket-hand-off.js";
import type { RefusedBy } from "../workers/messages.js";

export interface LedgerEntry {
  readonly number: number;
  /** It begins with what a proxy says of its client. */
  readonly proxied: boolean;
  /** A proxy's, where it is proxied. */
  readonly address: string;
  /** Whose share of the limits per address it uses; undefined while no client is known, and where it is refused. */
  charged: string | undefined;
  refusedBy: RefusedBy | undefined;
  shard: number;
  /** The accepted socket, while it is main's: until the shard has taken it. */
  socket: Socket | undefined;
  /** The connection's open file, which its shard's descriptor is of as well; see fileOf. */
  readonly file: string | undefined;
}

/**
 * Every connection from its acceptance to its end: whose it is, and how many there are in all, from
 * an address and on a shard. Refused ones count by themselves.
 */
export class ConnectionLedger {
  readonly #entries = new Map<number, LedgerEntry>();
  readonly #byAddress = new Map<string, number>();
  readonly #byShard: number[];
  #last = 0;
  #refused = 0;

  constructor(shards: number) {
    this.#byShard = new Array<number>(shards).fill(0);
  }

  /** Connections that were not refused. */
  get connections(): number {
    return this.#entries.size - this.#refused;
  }

  get refused(): number {
    return this.#refused;
  }

  /** All entries, refused ones as well. */
  get size(): number {
    return this.#entries.size;
  }

  from(address: string): number {
    return this.#byAddress.get(address) ?? 0;
  }

  on(shard: number): number {
    return this.#byShard[shard] ?? 0;
  }

  get(number: number): LedgerEntry | undefined {
    return this.#entries.get(number);
  }

  open(
    { address, proxied, refusedBy }: Pick<LedgerEntry, "address" | "proxied" | "refusedBy">,
    shard: number,
    socket: Socket,
  ): LedgerEntry {
    const file = fileOf(descriptorOf(socket));
    const number = ++this.#last;
    const charged = proxied || refusedBy !== undefined ? undefined : address;
    const origin = { number, address, proxied, file };
    const entry: LedgerEntry = { ...origin, charged, refusedBy, shard, socket };
    this.#entries.set(entry.number, entry);
    this.#byShard[shard] = this.on(shard) + 1;
    this.#count(entry, 1);
    return entry;
  }

  /** Moves an entry to another shard. */
  move(entry: LedgerEntry, shard: number): void {
    this.#byShard[entry.shard] = this.on(entry.shard) - 1;
    this.#byShard[shard] = this.on(shard) + 1;
    entry.shard = shard;
  }

  /** The client of a proxied connection is known, and whether it may have it; one that is refused stays so. */
  assign(entry: LedgerEntry, client: string, refusedBy: RefusedBy | undefined): void {
    if (entry.refusedBy !== undefined) return;
    this.#count(entry, -1);
    entry.refusedBy = refusedBy;
    entry.charged = refusedBy === undefined ? client : undefined;
    this.#count(entry, 1);
  }

  close(number: number): void {
    const entry = this.#entries.get(number);
    if (entry === undefined) return;
    this.#entries.delete(number);
    this.#byShard[entry.shard] = this.on(entry.shard) - 1;
    this.#count(entry, -1);
  }

  #count({ charged, refusedBy }: LedgerEntry, by: 1 | -1): void {
    if (refusedBy !== undefined) this.#refused += by;
    if (charged === undefined) return;
    const left = this.from(charged) + by;
    if (left > 0) this.#byAddress.set(charged, left);
    else this.#byAddress.delete(charged);
  }

  /** The entries of a shard. */
  ofShard(shard: number): LedgerEntry[] {
    return [...this.#entries.values()].filter((entry) => entry.shard === shard);
  }
}
