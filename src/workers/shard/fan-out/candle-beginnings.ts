import type { ArchiveReader, CandleHead } from "../../../archive/archive-reader.js";
import { CANDLES_MAX } from "../../../contract/limits.js";
import type { Candle } from "../../../shared/candle.js";
import type { CandleSeries } from "./candle-series.js";
import type { Mirror } from "./mirror.js";

/** How often those that wait are looked at, and for how long at a time, in ms. */
const STEP_INTERVAL_MS = 10;
const STEP_MS_MAX = 2;
/** How long the archive is waited for, and how long older candles are read, in ms. */
const WAIT_MS_MAX = 2000;
const READ_MS_MAX = 2000;

/** What series are begun from. */
export type CandleArchive = Pick<ArchiveReader, "candleHead" | "candlesBefore">;

interface Beginning {
  /** When it began to wait or, once joined, to read; ms of a monotonic clock. */
  startedAt: number;
  /** In microseconds: all trades that were read and are not held have no later `ts`. */
  ts: number;
  /** Number of the market's trade that the archive has to have come to. */
  seq: number | undefined;
  /** The series' `heldAnew` when that was read. */
  heldAnew: number;
  /** Closed candles of before, newest first; undefined until the series has been joined. */
  older: Candle[] | undefined;
  /** What is read next is before this start. */
  before: number;
}

/**
 * Begins series from the archive, which lags behind the rings: a series keeps the trades that it is told
 * until the archive has come to all that were read before, goes on from the archive's last candle with
 * those that are not in it, and is given the older ones in bounded pages.
 *
 * Invariant: a series that was handed in comes to its end within a bounded time, unless it is forgotten; where
 * the archive cannot be read or does not come so far, with what there is.
 */
export class CandleBeginnings {
  readonly #archive: () => CandleArchive | undefined;
  readonly #done: (series: CandleSeries) => void;
  readonly #nowMicros: () => number;
  /** In the order of their turns. */
  readonly #waiting = new Map<CandleSeries, Beginning>();
  #mirror: Mirror | undefined;
  #timer: NodeJS.Timeout | undefined;

  /**
   * @param archive what there is to read at the moment
   * @param done told of each series that has come to its end
   */
  constructor(
    archive: () => CandleArchive | undefined,
    done: (series: CandleSeries) => void,
    nowMicros: () => number,
  ) {
    this.#archive = archive;
    this.#done = done;
    this.#nowMicros = nowMicros;
  }

  setMirror(mirror: Mirror): void {
    this.#mirror = mirror;
  }

  /** Begins a series, or begins it anew: it is told all trades that are read from here on. */
  begin(series: CandleSeries): void {
    series.beginAnew();
    this.#waiting.set(series, {
      startedAt: performance.now(),
      ts: Math.max(this.#nowMicros(), this.#mirror?.lastTs ?? 0),
      seq: undefined,
      heldAnew: series.heldAnew,
      older: undefined,
      before: 0,
    });
    this.#schedule();
  }

  forget(series: CandleSeries): void {
    this.#waiting.delete(series);
  }

  /** Reads no more. */
  stop(): void {
    this.#waiting.clear();
    clearTimeout(this.#timer);
  }

  #schedule(): void {
    if (this.#waiting.size === 0) return;
    this.#timer ??= setTimeout(this.#turn, STEP_INTERVAL_MS).unref();
  }

  readonly #turn = (): void => {
    this.#timer = undefined;
    const endsAt = performance.now() + STEP_MS_MAX;
    for (let left = this.#waiting.size; left > 0; left--) {
      const [[series, beginning] = []] = this.#waiting;
      if (series === undefined || beginning === undefined) break;
      this.#waiting.delete(series);
      if (this.#step(series, beginning)) this.#done(series);
      else this.#waiting.set(series, beginning);
      if (performance.now() >= endsAt) break;
    }
    this.#schedule();
  };

  /** Returns whether a series has all that it gets. */
  #step(series: CandleSeries, beginning: Beginning): boolean {
    const waitedMs = performance.now() - beginning.startedAt;
    try {
      const archive = this.#archive();
      if (beginning.older === undefined)
        return this.#join(series, beginning, archive, waitedMs >= WAIT_MS_MAX);
      if (archive !== undefined && !this.#read(series, beginning, archive)) {
        if (waitedMs < READ_MS_MAX) return false;
      }
    } catch {
      // The archivist says that the file is damaged, and has another one made in its place.
      if (waitedMs < WAIT_MS_MAX) return false;
      if (beginning.older === undefined) series.join(undefined, 0);
    }
    series.prepend(beginning.older ?? []);
    return true;
  }

  /** Joins a series with the archive where that has come far enough, or with what there is if it is late. */
  #join(
    series: CandleSeries,
    beginning: Beginning,
    archive: CandleArchive | undefined,
    late: boolean,
  ): boolean {
    const { marketId, interval } = series;
    const mirror = this.#mirror as Mirror;
    const head = archive?.candleHead(marketId, interval);
    if (!late && (head === undefined || !this.#reached(series, beginning, head, mirror)))
      return false;
    const known = head?.steps !== undefined && series.hasSteps(head.steps) ? head : undefined;
    // Numbers begin anew with each epoch.
    const { place } = known ?? {};
    series.join(known?.candle, place?.epoch === mirror.epoch ? place.seq : 0);
    if (known?.candle === undefined) return true;
    beginning.startedAt = performance.now();
    beginning.older = [];
    beginning.before = known.candle.start;
    return false;
  }

  #reached(
    { marketId, heldAnew }: CandleSeries,
    beginning: Beginning,
    { epoch, lastTs, place }: CandleHead,
    mirror: Mirror,
  ): boolean {
    if (epoch !== mirror.epoch) return false;
    const market = mirror.find(marketId);
    if (beginning.heldAnew !== heldAnew) {
      beginning.heldAnew = heldAnew;
      beginning.seq = undefined;
      beginning.ts = Math.max(this.#nowMicros(), mirror.lastTs);
    }
    // Read later than the first trade that the series was told: it is not before any that it was not.
    beginning.seq ??= market === undefined ? 0 : mirror.newestTradeSeq(market);
    if (beginning.seq === 0 || lastTs > beginning.ts) return true;
    return place?.epoch === epoch && place.seq >= beginning.seq;
  }

  /** Reads older candles; returns whether those were the last that are kept. */
  #read(
    { marketId, interval }: CandleSeries,
    beginning: Beginning,
    archive: CandleArchive,
  ): boolean {
    const { older = [], before } = beginning;
    const limit = CANDLES_MAX - older.length;
    const page = archive.candlesBefore(marketId, interval, {}, before, limit, before);
    older.push(...page.candles);
    beginning.before = page.next ?? before;
    return page.next === undefined || older.length >= CANDLES_MAX;
  }
}
