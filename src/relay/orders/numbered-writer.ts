import { type RedisLink, RedisLinkError } from "../redis-link.js";
import { idOf } from "./link-streams.js";

/** How long a stream that nobody writes to any more stays, and how often that is put off, in ms. */
const KEPT_S = 60;
const KEEP_INTERVAL_MS = (KEPT_S / 4) * 1000;

interface Unconfirmed {
  readonly number: number;
  readonly entry: Buffer;
}

/**
 * Writes entries to a stream that it alone writes to, numbered from 1 without holes, by their ids. So one may be written
 * again where nobody knows whether it was, and a reader sees whether one is missing.
 *
 * Invariants: `#unconfirmed` are those that Redis has not answered, in their order; what the reader has not
 * acknowledged counts in `waitingBytes`, wherever it is.
 */
export class NumberedWriter {
  readonly #key: string;
  readonly #failed: (link: RedisLink, error: unknown) => void;
  #link: RedisLink | undefined;
  #unconfirmed: Unconfirmed[] = [];
  /** Bytes of the entries that the reader has not acknowledged, the first being that behind `#acknowledged`. */
  readonly #sizes: number[] = [];
  #acknowledged = 0;
  #written = 0;
  #keptAt = Number.NEGATIVE_INFINITY;
  waitingBytes = 0;

  /** @param failed a connection has not done what it was asked, and is of no use */
  constructor(key: string, failed: (link: RedisLink, error: unknown) => void) {
    this.#key = key;
    this.#failed = failed;
  }

  get waitingEntries(): number {
    return this.#sizes.length;
  }

  /** Whether Redis has said that it has all of them. */
  get isConfirmed(): boolean {
    return this.#unconfirmed.length === 0;
  }

  add(entry: Buffer): void {
    const one = { number: ++this.#written, entry };
    this.#unconfirmed.push(one);
    this.#sizes.push(entry.length);
    this.waitingBytes += entry.length;
    this.#send(one);
  }

  /** Writes by a connection from now on, first what may not be there yet; undefined: by none. */
  connect(link: RedisLink | undefined): void {
    this.#link = link;
    this.#keptAt = Number.NEGATIVE_INFINITY;
    for (const one of [...this.#unconfirmed]) this.#send(one);
  }

  /** The reader has all entries up to a number. */
  acknowledge(number: number): void {
    const last = Math.min(number, this.#written);
    const sizes = this.#sizes.splice(0, Math.max(0, last - this.#acknowledged));
    this.#acknowledged = Math.max(this.#acknowledged, last);
    for (const bytes of sizes) this.waitingBytes -= bytes;
    // Redis had them, whether or not it lived to say so.
    while ((this.#unconfirmed[0]?.number ?? Number.POSITIVE_INFINITY) <= this.#acknowledged)
      this.#unconfirmed.shift();
  }

  #send({ number, entry }: Unconfirmed): void {
    const link = this.#link;
    if (link === undefined) return;
    const behind = idOf(this.#acknowledged + 1);
    const command = ["XADD", this.#key, "MINID", "~", behind, idOf(number), "e", entry];
    link.send(command).then(
      () => this.#confirmed(number),
      (error: unknown) => {
        if (isThere(error)) this.#confirmed(number);
        else if (this.#link === link) {
          this.#link = undefined;
          this.#failed(link, error);
        }
      },
    );
    const now = performance.now();
    if (now - this.#keptAt < KEEP_INTERVAL_MS) return;
    this.#keptAt = now;
    link.send(["EXPIRE", this.#key, String(KEPT_S)]).catch(() => {});
  }

  #confirmed(number: number): void {
    if (this.#unconfirmed[0]?.number === number) this.#unconfirmed.shift();
    else this.#unconfirmed = this.#unconfirmed.filter((other) => other.number !== number);
  }
}

/** Whether Redis says that the stream has an entry of that number, or later ones. */
function isThere(error: unknown): boolean {
  return (
    error instanceof RedisLinkError &&
    error.code === "REDIS_REFUSED" &&
    error.message.includes("equal or smaller")
  );
}
