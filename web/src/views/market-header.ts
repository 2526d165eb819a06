import type { PresenceUpdate } from "marketcast/client";
import type { CandleFill } from "../candle-feed.js";
import { byId, element, setText } from "../dom.js";
import { compact, fixed, NONE, percent } from "../format.js";
import type { FrameLoop } from "../frame-loop.js";
import { type DayFigures, dayFigures } from "../model/candle-series.js";
import { changeOf, type MarketState, type MarketStore } from "../model/market-store.js";

/** Title, price and figures of the selected market. */
export class MarketHeader {
  readonly #loop: FrameLoop;
  readonly #title = document.createTextNode("");
  readonly #status = element("span", { class: "badge" });
  readonly #price = element("span", { class: "last number" });
  readonly #change = element("span", { class: "number change" });
  readonly #span = element("span", { class: "muted span" });
  readonly #figures = new Map<string, Text>();
  #market: MarketState | undefined;
  /** The candles of the last 24 hours. */
  #day: CandleFill | undefined;
  #connected = true;
  /** Connections with a subscription to the market, this page's among them; undefined until that is told. */
  #viewers: number | undefined;

  constructor(store: MarketStore, loop: FrameLoop) {
    this.#loop = loop;
    const list = element("dl", { class: "figures" });
    for (const name of [
      "Bid",
      "Ask",
      "Spread",
      "24h high",
      "24h low",
      "24h volume",
      "Tick",
      "Lot",
      "Viewers",
    ]) {
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
      element("div", { class: "quote" }, this.#price, this.#change, this.#span),
      list,
    );
    store.listen({
      changed: (market) => {
        if (market === this.#market) loop.request(this.#draw);
      },
    });
  }

  show(market: MarketState, day: CandleFill): void {
    if (market.id !== this.#market?.id) this.#viewers = undefined;
    this.#market = market;
    this.#day = day;
    this.#loop.request(this.#draw);
  }

  /** A series has changed. */
  changed(fill: CandleFill): void {
    if (fill === this.#day) this.#loop.request(this.#draw);
  }

  putPresence({ market_id, connections }: PresenceUpdate): void {
    if (market_id !== this.#market?.id) return;
    this.#viewers = connections;
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
    const { day, known } = this.#lastDay();
    const change = percent(known ? ratio(market.price, day?.open) : changeOf(market));
    this.#change.textContent = change;
    this.#span.textContent = known ? "24h" : "since loaded";
    this.#change.classList.toggle("up", change.startsWith("+"));
    this.#change.classList.toggle("down", change.startsWith("−"));
    const spread = bestBid === null || bestAsk === null ? null : bestAsk - bestBid;
    this.#figure("Bid", fixed(bestBid, priceDecimals));
    this.#figure("Ask", fixed(bestAsk, priceDecimals));
    this.#figure("Spread", fixed(spread, priceDecimals));
    this.#figure("24h high", fixed(day?.high, priceDecimals));
    this.#figure("24h low", fixed(day?.low, priceDecimals));
    this.#figure("24h volume", day === undefined ? NONE : compact(day.volume));
    this.#figure("Tick", fixed(market.tickSize, priceDecimals));
    this.#figure("Lot", fixed(market.lotSize, market.quantityDecimals));
    this.#figure("Viewers", this.#viewers === undefined ? NONE : `${this.#viewers}`);
    const shown = `${price} ${market.title} · Marketcast`;
    document.title = this.#connected ? shown : `(not connected) ${shown}`;
  };

  /** Figures of the last 24 hours, if they are known: without history they would be of less than that. */
  #lastDay(): { readonly day: DayFigures | undefined; readonly known: boolean } {
    if (this.#day?.history !== "there") return { day: undefined, known: false };
    return { day: dayFigures(this.#day.series, Date.now() * 1000), known: true };
  }

  #figure(name: string, text: string): void {
    const node = this.#figures.get(name);
    if (node !== undefined) setText(node, text);
  }
}

function ratio(price: number | null, before: number | undefined): number | undefined {
  return price === null || before === undefined || before === 0 ? undefined : price / before - 1;
}
