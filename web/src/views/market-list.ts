import type { MarketId, MarketStatus } from "marketcast/client";
import { byId, element } from "../dom.js";
import type { FrameLoop } from "../frame-loop.js";
import { arrange, type MarketView, type SortKey } from "../model/market-order.js";
import type { MarketState, MarketStore } from "../model/market-store.js";
import { Flashes } from "./flash.js";
import { MarketRow, rowId } from "./market-row.js";

/** As in the style sheet: two lines of title, or one. */
const ROW_HEIGHTS_PX = { roomy: 40, compact: 22 } as const;
type Density = keyof typeof ROW_HEIGHTS_PX;
const STORED_DENSITY = "marketcast.density";
/** Rows that are kept ready above and below those in view. */
const OVERSCAN = 4;
/** Sorted by what moves, the order is brought up to date this often: at each move, rows would dance. */
const SORT_INTERVAL_MS = 1000;
/** Of a price: its digits, with the space around them, and the least. */
const [DIGIT_WIDTH_PX, CELL_PADDING_PX, PRICE_WIDTH_PX_MIN] = [7, 8, 58] as const;
/** What the other columns take at least, the title's among them. */
const OTHER_WIDTH_PX = 270;
/** Rows that a frame brings up to date at most; the others wait for the next, the latest state wins. */
const ROWS_PER_FRAME = 12;
/** Scrolling has come to rest after this long. */
const REST_MS = 120;

const COLUMNS: readonly (readonly [key: SortKey, label: string])[] = [
  ["title", "Market"],
  ["volume", "Volume"],
  ["bid", "Bid"],
  ["ask", "Ask"],
  ["price", "Last"],
  ["change", "Change"],
];

/** What a heading alone does not tell. */
const TITLES: Partial<Record<SortKey, string>> = { change: "Change since this page was loaded" };

export interface MarketListEvents {
  /** By a pointer, or else by a key, which may go on to the next one. */
  selected(market: MarketState, pointed: boolean): void;
  /** The markets whose rows are in view, whenever they are others than before. */
  inView(ids: readonly MarketId[]): void;
}

/**
 * The market list: only rows in view are in the document, and what has changed is drawn once a frame.
 * Focus stays on the grid; the selected row is its active descendant.
 */
export class MarketList {
  readonly #store: MarketStore;
  readonly #loop: FrameLoop;
  readonly #events: MarketListEvents;
  readonly #flashes: Flashes;
  readonly #grid = byId("market-grid");
  readonly #search = byId<HTMLInputElement>("search");
  readonly #scroller = element("div", { class: "scroller", role: "rowgroup" });
  readonly #sheet = element("div", { class: "sheet", role: "presentation" });
  readonly #headers = new Map<SortKey, HTMLElement>();
  readonly #rows = new Map<MarketState, MarketRow>();
  readonly #changed = new Set<MarketState>();
  #view: MarketView = { search: "", status: undefined, sort: "title", descending: false };
  #listed: readonly MarketState[] = [];
  /** Markets with a row in the document, in order, from the place `#first` in the list. */
  #inRows: readonly MarketState[] = [];
  #first = 0;
  #end = 0;
  /** Where in the list the next frame goes on. */
  #sweep = 0;
  #rowHeight: number = ROW_HEIGHTS_PX.roomy;
  /** Of the longest price so far, in characters. */
  #priceLength = 0;
  #width = 0;
  #scrollTop = 0;
  #height = 0;
  /** The list must be arranged anew. */
  #stale = true;
  /** The list has been arranged anew and is not in the document yet. */
  #moved = true;
  #selected: MarketState | undefined;
  #restTimer: ReturnType<typeof setTimeout> | undefined;
  #inView = "";

  constructor(store: MarketStore, loop: FrameLoop, events: MarketListEvents) {
    this.#store = store;
    this.#loop = loop;
    this.#events = events;
    this.#flashes = new Flashes(loop, this.#sheet);
    this.#build();
    store.listen({
      changed: (market) => {
        this.#changed.add(market);
        loop.request(this.#draw);
      },
      listed: () => this.#arrangeSoon(),
    });
    setInterval(() => {
      if (this.#view.sort !== "title") this.#arrangeSoon();
    }, SORT_INTERVAL_MS);
    this.#showSort();
  }

  /** The market at the top of the list, if there is any. */
  first(): MarketState | undefined {
    if (this.#stale) this.#arrange();
    return this.#listed[0];
  }

  /** Marks a market as the selected one and brings it into view. */
  select(market: MarketState): void {
    if (this.#selected !== undefined) this.#rows.get(this.#selected)?.select(false);
    this.#selected = market;
    this.#rows.get(market)?.select(true);
    this.#grid.setAttribute("aria-activedescendant", rowId(market));
    this.#reveal(market);
  }

  #build(): void {
    const header = element("div", { class: "head", role: "row", "aria-rowindex": 1 });
    for (const [key, label] of COLUMNS) {
      const button = element(
        "button",
        { type: "button", tabindex: key === "title" ? 0 : -1, title: TITLES[key] ?? false },
        label,
      );
      button.addEventListener("click", () => this.#sortBy(key));
      const className = key === "price" ? "last" : key;
      const cell = element("span", { role: "columnheader", class: className }, button);
      this.#headers.set(key, cell);
      header.append(cell);
    }
    header.addEventListener("keydown", (event) => this.#walkHeaders(event));
    this.#scroller.append(this.#sheet);
    this.#grid.append(header, this.#scroller);
    this.#grid.setAttribute("role", "grid");
    this.#grid.setAttribute("aria-labelledby", "markets-title");
    this.#grid.tabIndex = 0;
    this.#scroller.tabIndex = -1;
    // Read here, as reading them while drawing would lay the page out in the middle of a frame.
    const measure = (): void => {
      this.#scrollTop = this.#scroller.scrollTop;
      this.#height = this.#scroller.clientHeight;
      if (this.#width !== this.#scroller.clientWidth) {
        this.#width = this.#scroller.clientWidth;
        this.#setColumns();
      }
      this.#loop.request(this.#draw);
    };
    this.#scroller.addEventListener("scroll", measure, { passive: true });
    new ResizeObserver(measure).observe(this.#scroller);
    this.#sheet.addEventListener("click", (event) => this.#onClick(event));
    this.#grid.addEventListener("keydown", (event) => this.#onKey(event));
    this.#search.addEventListener("input", () => this.#look({ search: this.#search.value }));
    this.#search.addEventListener("keydown", (event) => this.#onSearchKey(event));
    byId("status-filter").addEventListener("change", ({ target }) => {
      const { value } = target as HTMLInputElement;
      this.#look({ status: value === "" ? undefined : (value as MarketStatus) });
    });
    const density = byId<HTMLButtonElement>("density");
    density.addEventListener("click", () => {
      this.#setDensity(this.#rowHeight === ROW_HEIGHTS_PX.roomy ? "compact" : "roomy");
    });
    this.#setDensity(localStorage.getItem(STORED_DENSITY) === "compact" ? "compact" : "roomy");
    document.addEventListener("keydown", (event) => {
      const typing = event.target instanceof HTMLElement && event.target.matches("input, textarea");
      if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      this.#search.focus();
    });
  }

  #setDensity(density: Density): void {
    this.#rowHeight = ROW_HEIGHTS_PX[density];
    this.#grid.dataset["density"] = density;
    localStorage.setItem(STORED_DENSITY, density);
    byId("density").setAttribute("aria-pressed", `${density === "compact"}`);
    this.#arrangeSoon();
  }

  /** Makes columns as wide as their prices, stacked where there is no room for all of them. */
  #setColumns(): void {
    const priceWidth = Math.max(
      PRICE_WIDTH_PX_MIN,
      this.#priceLength * DIGIT_WIDTH_PX + CELL_PADDING_PX,
    );
    this.#grid.style.setProperty("--price", `${priceWidth}px`);
    const stacked = this.#width < OTHER_WIDTH_PX + 3 * priceWidth;
    this.#grid.toggleAttribute("data-stacked", stacked);
  }

  #fit(row: MarketRow): void {
    if (row.priceLength <= this.#priceLength) return;
    this.#priceLength = row.priceLength;
    this.#setColumns();
  }

  // --- What is listed -----------------------------------------------------------------------------

  #look(change: Partial<MarketView>): void {
    this.#view = { ...this.#view, ...change };
    this.#arrangeSoon();
  }

  #sortBy(key: SortKey): void {
    const again = this.#view.sort === key;
    // Names are looked for from A, numbers from the greatest.
    this.#look({ sort: key, descending: again ? !this.#view.descending : key !== "title" });
    this.#showSort();
  }

  #showSort(): void {
    const { sort, descending } = this.#view;
    for (const [key, cell] of this.#headers) {
      const order = descending ? "descending" : "ascending";
      cell.setAttribute("aria-sort", key === sort ? order : "none");
    }
  }

  #arrangeSoon(): void {
    this.#stale = true;
    this.#loop.request(this.#draw);
  }

  #arrange(): void {
    this.#stale = false;
    this.#moved = true;
    this.#listed = arrange(this.#store.all, this.#view);
    const { length } = this.#listed;
    this.#sheet.style.height = `${length * this.#rowHeight}px`;
    this.#sheet.dataset["empty"] = this.#store.size === 0 ? "waiting" : length === 0 ? "none" : "";
    this.#grid.setAttribute("aria-rowcount", `${length + 1}`);
    byId("market-count").textContent =
      length === this.#store.size
        ? `${length} ${length === 1 ? "market" : "markets"}`
        : `${length} of ${this.#store.size}`;
  }

  // --- Drawing ------------------------------------------------------------------------------------

  readonly #draw = (): void => {
    const first = Math.max(0, Math.floor(this.#scrollTop / this.#rowHeight) - OVERSCAN);
    const end = Math.ceil((this.#scrollTop + this.#height) / this.#rowHeight) + OVERSCAN;
    if (this.#stale) this.#arrange();
    if (this.#moved || first !== this.#first || end !== this.#end) {
      this.#moved = false;
      this.#place(this.#listed.slice(first, end), first);
      [this.#first, this.#end] = [first, end];
    }
    this.#drawChanged();
  };

  /**
   * Draws rows that have changed, neighbours together, going down the list frame by frame and starting
   * again at its top: a bounded part of the page is laid out and painted anew in each.
   */
  #drawChanged(): void {
    const { length } = this.#inRows;
    let drawn = 0;
    for (let seen = 0; seen < length && drawn < ROWS_PER_FRAME; seen++) {
      this.#sweep = (this.#sweep + 1) % length;
      const market = this.#inRows[this.#sweep] as MarketState;
      if (!this.#changed.delete(market)) continue;
      const row = this.#rows.get(market);
      row?.draw(this.#flashes);
      if (row !== undefined) this.#fit(row);
      drawn++;
    }
    // Those that are left and have no row need none: a row is drawn when it is made.
    if (drawn < ROWS_PER_FRAME) this.#changed.clear();
    else this.#loop.request(this.#draw);
  }

  /** Brings the rows of these markets, and no others, into the document, each at its place. */
  #place(markets: readonly MarketState[], first: number): void {
    this.#inRows = markets;
    const wanted = new Set(markets);
    for (const [market, row] of this.#rows) {
      if (wanted.has(market)) continue;
      row.element.remove();
      this.#rows.delete(market);
    }
    let index = first;
    for (const market of markets) {
      let row = this.#rows.get(market);
      if (row === undefined) {
        row = new MarketRow(market, this.#flashes);
        row.select(market === this.#selected);
        this.#rows.set(market, row);
        this.#fit(row);
        this.#sheet.append(row.element);
      }
      row.place(index++, this.#rowHeight);
    }
    this.#tellInView(markets);
  }

  #tellInView(markets: readonly MarketState[]): void {
    const ids = markets.map(({ id }) => id);
    const key = ids.join();
    if (key === this.#inView) return;
    this.#inView = key;
    clearTimeout(this.#restTimer);
    this.#restTimer = setTimeout(() => this.#events.inView(ids), REST_MS);
  }

  // --- Pointer and keys ---------------------------------------------------------------------------

  #onClick({ target }: MouseEvent): void {
    const id = (target as HTMLElement).closest<HTMLElement>(".row")?.id;
    const market = this.#listed.find((each) => rowId(each) === id);
    if (market !== undefined) this.#events.selected(market, true);
  }

  #onKey(event: KeyboardEvent): void {
    if (event.target !== this.#grid && event.target !== this.#scroller) return;
    const page = Math.max(1, Math.floor(this.#height / this.#rowHeight) - 1);
    const { length } = this.#listed;
    const steps: Readonly<Record<string, number>> = {
      ArrowDown: 1,
      ArrowUp: -1,
      PageDown: page,
      PageUp: -page,
      Home: -length,
      End: length,
    };
    const step = steps[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const at = this.#selected === undefined ? -1 : this.#listed.indexOf(this.#selected);
    // From nowhere, either direction leads to the first.
    const next = at < 0 ? 0 : Math.min(length - 1, Math.max(0, at + step));
    const market = this.#listed[next];
    if (market !== undefined) this.#events.selected(market, false);
  }

  #onSearchKey(event: KeyboardEvent): void {
    if (event.key === "Escape") {
      this.#search.value = "";
      this.#look({ search: "" });
      this.#grid.focus();
    } else if (event.key === "ArrowDown" || event.key === "Enter") {
      event.preventDefault();
      this.#grid.focus();
      const [first] = this.#listed;
      if (first !== undefined) this.#events.selected(first, false);
    }
  }

  /** The headers are one stop of the tab key, with arrows between them. */
  #walkHeaders(event: KeyboardEvent): void {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step === undefined) return;
    const buttons = [...this.#headers.values()].map(
      ({ firstElementChild }) => firstElementChild as HTMLButtonElement,
    );
    const at = buttons.indexOf(event.target as HTMLButtonElement);
    const next = buttons[at + step];
    if (next === undefined) return;
    event.preventDefault();
    for (const button of buttons) button.tabIndex = button === next ? 0 : -1;
    next.focus();
  }

  #reveal(market: MarketState): void {
    const index = this.#listed.indexOf(market);
    if (index < 0) return;
    const top = index * this.#rowHeight;
    const bottom = top + this.#rowHeight;
    if (top < this.#scrollTop) this.#scroller.scrollTop = top;
    else if (bottom > this.#scrollTop + this.#height) {
      this.#scroller.scrollTop = bottom - this.#height;
    }
  }
}
