import type { MarketcastClient, MarketId, ServerData } from "marketcast/client";
import type { Candle } from "../../src/contract/messages.js";
import { HistoryAsking, type HistoryState } from "./history-asking.js";
import { CANDLES_MAX, CandleSeries, type Timeframe } from "./model/candle-series.js";

/** Candles that are asked for at a time: some screens full. */
const PAGE_CANDLES = 500;
const TIMEOUT_MS = 3000;

/** From five minutes follow 24 hours: in one page, and exactly enough. */
export const DAY_TIMEFRAME: Timeframe = "5m";

/**
 * A series of the selected market, kept whole: closed candles from history, what changes from the channel.
 *
 * Invariant: from the first candle to the last none is missing, but for those that history does not have
 * yet and the channel did not tell.
 */
export class CandleFill {
  readonly marketId: MarketId;
  readonly series: CandleSeries;
  readonly #client: () => MarketcastClient;
  readonly #changed: () => void;
  readonly #asking: HistoryAsking;
  /** Start of the newest candle that history had; it may have been behind with that one. */
  #through: number | undefined;
  #whole = false;
  #askingOlder = false;

  constructor(
    marketId: MarketId,
    timeframe: Timeframe,
    client: () => MarketcastClient,
    changed: () => void,
  ) {
    this.marketId = marketId;
    this.series = new CandleSeries(timeframe);
    this.#client = client;
    this.#changed = changed;
    this.#asking = new HistoryAsking((signal) => this.#askNewest(signal), changed);
  }

  get history(): HistoryState {
    return this.#asking.state;
  }

  /** Fills what may be missing since the last time. */
  refresh(): void {
    this.#asking.now();
  }

  /** Takes in what the channel tells. */
  take(candles: readonly Candle[], closed: boolean): void {
    if (closed) this.#asking.soon();
    if (this.series.take(candles)) this.#changed();
  }

  /** Brings some more before the first one, where there are any. */
  async older(): Promise<void> {
    const { series } = this;
    const to = series.first?.[0];
    if (this.#askingOlder || this.#whole || this.history !== "there" || to === undefined) return;
    if (series.candles.length + PAGE_CANDLES > CANDLES_MAX * 0.9) return;
    this.#askingOlder = true;
    try {
      const candles = await this.#page({ to }, this.#asking.signal);
      // What comes is of before the first one only if that is still the first one.
      if (series.first?.[0] !== to) return;
      this.#whole = candles.length < PAGE_CANDLES;
      if (series.merge(candles)) this.#changed();
    } catch {
      // Whoever scrolls on asks again.
    } finally {
      this.#askingOlder = false;
    }
  }

  end(): void {
    this.#asking.end();
  }

  async #askNewest(signal: AbortSignal): Promise<void> {
    const from = this.#through;
    const candles = await this.#page(from === undefined ? {} : { from }, signal);
    if (signal.aborted) return;
    const [newest, oldest] = [candles[0]?.[0], candles.at(-1)?.[0]];
    if (candles.length < PAGE_CANDLES) this.#whole ||= from === undefined;
    else if (oldest !== undefined && oldest !== from) {
      this.series.dropBefore(oldest);
      this.#whole = false;
    }
    this.#through = newest ?? from;
    if (this.series.merge(candles)) this.#changed();
  }

  /** The newest candles of history in a time, newest first; rejects where there is no answer. */
  async #page(
    range: { readonly from?: number; readonly to?: number },
    signal: AbortSignal,
  ): Promise<readonly Candle[]> {
    const { marketId: market_id, series } = this;
    const query = { market_id, interval: series.interval, limit: PAGE_CANDLES, ...range };
    const options = { timeoutMs: TIMEOUT_MS, signal };
    const candles: Candle[] = [];
    for await (const candle of this.#client().history.candles(query, options)) candles.push(candle);
    return candles;
  }
}

export interface CandleFeedEvents {
  /** These series are to be followed from now on. */
  follow(marketId: MarketId, timeframes: readonly Timeframe[]): void;
  /** Something has changed in a series. */
  changed(fill: CandleFill): void;
}

/** The series of the selected market: that of the chart, and that of which the last 24 hours are made. */
export class CandleFeed {
  readonly #client: () => MarketcastClient;
  readonly #events: CandleFeedEvents;
  #fills: readonly CandleFill[] = [];

  constructor(client: () => MarketcastClient, events: CandleFeedEvents) {
    this.#client = client;
    this.#events = events;
  }

  /** Has two series of a market filled and followed, and no others; returns them. */
  show(
    marketId: MarketId,
    timeframe: Timeframe,
  ): { readonly chart: CandleFill; readonly day: CandleFill } {
    const before = this.#fills;
    const of = (one: Timeframe): CandleFill =>
      before.find((fill) => fill.marketId === marketId && fill.series.interval === one) ??
      this.#begin(marketId, one);
    const chart = of(timeframe);
    const day = timeframe === DAY_TIMEFRAME ? chart : of(DAY_TIMEFRAME);
    this.#fills = [...new Set([chart, day])];
    for (const fill of before) if (!this.#fills.includes(fill)) fill.end();
    this.#events.follow(
      marketId,
      this.#fills.map(({ series }) => series.interval),
    );
    return { chart, day };
  }

  /** There is a connection again, or another producer: what was told meanwhile is asked for. */
  refresh(): void {
    for (const fill of this.#fills) fill.refresh();
  }

  snapshot({ market_id, interval, candles }: ServerData["CandleSnapshot"]): void {
    this.#find(market_id, interval)?.take(candles, false);
  }

  update({ market_id, interval, candle, closed }: ServerData["CandleUpdate"]): void {
    this.#find(market_id, interval)?.take([candle], closed);
  }

  #find(marketId: MarketId, interval: string): CandleFill | undefined {
    return this.#fills.find(
      (fill) => fill.marketId === marketId && fill.series.interval === interval,
    );
  }

  #begin(marketId: MarketId, timeframe: Timeframe): CandleFill {
    const fill: CandleFill = new CandleFill(marketId, timeframe, this.#client, () =>
      this.#events.changed(fill),
    );
    fill.refresh();
    return fill;
  }
}
