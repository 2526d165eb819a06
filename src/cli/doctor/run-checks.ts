import { errorText } from "../error-text.js";
import type { Check, CheckResult, Finding } from "./check.js";
import type { Examination } from "./examination.js";

/** A check waits for the server several times; beyond this multiple of the timeout it has failed. */
const WAITS_MAX = 3;

/** The longest that a timer takes; beyond it, it fires at once. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/**
 * Runs checks one after the other and yields each result when it is there. One that throws has
 * failed, and so has one that takes too long; those that need it are skipped.
 */
export async function* runChecks(
  checks: readonly Check[],
  examination: Examination,
): AsyncGenerator<CheckResult> {
  const passed = new Set<string>();
  for (const check of checks) {
    const missing = check.needs.find((name) => !passed.has(name));
    const result =
      missing === undefined
        ? await runCheck(check, examination)
        : unrun(check, `it needs ${missing}`);
    if (result.status === "passed") passed.add(check.name);
    yield result;
  }
}

function unrun({ name }: Check, detail: string): CheckResult {
  return { name, status: "skipped", detail, timeMs: 0, figures: {} };
}

async function runCheck(check: Check, examination: Examination): Promise<CheckResult> {
  const { name, durationMs = 0 } = check;
  const wantedMs = durationMs + WAITS_MAX * examination.subject.timeoutMs;
  const limitMs = Math.min(wantedMs, TIMER_MS_MAX);
  const startedMs = performance.now();
  const timed = (result: Omit<CheckResult, "name" | "timeMs">): CheckResult => ({
    name,
    ...result,
    timeMs: performance.now() - startedMs,
  });
  try {
    const finding = await within(limitMs, check.run(examination));
    return timed({ figures: {}, ...finding });
  } catch (error) {
    return timed({ status: "failed", detail: errorText(error), figures: {} });
  }
}

function within(limitMs: number, finding: Promise<Finding>): Promise<Finding> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`not through in ${limitMs} ms`)), limitMs);
    finding.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
