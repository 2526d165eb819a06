import { element, setText } from "../dom.js";
import { compact, fixed, NONE, percent } from "../format.js";
import { changeOf, type MarketState } from "../model/market-store.js";
import type { FlashCell, Flashes } from "./flash.js";

/** A cell with a number that flashes when it moves. */
class PriceCell implements FlashCell {
  readonly element: HTMLElement;
  readonly #text = document.createTextNode(NONE);
  #value: number | null = null;
  flashesUntil = 0;

  constructor(name: string) {
    this.element = element("span", { role: "gridcell", class: `number price ${name}` }, this.#text);
  }

  /** How long what it shows is, in characters. */
  get length(): number {
    return this.#text.length;
  }

  show(value: number | null, decimals: number, flashes: Flashes): void {
    const previous = this.#value;
    if (value === previous) return;
    this.#value = value;
    setText(this.#text, fixed(value, decimals));
    if (value !== null && previous !== null) flashes.light(this, value > previous);
  }
}

/** The id of a market's row in the document. */
export function rowId({ id }: MarketState): string {
  return `market-${id}`;
}

/** One row of the market list; it stays with its market for as long as it is in view. */
export class MarketRow {
  readonly market: MarketState;
  readonly element: HTMLElement;
  readonly #title = document.createTextNode("");
  readonly #volume = document.createTextNode("");
  readonly #change = document.createTextNode("");
  readonly #changeElement: HTMLElement;
  readonly #bid = new PriceCell("bid");
  readonly #ask = new PriceCell("ask");
  readonly #price = new PriceCell("last");
  #top = -1;

  constructor(market: MarketState, flashes: Flashes) {
    this.market = market;
    this.#changeElement = element(
      "span",
      { role: "gridcell", class: "number change" },
      this.#change,
    );
    this.element = element(
      "div",
      { role: "row", class: "row", id: rowId(market), "data-id": market.id },
      element("span", { role: "gridcell", class: "title" }, this.#title),
      element("span", { role: "gridcell", class: "number volume" }, this.#volume),
      this.#bid.element,
      this.#ask.element,
      this.#price.element,
      this.#changeElement,
    );
    this.draw(flashes);
  }

  /** Brings the cells up to date with the market. */
  draw(flashes: Flashes): void {
    const { market } = this;
    const { priceDecimals } = market;
    if (this.#title.data !== market.title) {
      setText(this.#title, market.title);
      this.element.title = market.title;
    }
    this.element.dataset["status"] = market.status;
    setText(this.#volume, compact(market.volume));
    this.#bid.show(market.bestBid, priceDecimals, flashes);
    this.#ask.show(market.bestAsk, priceDecimals, flashes);
    this.#price.show(market.price, priceDecimals, flashes);
    const change = changeOf(market);
    const text = percent(change);
    if (this.#change.data === text) return;
    setText(this.#change, text);
    this.#changeElement.classList.toggle("up", text.startsWith("+"));
    this.#changeElement.classList.toggle("down", text.startsWith("−"));
  }

  /** The longest of the prices, in characters. */
  get priceLength(): number {
    return Math.max(this.#bid.length, this.#ask.length, this.#price.length);
  }

  /** Puts the row at its place in the list, counted from 0. */
  place(index: number, rowHeightPx: number): void {
    const top = index * rowHeightPx;
    if (this.#top === top) return;
    this.#top = top;
    this.element.style.top = `${top}px`;
    // The row of headers is the first.
    this.element.setAttribute("aria-rowindex", `${index + 2}`);
  }

  select(selected: boolean): void {
    this.element.setAttribute("aria-selected", `${selected}`);
  }
}
