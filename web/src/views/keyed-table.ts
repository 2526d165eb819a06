import { element, setText } from "../dom.js";

export interface Column<T> {
  readonly label: string;
  readonly className?: string;
  readonly text: (item: T) => string;
}

export interface KeyedTableOptions<T> {
  readonly caption: string;
  readonly columns: readonly Column<T>[];
  readonly keyOf: (item: T) => string;
  /** Set on the row, for its colours. */
  readonly toneOf: (item: T) => string;
  /** What stands in the place of rows where there are none. */
  readonly empty: string;
  /** A button at the end of each row. */
  readonly action?: {
    readonly label: string;
    readonly name: (item: T) => string;
    readonly run: (item: T) => void;
  };
}

/** Rows that are drawn; of more, the first ones. */
const ROWS_MAX = 100;

interface Row<T> {
  item: T;
  readonly element: HTMLTableRowElement;
  readonly texts: readonly Text[];
}

/** A table whose rows stay with their items, so that neither focus nor selection is lost. */
export class KeyedTable<T> {
  readonly element: HTMLElement;
  readonly #options: KeyedTableOptions<T>;
  readonly #body = element("tbody");
  readonly #note = element("p", { class: "empty muted" });
  readonly #rows = new Map<string, Row<T>>();
  #empty: string;

  constructor(options: KeyedTableOptions<T>) {
    this.#options = options;
    this.#empty = options.empty;
    const heads = options.columns.map(({ label, className = "" }) =>
      element("th", { scope: "col", class: className }, label),
    );
    if (options.action !== undefined) heads.push(element("th", { scope: "col" }));
    this.element = element(
      "div",
      { class: "table" },
      element(
        "table",
        {},
        element("caption", { class: "hidden" }, options.caption),
        element("thead", {}, element("tr", {}, ...heads)),
        this.#body,
      ),
      this.#note,
    );
  }

  /** Replaces what stands in the place of rows. */
  setEmpty(text: string): void {
    this.#empty = text;
  }

  draw(items: readonly T[]): void {
    const shown = items.slice(0, ROWS_MAX);
    const keys = new Set(shown.map(this.#options.keyOf));
    for (const [key, row] of this.#rows) {
      if (keys.has(key)) continue;
      row.element.remove();
      this.#rows.delete(key);
    }
    shown.forEach((item, index) => {
      const { element } = this.#draw(item);
      if (this.#body.rows[index] !== element) {
        this.#body.insertBefore(element, this.#body.rows[index] ?? null);
      }
    });
    const more = items.length - shown.length;
    this.#note.textContent = items.length === 0 ? this.#empty : more > 0 ? `and ${more} more` : "";
  }

  #draw(item: T): Row<T> {
    const key = this.#options.keyOf(item);
    let row = this.#rows.get(key);
    if (row === undefined) {
      row = this.#makeRow(item);
      this.#rows.set(key, row);
    }
    row.item = item;
    row.element.dataset["tone"] = this.#options.toneOf(item);
    const { texts } = row;
    this.#options.columns.forEach(({ text }, index) => {
      setText(texts[index] as Text, text(item));
    });
    return row;
  }

  #makeRow(item: T): Row<T> {
    const { columns, action } = this.#options;
    const texts = columns.map(() => document.createTextNode(""));
    const cells = columns.map(({ className = "" }, index) =>
      element("td", { class: className }, texts[index] as Text),
    );
    const row: Row<T> = { item, element: element("tr", {}, ...cells), texts };
    if (action !== undefined) {
      const button = element(
        "button",
        { type: "button", class: "quiet small", "aria-label": action.name(item) },
        action.label,
      );
      button.addEventListener("click", () => action.run(row.item));
      row.element.append(element("td", { class: "action" }, button));
    }
    return row;
  }
}
