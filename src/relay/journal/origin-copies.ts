import { setTimeout as sleep } from "node:timers/promises";
import { crc32c } from "@node-rs/crc32";
import type { Logger } from "../../shared/log.js";
import type { RedisLink } from "../redis-link.js";
import type { JournalKeys } from "./journal-keys.js";
import { type JournalHead, type PieceHead, packPiece, type WantedPiece } from "./journal-words.js";

/** Of each piece; the next one is asked for when this one is there. */
const PIECE_BYTES = 512 * 1024;
/** A piece that nobody fetches goes after so many seconds, and the copy of which nobody asks for more after so many ms. */
const PIECE_TTL_S = 30;
const UNWANTED_MS = 30_000;
/** Asks that wait; more are not heard, and come again. */
const WAITING_MAX = 32;
const RETRY_MS = 250;

/** A copy of a store, in a file. */
export interface StoreCopy {
  readonly size: number;
  /** The exchange's when it was made. */
  readonly timelines: JournalHead["timelines"];
  read(offset: number, bytes: number): Promise<Buffer>;
  remove(): Promise<void>;
}

interface OriginCopiesOptions {
  readonly open: () => Promise<RedisLink>;
  readonly keys: JournalKeys;
  readonly make: () => Promise<StoreCopy>;
  readonly log: Logger;
}

interface Asked {
  readonly standby: string;
  readonly wanted: WantedPiece;
}

interface Copy {
  readonly id: string;
  readonly standby: string;
  /** Undefined while it is made. */
  made: StoreCopy | undefined;
  failure: string | undefined;
  wantedAt: number;
}

/**
 * Gives standbys copies of the exchange's store: one at a time, in pieces of bounded size, each when it is asked for. A
 * piece that was lost is asked for again.
 */
export class OriginCopies {
  readonly #options: OriginCopiesOptions;
  readonly #waiting: Asked[] = [];
  #copy: Copy | undefined;
  #making: Promise<void> | undefined;
  #wake: () => void = () => {};

  constructor(options: OriginCopiesOptions) {
    this.#options = options;
  }

  want(standby: string, wanted: WantedPiece): void {
    if (this.#waiting.length < WAITING_MAX) this.#waiting.push({ standby, wanted });
    this.#wake();
  }

  /** Answers until the signal aborts. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    let link: RedisLink | undefined;
    const timer = setInterval(() => this.#dropUnwanted(), UNWANTED_MS / 4);
    signal.addEventListener("abort", () => this.#wake(), { once: true });
    while (!signal.aborted) {
      const asked = this.#waiting.shift();
      if (asked === undefined) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        continue;
      }
      try {
        if (link === undefined || link.fault !== undefined) link = await this.#options.open();
        await this.#answer(link, asked);
      } catch {
        // It is asked for again.
        link?.close();
        link = undefined;
        await sleep(RETRY_MS);
      }
    }
    clearInterval(timer);
    link?.close();
    this.#drop();
  }

  async #answer(link: RedisLink, asked: Asked): Promise<void> {
    const key = this.#options.keys.piece(asked.wanted.ask);
    await link.send(["RPUSH", key, await this.#pieceOf(asked)]);
    await link.send(["EXPIRE", key, String(PIECE_TTL_S)]);
  }

  async #pieceOf(asked: Asked): Promise<Buffer> {
    const { offset } = asked.wanted;
    const copy = this.#copyOf(asked);
    if (copy === undefined) return packPiece({ type: "wait" });
    if (copy === "gone")
      return packPiece({ type: "failed", reason: "the copy is not there any more" });
    copy.wantedAt = performance.now();
    const { made, failure } = copy;
    if (failure !== undefined) {
      this.#drop();
      return packPiece({ type: "failed", reason: failure });
    }
    if (made === undefined) return packPiece({ type: "wait" });
    const bytes = await made.read(offset, PIECE_BYTES);
    const { size, timelines } = made;
    const head: PieceHead = { type: "piece", size, timelines, checksum: crc32c(bytes) };
    return packPiece(head, bytes);
  }

  /** Undefined where another one is given out. */
  #copyOf({ standby, wanted: { copy: id, offset } }: Asked): Copy | "gone" | undefined {
    if (this.#copy?.id === id) return this.#copy;
    if (offset > 0) return "gone";
    // A standby that begins anew has no use for the one before.
    if (this.#copy?.standby === standby && this.#making === undefined) this.#drop();
    if (this.#copy !== undefined || this.#making !== undefined) return undefined;
    const wantedAt = performance.now();
    const copy: Copy = { id, standby, made: undefined, failure: undefined, wantedAt };
    this.#copy = copy;
    this.#making = this.#make(copy).finally(() => {
      this.#making = undefined;
    });
    return copy;
  }

  /** One that nobody wants any more when it is made goes at once. */
  async #make(copy: Copy): Promise<void> {
    try {
      const made = await this.#options.make();
      if (this.#copy === copy) copy.made = made;
      else await made.remove();
    } catch (error) {
      this.#options.log.warn({ err: error }, "no copy of the store can be made for a standby");
      copy.failure = (error as Error).message;
    }
  }

  #dropUnwanted(): void {
    if (this.#copy !== undefined && performance.now() - this.#copy.wantedAt > UNWANTED_MS)
      this.#drop();
  }

  #drop(): void {
    void this.#copy?.made?.remove();
    this.#copy = undefined;
  }
}
