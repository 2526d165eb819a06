import { BroadcastReceiver, RECEIVED } from "../../../ring/broadcast-receiver.js";
import { RECORD } from "../../../ring/layout.js";
import type { MarketMemory } from "../../../ring/market-memory.js";
import {
  type PublicationRecord,
  readChannel,
  readPublication,
  readPublicationTs,
  readPublishedTo,
} from "../../../ring/publication-record.js";

interface PublicationReaderHooks {
  /** Whether anybody has a channel: what is published to others is not looked at. */
  readonly wanted: (channel: string) => boolean;
  readonly published: (publication: PublicationRecord) => void;
  /** The ring has lapped this shard, or its writer has missed some: publications are missing. */
  readonly lapped: () => void;
}

/** How often a poll looks at the clock, of records that nobody wants: of others each time. */
const RECORDS_PER_CLOCK_READ = 16;

/** A shard's cursor on one producer's ring of publications. */
export class PublicationReader {
  readonly #hooks: PublicationReaderHooks;
  readonly #ring: BroadcastReceiver;
  /** The copied batch is not read to its end. */
  #midBatch = false;
  #lastTs: number;
  /** Nothing has been read, of a ring that is to be read from its start. */
  #untouched: boolean;

  /** @param ts nothing that will be read is earlier */
  constructor(
    memory: MarketMemory,
    from: "tail" | "start",
    ts: number,
    hooks: PublicationReaderHooks,
  ) {
    this.#ring = new BroadcastReceiver(memory.publicationRing, from);
    this.#lastTs = ts;
    this.#untouched = from === "start";
    this.#hooks = hooks;
  }

  /** `ts` of the newest record read: nothing unread is earlier. */
  get lastTs(): number {
    return this.#lastTs;
  }

  /** Nothing that is to be read and was not is earlier; undefined where that may be all that the producer has published. */
  get since(): number | undefined {
    return this.#untouched ? undefined : this.#lastTs;
  }

  /** Whether there is something to poll. */
  get pending(): boolean {
    return this.#midBatch || this.#ring.backlog > 0;
  }

  /** Records skipped because of laps; see {@link BroadcastReceiver.lost}. */
  get lost(): number {
    return this.#ring.lost;
  }

  /** Every publication with a lower `ts` has been read, in microseconds. */
  get position(): number {
    return this.pending ? this.#lastTs : Number.POSITIVE_INFINITY;
  }

  /** Reads records until it is over, one at least. */
  poll(isOver: () => boolean): void {
    for (let unwanted = 0; ; ) {
      if (!this.#midBatch) {
        const received = this.#ring.receive();
        if (received === RECEIVED.nothing) return;
        if (received === RECEIVED.lapped) {
          this.#hooks.lapped();
          continue;
        }
        this.#midBatch = true;
      }
      const type = this.#ring.next();
      if (type === 0) this.#midBatch = false;
      else {
        const wanted = this.#take(type);
        if ((wanted || ++unwanted % RECORDS_PER_CLOCK_READ === 0) && isOver()) return;
      }
    }
  }

  /** Returns whether it was a publication that somebody wants. */
  #take(type: number): boolean {
    const { words, offset } = this.#ring;
    this.#untouched = false;
    if (type !== RECORD.publication) {
      this.#lastTs = readPublishedTo(words, offset);
      if (type === RECORD.publicationsLost) this.#hooks.lapped();
      return false;
    }
    this.#lastTs = readPublicationTs(words, offset);
    const wanted = this.#hooks.wanted(readChannel(words, offset));
    if (wanted) this.#hooks.published(readPublication(words, offset));
    return wanted;
  }
}
