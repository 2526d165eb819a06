import type { Fill, Order, Position } from "marketcast/client";
import { byId, element, setText, show } from "../dom.js";
import type { FrameLoop } from "../frame-loop.js";
import { type Account, REMEMBERED_MAX } from "../model/account.js";
import type { MarketStore } from "../model/market-store.js";
import type { HistoryStanding } from "../wallet-history.js";
import { BlotterColumns } from "./blotter-columns.js";
import { HistoryFoot } from "./history-foot.js";
import { KeyedTable, type RowAction } from "./keyed-table.js";

/** Profit moves with the prices; brought up to date this often. */
const PROFIT_INTERVAL_MS = 1000;

const SIGN_IN_FIRST = "Sign in with a token to see your orders and positions";
const NO_ORDERS = "No open orders";
const NO_POSITIONS = "No positions";
const NO_HISTORY = "Nothing has been filled or cancelled";
const NO_FILLS = "Nothing has been traded";

const NOT_CONNECTED =
  "Not connected: this is what was last known, and nothing can be cancelled until the connection is back.";

interface Tab {
  readonly button: HTMLButtonElement;
  readonly count: Text;
  readonly panel: HTMLElement;
}

export interface BlotterEvents {
  /** Each resolves when what can be done is done; what went wrong has been told by then. */
  cancel(order: Order): Promise<void>;
  cancelAll(): Promise<void>;
  amend(order: Order): void;
  moreOrders(): void;
  moreFills(): void;
}

/** How far the two histories go back. */
export interface Histories {
  readonly orders: HistoryStanding;
  readonly fills: HistoryStanding;
}

/** Open orders, positions, finished orders and fills of the wallet that is signed in. */
export class Blotter {
  readonly #account: Account;
  readonly #loop: FrameLoop;
  readonly #events: BlotterEvents;
  readonly #columns: BlotterColumns;
  readonly #histories: () => Histories;
  readonly #tabs: Tab[] = [];
  readonly #list = element("div", {
    class: "tabs",
    role: "tablist",
    "aria-label": "Orders and positions",
  });
  readonly #open: KeyedTable<Order>;
  readonly #positions: KeyedTable<Position>;
  readonly #finished: KeyedTable<Order>;
  readonly #fills: KeyedTable<Fill>;
  readonly #finishedFoot: HistoryFoot;
  readonly #fillsFoot: HistoryFoot;
  readonly #cancelAll = element("button", {
    type: "button",
    class: "quiet small",
    title: "Cancels every open order of the wallet, in all markets",
  });
  readonly #stale = element("p", { class: "stale", role: "status" });
  /** Ids of the orders whose cancel is on its way. */
  readonly #cancelling = new Set<string>();
  #cancellingAll = false;
  #connected = false;
  #signedIn = false;
  #chosen = 0;

  constructor(
    account: Account,
    store: MarketStore,
    loop: FrameLoop,
    histories: () => Histories,
    events: BlotterEvents,
  ) {
    this.#account = account;
    this.#loop = loop;
    this.#events = events;
    this.#histories = histories;
    this.#columns = new BlotterColumns(store);
    this.#open = new KeyedTable({
      caption: "Open orders",
      columns: this.#columns.orders(),
      keyOf: ({ order_id }) => order_id,
      toneOf: ({ side }) => side,
      empty: SIGN_IN_FIRST,
      actions: [this.#amendAction(), this.#cancelAction()],
    });
    this.#positions = new KeyedTable({
      caption: "Positions",
      columns: this.#columns.positions(),
      keyOf: ({ market_id }) => `${market_id}`,
      toneOf: ({ quantity }) => (quantity < 0 ? "Sell" : "Buy"),
      empty: SIGN_IN_FIRST,
    });
    this.#finished = new KeyedTable({
      caption: "Finished orders",
      columns: this.#columns.finishedOrders(),
      keyOf: ({ order_id }) => order_id,
      toneOf: ({ side }) => side,
      empty: SIGN_IN_FIRST,
      rowsMax: REMEMBERED_MAX,
    });
    this.#fills = new KeyedTable({
      caption: "Fills",
      columns: this.#columns.fills(),
      keyOf: ({ trade_id, order_id }) => `${trade_id} ${order_id}`,
      toneOf: ({ side }) => side,
      empty: SIGN_IN_FIRST,
      rowsMax: REMEMBERED_MAX,
    });
    this.#finishedFoot = new HistoryFoot(() => events.moreOrders());
    this.#fillsFoot = new HistoryFoot(() => events.moreFills());
    this.#addTab("Open orders", this.#open.element);
    this.#addTab("Positions", this.#positions.element);
    this.#addTab("History", this.#finished.element, this.#finishedFoot.element);
    this.#addTab("Fills", this.#fills.element, this.#fillsFoot.element);
    const head = element("div", { class: "tab-row" }, this.#list, this.#cancelAll);
    byId("blotter").prepend(head, this.#stale);
    this.#cancelAll.addEventListener("click", () => void this.#runCancelAll());
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
    this.#finished.setEmpty(signedIn ? NO_HISTORY : SIGN_IN_FIRST);
    this.#fills.setEmpty(signedIn ? NO_FILLS : SIGN_IN_FIRST);
    this.changed();
  }

  /** Whether the server can be talked to; without it nothing can be cancelled. */
  setConnected(connected: boolean): void {
    this.#connected = connected;
    this.changed();
  }

  /** The account has changed, or a history. */
  changed(): void {
    this.#loop.request(this.#draw);
  }

  readonly #draw = (): void => {
    const { openOrders, positions, finishedOrders, fills } = this.#account;
    const stale = this.#signedIn && !this.#connected;
    show(stale, this.#stale);
    if (stale !== (this.#stale.textContent !== ""))
      this.#stale.textContent = stale ? NOT_CONNECTED : "";
    this.#open.draw(openOrders);
    this.#positions.draw(positions);
    this.#finished.draw(finishedOrders);
    this.#fills.draw(fills);
    const histories = this.#histories();
    this.#finishedFoot.draw(histories.orders, finishedOrders.length);
    this.#fillsFoot.draw(histories.fills, fills.length);
    [openOrders, positions].forEach(({ length }, index) => {
      setText((this.#tabs[index] as Tab).count, length === 0 ? "" : `${length}`);
    });
    show(this.#chosen === 0 && openOrders.length > 0, this.#cancelAll);
    this.#cancelAll.disabled = !this.#connected || this.#cancellingAll;
    const label = this.#cancellingAll ? "Cancelling…" : "Cancel all";
    if (this.#cancelAll.textContent !== label) this.#cancelAll.textContent = label;
  };

  // --- Actions ------------------------------------------------------------------------------------

  #amendAction(): RowAction<Order> {
    return {
      label: () => "Amend",
      enabled: ({ order_id }) => this.#connected && !this.#cancelling.has(order_id),
      name: (order) => `Amend ${order.side} order in ${this.#columns.titleOf(order)}`,
      run: (order) => this.#events.amend(order),
    };
  }

  #cancelAction(): RowAction<Order> {
    return {
      label: ({ order_id }) => {
        const cancelling = this.#cancelling.has(order_id);
        if (!this.#connected) return cancelling ? "Unknown" : "Not connected";
        return cancelling ? "Cancelling…" : "Cancel";
      },
      enabled: ({ order_id }) => this.#connected && !this.#cancelling.has(order_id),
      name: (order) => {
        const what = `Cancel ${order.side} order in ${this.#columns.titleOf(order)}`;
        return this.#connected ? what : `${what}: not connected`;
      },
      run: (order) => void this.#runCancel(order),
    };
  }

  async #runCancel(order: Order): Promise<void> {
    const { order_id } = order;
    if (!this.#connected || this.#cancelling.has(order_id)) return;
    this.#cancelling.add(order_id);
    this.changed();
    await this.#events.cancel(order);
    this.#cancelling.delete(order_id);
    this.changed();
  }

  async #runCancelAll(): Promise<void> {
    if (!this.#connected || this.#cancellingAll) return;
    this.#cancellingAll = true;
    this.changed();
    await this.#events.cancelAll();
    this.#cancellingAll = false;
    this.changed();
  }

  // --- Tabs ---------------------------------------------------------------------------------------

  #addTab(label: string, ...content: readonly HTMLElement[]): void {
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
      ...content,
    );
    button.addEventListener("click", () => this.#choose(number));
    this.#tabs.push({ button, count, panel });
    this.#list.append(button);
    byId("blotter").append(panel);
  }

  #choose(chosen: number): void {
    this.#chosen = chosen;
    this.#tabs.forEach(({ button, panel }, number) => {
      button.setAttribute("aria-selected", `${number === chosen}`);
      button.tabIndex = number === chosen ? 0 : -1;
      show(number === chosen, panel);
    });
    this.changed();
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
