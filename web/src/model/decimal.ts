/*
 * Decimal numbers as text. What a user typed is understood or refused, and never taken for another
 * number; arithmetic on it is done on its digits, as in doubles 0.3 is no multiple of 0.1.
 */

/** A longer text is no price and no quantity, and is not looked at. */
const LENGTH_MAX = 60;

const WHOLE = /^\d+$/;
const WITH_POINT = /^(\d*)\.(\d*)$/;
const WITH_COMMA = /^(\d*),(\d+)$/;
/** A thousand or so, or a number with three decimals. */
const AMBIGUOUS = /^([1-9]\d{0,2}),(\d{3})$/;
/** As this page prints numbers: no decimal comma stands before a point, or comes twice. */
const GROUPED = /^[1-9]\d{0,2}(?:(?:,\d{3})+\.\d+|(?:,\d{3}){2,})$/;

/** A number that was understood, as a plain decimal with a point, or why it was not. */
export type DecimalReading =
  | { readonly decimal: string; readonly problem?: never }
  | { readonly decimal?: never; readonly problem: string };

/** Reads a number that was typed or pasted. */
export function readDecimal(typed: string): DecimalReading {
  const text = typed.trim();
  if (text.length > LENGTH_MAX) return { problem: "This is too long for a number" };
  const [, whole, thousandths] = AMBIGUOUS.exec(text) ?? [];
  if (whole !== undefined) {
    const readings = `${whole}${thousandths} or ${whole}.${thousandths}`;
    return { problem: `“${text}” may be ${readings}: write one of them` };
  }
  const decimal = plainDecimal(text);
  if (decimal === undefined) {
    return { problem: `“${text}” is not understood: write digits and a point, such as 1000.5` };
  }
  // It is sent as a double.
  if (plainText(Number(decimal)) !== withoutPadding(decimal)) {
    return { problem: `“${text}” has more digits than can be sent` };
  }
  return { decimal };
}

function plainDecimal(text: string): string | undefined {
  const plain = GROUPED.test(text) ? text.replaceAll(",", "") : text;
  if (WHOLE.test(plain)) return plain;
  const [, whole, fraction = ""] = WITH_POINT.exec(plain) ?? WITH_COMMA.exec(plain) ?? [];
  if (whole === undefined || (whole === "" && fraction === "")) return undefined;
  return fraction === "" ? whole : `${whole || "0"}.${fraction}`;
}

/** A plain decimal without zeros that mean nothing. */
function withoutPadding(decimal: string): string {
  const [whole = "", fraction = ""] = decimal.split(".");
  const [before, behind] = [whole.replace(/^0+(?=\d)/, ""), fraction.replace(/0+$/, "")];
  return behind === "" ? before : `${before}.${behind}`;
}

/** A number from 0 as the shortest plain decimal that stands for it, with at least so many decimals. */
export function plainText(value: number, decimalsMin = 0): string {
  const [mantissa = "", exponent = "0"] = String(value).split("e");
  const [whole = "", fraction = ""] = mantissa.split(".");
  const shift = Number(exponent);
  // The point moves over the digits, and over zeros where there are no more.
  const [before, behind] = [
    Math.max(0, 1 - whole.length - shift),
    Math.max(0, shift - fraction.length),
  ];
  const digits = `${"0".repeat(before)}${whole}${fraction}${"0".repeat(behind)}`;
  const point = digits.length - Math.max(0, fraction.length - shift);
  const decimals = digits.slice(point).padEnd(decimalsMin, "0");
  return decimals === "" ? digits : `${digits.slice(0, point)}.${decimals}`;
}
