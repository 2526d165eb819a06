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

/** How often a poll looks at the clock. */
const RECORDS_PER_CLOCK_READ = 16;

/** A shard's cursor on one producer's ring of publications. */
export class PublicationReader {
  readonly #hooks: PublicationReaderHooks;
  readonly #ring: BroadcastReceiver;
  /** The copied batch is not read to its end. */
  #midBatch = false;
  #lastTs: number;

  /** @param ts nothing that will be read is earlier */
  constructor(
    memory: MarketMemory,
    from: "tail" | "start",
    ts: number,
    hooks: PublicationReaderHooks,
  ) {
    this.#ring = new BroadcastReceiver(memory.publicationRing, from);
    this.#lastTs = ts;
    this.#hooks = hooks;
  }

  /** `ts` of the newest record read: nothing unread is earlier. */
  get lastTs(): number {
    return this.#lastTs;
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

  /** Reads records until the deadline (in performance.now()'s ms), some at least. */
  poll(deadline: number): void {
    for (let read = 0; read === 0 || read % RECORDS_PER_CLOCK_READ !== 0 || isBefore(deadline); ) {
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
        read++;
        this.#take(type);
      }
    }
  }

  #take(type: number): void {
    const { words, offset } = this.#ring;
    if (type === RECORD.publication) {
      this.#lastTs = readPublicationTs(words, offset);
      if (this.#hooks.wanted(readChannel(words, offset)))
        this.#hooks.published(readPublication(words, offset));
      return;
    }
    this.#lastTs = readPublishedTo(words, offset);
    if (type === RECORD.publicationsLost) this.#hooks.lapped();
  }
}

function isBefore(deadline: number): boolean {
  return performance.now() < deadline;
}
