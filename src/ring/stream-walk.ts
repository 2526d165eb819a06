import type { HistoryReader } from "./history-reader.js";
import { isBefore } from "./layout.js";

/** A stream's newest record. */
export interface NewestRecord {
  readonly position: number;
  readonly slot: number;
  readonly seq: number;
}

/** Where a walk ends: at the first record that is not before a position, or not before a `ts`. */
type WalkEnd =
  | { readonly position: number; readonly ts?: undefined }
  | { readonly ts: number; readonly position?: undefined };

/** How a walk stands; `lost` where records that it was to find may have been overwritten. */
type WalkState = "going" | "found" | "lost";

/**
 * Walks a stream back, from its newest record to the first of those that are not before its end, and are
 * before `head`. It goes in steps, so that nobody waits for a long one.
 *
 * Invariant: `start` and `count` tell of records that were whole when they were looked at.
 */
export class StreamWalk {
  state: WalkState;
  /** Position of the first record found; undefined while there is none. */
  start: number | undefined;
  /** Records found. */
  count = 0;
  readonly #reader: HistoryReader;
  readonly #newest: NewestRecord | undefined;
  readonly #head: number;
  readonly #end: WalkEnd;
  readonly #counted: number;
  /** The record to be looked at next. */
  #at: number;

  /**
   * @param newest undefined where the stream has no record; where the table tells of it before the ring's
   *   tail has passed it, it is complete as well
   * @param head records from this position on are not looked for
   * @param counted of states, count those that have one of these bits of CHANGE; 0 counts all
   */
  constructor(
    reader: HistoryReader,
    newest: NewestRecord | undefined,
    head: number,
    end: WalkEnd,
    counted = 0,
  ) {
    this.#counted = counted;
    this.#reader = reader;
    this.#newest = newest;
    this.#head = head;
    this.#end = end;
    this.#at = newest?.position ?? 0;
    this.state = newest === undefined ? "found" : "going";
  }

  /** Goes at most so many records back; returns how many it looked at. */
  step(records: number): number {
    let looked = 0;
    while (this.state === "going" && looked < records) {
      this.state = this.#look();
      looked++;
    }
    return looked;
  }

  #look(): WalkState {
    const reader = this.#reader;
    const end = this.#end;
    const at = this.#at;
    if (end.position !== undefined && isBefore(at, end.position)) return "found";
    const whole = reader.peek(at);
    const newest = this.#newest;
    if (at === newest?.position && (reader.slot !== newest.slot || reader.seq !== newest.seq))
      return this.#gone();
    if (!whole) return this.#gone();
    if (end.ts !== undefined && reader.ts < end.ts) return "found";
    if (isBefore(at, this.#head)) {
      this.start = at;
      if (this.#counted === 0 || (reader.changes & this.#counted) !== 0) this.count++;
    }
    if (reader.back === 0) return "found";
    if (reader.back > reader.capacity) return this.#gone();
    this.#at = (at - reader.back) >>> 0;
    return "going";
  }

  /** The next record back is gone, and all before it: found is what was looked for if they are before the end. */
  #gone(): WalkState {
    const { position, ts } = this.#end;
    if (position !== undefined) return this.#reader.holds(position) ? "found" : "lost";
    const oldest = this.#reader.oldest();
    return oldest !== undefined && oldest.ts < ts ? "found" : "lost";
  }
}
