import type {
  MarketId,
  Order,
  OrderBook,
  OrderRequest,
  OrderType,
  Side,
  ValidatedOrder,
} from "marketcast/client";
import { byId, element, show } from "../dom.js";
import { fixed } from "../format.js";
import type { FrameLoop } from "../frame-loop.js";
import { plainText } from "../model/decimal.js";
import type { MarketState, MarketStore } from "../model/market-store.js";
import {
  checkDraft,
  type DraftProblems,
  describeRequest,
  type OrderDraft,
} from "../model/order-draft.js";
import { type Refusal, refusalOf, refusedTitle } from "../model/refusal.js";
import type { Placing } from "../placement.js";
import { DecimalField } from "./decimal-field.js";
import { OrderTerms } from "./order-terms.js";
import { toast } from "./toasts.js";
import { ValidationNote } from "./validation-note.js";

export interface OrderTicketEvents {
  /** Rejects with why the order is not placed, or with the signal's reason. */
  place(request: OrderRequest, placing: Placing): Promise<Order>;
  /** Resolves with the order as the server understands it, and rejects with why it would not take it. */
  validate(request: OrderRequest): Promise<ValidatedOrder>;
  /** The book of a market, as it stands; undefined where none has come. */
  book(marketId: MarketId): OrderBook | undefined;
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
  readonly #terms = new OrderTerms();
  readonly #notional = element("output", { class: "number" });
  readonly #submit = element("button", { type: "submit", class: "submit" });
  readonly #validate = element(
    "button",
    {
      ...{ type: "button", class: "quiet", id: "order-validate" },
      title: "Asks the server what it would do, and places nothing",
    },
    "Check",
  );
  readonly #validation = new ValidationNote();
  readonly #note = element("p", { class: "note muted", role: "status" });
  readonly #giveUp = element("button", { type: "button", class: "quiet" }, "Stop asking");
  readonly #signIn = element("button", { type: "button", class: "primary" }, "Sign in");
  readonly #form: HTMLFormElement;
  #market: MarketState | undefined;
  #trading: Trading = "signed-out";
  #connected = false;
  #sending: Sending | undefined;
  #validating = false;

  constructor(store: MarketStore, loop: FrameLoop, events: OrderTicketEvents) {
    this.#events = events;
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
      this.#terms.element,
      this.#terms.expiry,
      element(
        "div",
        { class: "pair" },
        this.#terms.postOnly,
        element(
          "p",
          { class: "sum" },
          element("span", { class: "muted" }, "Value"),
          this.#notional,
        ),
      ),
      element("div", { class: "send" }, this.#submit, this.#validate),
      this.#validation.element,
      this.#note,
      this.#giveUp,
      this.#signIn,
    );
    this.#form.addEventListener("input", () => {
      // It was said of another order.
      this.#validation.clear();
      this.#draw();
    });
    for (const name of ["side", "order-type"]) {
      this.#form.querySelector(`.${name}`)?.addEventListener("change", () => this.#say({}));
    }
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#place();
    });
    this.#validate.addEventListener("click", () => void this.#askWhat());
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
    this.#validation.clear();
    this.#draw();
  }

  /** Takes over a price that was picked in the book. */
  setPrice(price: number): void {
    if (this.#market === undefined) return;
    this.#price.set(plainText(price, this.#market.priceDecimals));
    this.#validation.clear();
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
      ...this.#terms.chosen,
    };
  }

  readonly #draw = (): void => {
    const draft = this.#draft();
    const limit = draft.type === "Limit";
    this.#form.dataset["side"] = draft.side;
    this.#price.input.disabled = !limit;
    this.#terms.draw(limit);
    const request =
      this.#market === undefined ? undefined : checkDraft(draft, this.#market, Date.now()).request;
    const obstacle = this.#obstacle();
    show(this.#trading === "enabled", this.#submit, this.#validate);
    show(this.#trading === "signed-out", this.#signIn);
    show(this.#sending?.unknown === true, this.#giveUp);
    this.#submit.disabled = obstacle !== undefined;
    this.#validate.disabled = obstacle !== undefined || this.#validating;
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

  #say({ price, quantity, expires }: DraftProblems): void {
    this.#price.say(price);
    this.#quantity.say(quantity);
    this.#terms.say(expires);
    if (price !== undefined) this.#price.input.focus();
    else if (quantity !== undefined) this.#quantity.input.focus();
    else if (expires !== undefined) this.#terms.focus();
  }

  /** The order that is typed, if it can be sent now; else what is wrong with it is said. */
  #request(market: MarketState | undefined): OrderRequest | undefined {
    if (market === undefined || this.#trading !== "enabled") return undefined;
    if (this.#obstacle() !== undefined) return undefined;
    const { request, problems } = checkDraft(this.#draft(), market, Date.now());
    this.#say(problems ?? {});
    return request;
  }

  /** Says by which rule an order is refused, beside the field that it is about. */
  #sayRefusal({ field, text }: Refusal): void {
    if (field !== undefined) this.#say({ [field]: text });
  }

  async #askWhat(): Promise<void> {
    const market = this.#market;
    const request = this.#request(market);
    if (market === undefined || request === undefined || this.#validating) return;
    this.#validating = true;
    this.#validation.clear();
    this.#draw();
    try {
      const order = await this.#events.validate(request);
      this.#validation.taken(order, market, this.#events.book(market.id));
    } catch (error) {
      const refusal = refusalOf(error as Error);
      this.#sayRefusal(refusal);
      this.#validation.refused(refusal);
    } finally {
      this.#validating = false;
      this.#draw();
    }
  }

  async #place(): Promise<void> {
    const market = this.#market;
    const request = this.#request(market);
    if (market === undefined || request === undefined) return;
    this.#validation.clear();
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
      if (sending.giveUp.signal.aborted) {
        toast("warning", "What became of the order is unknown", (error as Error).message);
      } else {
        const refusal = refusalOf(error as Error);
        this.#sayRefusal(refusal);
        toast("error", refusedTitle("Order not placed", refusal), refusal.text);
      }
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
