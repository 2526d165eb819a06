import { type CounterSection, count, counted } from "../counters/counters.js";
import { RELAY } from "../counters/relay-counters.js";
import {
  type PublicationRecord,
  type PublicationTexts,
  publicationTexts,
} from "../ring/publication-record.js";

/** Where publications are written for the shards of this node. */
interface PublicationRing {
  write(texts: PublicationTexts, seq: number, ts: number): void;
  publishedTo(ts: number): void;
  lost(ts: number): void;
  publish(): void;
}

/**
 * Writes publications as they came from the origin, with their `seq` and `ts`. Where some may be missing it says so in
 * their place: then shards ask the origin's hub for what there was, as they do where a ring has lapped them, and tell
 * each of it once.
 */
export class RelayedPublications {
  readonly #ring: PublicationRing;
  readonly #counters: CounterSection;
  #writtenTo: number;

  constructor(ring: PublicationRing, counters: CounterSection) {
    this.#ring = ring;
    this.#counters = counters;
    this.#writtenTo = counted(counters, RELAY.publishedTo);
  }

  write({ channel, userId, data, seq, ts }: PublicationRecord): void {
    this.#ring.write(publicationTexts(channel, userId, data), seq, ts);
    this.#writtenTo = Math.max(this.#writtenTo, ts);
  }

  /** All that was published earlier has been written. */
  publishedTo(ts: number): void {
    this.#ring.publishedTo(ts);
    this.#writtenTo = Math.max(this.#writtenTo, ts);
  }

  /** Some may be missing, of those that were published since what was made visible last. */
  lost(): void {
    count(this.#counters, RELAY.publicationGaps);
    this.#ring.lost(counted(this.#counters, RELAY.publishedTo));
  }

  /** Makes what was written visible. */
  publish(): void {
    this.#ring.publish();
    // Not before: what another life goes by has been told.
    this.#counters[RELAY.publishedTo] = this.#writtenTo;
  }
}
