import { constants, deflateRawSync } from "node:zlib";
import { type CounterSection, count, SHARD } from "../../../counters/counters.js";
import type { WindowBits } from "../http/deflate-offer.js";

/** Data whose last block was flushed end with these bytes, which are left out (RFC 7692, section 7.2.1). */
const TAIL_BYTES = 4;
/** A larger payload goes as it is: no message may hold up a turn. */
const PAYLOAD_BYTES_MAX = 512 * 1024;
/** What compressing may take of a turn of the event loop; what comes after that goes as it is. */
const TURN_MS_MAX = 4;

interface CompressorOptions {
  /** A clock in ms. */
  readonly now?: () => number;
  /** Has a function called in the next turn of the event loop. */
  readonly defer?: (run: () => void) => void;
}

/**
 * Compresses payloads, each by itself. Where that has taken its share of a turn, as with thousands of
 * connections that share nothing, the others of the turn go uncompressed, which any message may.
 */
export class Compressor {
  readonly #thresholdBytes: number;
  readonly #counters: CounterSection;
  readonly #now: () => number;
  readonly #defer: (run: () => void) => void;
  #spentMs = 0;

  /** @param thresholdBytes smaller payloads go as they are */
  constructor(
    thresholdBytes: number,
    counters: CounterSection,
    { now, defer }: CompressorOptions = {},
  ) {
    this.#thresholdBytes = thresholdBytes;
    this.#counters = counters;
    this.#now = now ?? (() => performance.now());
    this.#defer = defer ?? ((run) => setImmediate(run));
  }

  /** The payload as raw deflate data; undefined where it is to go as it is. */
  compress(payload: Buffer, windowBits: WindowBits): Buffer | undefined {
    const { length } = payload;
    if (length < this.#thresholdBytes || length > PAYLOAD_BYTES_MAX) return undefined;
    if (this.#spentMs >= TURN_MS_MAX) {
      count(this.#counters, SHARD.compressionsLeftOut);
      return undefined;
    }
    const startedAt = this.#now();
    const deflated = deflateRawSync(payload, { windowBits, finishFlush: constants.Z_SYNC_FLUSH });
    this.#spend(this.#now() - startedAt);
    const bytes = deflated.length - TAIL_BYTES;
    if (bytes >= length) return undefined;
    count(this.#counters, SHARD.compressions);
    count(this.#counters, SHARD.deflatedBytesBefore, length);
    count(this.#counters, SHARD.deflatedBytesAfter, bytes);
    return deflated.subarray(0, bytes);
  }

  #spend(ms: number): void {
    count(this.#counters, SHARD.compressionS, ms / 1000);
    if (this.#spentMs === 0)
      this.#defer(() => {
        this.#spentMs = 0;
      });
    this.#spentMs += Math.max(ms, Number.MIN_VALUE);
  }
}
