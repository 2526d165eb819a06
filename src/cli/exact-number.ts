const DECIMAL = /^(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d{1,4})?$/i;

/** Significant digits, and the power of ten that they are to be multiplied by: equal for equal decimals. */
function canonical(decimal: string): string {
  const [mantissa = "", exponent = "0"] = decimal.toLowerCase().split("e");
  const [whole = "", fraction = ""] = mantissa.split(".");
  const digits = `${whole}${fraction}`.replace(/^0+/, "");
  const significant = digits.replace(/0+$/, "");
  if (significant === "") return "0";
  return `${significant}e${Number(exponent) - fraction.length + digits.length - significant.length}`;
}

/**
 * The number that a decimal text such as `0.45` or `1e-3` stands for; undefined where it is no such
 * text, and where it has more digits than a number holds: it would become another one.
 */
export function exactNumber(text: string): number | undefined {
  if (!DECIMAL.test(text)) return undefined;
  const number = Number(text);
  return canonical(String(number)) === canonical(text) ? number : undefined;
}
