import { type CounterSection, count, PRODUCER } from "../../counters/counters.js";
import { BroadcastTransmitter } from "../../ring/broadcast-transmitter.js";
import { RECORD } from "../../ring/layout.js";
import type { MarketMemory } from "../../ring/market-memory.js";
import {
  PUBLISHED_TO_BYTES,
  type PublicationTexts,
  publicationBytes,
  writePublication,
  writePublishedTo,
} from "../../ring/publication-record.js";

/** The single writer of the ring of publications. What it has written readers see with {@link publish}. */
export class PublicationWriter {
  readonly #ring: BroadcastTransmitter;
  readonly #doorbell: Int32Array;
  readonly #counters: CounterSection;
  #written = false;

  constructor(memory: MarketMemory, counters: CounterSection) {
    this.#ring = new BroadcastTransmitter(memory.publicationRing);
    this.#doorbell = new Int32Array(memory.doorbell);
    this.#counters = counters;
  }

  write(texts: PublicationTexts, seq: number, ts: number): void {
    // Before anybody can read it: the next producer's are behind it.
    const { latestTs, publicationSeq } = PRODUCER;
    this.#counters[latestTs] = Math.max(this.#counters[latestTs] as number, ts);
    this.#counters[publicationSeq] = Math.max(this.#counters[publicationSeq] as number, seq);
    const offset = this.#ring.claim(RECORD.publication, publicationBytes(texts));
    writePublication(this.#ring.words, offset, texts, seq, ts);
    this.#written = true;
    count(this.#counters, PRODUCER.publications);
  }

  /** Says that nothing that is written later has an earlier `ts`. */
  publishedTo(ts: number): void {
    this.#writeTs(RECORD.publishedTo, ts);
  }

  /** Says that publications may be missing before those that are written next, none of them earlier than a `ts`. */
  lost(ts: number): void {
    this.#writeTs(RECORD.publicationsLost, ts);
  }

  #writeTs(type: number, ts: number): void {
    writePublishedTo(this.#ring.words, this.#ring.claim(type, PUBLISHED_TO_BYTES), ts);
    this.#written = true;
  }

  /** Makes what was written visible and wakes the readers that wait for it. */
  publish(): void {
    if (!this.#written) return;
    this.#written = false;
    this.#ring.publish();
    Atomics.add(this.#doorbell, 0, 1);
    Atomics.notify(this.#doorbell, 0);
  }
}
