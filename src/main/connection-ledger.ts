import type { Socket } from "node:net";
import { descriptorOf, fileOf } from "../transport/socket-hand-off.js";
import type { RefusedBy } from "../workers/messages.js";

export interface LedgerEntry {
  readonly number: number;
  readonly address: string;
  readonly refusedBy: RefusedBy | undefined;
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
    address: string,
    shard: number,
    socket: Socket,
    refusedBy: RefusedBy | undefined,
  ): LedgerEntry {
    const file = fileOf(descriptorOf(socket));
    const entry: LedgerEntry = { number: ++this.#last, address, refusedBy, shard, socket, file };
    this.#entries.set(entry.number, entry);
    this.#byShard[shard] = this.on(shard) + 1;
    if (refusedBy === undefined) this.#byAddress.set(address, this.from(address) + 1);
    else this.#refused++;
    return entry;
  }

  /** Moves an entry to another shard. */
  move(entry: LedgerEntry, shard: number): void {
    this.#byShard[entry.shard] = this.on(entry.shard) - 1;
    this.#byShard[shard] = this.on(shard) + 1;
    entry.shard = shard;
  }

  close(number: number): void {
    const entry = this.#entries.get(number);
    if (entry === undefined) return;
    this.#entries.delete(number);
    this.#byShard[entry.shard] = this.on(entry.shard) - 1;
    if (entry.refusedBy !== undefined) {
      this.#refused--;
      return;
    }
    const left = this.from(entry.address) - 1;
    if (left > 0) this.#byAddress.set(entry.address, left);
    else this.#byAddress.delete(entry.address);
  }

  /** The entries of a shard. */
  ofShard(shard: number): LedgerEntry[] {
    return [...this.#entries.values()].filter((entry) => entry.shard === shard);
  }
}
