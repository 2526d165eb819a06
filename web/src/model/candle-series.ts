import type { Candle } from "../../../src/contract/messages.js";
import { CANDLE_INTERVALS } from "../../../src/shared/candle.js";

/** The lengths of candles that the page shows. */
export const TIMEFRAMES = ["1m", "5m", "15m", "1h", "1d"] as const;
export type Timeframe = (typeof TIMEFRAMES)[number];

/** Most candles of a series; beyond them the oldest go. */
export const CANDLES_MAX = 5000;

const DAY_US = CANDLE_INTERVALS["1d"];

/**
 * The candles of a market in one interval, joined from history and from the channel.
 *
 * A candle that both have is one: of a candle's states the one with more trades is the later one, whatever
 * way it came. So neither an archive that is a moment behind nor a server that began in the middle of a
 * candle takes anything away.
 *
 * Invariant: candles are in the order of their starts, no two have the same one, and they are at most
 * `CANDLES_MAX`.
 */
export class CandleSeries {
  readonly interval: Timeframe;
  #candles: Candle[] = [];
  #revision = 0;

  constructor(interval: Timeframe) {
    this.interval = interval;
  }

  /** Oldest first. */
  get candles(): readonly Candle[] {
    return this.#candles;
  }

  /** Grows with every change of another kind than a newer state of the last candle, or one behind it. */
  get revision(): number {
    return this.#revision;
  }

  get first(): Candle | undefined {
    return this.#candles[0];
  }

  get last(): Candle | undefined {
    return this.#candles.at(-1);
  }

  /** Takes in what the channel tells, in its order; returns whether it changed anything. */
  take(candles: readonly Candle[]): boolean {
    const [only] = candles;
    if (only === undefined) return false;
    const last = this.last;
    if (candles.length > 1 || (last !== undefined && only[0] < last[0]))
      return this.#join(candles, told);
    if (last?.[0] !== only[0]) {
      this.#candles.push(only);
      this.#bound();
      return true;
    }
    const state = told(last, only);
    if (same(last, state)) return false;
    this.#candles[this.#candles.length - 1] = state;
    return true;
  }

  /** Takes in what history has, in any order; returns whether it changed anything. */
  merge(candles: readonly Candle[]): boolean {
    return this.#join(candles, fuller);
  }

  /** Drops what is older than a start: between it and what follows something may be missing. */
  dropBefore(start: number): void {
    const kept = this.#candles.filter((candle) => candle[0] >= start);
    if (kept.length === this.#candles.length) return;
    this.#candles = kept;
    this.#revision++;
  }

  #join(candles: readonly Candle[], state: (known: Candle, other: Candle) => Candle): boolean {
    const byStart = new Map(this.#candles.map((candle) => [candle[0], candle]));
    let changed = false;
    for (const candle of candles) {
      const known = byStart.get(candle[0]);
      const next = known === undefined ? candle : state(known, candle);
      if (known !== undefined && same(known, next)) continue;
      byStart.set(candle[0], next);
      changed = true;
    }
    if (!changed) return false;
    this.#candles = [...byStart.values()].sort((a, b) => a[0] - b[0]);
    this.#revision++;
    this.#bound();
    return true;
  }

  #bound(): void {
    if (this.#candles.length <= CANDLES_MAX) return;
    // Some more, so that not every further candle moves all of them.
    this.#candles = this.#candles.slice(-CANDLES_MAX * 0.9);
    this.#revision++;
  }
}

/** What a market did in the last 24 hours, from trades alone. */
export interface DayFigures {
  /** Price of its first trade in that time. */
  readonly open: number;
  readonly high: number;
  readonly low: number;
  readonly volume: number;
}

/**
 * Figures of the 24 hours before `now`, in microseconds; the candle in which they begin is counted whole.
 * Undefined where nothing was traded.
 */
export function dayFigures(
  { candles, interval }: CandleSeries,
  now: number,
): DayFigures | undefined {
  const from = now - DAY_US - CANDLE_INTERVALS[interval];
  let at = candles.length;
  while (at > 0 && (candles[at - 1] as Candle)[0] > from) at--;
  const [first, ...others] = candles.slice(at);
  if (first === undefined) return undefined;
  let [, open, high, low, , volume] = first;
  for (const candle of others) {
    high = Math.max(high, candle[2]);
    low = Math.min(low, candle[3]);
    volume += candle[5];
  }
  return { open, high, low, volume };
}

function fuller(known: Candle, other: Candle): Candle {
  return other[6] >= known[6] ? other : known;
}

/**
 * What the channel tells is the latest. With fewer trades it lacks the first ones, and what is known stands
 * for them.
 */
function told(known: Candle, update: Candle): Candle {
  if (update[6] >= known[6]) return update;
  const [start, open, high, low, , volume, trades] = known;
  return [
    start,
    open,
    Math.max(high, update[2]),
    Math.min(low, update[3]),
    update[4],
    volume,
    trades,
  ];
}

function same(a: Candle, b: Candle): boolean {
  return a.every((value, index) => value === b[index]);
}
