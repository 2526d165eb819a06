import { byId, element, setText } from "../dom.js";
import { compact, fixed, NONE, percent } from "../format.js";
import type { FrameLoop } from "../frame-loop.js";
import { changeOf, type MarketState, type MarketStore } from "../model/market-store.js";

/** Title, price and figures of the selected market. */
export class MarketHeader {
  readonly #loop: FrameLoop;
  readonly #title = document.createTextNode("");
  readonly #status = element("span", { class: "badge" });
  readonly #price = element("span", { class: "last number" });
  readonly #change = element("span", { class: "number change" });
  readonly #figures = new Map<string, Text>();
  #market: MarketState | undefined;
  #connected = true;

  constructor(store: MarketStore, loop: FrameLoop) {
    this.#loop = loop;
    const list = element("dl", { class: "figures" });
    for (const name of ["Bid", "Ask", "Spread", "Volume", "Tick", "Lot"]) {
      const text = document.createTextNode(NONE);
      this.#figures.set(name, text);
      list.append(element("div", {}, element("dt", {}, name), element("dd", {}, text)));
    }
    byId("market-header").append(
      element(
        "div",
        { class: "name" },
        element("h2", { id: "market-title" }, this.#title),
        this.#status,
      ),
      element("div", { class: "quote" }, this.#price, this.#change),
      list,
    );
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

  /** Whether prices are those of now. */
  setConnected(connected: boolean): void {
    this.#connected = connected;
    this.#loop.request(this.#draw);
  }

  readonly #draw = (): void => {
    const market = this.#market;
    if (market === undefined) return;
    const { priceDecimals, bestBid, bestAsk } = market;
    setText(this.#title, market.title);
    this.#status.textContent = market.status;
    this.#status.dataset["status"] = market.status;
    const price = fixed(market.price, priceDecimals);
    this.#price.textContent = price;
    const change = percent(changeOf(market));
    this.#change.textContent = change;
    this.#change.classList.toggle("up", change.startsWith("+"));
    this.#change.classList.toggle("down", change.startsWith("−"));
    const spread = bestBid === null || bestAsk === null ? null : bestAsk - bestBid;
    this.#figure("Bid", fixed(bestBid, priceDecimals));
    this.#figure("Ask", fixed(bestAsk, priceDecimals));
    this.#figure("Spread", fixed(spread, priceDecimals));
    this.#figure("Volume", compact(market.volume));
    this.#figure("Tick", fixed(market.tickSize, priceDecimals));
    this.#figure("Lot", fixed(market.lotSize, market.quantityDecimals));
    const shown = `${price} ${market.title} · Marketcast`;
    document.title = this.#connected ? shown : `(not connected) ${shown}`;
  };

  #figure(name: string, text: string): void {
    const node = this.#figures.get(name);
    if (node !== undefined) setText(node, text);
  }
}
