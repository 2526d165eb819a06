import type { Order, Position } from "marketcast/client";
import { byId, element, setText, show } from "../dom.js";
import { fixed, NONE, signed, timeOfDay } from "../format.js";
import type { FrameLoop } from "../frame-loop.js";
import type { Account } from "../model/account.js";
import type { MarketState, MarketStore } from "../model/market-store.js";
import { KeyedTable } from "./keyed-table.js";

/** Profit moves with the prices; brought up to date this often. */
const PROFIT_INTERVAL_MS = 1000;

const SIGN_IN_FIRST = "Sign in with a token to see your orders and positions";
const NO_ORDERS = "No open orders";
const NO_POSITIONS = "No positions";

const NOT_CONNECTED =
  "Not connected: this is what was last known, and nothing can be cancelled until the connection is back.";

interface Tab {
  readonly button: HTMLButtonElement;
  readonly count: Text;
  readonly panel: HTMLElement;
}

/** Open orders, positions and finished orders of the wallet that is signed in. */
export class Blotter {
  readonly #account: Account;
  readonly #store: MarketStore;
  readonly #loop: FrameLoop;
  readonly #tabs: Tab[] = [];
  readonly #list = element("div", {
    class: "tabs",
    role: "tablist",
    "aria-label": "Orders and positions",
  });
  readonly #open: KeyedTable<Order>;
  readonly #positions: KeyedTable<Position>;
  readonly #finished: KeyedTable<Order>;
  readonly #stale = element("p", { class: "stale", role: "status" });
  /** Ids of the orders whose cancel is on its way. */
  readonly #cancelling = new Set<string>();
  #connected = false;
  #signedIn = false;

  /** `cancel` is called when the user asks for it, and resolves when it has done what it can. */
  constructor(
    account: Account,
    store: MarketStore,
    loop: FrameLoop,
    cancel: (order: Order) => Promise<void>,
  ) {
    this.#account = account;
    this.#store = store;
    this.#loop = loop;
    this.#open = new KeyedTable({
      caption: "Open orders",
      columns: this.#orderColumns(),
      keyOf: ({ order_id }) => order_id,
      toneOf: ({ side }) => side,
      empty: SIGN_IN_FIRST,
      action: {
        label: ({ order_id }) => {
          const cancelling = this.#cancelling.has(order_id);
          if (!this.#connected) return cancelling ? "Unknown" : "Not connected";
          return cancelling ? "Cancelling…" : "Cancel";
        },
        enabled: ({ order_id }) => this.#connected && !this.#cancelling.has(order_id),
        name: (order) => {
          const what = `Cancel ${order.side} order in ${this.#titleOf(order)}`;
          return this.#connected ? what : `${what}: not connected`;
        },
        run: (order) => void this.#cancel(order, cancel),
      },
    });
    this.#positions = new KeyedTable({
      caption: "Positions",
      columns: this.#positionColumns(),
      keyOf: ({ market_id }) => `${market_id}`,
      toneOf: ({ quantity }) => (quantity < 0 ? "Sell" : "Buy"),
      empty: SIGN_IN_FIRST,
    });
    this.#finished = new KeyedTable({
      caption: "Finished orders",
      columns: [
        ...this.#orderColumns(),
        {
          label: "Outcome",
          text: ({ status, reason }) => (reason === undefined ? status : `${status}: ${reason}`),
        },
      ],
      keyOf: ({ order_id }) => order_id,
      toneOf: ({ side }) => side,
      empty: "Nothing has been filled or cancelled since this page was loaded",
    });
    this.#addTab("Open orders", this.#open.element);
    this.#addTab("Positions", this.#positions.element);
    this.#addTab("History", this.#finished.element);
    byId("blotter").prepend(this.#list, this.#stale);
    this.#list.addEventListener("keydown", (event) => this.#onKey(event));
    this.#choose(0);
    this.changed();
    setInterval(() => this.changed(), PROFIT_INTERVAL_MS);
  }

  /** Says what to do where there is nothing to show because nobody is signed in. */
  setSignedIn(signedIn: boolean): void {
    this.#signedIn = signedIn;
    this.#open.setEmpty(signedIn ? NO_ORDERS : SIGN_IN_FIRST);
    this.#positions.setEmpty(signedIn ? NO_POSITIONS : SIGN_IN_FIRST);
    this.changed();
  }

  /** Whether the server can be talked to; without it nothing can be cancelled. */
  setConnected(connected: boolean): void {
    this.#connected = connected;
    this.changed();
  }

  async #cancel(order: Order, cancel: (order: Order) => Promise<void>): Promise<void> {
    const { order_id } = order;
    if (!this.#connected || this.#cancelling.has(order_id)) return;
    this.#cancelling.add(order_id);
    this.changed();
    await cancel(order);
    this.#cancelling.delete(order_id);
    this.changed();
  }

  /** The account has changed. */
  changed(): void {
    this.#loop.request(this.#draw);
  }

  readonly #draw = (): void => {
    const { openOrders, positions, finishedOrders } = this.#account;
    const stale = this.#signedIn && !this.#connected;
    show(stale, this.#stale);
    if (stale !== (this.#stale.textContent !== ""))
      this.#stale.textContent = stale ? NOT_CONNECTED : "";
    this.#open.draw(openOrders);
    this.#positions.draw(positions);
    this.#finished.draw(finishedOrders);
    [openOrders, positions, finishedOrders].forEach(({ length }, index) => {
      setText((this.#tabs[index] as Tab).count, length === 0 ? "" : `${length}`);
    });
  };

  // --- Columns ------------------------------------------------------------------------------------

  #marketOf({ market_id }: Order | Position): MarketState | undefined {
    return this.#store.get(market_id);
  }

  #titleOf(item: Order | Position): string {
    return this.#marketOf(item)?.title ?? `${item.market_id}`;
  }

  #priceText(item: Order | Position, price: number | undefined, moreDecimals = 0): string {
    const decimals = this.#marketOf(item)?.priceDecimals ?? 2;
    return price === undefined ? NONE : fixed(price, decimals + moreDecimals);
  }

  #quantityText(item: Order | Position, quantity: number): string {
    return fixed(quantity, this.#marketOf(item)?.quantityDecimals ?? 0);
  }

  #orderColumns(): { label: string; className?: string; text: (order: Order) => string }[] {
    return [
      { label: "Time", className: "muted", text: ({ created_ts }) => timeOfDay(created_ts) },
      { label: "Market", className: "wide", text: (order) => this.#titleOf(order) },
      { label: "Side", className: "tone", text: ({ side }) => side },
      {
        label: "Type",
        text: ({ order_type, time_in_force, post_only }) =>
          [order_type, time_in_force === "GTC" ? "" : time_in_force, post_only ? "post" : ""]
            .filter((part) => part !== "")
            .join(" "),
      },
      {
        label: "Price",
        className: "number",
        text: (order) => this.#priceText(order, order.price ?? order.average_price),
      },
      {
        label: "Filled",
        className: "number",
        text: (order) =>
          `${this.#quantityText(order, order.filled_quantity)} / ${this.#quantityText(order, order.quantity)}`,
      },
    ];
  }

  #positionColumns(): {
    label: string;
    className?: string;
    text: (position: Position) => string;
  }[] {
    return [
      { label: "Market", className: "wide", text: (position) => this.#titleOf(position) },
      {
        label: "Quantity",
        className: "number tone",
        text: (position) => this.#quantityText(position, position.quantity),
      },
      {
        label: "Average",
        className: "number",
        text: (position) => this.#priceText(position, position.average_price, 1),
      },
      {
        label: "Last",
        className: "number",
        text: (position) => this.#priceText(position, this.#marketOf(position)?.price ?? undefined),
      },
      {
        label: "Unrealized",
        className: "number",
        text: (position) => {
          const market = this.#marketOf(position);
          if (market === undefined || market.price === null) return NONE;
          return signed((market.price - position.average_price) * position.quantity, 2);
        },
      },
      {
        label: "Realized",
        className: "number",
        text: ({ realized_pnl }) => signed(realized_pnl, 2),
      },
    ];
  }

  // --- Tabs ---------------------------------------------------------------------------------------

  #addTab(label: string, content: HTMLElement): void {
    const number = this.#tabs.length;
    const count = document.createTextNode("");
    const button = element(
      "button",
      { type: "button", role: "tab", id: `tab-${number}`, "aria-controls": `panel-${number}` },
      label,
      element("span", { class: "count" }, count),
    );
    const panel = element(
      "div",
      {
        role: "tabpanel",
        id: `panel-${number}`,
        "aria-labelledby": `tab-${number}`,
        class: "scroller",
      },
      content,
    );
    button.addEventListener("click", () => this.#choose(number));
    this.#tabs.push({ button, count, panel });
    this.#list.append(button);
    byId("blotter").append(panel);
  }

  #choose(chosen: number): void {
    this.#tabs.forEach(({ button, panel }, number) => {
      button.setAttribute("aria-selected", `${number === chosen}`);
      button.tabIndex = number === chosen ? 0 : -1;
      show(number === chosen, panel);
    });
  }

  #onKey(event: KeyboardEvent): void {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step === undefined) return;
    const at = this.#tabs.findIndex(({ button }) => button === event.target);
    const next = (at + step + this.#tabs.length) % this.#tabs.length;
    this.#choose(next);
    this.#tabs[next]?.button.focus();
  }
}
