import { paint, printable } from "../message-lines.js";
import type { CheckResult } from "./check.js";

const MARKS = {
  passed: ["green", "✓"],
  failed: ["red", "✗"],
  skipped: ["dim", "–"],
} as const;

/** Widths of a line's columns, in characters. */
const NAME_WIDTH = "unknown subprotocol".length;
const TIME_WIDTH = "60000.0 ms".length;

/** One line for a check: its mark, name, time and what was found. */
export function resultLine({ name, status, detail, timeMs }: CheckResult): string {
  const [style, mark] = MARKS[status];
  const time = status === "skipped" ? "" : `${timeMs.toFixed(1)} ms`;
  const columns = [name.padEnd(NAME_WIDTH), time.padStart(TIME_WIDTH), printable(detail)];
  return `${paint(style, mark)} ${columns.join("  ")}`;
}

/** Whether no check failed. */
export function allPassed(results: readonly CheckResult[]): boolean {
  return results.every(({ status }) => status !== "failed");
}

export function summaryLine(results: readonly CheckResult[], durationMs: number): string {
  const count = (wanted: CheckResult["status"]): number =>
    results.filter(({ status }) => status === wanted).length;
  const counts = `${count("passed")} passed, ${count("failed")} failed, ${count("skipped")} skipped`;
  return paint(
    allPassed(results) ? "green" : "red",
    `${counts} in ${(durationMs / 1000).toFixed(1)} s`,
  );
}

/** The whole examination as JSON, for programs. */
export function jsonReport(
  url: URL,
  startedAt: Date,
  durationMs: number,
  results: readonly CheckResult[],
): string {
  const report = {
    url: url.href,
    started_at: startedAt.toISOString(),
    duration_ms: durationMs,
    passed: allPassed(results),
    checks: results.map(({ name, status, detail, timeMs, figures }) => ({
      name,
      status,
      time_ms: timeMs,
      detail,
      ...(Object.keys(figures).length > 0 && { figures }),
    })),
  };
  // Timers have more digits than they mean.
  const rounded = (_key: string, value: unknown): unknown =>
    typeof value === "number" ? Math.round(value * 1000) / 1000 : value;
  return `${JSON.stringify(report, rounded, 2)}\n`;
}
