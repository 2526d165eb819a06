import { createHistogram, type RecordableHistogram } from "node:perf_hooks";
import type { ServerMessage } from "../../client/node.js";
import { nowMicros } from "../../shared/clock.js";

/** Ages are counted up to here, in microseconds. */
const AGE_US_MAX = 3_600_000_000;

/**
 * Counts the prices and trades that come, measures their age on arrival, and follows their sequence
 * numbers.
 */
export class Deliveries {
  /** Prices that were left out, as the protocol allows. */
  conflated = 0;
  /** How often came what the protocol does not allow: trades that skip one, numbers that go back. */
  faults = 0;
  /** The first of them. */
  firstFault = "";
  readonly #serverAheadUs: number;
  readonly #ages: RecordableHistogram = createHistogram({
    lowest: 1,
    highest: AGE_US_MAX,
    figures: 3,
  });
  /** The last number of each stream; bounded by the number of markets. */
  readonly #last = new Map<string, number>();
  readonly #followed = new Set<string>();
  #measuring = false;

  /** @param serverAheadMs how far the clock that messages are stamped by is ahead, in milliseconds */
  constructor(serverAheadMs: number) {
    this.#serverAheadUs = serverAheadMs * 1000;
  }

  /** Messages from now on are news: what a new subscriber is sent first has come. */
  measure(): void {
    this.#measuring = true;
  }

  take(message: ServerMessage): void {
    if (message.type === "PriceUpdate") this.#follow("price", message.data);
    else if (message.type === "TradeExecution") this.#follow("trade", message.data.trade);
    else if (message.type === "EpochChanged") this.#last.clear();
  }

  /** Messages measured. */
  get count(): number {
    return this.#ages.count;
  }

  /** Streams of which two messages or more came. */
  get streams(): number {
    return this.#followed.size;
  }

  /** An age that the given part of the messages, in percent, does not exceed, in milliseconds. */
  ageMs(percentile: number): number {
    return this.#ages.percentile(percentile) / 1000;
  }

  #follow(
    stream: "price" | "trade",
    { market_id, seq, ts }: { readonly market_id: number | string; seq: number; ts: number },
  ): void {
    if (this.#measuring) {
      const ageUs = Math.round(nowMicros() + this.#serverAheadUs - ts);
      this.#ages.record(Math.min(Math.max(ageUs, 1), AGE_US_MAX));
    }
    const key = `${stream} ${market_id}`;
    const last = this.#last.get(key);
    this.#last.set(key, seq);
    if (last === undefined) return;
    this.#followed.add(key);
    const missing = seq - last - 1;
    if (missing > 0 && stream === "price") this.conflated += missing;
    else if (missing !== 0) {
      if (this.faults === 0)
        this.firstFault = `${stream} of market ${market_id}: #${seq} after #${last}`;
      this.faults++;
    }
  }
}
