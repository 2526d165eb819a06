import { CLOSE, type Closing } from "../../../contract/closings.js";
import type { Connection } from "./connection.js";

/** The part of the drain time over which closes are spread; the rest is for the last handshakes. */
const SPREAD = 0.8;
const STEP_MS = 10;
/** For so long ahead it is settled who is closed. */
const PART_MS = 1000;

/**
 * Closes connections, spread evenly over a time with jitter so that their clients do not come back at once.
 * Returns the function that stops it.
 */
function closeOver(
  overMs: number,
  connections: readonly Connection[],
  closing: Closing,
): () => void {
  const startedAt = performance.now();
  const window = overMs / Math.max(1, connections.length);
  let next = 0;
  let dueAt = Math.random() * window;
  const timer = setInterval(() => {
    const elapsed = performance.now() - startedAt;
    while (next < connections.length && elapsed >= dueAt) {
      connections[next]?.close(closing);
      dueAt = (++next + Math.random()) * window;
    }
    if (next === connections.length) clearInterval(timer);
  }, STEP_MS);
  return () => clearInterval(timer);
}

/**
 * Closes all connections, spread over the drain time, and cuts at its end those whose closing handshake has
 * not finished. Returns the function that stops it.
 */
export function drainConnections(
  connections: Iterable<Connection>,
  drainTimeMs: number,
): () => void {
  const closing = [...connections];
  const stop = closeOver(drainTimeMs * SPREAD, closing, CLOSE.restart);
  // Behind the last close, where there is no time at all.
  const end = setTimeout(() => {
    for (const connection of closing) connection.ws.terminate();
  }, drainTimeMs + STEP_MS);
  return () => {
    stop();
    clearTimeout(end);
  };
}

/**
 * Closes so many connections, whichever chance picks of those that are there, spread over a time, so that their
 * clients find another node. Returns the function that stops it.
 */
export function rebalanceConnections(
  connections: Iterable<Connection>,
  close: number,
  overMs: number,
): () => void {
  const startedAt = performance.now();
  let picked = 0;
  let stop = (): void => {};
  // A part at a time: who is picked long before might leave by itself.
  const step = (): void => {
    const elapsed = performance.now() - startedAt;
    const partMs = Math.min(PART_MS, overMs - elapsed);
    if (partMs <= 0) clearInterval(timer);
    const due =
      overMs === 0 ? close : Math.round(close * Math.min(1, (elapsed + PART_MS) / overMs));
    const part = someOf(connections, due - picked);
    picked = due;
    stop = closeOver(Math.max(0, partMs), part, CLOSE.rebalance);
  };
  const timer = setInterval(step, PART_MS);
  step();
  return () => {
    clearInterval(timer);
    stop();
  };
}

/** So many of those that are open, or all: the first steps of a shuffle, after Fisher and Yates. */
function someOf(connections: Iterable<Connection>, count: number): Connection[] {
  const all = [...connections].filter(({ open }) => open);
  const some: Connection[] = [];
  for (let at = 0; at < Math.min(count, all.length); at++) {
    const other = at + Math.floor(Math.random() * (all.length - at));
    some.push(all[other] as Connection);
    all[other] = all[at] as Connection;
  }
  return some;
}
