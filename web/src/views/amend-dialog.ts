import { type Order, RequestTimeoutError } from "marketcast/client";
import { byId, element } from "../dom.js";
import { fixed } from "../format.js";
import { plainText } from "../model/decimal.js";
import type { MarketState } from "../model/market-store.js";
import { readMultiple } from "../model/order-draft.js";
import { refusalOf, refusedTitle } from "../model/refusal.js";
import { DecimalField } from "./decimal-field.js";

/** What of an order is to be another. */
export interface Amendment {
  readonly price?: number;
  readonly quantity?: number;
}

const NOT_CONNECTED = "Not connected: nothing is sent until the connection is back.";

/** The dialog in which an open order is given another price or quantity. */
export class AmendDialog {
  readonly #dialog = byId<HTMLDialogElement>("amend");
  readonly #amend: (order: Order, to: Amendment) => Promise<void>;
  readonly #title = element("h2", { id: "amend-title" });
  readonly #note = element("p", { class: "muted" });
  readonly #price = new DecimalField("amend-price", "Price");
  readonly #quantity = new DecimalField("amend-quantity", "Quantity, filled included");
  readonly #problem = element("p", { class: "problem", role: "alert" });
  readonly #submit = element("button", { type: "submit", class: "primary" }, "Amend");
  #order: Order | undefined;
  #market: MarketState | undefined;
  #connected = false;

  /** `amend` rejects with why the order stays as it is. */
  constructor(amend: (order: Order, to: Amendment) => Promise<void>) {
    this.#amend = amend;
    const back = element("button", { type: "button", class: "quiet" }, "Back");
    back.addEventListener("click", () => this.#dialog.close());
    const form = element(
      "form",
      { method: "dialog", novalidate: true },
      this.#title,
      this.#note,
      element("div", { class: "pair" }, this.#price.element, this.#quantity.element),
      this.#problem,
      element("div", { class: "actions" }, back, this.#submit),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#send();
    });
    form.addEventListener("input", () => this.#say(""));
    this.#dialog.append(form);
  }

  open(order: Order, market: MarketState): void {
    this.#order = order;
    this.#market = market;
    this.#title.textContent = `Amend the ${order.side} order in ${market.title}`;
    const filled =
      order.filled_quantity > 0
        ? `${fixed(order.filled_quantity, market.quantityDecimals)} of it is filled. `
        : "";
    this.#note.textContent = `${filled}With less quantity alone it keeps its place in the book; anything else puts it behind the others of its price.`;
    this.#price.stepSize = market.tickSize;
    this.#quantity.stepSize = market.lotSize;
    this.#price.set(order.price === undefined ? "" : plainText(order.price, market.priceDecimals));
    this.#quantity.set(plainText(order.quantity));
    this.#say("");
    this.#dialog.showModal();
    this.#quantity.input.select();
  }

  /** Whether the server can be talked to. */
  setConnected(connected: boolean): void {
    this.#connected = connected;
    if (connected && this.#problem.textContent === NOT_CONNECTED) this.#say("");
  }

  /** Somebody else is signed in, whose orders are others. */
  close(): void {
    this.#dialog.close();
  }

  #say(problem: string): void {
    this.#problem.textContent = problem;
  }

  /** What is typed, where it is another than what is; undefined where something is wrong with it. */
  #amendment(order: Order, market: MarketState): Amendment | undefined {
    const price = readMultiple(this.#price.typed, market.tickSize, "tick");
    const quantity = readMultiple(this.#quantity.typed, market.lotSize, "lot");
    this.#price.say(price.problem);
    this.#quantity.say(quantity.problem);
    if (price.value === undefined || quantity.value === undefined) return undefined;
    if (price.value === order.price && quantity.value === order.quantity) {
      this.#say("This is what the order is already");
      return undefined;
    }
    return {
      ...(price.value !== order.price && { price: price.value }),
      ...(quantity.value !== order.quantity && { quantity: quantity.value }),
    };
  }

  async #send(): Promise<void> {
    const [order, market] = [this.#order, this.#market];
    if (order === undefined || market === undefined || this.#submit.disabled) return;
    if (!this.#connected) return this.#say(NOT_CONNECTED);
    const to = this.#amendment(order, market);
    if (to === undefined) return;
    this.#submit.disabled = true;
    this.#say("");
    try {
      await this.#amend(order, to);
      // By now another order may be open in it.
      if (this.#order === order) this.#dialog.close();
    } catch (error) {
      if (this.#order === order) this.#refused(error as Error);
    } finally {
      this.#submit.disabled = false;
    }
  }

  #refused(error: Error): void {
    if (error instanceof RequestTimeoutError && error.sent)
      return this.#say("Not known whether the order is amended: no answer has come");
    const refusal = refusalOf(error);
    const { field, text } = refusal;
    const title = refusedTitle("Not amended", refusal);
    const isBeside = field === "price" || field === "quantity";
    this.#say(isBeside ? title : `${title}. ${text}`);
    this.#price.say(field === "price" ? text : undefined);
    this.#quantity.say(field === "quantity" ? text : undefined);
  }
}
