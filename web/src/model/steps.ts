import { plainText } from "./decimal.js";

/* Ticks and lots, and plain decimals that are so many of them. */

/** How many decimals a step has, such as 2 for 0.05. */
export function decimalsOf(step: number): number {
  return fractionOf(plainText(step)).length;
}

function fractionOf(decimal: string): string {
  return decimal.split(".")[1] ?? "";
}

/** A plain decimal as a number of units of 10^-decimals; undefined where it is no such number. */
function scaled(decimal: string, decimals: number): bigint | undefined {
  const match = /^(\d*)\.?(\d*)$/.exec(decimal);
  if (match === null || decimal === "" || decimal === ".") return undefined;
  const [, whole = "", fraction = ""] = match;
  const digits = fraction.replace(/0+$/, "");
  if (digits.length > decimals) return undefined;
  return BigInt(`${whole}${digits.padEnd(decimals, "0")}` || "0");
}

/** Units of 10^-decimals as a plain decimal. */
function unscaled(units: bigint, decimals: number): string {
  const digits = `${units}`.padStart(decimals + 1, "0");
  const point = digits.length - decimals;
  return decimals === 0 ? digits : `${digits.slice(0, point)}.${digits.slice(point)}`;
}

/** A step in units of 10^-decimals, at least as many decimals as it has. */
function stepOf(step: number, decimals: number): bigint {
  return scaled(plainText(step), decimals) as bigint;
}

/** The value of a plain decimal, if it is a positive multiple of the step. */
export function multipleOf(decimal: string, step: number): number | undefined {
  const decimals = decimalsOf(step);
  const units = scaled(decimal, decimals);
  if (units === undefined || units <= 0n || units % stepOf(step, decimals) !== 0n) return undefined;
  return Number(decimal);
}

/**
 * The multiple of the step so many steps above a plain decimal, or below where `by` is negative; at
 * least one step. From between two steps the nearer one in that direction is the first.
 */
export function stepped(decimal: string, step: number, by: number): string {
  const finest = Math.max(decimalsOf(step), fractionOf(decimal).length);
  const units = scaled(decimal, finest) ?? 0n;
  const width = stepOf(step, finest);
  const from = units / width + (by < 0 && units % width !== 0n ? 1n : 0n);
  const steps = from + BigInt(by);
  const decimals = decimalsOf(step);
  return unscaled((steps < 1n ? 1n : steps) * stepOf(step, decimals), decimals);
}
