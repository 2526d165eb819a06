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
/** How often it is looked, where no series waits, whether the archive has come as far as one needed. */
const LATE_INTERVAL_MS = 250;
const READ_MS_MAX = 2000;

/** What series are begun from. */
type CandleArchive = Pick<ArchiveReader, "candleHead" | "candlesBefore">;

/** See {@link ArchiveAccess}. */
export interface CandleArchiveSource {
  readonly reader: CandleArchive | undefined;
  noteFault(error: unknown): void;
}

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
  /** The archive had not come so far in time: the series has what there was, and is begun anew later. */
  late: boolean;
}

/**
 * Begins series from the archive, which lags behind the rings: a series keeps the trades that it is told
 * until the archive has come to all that were read before, goes on from the archive's last candle with
 * those that are not in it, and is given the older ones in bounded pages.
 *
 * Invariant: a series that was handed in comes to its end within a bounded time, unless it is forgotten; where
 * the archive cannot be read or does not come so far, with what there is; it is begun anew when the archive
 * has come so far.
 */
export class CandleBeginnings {
  readonly #archive: CandleArchiveSource;
  readonly #done: (series: CandleSeries) => void;
  readonly #nowMicros: () => number;
  /** In the order of their turns. */
  readonly #waiting = new Map<CandleSeries, Beginning>();
  /** Those that were begun with what there was. */
  readonly #late = new Map<CandleSeries, Beginning>();
  #mirror: Mirror | undefined;
  #timer: NodeJS.Timeout | undefined;

  /**
   * @param done told of each series that has come to its end
   */
  constructor(
    archive: CandleArchiveSource,
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
    this.#late.delete(series);
    this.#waiting.set(series, {
      startedAt: performance.now(),
      ts: Math.max(this.#nowMicros(), this.#mirror?.lastTs ?? 0),
      seq: undefined,
      heldAnew: series.heldAnew,
      older: undefined,
      before: 0,
      late: false,
    });
    this.#schedule();
  }

  forget(series: CandleSeries): void {
    this.#waiting.delete(series);
    this.#late.delete(series);
  }

  /** Reads no more. */
  stop(): void {
    this.#waiting.clear();
    this.#late.clear();
    clearTimeout(this.#timer);
  }

  #schedule(): void {
    if (this.#waiting.size > 0) this.#timer ??= setTimeout(this.#turn, STEP_INTERVAL_MS).unref();
    else if (this.#late.size > 0) this.#timer ??= setTimeout(this.#turn, LATE_INTERVAL_MS).unref();
  }

  readonly #turn = (): void => {
    this.#timer = undefined;
    const endsAt = performance.now() + STEP_MS_MAX;
    for (let left = this.#waiting.size; left > 0; left--) {
      const [[series, beginning] = []] = this.#waiting;
      if (series === undefined || beginning === undefined) break;
      this.#waiting.delete(series);
      const isDone = this.#step(series, beginning);
      if (isDone) this.#done(series);
      if (!isDone) this.#waiting.set(series, beginning);
      else if (beginning.late) this.#late.set(series, beginning);
      if (performance.now() >= endsAt) break;
    }
    this.#beginLateAnew();
    this.#schedule();
  };

  /** The first of those that were begun too early has what it lacked, when the archive has come so far. */
  #beginLateAnew(): void {
    const [[series, beginning] = []] = this.#late;
    if (series === undefined || beginning === undefined) return;
    this.#late.delete(series);
    this.#late.set(series, beginning);
    const { marketId, interval } = series;
    try {
      const head = this.#archive.reader?.candleHead(marketId, interval);
      const mirror = this.#mirror as Mirror;
      if (head !== undefined && this.#reached(series, beginning, head, mirror)) this.begin(series);
    } catch (error) {
      this.#archive.noteFault(error);
    }
  }

  /** Returns whether a series has all that it gets. */
  #step(series: CandleSeries, beginning: Beginning): boolean {
    const waitedMs = performance.now() - beginning.startedAt;
    try {
      const archive = this.#archive.reader;
      if (beginning.older === undefined)
        return this.#join(series, beginning, archive, waitedMs >= WAIT_MS_MAX);
      if (archive !== undefined && !this.#read(series, beginning, archive)) {
        if (waitedMs < READ_MS_MAX) return false;
      }
    } catch (error) {
      this.#archive.noteFault(error);
      if (waitedMs < WAIT_MS_MAX) return false;
      beginning.late = true;
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
    if (head === undefined || !this.#reached(series, beginning, head, mirror)) {
      if (!late) return false;
      beginning.late = true;
    }
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
    if (beginning.seq === undefined) return false;
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
