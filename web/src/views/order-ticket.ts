import type { Order, OrderRequest, OrderType, Side, TimeInForce } from "marketcast/client";
import { byId, element, show } from "../dom.js";
import { fixed } from "../format.js";
import type { FrameLoop } from "../frame-loop.js";
import { plainText } from "../model/decimal.js";
import type { MarketState, MarketStore } from "../model/market-store.js";
import { checkDraft, describeRequest, type OrderDraft } from "../model/order-draft.js";
import type { Placing } from "../placement.js";
import { DecimalField } from "./decimal-field.js";
import { toast } from "./toasts.js";

export interface OrderTicketEvents {
  /** Rejects with why the order is not placed, or with the signal's reason. */
  place(request: OrderRequest, placing: Placing): Promise<Order>;
  signIn(): void;
}

/** Who may trade here. */
export type Trading = "signed-out" | "no-wallet" | "disabled" | "enabled";

const NOTES: Readonly<Record<Exclude<Trading, "enabled">, string>> = {
  "signed-out": "Sign in with a token to place orders.",
  "no-wallet": "This token names no wallet: market data only.",
  disabled: "This server takes no orders.",
};
const NOT_CONNECTED = "Not connected: nothing is sent, and what you typed stays.";
const UNKNOWN =
  "no answer has come. Whether it was placed is unknown until the server is back, and is asked then.";

/** An order on its way. */
interface Sending {
  readonly request: OrderRequest;
  readonly giveUp: AbortController;
  /** What became of it is not known for now. */
  unknown: boolean;
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
  readonly #note = element("p", { class: "note muted", role: "status" });
  readonly #giveUp = element("button", { type: "button", class: "quiet" }, "Stop asking");
  readonly #signIn = element("button", { type: "button", class: "primary" }, "Sign in");
  readonly #form: HTMLFormElement;
  #market: MarketState | undefined;
  #trading: Trading = "signed-out";
  #connected = false;
  #sending: Sending | undefined;

  constructor(store: MarketStore, loop: FrameLoop, events: OrderTicketEvents) {
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
      this.#giveUp,
      this.#signIn,
    );
    this.#form.addEventListener("input", () => this.#draw());
    for (const name of ["side", "order-type"]) {
      this.#form
        .querySelector(`.${name}`)
        ?.addEventListener("change", () => this.#say(undefined, undefined));
    }
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#place();
    });
    this.#giveUp.addEventListener("click", () => this.abandon());
    this.#signIn.addEventListener("click", () => events.signIn());
    store.listen({
      changed: (market) => {
        if (market === this.#market) loop.request(this.#draw);
      },
    });
    byId("ticket").append(this.#form);
    this.#draw();
  }

  /** Takes orders for another market, starting from its price. */
  show(market: MarketState): void {
    this.#market = market;
    this.#price.stepSize = market.tickSize;
    this.#quantity.stepSize = market.lotSize;
    const start = market.bestBid ?? market.price;
    this.#price.set(start === null ? "" : plainText(start, market.priceDecimals));
    this.#quantity.set(plainText(market.lotSize));
    this.#draw();
  }

  /** Takes over a price that was picked in the book. */
  setPrice(price: number): void {
    if (this.#market === undefined) return;
    this.#price.set(plainText(price, this.#market.priceDecimals));
    this.#draw();
  }

  setTrading(trading: Trading): void {
    this.#trading = trading;
    this.#draw();
  }

  /** Whether the server can be talked to; without it nothing is sent, and nothing waits to be. */
  setConnected(connected: boolean): void {
    this.#connected = connected;
    this.#draw();
  }

  /** Gives up an order of which nothing is known: nobody asks for it any more. */
  abandon(): void {
    this.#sending?.giveUp.abort(
      new Error(
        "It may have been placed; nobody has said so. Your open orders show it if it rests.",
      ),
    );
  }

  #draft(): OrderDraft {
    const chosen = new FormData(this.#form);
    return {
      side: chosen.get("side") as Side,
      type: chosen.get("order-type") as OrderType,
      price: this.#price.typed,
      quantity: this.#quantity.typed,
      timeInForce: this.#timeInForce.value as TimeInForce,
      postOnly: this.#postOnly.checked,
    };
  }

  readonly #draw = (): void => {
    const draft = this.#draft();
    const limit = draft.type === "Limit";
    this.#form.dataset["side"] = draft.side;
    this.#price.input.disabled = !limit;
    this.#limitOnly.classList.toggle("off", !limit);
    this.#timeInForce.disabled = this.#postOnly.disabled = !limit;
    const request =
      this.#market === undefined ? undefined : checkDraft(draft, this.#market).request;
    const obstacle = this.#obstacle();
    show(this.#trading === "enabled", this.#submit);
    show(this.#trading === "signed-out", this.#signIn);
    show(this.#sending?.unknown === true, this.#giveUp);
    this.#submit.disabled = obstacle !== undefined;
    // What the button says is what it sends.
    this.#submit.textContent =
      obstacle ??
      (request === undefined
        ? `${draft.side} ${limit ? "limit" : "at market"}`
        : describeRequest(request));
    const note = this.#noteText();
    show(note !== "", this.#note);
    if (this.#note.textContent !== note) this.#note.textContent = note;
    this.#notional.textContent = request === undefined ? "" : this.#value(request);
  };

  /** Why nothing can be sent now, in few words; undefined where it can. */
  #obstacle(): string | undefined {
    if (this.#sending !== undefined) return this.#sending.unknown ? "Unknown" : "Placing…";
    if (!this.#connected) return "Not connected";
    if (this.#market === undefined) return "No market";
    const { status } = this.#market;
    return status === "Active" ? undefined : `Market ${status.toLowerCase()}`;
  }

  #noteText(): string {
    if (this.#sending?.unknown === true)
      return `${describeRequest(this.#sending.request)}: ${UNKNOWN}`;
    if (this.#trading !== "enabled") return NOTES[this.#trading];
    return this.#connected ? "" : NOT_CONNECTED;
  }

  /** What the order is worth; at market, by the best price of the other side. */
  #value(request: OrderRequest): string {
    const market = this.#market;
    if (market === undefined) return "";
    const decimals = market.priceDecimals + market.quantityDecimals;
    if (request.order_type === "Limit") return fixed(request.price * request.quantity, decimals);
    const best = request.side === "Buy" ? market.bestAsk : market.bestBid;
    return best === null ? "" : `≈ ${fixed(best * request.quantity, decimals)}`;
  }

  #say(price: string | undefined, quantity: string | undefined): void {
    this.#price.say(price);
    this.#quantity.say(quantity);
    if (price !== undefined) this.#price.input.focus();
    else if (quantity !== undefined) this.#quantity.input.focus();
  }

  async #place(): Promise<void> {
    const market = this.#market;
    if (market === undefined || this.#trading !== "enabled") return;
    if (this.#obstacle() !== undefined) return;
    const { request, problems } = checkDraft(this.#draft(), market);
    this.#say(problems?.price, problems?.quantity);
    if (request === undefined) return;
    const sending: Sending = { request, giveUp: new AbortController(), unknown: false };
    this.#sending = sending;
    this.#draw();
    try {
      const order = await this.#events.place(request, {
        signal: sending.giveUp.signal,
        unsure: () => {
          sending.unknown = true;
          this.#draw();
        },
      });
      tellPlaced(order, market);
    } catch (error) {
      const unknown = sending.giveUp.signal.aborted;
      const title = unknown ? "What became of the order is unknown" : "Order not placed";
      toast(unknown ? "warning" : "error", title, (error as Error).message);
    } finally {
      this.#sending = undefined;
      this.#draw();
    }
  }
}

/** Says what became of an order; fills are told as they are heard of. */
function tellPlaced(order: Order, market: MarketState): void {
  if (order.status === "Open") toast("info", "Order placed", describeOrder(order, market));
  if (order.status === "Cancelled") toast("warning", "Order cancelled", order.reason ?? "");
}

/** An order in words, such as: Buy 10 at 0.52, Gold futures. */
function describeOrder({ side, quantity, price }: Order, market: MarketState): string {
  const at = price === undefined ? "at market" : `at ${fixed(price, market.priceDecimals)}`;
  return `${side} ${fixed(quantity, market.quantityDecimals)} ${at}, ${market.title}`;
}
