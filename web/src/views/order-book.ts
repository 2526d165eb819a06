import type { OrderBook, PriceLevel } from "marketcast/client";
import { byId, element, setText } from "../dom.js";
import { compact, fixed, NONE } from "../format.js";
import type { FrameLoop } from "../frame-loop.js";
import type { MarketState } from "../model/market-store.js";

/** As many as the server sends. */
const LEVELS_MAX = 20;
/** Of headings and spread. */
const OTHER_HEIGHT_PX = 54;

/** One price level, with a bar as wide as the depth up to it. */
class LevelRow {
  readonly element: HTMLElement;
  readonly #price = document.createTextNode("");
  readonly #quantity = document.createTextNode("");
  readonly #total = document.createTextNode("");
  price: number | undefined;

  constructor(side: "bid" | "ask") {
    this.element = element(
      "div",
      { class: `level ${side} empty`, role: "row" },
      element("span", { class: "number price", role: "cell" }, this.#price),
      element("span", { class: "number", role: "cell" }, this.#quantity),
      element("span", { class: "number", role: "cell" }, this.#total),
    );
  }

  show([price, quantity]: PriceLevel, total: number, share: number, market: MarketState): void {
    this.price = price;
    setText(this.#price, fixed(price, market.priceDecimals));
    setText(this.#quantity, compact(quantity));
    setText(this.#total, compact(total));
    this.element.style.setProperty("--share", share.toFixed(3));
    this.element.classList.remove("empty");
  }

  clear(): void {
    if (this.price === undefined) return;
    this.price = undefined;
    for (const text of [this.#price, this.#quantity, this.#total]) setText(text, "");
    this.element.classList.add("empty");
  }
}

/** The book of the selected market: asks above, bids below, the best ones in the middle. */
export class OrderBookView {
  readonly #loop: FrameLoop;
  readonly #asks = levels("ask");
  readonly #bids = levels("bid");
  readonly #spread = document.createTextNode(NONE);
  readonly #imbalance = element("div", { class: "imbalance", "aria-hidden": "true" });
  #market: MarketState | undefined;
  #book: OrderBook | undefined;
  /** Levels of a side that there is room for. */
  #shown = LEVELS_MAX;

  /** `pricePicked` is called with the price of a level that is clicked. */
  constructor(loop: FrameLoop, pricePicked: (price: number) => void) {
    this.#loop = loop;
    const sideOf = (rows: readonly LevelRow[], name: string): HTMLElement =>
      element(
        "div",
        { class: `side ${name}`, role: "table", "aria-label": name === "asks" ? "Asks" : "Bids" },
        ...rows.map((row) => row.element),
      );
    const ladder = byId("book");
    ladder.append(
      element(
        "div",
        { class: "level head" },
        ...["Price", "Size", "Total"].map((name) => element("span", { class: "number" }, name)),
      ),
      sideOf(this.#asks, "asks"),
      element("div", { class: "spread" }, element("span", {}, this.#spread), this.#imbalance),
      sideOf(this.#bids, "bids"),
    );
    new ResizeObserver(([entry]) => {
      // Higher where it is touched.
      const levelHeightPx = Number.parseFloat(getComputedStyle(ladder).getPropertyValue("--level"));
      const room = (entry?.contentRect.height ?? 0) - OTHER_HEIGHT_PX;
      this.#shown = Math.min(LEVELS_MAX, Math.max(1, Math.floor(room / 2 / levelHeightPx)));
      ladder.style.setProperty("--levels", `${this.#shown}`);
      this.#loop.request(this.#draw);
    }).observe(ladder);
    ladder.addEventListener("click", ({ target }) => {
      const clicked = (target as HTMLElement).closest(".level");
      const row = [...this.#asks, ...this.#bids].find(({ element }) => element === clicked);
      if (row?.price !== undefined) pricePicked(row.price);
    });
  }

  /** Shows another market, with an empty book until its own has come. */
  show(market: MarketState): void {
    this.#market = market;
    this.#book = undefined;
    this.#loop.request(this.#draw);
  }

  put(book: OrderBook): void {
    if (book.market_id !== this.#market?.id) return;
    this.#book = book;
    this.#loop.request(this.#draw);
  }

  readonly #draw = (): void => {
    const market = this.#market;
    if (market === undefined) return;
    const bids = this.#book?.bids.slice(0, this.#shown) ?? [];
    const asks = this.#book?.asks.slice(0, this.#shown) ?? [];
    const [bidDepth, askDepth] = [depthOf(bids), depthOf(asks)];
    const deepest = Math.max(bidDepth, askDepth);
    draw(this.#bids, bids, deepest, market);
    draw(this.#asks, asks, deepest, market);
    const [bid, ask] = [bids[0]?.[0], asks[0]?.[0]];
    const spread = bid === undefined || ask === undefined ? undefined : ask - bid;
    const ratio = spread === undefined || ask === undefined ? "" : ` · ${share(spread / ask)}`;
    setText(this.#spread, `Spread ${fixed(spread, market.priceDecimals)}${ratio}`);
    const imbalance = deepest === 0 ? 0.5 : bidDepth / (bidDepth + askDepth);
    this.#imbalance.style.setProperty("--share", imbalance.toFixed(3));
  };
}

function levels(side: "bid" | "ask"): readonly LevelRow[] {
  return Array.from({ length: LEVELS_MAX }, () => new LevelRow(side));
}

function depthOf(side: readonly PriceLevel[]): number {
  return side.reduce((sum, [, quantity]) => sum + quantity, 0);
}

function draw(
  rows: readonly LevelRow[],
  side: readonly PriceLevel[],
  deepest: number,
  market: MarketState,
): void {
  let total = 0;
  rows.forEach((row, index) => {
    const level = side[index];
    if (level === undefined) {
      row.clear();
      return;
    }
    total += level[1];
    row.show(level, total, total / deepest, market);
  });
}

function share(ratio: number): string {
  return `${fixed(ratio * 100, 2)}%`;
}
