import type { Clocks } from "../../src/market-data/position-clock.js";

/** Clocks that stand still unless a test moves them. */
export class HandClocks implements Clocks {
  wall = 1_800_000_000_000_000;
  monotonic = 7;

  readonly now = (): number => this.wall;
  readonly monotonicNow = (): number => this.monotonic;

  pass(micros: number): void {
    this.wall += micros;
    this.monotonic += micros;
  }
}
