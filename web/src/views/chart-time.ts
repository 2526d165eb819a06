import { type TickMarkType, type Time, TickMarkType as Type } from "lightweight-charts";
import type { Timeframe } from "../model/candle-series.js";

type Format = (seconds: number) => string;

function format(options: Intl.DateTimeFormatOptions): Format {
  const made = new Intl.DateTimeFormat("en-GB", options);
  return (seconds) => made.format(seconds * 1000);
}

const TIME: Intl.DateTimeFormatOptions = { hour: "2-digit", minute: "2-digit" };
const DAY: Intl.DateTimeFormatOptions = { day: "numeric", month: "short" };

/** Moments of a chart in words. */
export interface ChartTime {
  /** Under the cross. */
  readonly moment: (time: Time) => string;
  /** On the axis. */
  readonly mark: (time: Time, type: TickMarkType) => string;
}

function chartTime(
  zone: Intl.DateTimeFormatOptions,
  moment: Intl.DateTimeFormatOptions,
): ChartTime {
  const [year, month, day, time, full] = [
    { year: "numeric" } as const,
    { month: "short" } as const,
    DAY,
    TIME,
    moment,
  ].map((options) => format({ ...options, ...zone })) as [Format, Format, Format, Format, Format];
  return {
    moment: (at) => full(at as number),
    mark: (at, type) => {
      if (type === Type.Year) return year(at as number);
      if (type === Type.Month) return month(at as number);
      return (type === Type.DayOfMonth ? day : time)(at as number);
    },
  };
}

const local = chartTime({}, { ...DAY, ...TIME });
/** Days begin and end in UTC. */
const days = chartTime({ timeZone: "UTC" }, { ...DAY, year: "numeric" });

/** In local time, as the library knows UTC only; days as the days that they are. */
export function chartTimeOf(timeframe: Timeframe): ChartTime {
  return timeframe === "1d" ? days : local;
}
