/** One point a second; half an hour. */
const POINTS_MAX = 1800;

export interface PricePoint {
  /** Seconds since the Unix epoch. */
  readonly time: number;
  readonly value: number;
}

/** The last price of each second since the page was loaded, of one market. */
export class PriceHistory {
  #points: PricePoint[] = [];

  get points(): readonly PricePoint[] {
    return this.#points;
  }

  get last(): PricePoint | undefined {
    return this.#points[this.#points.length - 1];
  }

  /** Takes in a price at a moment in microseconds; one that is older than the last is left out. */
  add(ts: number, value: number): void {
    const time = Math.floor(ts / 1_000_000);
    const lastTime = this.last?.time ?? 0;
    if (time < lastTime) return;
    if (time === lastTime) this.#points.pop();
    this.#points.push({ time, value });
    // In one go now and then: a shift each second would move all of them.
    if (this.#points.length > POINTS_MAX * 1.1) this.#points = this.#points.slice(-POINTS_MAX);
  }
}
