import type { FeedOptions } from "../config/thread-options.js";
import { Pacer, type Timing, waitUntil } from "./pacer.js";

/** Rows in one turn of the event loop, where nothing else makes playback wait. */
const ROWS_PER_TURN = 256;

/**
 * Is asked before each row, with its recorded time in ms; returns a promise where the row has to
 * wait. Turns of the event loop stay short in every mode. An abort ends all waiting.
 */
export type ReplayPace = (timeMs: number) => Promise<void> | undefined;

export function createReplayPace(
  options: Pick<FeedOptions, "feedMode" | "feedRate" | "feedSpeed">,
  signal: AbortSignal,
  timing: Timing,
): ReplayPace {
  switch (options.feedMode) {
    case "recorded":
      return recordedPace(options.feedSpeed, signal, timing);
    case "rate":
      return ratePace(new Pacer(options.feedRate, signal, timing));
    case "max":
      return maxPace(signal, timing);
  }
}

function maxPace(signal: AbortSignal, timing: Timing): ReplayPace {
  let left = ROWS_PER_TURN;
  return () => {
    left -= 1;
    if (left > 0) return undefined;
    left = ROWS_PER_TURN;
    return timing.wait(0, signal);
  };
}

function ratePace(pacer: Pacer): ReplayPace {
  let left = 0;
  return () => {
    left -= 1;
    if (left >= 0) return undefined;
    return pacer.due().then((due) => {
      left = due - 1;
    });
  };
}

/** Keeps the recorded distances from the first row on; anew from a row whose time goes back. */
function recordedPace(speed: number, signal: AbortSignal, timing: Timing): ReplayPace {
  const yieldAtTimes = maxPace(signal, timing);
  let firstMs = Number.POSITIVE_INFINITY;
  let previousMs = Number.POSITIVE_INFINITY;
  let startMs = 0;
  return (timeMs) => {
    if (timeMs < previousMs) {
      firstMs = timeMs;
      startMs = timing.nowMs();
    }
    previousMs = timeMs;
    const dueMs = startMs + (timeMs - firstMs) / speed;
    return dueMs > timing.nowMs() ? waitUntil(dueMs, signal, timing) : yieldAtTimes(timeMs);
  };
}
