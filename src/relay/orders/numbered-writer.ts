import type { LinkScripts, Written } from "./link-scripts.js";

interface Unconfirmed {
  readonly number: number;
  readonly entry: Buffer;
}

interface NumberedWriterHooks {
  /** A connection has not done what it was asked, and is of no use. */
  readonly failed: (scripts: LinkScripts, error: unknown) => void;
  /** The stream is not this one's to write: nothing more is written to it. */
  readonly refused: (written: Exclude<Written, "there">) => void;
}

/**
 * Writes entries to a stream that it alone writes to, numbered from 1 without holes, by their ids. So one may be written
 * again where nobody knows whether it was, and a reader sees whether one is missing.
 *
 * Invariants: `#unconfirmed` are those that Redis has not answered, in their order; what the reader has not
 * acknowledged counts in `waitingBytes`, wherever it is; after a refusal nothing is written.
 */
export class NumberedWriter {
  readonly #key: string;
  readonly #fence: number;
  readonly #hooks: NumberedWriterHooks;
  #scripts: LinkScripts | undefined;
  #unconfirmed: Unconfirmed[] = [];
  /** Bytes of the entries that the reader has not acknowledged, the first being that behind `#acknowledged`. */
  readonly #sizes: number[] = [];
  #acknowledged = 0;
  #written = 0;
  #refused = false;
  waitingBytes = 0;

  /** @param fence of the origin whose link it is: behind a higher one nothing is written */
  constructor(key: string, fence: number, hooks: NumberedWriterHooks) {
    this.#key = key;
    this.#fence = fence;
    this.#hooks = hooks;
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
  connect(scripts: LinkScripts | undefined): void {
    this.#scripts = this.#refused ? undefined : scripts;
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
    const scripts = this.#scripts;
    if (scripts === undefined) return;
    scripts.append(this.#key, this.#fence, number, entry, this.#acknowledged).then(
      (written) => {
        if (written === "there") this.#confirmed(number);
        else if (!this.#refused) {
          this.#refused = true;
          this.#scripts = undefined;
          this.#hooks.refused(written);
        }
      },
      (error: unknown) => {
        if (this.#scripts !== scripts) return;
        this.#scripts = undefined;
        this.#hooks.failed(scripts, error);
      },
    );
  }

  #confirmed(number: number): void {
    if (this.#unconfirmed[0]?.number === number) this.#unconfirmed.shift();
    else this.#unconfirmed = this.#unconfirmed.filter((other) => other.number !== number);
  }
}
