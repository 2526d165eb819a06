import type { Order, OrderRequest, OrderType, Side, TimeInForce } from "marketcast/client";
import { byId, element, show } from "../dom.js";
import { fixed } from "../format.js";
import type { MarketState } from "../model/market-store.js";
import { checkDraft, type DraftProblems, type OrderDraft } from "../model/order-draft.js";
import { stepped } from "../model/steps.js";
import { toast } from "./toasts.js";

export interface OrderTicketEvents {
  /** Rejects with the server's error. */
  place(request: OrderRequest): Promise<Order>;
  signIn(): void;
}

/** Who may trade here. */
export type Trading = "signed-out" | "no-wallet" | "disabled" | "enabled";

const NOTES: Readonly<Record<Exclude<Trading, "enabled">, string>> = {
  "signed-out": "Sign in with a token to place orders.",
  "no-wallet": "This token names no wallet: market data only.",
  disabled: "This server takes no orders.",
};

/** A text field for a decimal number; the arrow keys move it by a step. */
class DecimalField {
  readonly input: HTMLInputElement;
  readonly element: HTMLElement;
  readonly #problem: HTMLElement;
  stepSize = 1;

  constructor(id: string, label: string) {
    this.input = element("input", {
      id,
      type: "text",
      inputmode: "decimal",
      autocomplete: "off",
      "aria-describedby": `${id}-problem`,
    });
    this.#problem = element("small", { class: "problem", id: `${id}-problem` });
    this.element = element(
      "div",
      { class: "field" },
      element("label", { for: id }, label),
      this.input,
      this.#problem,
    );
    this.input.addEventListener("keydown", (event) => {
      const by = { ArrowUp: 1, ArrowDown: -1 }[event.key];
      if (by === undefined) return;
      event.preventDefault();
      this.input.value = stepped(this.value, this.stepSize, event.shiftKey ? 10 * by : by);
      this.input.dispatchEvent(new Event("input", { bubbles: true }));
    });
  }

  get value(): string {
    return this.input.value.trim().replaceAll(",", "");
  }

  say(problem: string | undefined): void {
    this.#problem.textContent = problem ?? "";
    this.input.setAttribute("aria-invalid", `${problem !== undefined}`);
  }
}

/** A choice of one of a few, as a row of buttons. */
function choice<T extends string>(
  name: string,
  legend: string,
  options: readonly (readonly [value: T, label: string])[],
): HTMLFieldSetElement {
  const labels = options.map(([value, label], index) => {
    const radio = element("input", { type: "radio", name, value, checked: index === 0 });
    return element("label", { class: value.toLowerCase() }, radio, element("span", {}, label));
  });
  const title = element("legend", { class: "hidden" }, legend);
  return element("fieldset", { class: `segments ${name}` }, title, ...labels);
}

/** Order entry for the selected market. */
export class OrderTicket {
  readonly #events: OrderTicketEvents;
  readonly #price = new DecimalField("order-price", "Price");
  readonly #quantity = new DecimalField("order-quantity", "Quantity");
  readonly #timeInForce = element(
    "select",
    { id: "order-tif" },
    element("option", { value: "GTC", title: "Good till cancelled" }, "GTC"),
    element("option", { value: "IOC", title: "Immediate or cancel" }, "IOC"),
    element("option", { value: "FOK", title: "Fill or kill" }, "FOK"),
  );
  readonly #postOnly = element("input", { type: "checkbox", id: "order-post-only" });
  readonly #limitOnly: HTMLElement;
  readonly #notional = element("output", { class: "number" });
  readonly #submit = element("button", { type: "submit", class: "submit" });
  readonly #note = element("p", { class: "note muted" });
  readonly #signIn = element("button", { type: "button", class: "primary" }, "Sign in");
  readonly #form: HTMLFormElement;
  #market: MarketState | undefined;
  #trading: Trading = "signed-out";
  #placing = false;

  constructor(events: OrderTicketEvents) {
    this.#events = events;
    this.#limitOnly = element(
      "div",
      { class: "pair" },
      element(
        "div",
        { class: "field" },
        element("label", { for: "order-tif" }, "Time in force"),
        this.#timeInForce,
      ),
      element("label", { class: "check" }, this.#postOnly, element("span", {}, "Post only")),
    );
    this.#form = element(
      "form",
      { novalidate: true, "aria-labelledby": "ticket-title" },
      choice<Side>("side", "Side", [
        ["Buy", "Buy"],
        ["Sell", "Sell"],
      ]),
      choice<OrderType>("order-type", "Type", [
        ["Limit", "Limit"],
        ["Market", "Market"],
      ]),
      element("div", { class: "pair" }, this.#price.element, this.#quantity.element),
      this.#limitOnly,
      element("p", { class: "sum" }, element("span", { class: "muted" }, "Value"), this.#notional),
      this.#submit,
      this.#note,
      this.#signIn,
    );
    this.#form.addEventListener("input", () => this.#draw());
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#place();
    });
    this.#signIn.addEventListener("click", () => events.signIn());
    byId("ticket").append(this.#form);
    this.#draw();
  }

  /** Takes orders for another market, starting from its price. */
  show(market: MarketState): void {
    this.#market = market;
    this.#price.stepSize = market.tickSize;
    this.#quantity.stepSize = market.lotSize;
    const start = market.bestBid ?? market.price;
    this.#price.input.value = start === null ? "" : start.toFixed(market.priceDecimals);
    this.#quantity.input.value = market.lotSize.toFixed(market.quantityDecimals);
    this.#price.say(undefined);
    this.#quantity.say(undefined);
    this.#draw();
  }

  /** Takes over a price that was picked in the book. */
  setPrice(price: number): void {
    if (this.#market === undefined) return;
    this.#price.input.value = price.toFixed(this.#market.priceDecimals);
    this.#draw();
  }

  setTrading(trading: Trading): void {
    this.#trading = trading;
    this.#draw();
  }

  #draft(): OrderDraft {
    const chosen = new FormData(this.#form);
    return {
      side: chosen.get("side") as Side,
      type: chosen.get("order-type") as OrderType,
      price: this.#price.value,
      quantity: this.#quantity.value,
      timeInForce: this.#timeInForce.value as TimeInForce,
      postOnly: this.#postOnly.checked,
    };
  }

  #draw(): void {
    const draft = this.#draft();
    const limit = draft.type === "Limit";
    this.#form.dataset["side"] = draft.side;
    this.#price.input.disabled = !limit;
    this.#limitOnly.classList.toggle("off", !limit);
    this.#timeInForce.disabled = this.#postOnly.disabled = !limit;
    const enabled = this.#trading === "enabled";
    show(enabled, this.#submit);
    show(!enabled, this.#note);
    show(this.#trading === "signed-out", this.#signIn);
    if (this.#trading !== "enabled") this.#note.textContent = NOTES[this.#trading];
    this.#submit.disabled = this.#placing || this.#market === undefined;
    this.#submit.textContent = this.#placing
      ? "Placing…"
      : `${draft.side} ${limit ? "limit" : "at market"}`;
    this.#notional.textContent = this.#value(draft);
  }

  /** What the order is worth; at market, by the best price of the other side. */
  #value({ type, side, price, quantity }: OrderDraft): string {
    const market = this.#market;
    if (market === undefined) return "";
    const best = side === "Buy" ? market.bestAsk : market.bestBid;
    const each = type === "Limit" ? Number(price) : best;
    const value = (each ?? Number.NaN) * Number(quantity);
    if (!Number.isFinite(value)) return "";
    return `${type === "Market" ? "≈ " : ""}${fixed(value, market.priceDecimals)}`;
  }

  #say({ price, quantity }: DraftProblems): void {
    this.#price.say(price);
    this.#quantity.say(quantity);
    if (price !== undefined) this.#price.input.focus();
    else if (quantity !== undefined) this.#quantity.input.focus();
  }

  async #place(): Promise<void> {
    if (this.#market === undefined || this.#placing || this.#trading !== "enabled") return;
    const { request, problems } = checkDraft(this.#draft(), this.#market);
    this.#say(problems ?? {});
    if (request === undefined) return;
    this.#placing = true;
    this.#draw();
    try {
      const order = await this.#events.place(request);
      if (order.status === "Open")
        toast("info", "Order placed", describeOrder(order, this.#market));
      if (order.status === "Cancelled") toast("warning", "Order cancelled", order.reason ?? "");
    } catch (error) {
      toast("error", "Order not placed", (error as Error).message);
    } finally {
      this.#placing = false;
      this.#draw();
    }
  }
}

/** An order in words, such as: Buy 10 at 0.52, Gold futures. */
export function describeOrder(order: Order, market: MarketState | undefined): string {
  const { side, quantity, price } = order;
  const at = price === undefined ? "at market" : `at ${fixed(price, market?.priceDecimals ?? 2)}`;
  const amount = fixed(quantity, market?.quantityDecimals ?? 0);
  return `${side} ${amount} ${at}${market === undefined ? "" : `, ${market.title}`}`;
}
