import {
  CandlestickSeries,
  ColorType,
  createChart,
  HistogramSeries,
  type IChartApi,
  type ISeriesApi,
  type MouseEventParams,
  type UTCTimestamp,
} from "lightweight-charts";
import type { Candle } from "../../../src/contract/messages.js";
import type { CandleFill } from "../candle-feed.js";
import { byId, setText } from "../dom.js";
import { compact, fixed } from "../format.js";
import type { FrameLoop } from "../frame-loop.js";
import type { HistoryState } from "../history-asking.js";
import type { MarketState } from "../model/market-store.js";
import { chartTimeOf } from "./chart-time.js";
import { themeColor } from "./theme.js";

/** So near to the first candle, in candles, some more are asked for. */
const NEAR_FIRST = 30;
const BAR_SPACING_PX = 7;
/** An arrow key moves the chart by so many candles. */
const KEY_CANDLES = 20;

const NOTES: Readonly<Record<HistoryState, string>> = {
  asked: "Asking for history…",
  there: "",
  none: "No history from this server: candles begin with what came live",
};

const timeOf = (candle: Candle): UTCTimestamp => (candle[0] / 1_000_000) as UTCTimestamp;
const riseOf = ([, open, , , close]: Candle): "up" | "down" => (close < open ? "down" : "up");

/** Candles and volume of the selected market, with what they are under the pointer, or last, in words. */
export class PriceChart {
  readonly #loop: FrameLoop;
  readonly #container = byId("chart");
  readonly #chart: IChartApi;
  readonly #prices: ISeriesApi<"Candlestick">;
  readonly #volumes: ISeriesApi<"Histogram">;
  readonly #legend = document.createTextNode("");
  readonly #note = document.createTextNode("");
  #volumeColors = { up: "", down: "" };
  #market: MarketState | undefined;
  #fill: CandleFill | undefined;
  /** What the chart shows: of this series, at this revision, up to the candle with this start. */
  #drawn: { readonly fill: CandleFill; revision: number; through: number } | undefined;
  /** Start of the candle under the pointer, in seconds. */
  #pointed: number | undefined;
  /** The newest candles are to be in view, once there is a view. */
  #placing = false;

  constructor(loop: FrameLoop) {
    this.#loop = loop;
    byId("chart-legend").append(this.#legend);
    byId("chart-note").append(this.#note);
    this.#chart = createChart(this.#container, {
      autoSize: true,
      // Its logo would bring a style sheet of its own; the page names the library in words.
      layout: { attributionLogo: false, fontSize: 11 },
      timeScale: { timeVisible: true, rightOffset: 4, barSpacing: BAR_SPACING_PX },
      rightPriceScale: { scaleMargins: { top: 0.08, bottom: 0.24 } },
    });
    this.#prices = this.#chart.addSeries(CandlestickSeries, { borderVisible: false });
    this.#volumes = this.#chart.addSeries(HistogramSeries, {
      // On a scale of its own, below the prices.
      priceScaleId: "volume",
      priceFormat: { type: "volume" },
      lastValueVisible: false,
      priceLineVisible: false,
    });
    this.#volumes.priceScale().applyOptions({ scaleMargins: { top: 0.82, bottom: 0 } });
    this.#chart.timeScale().subscribeVisibleLogicalRangeChange((range) => {
      if (range !== null && range.from < NEAR_FIRST) void this.#fill?.older();
    });
    this.#chart.subscribeCrosshairMove(({ time }: MouseEventParams) => {
      this.#pointed = time as number | undefined;
      loop.request(this.#drawLegend);
    });
    this.#container.tabIndex = 0;
    this.#container.addEventListener("keydown", (event) => this.#onKey(event));
    new ResizeObserver(() => loop.request(this.#draw)).observe(this.#container);
    this.applyTheme();
    // What is drawn on a canvas can be read here.
    Object.defineProperty(this.#container, "candles", { get: () => this.#shown() });
  }

  /** Shows a series of a market. */
  show(market: MarketState, fill: CandleFill): void {
    this.#market = market;
    this.#fill = fill;
    this.#pointed = undefined;
    this.#placing = true;
    this.#loop.request(this.#draw);
  }

  /** A series has changed. */
  changed(fill: CandleFill): void {
    if (fill === this.#fill) this.#loop.request(this.#draw);
  }

  /** Takes the colours from the style sheet. */
  applyTheme(): void {
    const line = themeColor("--line");
    const [up, down] = [themeColor("--up"), themeColor("--down")];
    this.#volumeColors = { up: themeColor("--up-volume"), down: themeColor("--down-volume") };
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
    this.#prices.applyOptions({
      upColor: up,
      downColor: down,
      wickUpColor: up,
      wickDownColor: down,
    });
    this.#drawn = undefined;
    this.#loop.request(this.#draw);
  }

  readonly #draw = (): void => {
    const [market, fill, drawn] = [this.#market, this.#fill, this.#drawn];
    if (market === undefined || fill === undefined) return;
    const { candles, revision, last } = fill.series;
    if (drawn?.fill === fill && drawn.revision === revision) {
      for (const candle of since(candles, drawn.through)) {
        this.#prices.update(priceBar(candle));
        this.#volumes.update(this.#volumeBar(candle));
      }
    } else {
      if (drawn?.fill !== fill) this.#prepare(market, fill);
      this.#prices.setData(candles.map(priceBar));
      this.#volumes.setData(candles.map((candle) => this.#volumeBar(candle)));
    }
    if (this.#placing && candles.length > 0 && this.#container.clientWidth > 0) {
      this.#chart.timeScale().resetTimeScale();
      this.#placing = false;
    }
    this.#drawn = { fill, revision, through: last?.[0] ?? 0 };
    setText(
      this.#note,
      candles.length === 0 && fill.history === "there" ? "No candles yet" : NOTES[fill.history],
    );
    this.#drawLegend();
  };

  #onKey(event: KeyboardEvent): void {
    const scale = this.#chart.timeScale();
    const step = { ArrowLeft: -KEY_CANDLES, ArrowRight: KEY_CANDLES }[event.key];
    if (event.key === "End") scale.scrollToRealTime();
    else if (step === undefined) return;
    else scale.scrollToPosition(scale.scrollPosition() + step, false);
    event.preventDefault();
  }

  #prepare({ priceDecimals, tickSize }: MarketState, { series }: CandleFill): void {
    const { moment, mark } = chartTimeOf(series.interval);
    this.#chart.applyOptions({
      localization: { timeFormatter: moment },
      timeScale: { tickMarkFormatter: mark, timeVisible: series.interval !== "1d" },
    });
    this.#chart.priceScale("right").applyOptions({ autoScale: true });
    this.#prices.applyOptions({
      priceFormat: { type: "price", precision: priceDecimals, minMove: tickSize },
    });
  }

  readonly #drawLegend = (): void => {
    const [market, series, pointed] = [this.#market, this.#fill?.series, this.#pointed];
    if (market === undefined || series === undefined) return;
    const candle =
      pointed === undefined
        ? series.last
        : series.candles.find((one) => one[0] === pointed * 1_000_000);
    const legend = byId("chart-legend");
    legend.dataset["rise"] = candle === undefined ? "" : riseOf(candle);
    if (candle === undefined) return setText(this.#legend, "");
    const [, ...values] = candle;
    const [open, high, low, close] = values.map((value) => fixed(value, market.priceDecimals));
    const text = `O ${open} H ${high} L ${low} C ${close} V ${compact(candle[5])}`;
    setText(this.#legend, text);
  };

  #volumeBar(candle: Candle) {
    return { time: timeOf(candle), value: candle[5], color: this.#volumeColors[riseOf(candle)] };
  }

  /** The candles that are drawn, as the contract has them but for the number of trades. */
  #shown(): (readonly number[])[] {
    const volumes = this.#volumes.data() as readonly { readonly value: number }[];
    return this.#prices.data().map((bar, index) => {
      const { time, open, high, low, close } = bar as ReturnType<typeof priceBar>;
      return [time * 1_000_000, open, high, low, close, volumes[index]?.value ?? 0];
    });
  }
}

function priceBar(candle: Candle) {
  const [, open, high, low, close] = candle;
  return { time: timeOf(candle), open, high, low, close };
}

/** The candle with a start, and those after it. */
function since(candles: readonly Candle[], start: number): readonly Candle[] {
  let first = candles.length;
  while (first > 0 && (candles[first - 1] as Candle)[0] >= start) first--;
  return candles.slice(first);
}
