import { HistoryReader } from "../../../ring/history-reader.js";
import type { Mirror } from "./mirror.js";

/**
 * What one producer's rings still have of what it told, with the mirror that says what their records mean.
 * Replays reach up to where the mirror has read; from there on everybody is told by rounds.
 */
export class HistoryWindow {
  readonly mirror: Mirror;
  readonly states: HistoryReader;
  readonly trades: HistoryReader;
  /** The producer is no more, and the mirror has read its rings to their ends. */
  former = false;

  constructor(mirror: Mirror) {
    this.mirror = mirror;
    this.states = new HistoryReader(mirror.memory.ring);
    this.trades = new HistoryReader(mirror.memory.tradeRing);
  }
}
