const formats = new Map<number, Intl.NumberFormat>();

/** What stands for a value that there is not. */
export const NONE = "–";

/** A number with so many decimals and separators of thousands. */
export function fixed(value: number | null | undefined, decimals: number): string {
  if (value === null || value === undefined) return NONE;
  let format = formats.get(decimals);
  if (format === undefined) {
    format = new Intl.NumberFormat("en-US", {
      minimumFractionDigits: decimals,
      maximumFractionDigits: decimals,
    });
    formats.set(decimals, format);
  }
  return format.format(value);
}

const compactFormat = new Intl.NumberFormat("en-US", {
  notation: "compact",
  maximumFractionDigits: 1,
});

/** A quantity in few characters, such as 12.3K. */
export function compact(value: number): string {
  return value < 10_000
    ? fixed(value, Number.isInteger(value) ? 0 : 2)
    : compactFormat.format(value);
}

/** A signed percentage of a ratio, such as +1.25%. */
export function percent(ratio: number | undefined): string {
  if (ratio === undefined) return NONE;
  const text = fixed(Math.abs(ratio) * 100, 2);
  return `${sign(text === "0.00" ? 0 : ratio)}${text}%`;
}

/** A number with its sign. */
export function signed(value: number, decimals: number): string {
  return `${sign(value)}${fixed(Math.abs(value), decimals)}`;
}

function sign(value: number): string {
  if (value === 0) return "";
  return value > 0 ? "+" : "−";
}

const clock = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });

/** Local time of day of a moment in microseconds. */
export function timeOfDay(ts: number): string {
  return clock.format(ts / 1000);
}

const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });

/** Local time of a moment in microseconds: of day, and the day where it is not today. */
export function moment(ts: number): string {
  const date = day.format(ts / 1000);
  return date === day.format(Date.now()) ? timeOfDay(ts) : `${date} ${timeOfDay(ts)}`;
}

/** A duration in seconds, in its two greatest units. */
export function duration(seconds: number): string {
  const [days, hours, minutes] = [seconds / 86_400, (seconds / 3600) % 24, (seconds / 60) % 60].map(
    Math.floor,
  ) as [number, number, number];
  if (days > 0) return `${days} d ${hours} h`;
  if (hours > 0) return `${hours} h ${minutes} min`;
  if (minutes > 0) return `${minutes} min`;
  return `${Math.floor(seconds)} s`;
}
