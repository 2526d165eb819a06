import { CLOSE } from "../../../contract/closings.js";
import type { Connection } from "./connection.js";

/** The part of the drain time over which closes are spread; the rest is for the last handshakes. */
const SPREAD = 0.8;
const STEP_MS = 10;

/**
 * Closes all connections, spread evenly over the drain time with jitter so that their clients do not
 * come back at once, and cuts at its end those whose closing handshake has not finished.
 * Returns the function that stops it.
 */
export function drainConnections(
  connections: Iterable<Connection>,
  drainTimeMs: number,
): () => void {
  const closing = [...connections];
  const startedAt = performance.now();
  const window = (drainTimeMs * SPREAD) / Math.max(1, closing.length);
  let next = 0;
  let dueAt = Math.random() * window;
  const timer = setInterval(() => {
    const elapsed = performance.now() - startedAt;
    while (next < closing.length && elapsed >= dueAt) {
      closing[next]?.close(CLOSE.restart);
      dueAt = (++next + Math.random()) * window;
    }
    if (elapsed < drainTimeMs) return;
    clearInterval(timer);
    for (const connection of closing) connection.ws.terminate();
  }, STEP_MS);
  return () => clearInterval(timer);
}
