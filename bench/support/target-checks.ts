import type { TargetCheck } from "./bench-options.js";
import { formatTable } from "./table.js";

/** Checks that `value`, if there is one, is at least `limit`. */
export function atLeast(
  what: string,
  value: number | undefined,
  limit: number,
  unit = "",
): TargetCheck {
  return check(what, value, `≥ ${limit}${unit}`, unit, (measured) => measured >= limit);
}

/** Checks that `value`, if there is one, is at most `limit`. */
export function atMost(
  what: string,
  value: number | undefined,
  limit: number,
  unit = "",
): TargetCheck {
  return check(what, value, `≤ ${limit}${unit}`, unit, (measured) => measured <= limit);
}

function check(
  what: string,
  value: number | undefined,
  target: string,
  unit: string,
  holds: (value: number) => boolean,
): TargetCheck {
  if (value === undefined) return { what, target, measured: "not measured", reached: undefined };
  return {
    what,
    target,
    measured: `${Number(value.toPrecision(3))}${unit}`,
    reached: holds(value),
  };
}

export function formatTargets(checks: readonly TargetCheck[]): string {
  const mark = (reached: boolean | undefined): string =>
    reached === undefined ? "–" : reached ? "✓ reached" : "✗ missed";
  return formatTable(
    ["target", "to reach", "measured", ""],
    checks.map(({ what, target, measured, reached }) => [what, target, measured, mark(reached)]),
  );
}
