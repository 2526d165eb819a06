import {
  AreaSeries,
  ColorType,
  createChart,
  type IChartApi,
  type ISeriesApi,
  type Time,
  type UTCTimestamp,
} from "lightweight-charts";
import { byId } from "../dom.js";
import type { FrameLoop } from "../frame-loop.js";
import type { MarketState, MarketStore } from "../model/market-store.js";
import type { PricePoint } from "../model/price-history.js";
import { themeColor } from "./theme.js";

/** Up to so many points, the chart shows all of them, however few they are. */
const FITTED_POINTS_MAX = 150;

const clock = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });
const localTime = (time: Time): string => clock.format((time as number) * 1000);

const toData = ({ time, value }: PricePoint): { time: UTCTimestamp; value: number } => ({
  time: time as UTCTimestamp,
  value,
});

/** The price of the selected market since the page was loaded; local time, as the library knows UTC only. */
export class PriceChart {
  readonly #loop: FrameLoop;
  readonly #chart: IChartApi;
  readonly #series: ISeriesApi<"Area">;
  #market: MarketState | undefined;
  /** The user has moved it: it stays where it was put. */
  #moved = false;
  /** What the series shows: of this market, up to this second. */
  #drawn: { readonly market: MarketState; time: number } | undefined;

  constructor(store: MarketStore, loop: FrameLoop) {
    this.#loop = loop;
    const container = byId("chart");
    for (const gesture of ["pointerdown", "wheel"]) {
      container.addEventListener(gesture, () => (this.#moved = true), { passive: true });
    }
    this.#chart = createChart(container, {
      autoSize: true,
      // Its logo would bring a style sheet of its own; the page names the library in words.
      layout: { attributionLogo: false, fontSize: 11 },
      localization: { timeFormatter: localTime },
      timeScale: {
        timeVisible: true,
        secondsVisible: true,
        rightOffset: 4,
        barSpacing: 4,
        tickMarkFormatter: localTime,
      },
      rightPriceScale: { scaleMargins: { top: 0.12, bottom: 0.12 } },
    });
    this.#series = this.#chart.addSeries(AreaSeries, { lineWidth: 2, priceLineVisible: true });
    // Out of view it has no width that points could be fitted to.
    new ResizeObserver(() => this.#loop.request(this.#fit)).observe(container);
    this.applyTheme();
    store.listen({
      changed: (market) => {
        if (market === this.#market) loop.request(this.#draw);
      },
    });
  }

  show(market: MarketState): void {
    this.#market = market;
    this.#loop.request(this.#draw);
  }

  /** Takes the colours from the style sheet. */
  applyTheme(): void {
    const line = themeColor("--line");
    const accent = themeColor("--accent");
    this.#chart.applyOptions({
      layout: {
        background: { type: ColorType.Solid, color: themeColor("--panel") },
        textColor: themeColor("--muted"),
        fontFamily: getComputedStyle(document.body).fontFamily,
      },
      grid: { vertLines: { color: line }, horzLines: { color: line } },
      rightPriceScale: { borderColor: line },
      timeScale: { borderColor: line },
    });
    this.#series.applyOptions({
      lineColor: accent,
      topColor: themeColor("--accent-wash"),
      bottomColor: "transparent",
    });
  }

  readonly #draw = (): void => {
    const market = this.#market;
    if (market === undefined) return;
    const { points, last } = market.history;
    if (this.#drawn?.market === market && last !== undefined) {
      for (const point of pointsSince(points, this.#drawn.time)) this.#series.update(toData(point));
      this.#drawn.time = last.time;
      this.#fit();
      return;
    }
    this.#series.applyOptions({
      priceFormat: { type: "price", precision: market.priceDecimals, minMove: market.tickSize },
    });
    this.#series.setData(points.map(toData));
    this.#drawn = { market, time: last?.time ?? 0 };
    this.#moved = false;
    this.#chart.timeScale().resetTimeScale();
    this.#fit();
  };

  readonly #fit = (): void => {
    const points = this.#market?.history.points.length ?? 0;
    if (!this.#moved && points <= FITTED_POINTS_MAX) this.#chart.timeScale().fitContent();
  };
}

/** The points of a second and after it. */
function pointsSince(points: readonly PricePoint[], time: number): readonly PricePoint[] {
  let first = points.length;
  while (first > 0 && (points[first - 1] as PricePoint).time >= time) first--;
  return points.slice(first);
}
