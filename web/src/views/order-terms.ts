import type { SelfTrade, TimeInForce } from "marketcast/client";
import { element, show } from "../dom.js";
import { mayBePostOnly, type OrderDraft } from "../model/order-draft.js";

/** How long a GTD order is good for, unless somebody says otherwise, in milliseconds. */
const EXPIRES_IN_MS = 3_600_000;

/** The value of a field for date and time, in local time, of a moment in milliseconds. */
function localDateTime(ms: number): string {
  const offsetMs = new Date(ms).getTimezoneOffset() * 60_000;
  return new Date(ms - offsetMs).toISOString().slice(0, "2027-01-31T17:00:00".length);
}

function options<T extends string>(
  id: string,
  choices: readonly (readonly [value: T, label: string, title: string])[],
): HTMLSelectElement {
  return element(
    "select",
    { id },
    ...choices.map(([value, label, title]) => element("option", { value, title }, label)),
  );
}

/** What an order says beside side, price and quantity. */
export class OrderTerms {
  /** Fields in a row. */
  readonly element: HTMLElement;
  /** When a GTD order expires. */
  readonly expiry: HTMLElement;
  /** Whether the order must not trade at once. */
  readonly postOnly: HTMLElement;
  readonly #timeInForce = options<TimeInForce>("order-tif", [
    ["GTC", "GTC", "Good till cancelled"],
    ["GTD", "GTD", "Good till a date"],
    ["IOC", "IOC", "Immediate or cancel"],
    ["FOK", "FOK", "Fill or kill"],
  ]);
  readonly #selfTrade = options<SelfTrade>("order-self-trade", [
    ["CancelTaker", "This order", "CancelTaker"],
    ["CancelMaker", "The other", "CancelMaker"],
    ["CancelBoth", "Both", "CancelBoth"],
  ]);
  readonly #expires = element("input", {
    ...{ type: "datetime-local", id: "order-expires", step: 1 },
    "aria-describedby": "order-expires-problem",
  });
  readonly #problem = element("small", {
    ...{ id: "order-expires-problem", class: "problem", "aria-live": "polite" },
  });
  readonly #check = element("input", { type: "checkbox", id: "order-post-only" });
  readonly #limitOnly: HTMLElement;

  constructor() {
    this.#limitOnly = element(
      "div",
      { class: "field" },
      element("label", { for: "order-tif" }, "Time in force"),
      this.#timeInForce,
    );
    this.element = element(
      "div",
      { class: "pair" },
      this.#limitOnly,
      element(
        "div",
        { class: "field", title: "What is cancelled where the order meets one of your own" },
        element("label", { for: "order-self-trade" }, "Self-trade cancels"),
        this.#selfTrade,
      ),
    );
    this.expiry = element(
      "div",
      { class: "field" },
      element("label", { for: "order-expires" }, "Expires"),
      this.#expires,
      this.#problem,
    );
    this.postOnly = element(
      "label",
      { class: "check" },
      this.#check,
      element("span", {}, "Post only"),
    );
    this.#expires.addEventListener("input", () => this.say(undefined));
    this.#timeInForce.addEventListener("change", () => {
      const isOver = !(Date.parse(this.#expires.value) > Date.now());
      if (this.#timeInForce.value === "GTD" && isOver)
        this.#expires.value = localDateTime(Date.now() + EXPIRES_IN_MS);
      this.say(undefined);
    });
  }

  get chosen(): Pick<OrderDraft, "timeInForce" | "expires" | "postOnly" | "selfTrade"> {
    return {
      timeInForce: this.#timeInForce.value as TimeInForce,
      expires: this.#expires.value,
      postOnly: this.#check.checked,
      selfTrade: this.#selfTrade.value as SelfTrade,
    };
  }

  /** Leaves open what an order of the type that is chosen has. */
  draw(limit: boolean): void {
    const { timeInForce } = this.chosen;
    this.#limitOnly.classList.toggle("off", !limit);
    this.#timeInForce.disabled = !limit;
    this.#check.disabled = !limit || !mayBePostOnly(timeInForce);
    this.postOnly.classList.toggle("off", this.#check.disabled);
    show(limit && timeInForce === "GTD", this.expiry);
  }

  /** Says what is wrong with the expiry. */
  say(problem: string | undefined): void {
    this.#problem.textContent = problem ?? "";
    this.#expires.setAttribute("aria-invalid", `${problem !== undefined}`);
  }

  focus(): void {
    this.#expires.focus();
  }
}
