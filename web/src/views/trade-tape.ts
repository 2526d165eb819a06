import type { MarketcastClient, Trade } from "marketcast/client";
import { byId, element, setText } from "../dom.js";
import { compact, fixed, timeOfDay } from "../format.js";
import type { FrameLoop } from "../frame-loop.js";
import { HistoryAsking } from "../history-asking.js";
import type { MarketState } from "../model/market-store.js";
import { TRADES_MAX, TradeLog } from "../model/trade-log.js";

const TIMEOUT_MS = 3000;

interface TradeRow {
  readonly element: HTMLElement;
  readonly price: Text;
  readonly quantity: Text;
  readonly time: Text;
}

/** What is shown of a market: its trades, and where those that were told before come from. */
interface Shown {
  readonly market: MarketState;
  readonly log: TradeLog;
  readonly history: HistoryAsking;
}

/** The last trades of the selected market, the latest one on top. */
export class TradeTape {
  readonly #client: () => MarketcastClient;
  readonly #loop: FrameLoop;
  /** As many as there are trades, in their order. */
  #rows: TradeRow[] = [];
  readonly #body = element("div", {
    class: "rows",
    role: "table",
    "aria-labelledby": "trades-title",
  });
  #shown: Shown | undefined;
  /** The trades that the rows show. */
  #drawn: readonly Trade[] = [];

  constructor(client: () => MarketcastClient, loop: FrameLoop) {
    this.#client = client;
    this.#loop = loop;
    const head = ["Price", "Size", "Time"].map((name) =>
      element("span", { class: "number" }, name),
    );
    byId("trades").append(element("div", { class: "trade head" }, ...head), this.#body);
  }

  show(market: MarketState): void {
    this.#shown?.history.end();
    const log = new TradeLog();
    const ask = async (signal: AbortSignal): Promise<void> => {
      const query = { market_id: market.id, limit: TRADES_MAX };
      const page: Trade[] = [];
      for await (const trade of this.#client().history.trades(query, {
        timeoutMs: TIMEOUT_MS,
        signal,
      }))
        page.push(trade);
      log.merge(page);
    };
    const history = new HistoryAsking(ask, () => this.#loop.request(this.#draw));
    this.#shown = { market, log, history };
    this.#drawn = [];
    history.now();
    this.#loop.request(this.#draw);
  }

  put(trade: Trade): void {
    if (trade.market_id !== this.#shown?.market.id) return;
    this.#shown.log.put(trade);
    this.#loop.request(this.#draw);
  }

  /** Trades may have been told that did not come. */
  refresh(): void {
    this.#shown?.history.now();
  }

  readonly #draw = (): void => {
    if (this.#shown === undefined) return;
    const { market, log, history } = this.#shown;
    const trades = [...log.trades];
    this.#body.dataset["history"] = history.state;
    this.#makeRows(trades);
    for (const [index, trade] of trades.entries())
      if (trade !== this.#drawn[index]) fillRow(this.#rows[index] as TradeRow, trade, market);
    this.#drawn = trades;
  };

  /** Has a row for each trade: those of trades that move down go along with them. */
  #makeRows(trades: readonly Trade[]): void {
    const [first] = this.#drawn;
    const come = first === undefined ? 0 : Math.max(0, trades.indexOf(first));
    if (come > 0) {
      const made = this.#rows.splice(Math.max(0, TRADES_MAX - come));
      while (made.length < come) made.push(newRow());
      this.#rows.unshift(...made);
      this.#body.prepend(...made.map((row) => row.element));
      this.#drawn = [...new Array<Trade>(come), ...this.#drawn];
    }
    while (this.#rows.length < trades.length) {
      const row = newRow();
      this.#rows.push(row);
      this.#body.append(row.element);
    }
    for (const row of this.#rows.splice(trades.length)) row.element.remove();
  }
}

function newRow(): TradeRow {
  const [price, quantity, time] = [0, 0, 0].map(() => document.createTextNode("")) as [
    Text,
    Text,
    Text,
  ];
  const cells = [price, quantity, time].map((text) =>
    element("span", { class: "number", role: "cell" }, text),
  );
  return {
    element: element("div", { class: "trade", role: "row" }, ...cells),
    price,
    quantity,
    time,
  };
}

function fillRow(row: TradeRow, trade: Trade, market: MarketState): void {
  row.element.className = `trade ${trade.taker_side === "Buy" ? "up" : "down"}`;
  row.element.dataset["trade"] = trade.trade_id;
  setText(row.price, fixed(trade.price, market.priceDecimals));
  setText(row.quantity, compact(trade.quantity));
  setText(row.time, timeOfDay(trade.ts));
}
