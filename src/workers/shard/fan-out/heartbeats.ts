import type { Heartbeat } from "../../../contract/messages.js";
import type { FrameBatch } from "../connections/frame-batch.js";
import type { Audience } from "./audience.js";
import type { Mirror } from "./mirror.js";
import type { RoundFrames } from "./round-frames.js";

/** Clocks, in milliseconds: since the Unix epoch, and one that goes on evenly. */
interface HeartbeatClocks {
  readonly now: () => number;
  readonly passed: () => number;
}

const CLOCKS: HeartbeatClocks = { now: () => Date.now(), passed: () => performance.now() };

/** What all of a moment have in common. */
type Moment = Omit<Heartbeat, "conflated">;

/** The audiences with heartbeats of one interval, and the timer that makes them due. */
interface Beat {
  readonly audiences: Set<Audience>;
  readonly timer: ReturnType<typeof setInterval>;
}

/**
 * Sends `Heartbeat`s at the end of a round, behind all that it has for a connection, so that they take the
 * way of the data: whoever does not take those is sent none.
 *
 * There is a timer for each interval in use, whatever number of connections has it. One whose round is
 * late is not made up for.
 *
 * Invariants: an interval has a timer exactly as long as it has an audience; `ts` never decreases.
 */
export class Heartbeats {
  readonly #frames: RoundFrames;
  readonly #clocks: HeartbeatClocks;
  readonly #beats = new Map<number, Beat>();
  readonly #due = new Set<Beat>();
  #wake: () => void = () => {};
  #others: () => number = () => Number.POSITIVE_INFINITY;
  /** Until there is a record of any market, its age counts from here. */
  readonly #begunTs: number;
  /** Of the last record that is known of, 0 for none, and when it was first seen here. */
  #lastTs = 0;
  #seenAt: number;
  /** The latest that was told. */
  #position = 0;

  constructor(frames: RoundFrames, clocks = CLOCKS) {
    this.#frames = frames;
    this.#clocks = clocks;
    this.#begunTs = Math.floor(clocks.now() * 1000);
    this.#seenAt = clocks.passed();
  }

  /** Has a function called whenever some become due: they wait for the end of a round. */
  whenDue(wake: () => void): void {
    this.#wake = wake;
  }

  /** Has heartbeats say no more than how far something else than market data has been told. */
  boundBy(position: () => number): void {
    this.#others = position;
  }

  /** Whether some wait for the end of a round. */
  get due(): boolean {
    return this.#due.size > 0;
  }

  /** An audience came. */
  add(audience: Audience): void {
    const { heartbeatMs } = audience.subscriptions;
    if (heartbeatMs === undefined) return;
    const known = this.#beats.get(heartbeatMs);
    if (known !== undefined) {
      known.audiences.add(audience);
      return;
    }
    const timer = setInterval(() => this.#fall(beat), heartbeatMs).unref();
    const beat: Beat = { audiences: new Set([audience]), timer };
    this.#beats.set(heartbeatMs, beat);
  }

  /** An audience went. */
  remove(audience: Audience): void {
    const { heartbeatMs } = audience.subscriptions;
    const beat = heartbeatMs === undefined ? undefined : this.#beats.get(heartbeatMs);
    if (heartbeatMs === undefined || beat === undefined) return;
    beat.audiences.delete(audience);
    if (beat.audiences.size > 0) return;
    clearInterval(beat.timer);
    this.#beats.delete(heartbeatMs);
    this.#due.delete(beat);
  }

  /** Sends those that are due to all who have been sent everything before it. */
  tell(mirror: Mirror): void {
    if (this.#due.size === 0) return;
    const moment = this.#moment(mirror);
    // By encoding, and by the one figure that is a connection's own.
    const made = new Map<number, Map<number, FrameBatch>>();
    for (const { audiences } of this.#due) {
      for (const { encoding, members } of audiences) {
        const batches = made.get(encoding) ?? new Map<number, FrameBatch>();
        made.set(encoding, batches);
        for (const member of members) {
          // What is replayed to a member has an earlier ts, and is still to come.
          if (!member.open || !member.current || member.replay !== undefined) continue;
          if (member.channelReplays > 0) continue;
          const { conflated } = member;
          let batch = batches.get(conflated);
          if (batch === undefined) {
            const data = { ...moment, conflated };
            batch = this.#frames.batchOf({ type: "Heartbeat", data }, encoding);
            batches.set(conflated, batch);
          }
          member.writeAll([batch]);
        }
      }
    }
    this.#due.clear();
  }

  #fall(beat: Beat): void {
    this.#due.add(beat);
    this.#wake();
  }

  #moment({ epoch, lastTs, position }: Mirror): Moment {
    const passed = this.#clocks.passed();
    // Where another producer has told nothing yet, the last word is its predecessor's.
    if (lastTs > this.#lastTs) {
      this.#lastTs = lastTs;
      this.#seenAt = passed;
    }
    this.#position = Math.max(this.#position, Math.min(position, this.#others())) || this.#begunTs;
    const lastAt = (this.#lastTs || this.#begunTs) / 1000;
    // By the clock that a record's ts follows; should that be set back, as long at least as it is known.
    const age = Math.max(this.#clocks.now() - lastAt, passed - this.#seenAt, 0);
    return { epoch, ts: this.#position, feed_age_ms: Math.floor(age) };
  }
}
