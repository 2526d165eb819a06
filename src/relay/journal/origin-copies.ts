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

interface Copy {
  readonly id: string;
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
  readonly #waiting: WantedPiece[] = [];
  #copy: Copy | undefined;
  #wake: () => void = () => {};

  constructor(options: OriginCopiesOptions) {
    this.#options = options;
  }

  want(wanted: WantedPiece): void {
    if (this.#waiting.length < WAITING_MAX) this.#waiting.push(wanted);
    this.#wake();
  }

  /** Answers until the signal aborts. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    let link: RedisLink | undefined;
    const timer = setInterval(() => this.#dropUnwanted(), UNWANTED_MS / 4);
    signal.addEventListener("abort", () => this.#wake(), { once: true });
    while (!signal.aborted) {
      const wanted = this.#waiting.shift();
      if (wanted === undefined) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        continue;
      }
      try {
        if (link === undefined || link.fault !== undefined) link = await this.#options.open();
        await this.#answer(link, wanted);
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

  async #answer(link: RedisLink, { ask, copy, offset }: WantedPiece): Promise<void> {
    const key = this.#options.keys.piece(ask);
    await link.send(["RPUSH", key, await this.#pieceOf(copy, offset)]);
    await link.send(["EXPIRE", key, String(PIECE_TTL_S)]);
  }

  async #pieceOf(id: string, offset: number): Promise<Buffer> {
    const copy = this.#copyOf(id, offset);
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
  #copyOf(id: string, offset: number): Copy | "gone" | undefined {
    if (this.#copy?.id === id) return this.#copy;
    if (offset > 0) return "gone";
    if (this.#copy !== undefined) return undefined;
    const copy: Copy = { id, made: undefined, failure: undefined, wantedAt: performance.now() };
    this.#copy = copy;
    this.#options.make().then(
      (made) => {
        if (this.#copy === copy) copy.made = made;
        else void made.remove();
      },
      (error: Error) => {
        this.#options.log.warn({ err: error }, "no copy of the store can be made for a standby");
        copy.failure = error.message;
      },
    );
    return copy;
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
