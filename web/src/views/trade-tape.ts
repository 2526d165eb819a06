import type { Trade } from "marketcast/client";
import { byId, element, setText } from "../dom.js";
import { compact, fixed, timeOfDay } from "../format.js";
import type { FrameLoop } from "../frame-loop.js";
import type { MarketState } from "../model/market-store.js";

const TRADES_MAX = 50;

interface TradeRow {
  readonly element: HTMLElement;
  readonly price: Text;
  readonly quantity: Text;
  readonly time: Text;
}

/** The last trades of the selected market, the latest one on top. */
export class TradeTape {
  readonly #loop: FrameLoop;
  readonly #rows: TradeRow[] = [];
  readonly #body = element("div", {
    class: "rows",
    role: "table",
    "aria-labelledby": "trades-title",
  });
  /** The latest one first. */
  #trades: Trade[] = [];
  #market: MarketState | undefined;

  constructor(loop: FrameLoop) {
    this.#loop = loop;
    const head = ["Price", "Size", "Time"].map((name) =>
      element("span", { class: "number" }, name),
    );
    byId("trades").append(element("div", { class: "trade head" }, ...head), this.#body);
  }

  show(market: MarketState): void {
    this.#market = market;
    this.#trades = [];
    this.#loop.request(this.#draw);
  }

  put(trade: Trade): void {
    if (trade.market_id !== this.#market?.id) return;
    this.#trades.unshift(trade);
    this.#trades.length = Math.min(this.#trades.length, TRADES_MAX);
    this.#loop.request(this.#draw);
  }

  readonly #draw = (): void => {
    const market = this.#market;
    if (market === undefined) return;
    while (this.#rows.length < this.#trades.length) this.#addRow();
    this.#rows.forEach((row, index) => {
      const trade = this.#trades[index];
      row.element.hidden = trade === undefined;
      if (trade === undefined) return;
      row.element.className = `trade ${trade.taker_side === "Buy" ? "up" : "down"}`;
      setText(row.price, fixed(trade.price, market.priceDecimals));
      setText(row.quantity, compact(trade.quantity));
      setText(row.time, timeOfDay(trade.ts));
    });
  };

  #addRow(): void {
    const [price, quantity, time] = [0, 0, 0].map(() => document.createTextNode("")) as [
      Text,
      Text,
      Text,
    ];
    const cells = [price, quantity, time].map((text) =>
      element("span", { class: "number", role: "cell" }, text),
    );
    const row = element("div", { class: "trade", role: "row" }, ...cells);
    this.#rows.push({ element: row, price, quantity, time });
    this.#body.append(row);
  }
}
