/*
 * Ticks and lots. Arithmetic on what a user typed is done on its decimal digits: in doubles 0.3 is no
 * multiple of 0.1.
 */

const DECIMAL = /^(\d*)\.?(\d*)$/;
const DECIMALS_MAX = 12;

/** How many decimals a step has, such as 2 for 0.05. */
export function decimalsOf(step: number): number {
  for (let decimals = 0; decimals < DECIMALS_MAX; decimals++) {
    if (Number(step.toFixed(decimals)) === step) return decimals;
  }
  return DECIMALS_MAX;
}

/** What is typed as a number of units of 10^-decimals; undefined where it is no such number. */
function scaled(text: string, decimals: number): bigint | undefined {
  const match = DECIMAL.exec(text);
  if (match === null || text === "" || text === ".") return undefined;
  const [, whole = "", fraction = ""] = match;
  const digits = fraction.replace(/0+$/, "");
  if (digits.length > decimals) return undefined;
  return BigInt(`${whole}${digits.padEnd(decimals, "0")}` || "0");
}

function stepOf(step: number, decimals: number): bigint {
  return BigInt(Math.round(step * 10 ** decimals));
}

/** The value typed, if it is a positive multiple of the step. */
export function multipleOf(text: string, step: number): number | undefined {
  const decimals = decimalsOf(step);
  const units = scaled(text, decimals);
  if (units === undefined || units <= 0n || units % stepOf(step, decimals) !== 0n) return undefined;
  return Number(text);
}

/** The next multiple of the step above (`by` 1) or below (`by` -1) what is typed; at least one step. */
export function stepped(text: string, step: number, by: number): string {
  const decimals = decimalsOf(step);
  const typed = Number(text);
  const steps = Number.isFinite(typed) ? typed / step : 0;
  // A value between two steps goes to the nearer one in that direction; the margin is for doubles.
  const next = by > 0 ? Math.floor(steps + 1e-9) + by : Math.ceil(steps - 1e-9) + by;
  return (Math.max(1, next) * step).toFixed(decimals);
}
