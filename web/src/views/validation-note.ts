import type { OrderBook, ValidatedOrder } from "marketcast/client";
import { element, show } from "../dom.js";
import { fixed, moment } from "../format.js";
import { outcomeOf } from "../model/book-outcome.js";
import type { MarketState } from "../model/market-store.js";
import { type Refusal, refusedTitle } from "../model/refusal.js";

const SELF_TRADE = {
  CancelTaker: "it is cancelled where it meets an order of yours",
  CancelMaker: "an order of yours that it meets is cancelled",
  CancelBoth: "both are cancelled where it meets an order of yours",
} as const;

/** What a server has said of an order that was not placed. */
export class ValidationNote {
  readonly element: HTMLElement;
  readonly #title = element("strong");
  readonly #lines = element("ul");

  constructor() {
    this.element = element(
      "div",
      { class: "validation", id: "validation", role: "status" },
      this.#title,
      this.#lines,
    );
    this.clear();
  }

  clear(): void {
    show(false, this.element);
    this.#title.textContent = "";
    this.#lines.replaceChildren();
  }

  /** An order that would be taken; of what it would do at once the book tells, if there is one. */
  taken(order: ValidatedOrder, market: MarketState, book: OrderBook | undefined): void {
    const lines = [termsOf(order), SELF_TRADE[order.self_trade]];
    if (book !== undefined) lines.unshift(effectOf(order, market, book));
    this.#say("good", "It would be taken", lines);
  }

  refused(refusal: Refusal): void {
    this.#say("error", refusedTitle("It would be refused", refusal), [refusal.text]);
  }

  #say(kind: "good" | "error", title: string, lines: readonly string[]): void {
    this.element.dataset["kind"] = kind;
    this.#title.textContent = title;
    this.#lines.replaceChildren(...lines.map((line) => element("li", {}, line)));
    show(true, this.element);
  }
}

/** Such as: Limit, GTD until 17:00:00, post only. */
function termsOf({ order_type, time_in_force, expires_ts, post_only }: ValidatedOrder): string {
  const until = expires_ts === undefined ? "" : ` until ${moment(expires_ts)}`;
  return `${order_type}, ${time_in_force}${until}${post_only ? ", post only" : ""}`;
}

/** Such as: trades 3 at 0.53 on average, as the book stands; 7 rests. */
function effectOf(order: ValidatedOrder, market: MarketState, book: OrderBook): string {
  const { filled, average, rest } = outcomeOf(order, book);
  const quantity = (value: number): string => fixed(value, market.quantityDecimals);
  const left = rest === undefined ? "" : `${quantity(order.quantity - filled)} ${rest}`;
  if (average === undefined) return `Trades nothing at once, as the book stands; ${left}`;
  const at = fixed(average, market.priceDecimals + 1);
  const all = `Trades ${quantity(filled)} at ${at} on average, as the book stands`;
  return left === "" ? all : `${all}; ${left}`;
}
