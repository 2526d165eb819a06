import { setTimeout as sleep } from "node:timers/promises";

const LOOK_INTERVAL_MS = 15;

/**
 * Looks again and again until `look` returns something other than false or undefined, and returns
 * that. For states that announce themselves by no event. Fails with `what` and the last value of
 * `describe` after `timeoutMs`.
 */
export async function until<T>(
  what: string,
  look: () => T | Promise<T>,
  timeoutMs = 10_000,
  describe: () => unknown = () => "",
): Promise<Exclude<T, false | undefined>> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const found = await look();
    if (found !== false && found !== undefined) return found as Exclude<T, false | undefined>;
    if (performance.now() > deadline) {
      throw new Error(`not within ${timeoutMs} ms: ${what} ${describe()}`);
    }
    await sleep(LOOK_INTERVAL_MS);
  }
}
