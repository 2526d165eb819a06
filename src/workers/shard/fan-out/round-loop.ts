import { nowMicros } from "../../../shared/clock.js";
import type { FanOut } from "./fan-out.js";

/** A round reads at most this much, so that handshakes, requests and pings get their turn. */
const ROUND_RECORDS_MAX = 1024;
const ROUND_MS_MAX = 4;
/** A round that conflates reads on until it is up to date, but not longer than this. */
const CONFLATING_ROUND_MS_MAX = 10;
/** A shard further behind than either of these conflates. */
const BEHIND_MS_MAX = 100;
const BEHIND_RING_SHARE_MAX = 0.25;

/** What else the doorbell rings for. */
interface Publications {
  readonly pending: boolean;
  /** Tells what was published, for a bounded time. */
  poll(): void;
}

const NONE: Publications = { pending: false, poll: () => {} };

/**
 * Runs the fan-out's rounds: while there is something to read, one per turn of the event loop;
 * otherwise it waits for the producer's doorbell, without blocking the thread. Whether a round conflates
 * is decided here, by how far behind the one before has left the shard.
 *
 * Invariants: at most one turn is scheduled and one wait under way, however often it is woken; a wait
 * begins only with nothing to do and no turn scheduled.
 */
export class RoundLoop {
  readonly #fanOut: FanOut;
  #doorbell: Int32Array;
  readonly #publications: Publications;
  /** A turn is to come. */
  #scheduled = false;
  /** A wait for the doorbell is under way. */
  #waiting = false;
  #marketsDue = false;
  /** The next round conflates. */
  #conflate = false;
  #stopped = false;
  #alarm: NodeJS.Timeout | undefined;

  constructor(fanOut: FanOut, doorbell: SharedArrayBuffer, publications: Publications = NONE) {
    this.#fanOut = fanOut;
    this.#publications = publications;
    this.#doorbell = new Int32Array(doorbell);
  }

  /** Goes on with another producer's doorbell. */
  setDoorbell(doorbell: SharedArrayBuffer): void {
    const before = this.#doorbell;
    this.#doorbell = new Int32Array(doorbell);
    Atomics.notify(before, 0);
    this.wake();
  }

  /** Runs a round in the next turn. */
  wake(): void {
    if (this.#scheduled || this.#stopped) return;
    this.#scheduled = true;
    setImmediate(this.#turn);
  }

  /** Has the next round tell the `Markets` channels. */
  tellMarkets(): void {
    this.#marketsDue = true;
    this.wake();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#alarm);
  }

  readonly #turn = (): void => {
    this.#scheduled = false;
    if (this.#stopped) return;
    // Read before looking for work: a publication after the look then ends the wait at once.
    const rung = Atomics.load(this.#doorbell, 0);
    const { hasDrained, heartbeats, candles, mirror } = this.#fanOut;
    const untilDueMs = this.#untilDueMs();
    const due = this.#marketsDue || hasDrained || heartbeats.due || candles.due;
    if (due || mirror.pending || this.#publications.pending || untilDueMs <= 0) {
      this.#round();
      this.wake();
      return;
    }
    this.#wakeAfter(untilDueMs);
    // One wait is enough, however many turns find nothing to do.
    if (this.#waiting) return;
    if (this.#scheduled)
      throw new Error(
        `round loop: a wait with a turn scheduled, after round ${this.#fanOut.round}`,
      );
    const wait = Atomics.waitAsync(this.#doorbell, 0, rung);
    if (!wait.async) return this.wake();
    this.#waiting = true;
    void wait.value.then(() => {
      this.#waiting = false;
      // Woken, it runs at once; a wait on a former doorbell wakes into an ordinary turn.
      if (!this.#scheduled) this.#turn();
    });
  };

  /** How long until the interval of a merged stream ends. */
  #untilDueMs(): number {
    const { nextDueAt } = this.#fanOut;
    return nextDueAt === undefined ? Number.POSITIVE_INFINITY : nextDueAt - performance.now();
  }

  /** Runs a turn after so long at the latest; there is one timer. */
  #wakeAfter(delayMs: number): void {
    clearTimeout(this.#alarm);
    this.#alarm = undefined;
    if (delayMs === Number.POSITIVE_INFINITY) return;
    this.#alarm = setTimeout(() => this.wake(), Math.ceil(delayMs));
  }

  #round(): void {
    const fanOut = this.#fanOut;
    const { mirror } = fanOut;
    const conflate = this.#conflate;
    const deadline = performance.now() + (conflate ? CONFLATING_ROUND_MS_MAX : ROUND_MS_MAX);
    fanOut.beginRound(conflate);
    const records = conflate ? Number.POSITIVE_INFINITY : ROUND_RECORDS_MAX;
    if (mirror.poll(fanOut.round, records, deadline)) {
      fanOut.conflate();
      mirror.repair(fanOut.round);
    }
    // Ahead of heartbeats, which say how far everything has been told, and read behind the markets for that.
    if (this.#publications.pending) this.#publications.poll();
    fanOut.endRound(this.#marketsDue);
    this.#marketsDue = false;
    const behindMs = (nowMicros() - mirror.lastTs) / 1000;
    this.#conflate =
      mirror.pending && (behindMs > BEHIND_MS_MAX || mirror.backlog > BEHIND_RING_SHARE_MAX);
  }
}
