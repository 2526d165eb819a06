/** Longest delay that setTimeout takes; beyond it, it fires at once. */
const TIMEOUT_MS_MAX = 2 ** 31 - 1;

/**
 * Calls `task` at a moment however far away. `started` is given each timer of the chain, so that
 * the last one given can be cleared.
 */
export function callAt(
  timeMs: number,
  task: () => void,
  started: (timer: NodeJS.Timeout) => void,
): void {
  const remaining = timeMs - Date.now();
  if (remaining <= TIMEOUT_MS_MAX) started(setTimeout(task, Math.max(0, remaining)));
  else started(setTimeout(() => callAt(timeMs, task, started), TIMEOUT_MS_MAX));
}
