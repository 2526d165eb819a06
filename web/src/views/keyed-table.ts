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
  /** Buttons at the end of each row. */
  readonly actions?: readonly RowAction<T>[];
  /** Rows that are drawn; of more, the first ones. Default 100. */
  readonly rowsMax?: number;
}

export interface RowAction<T> {
  readonly label: (item: T) => string;
  readonly enabled: (item: T) => boolean;
  readonly name: (item: T) => string;
  readonly run: (item: T) => void;
}

const ROWS_MAX = 100;

interface Row<T> {
  item: T;
  readonly element: HTMLTableRowElement;
  readonly texts: readonly Text[];
  readonly buttons: readonly HTMLButtonElement[];
}

/**
 * A table whose rows stay with their items, so that neither focus nor selection is lost. Where there is
 * no room for columns, each row is a card. That takes its meaning from it, which the roles give back.
 */
export class KeyedTable<T> {
  readonly element: HTMLElement;
  readonly #options: KeyedTableOptions<T>;
  readonly #body = element("tbody", { role: "rowgroup" });
  readonly #note = element("p", { class: "empty muted" });
  readonly #rows = new Map<string, Row<T>>();
  #empty: string;

  constructor(options: KeyedTableOptions<T>) {
    this.#options = options;
    this.#empty = options.empty;
    const heads = options.columns.map(({ label, className = "" }) =>
      element("th", { scope: "col", role: "columnheader", class: className }, label),
    );
    if (options.actions !== undefined)
      heads.push(element("th", { scope: "col", role: "columnheader" }));
    this.element = element(
      "div",
      { class: "table" },
      element(
        "table",
        { role: "table" },
        element("caption", { class: "hidden" }, options.caption),
        element("thead", { role: "rowgroup" }, element("tr", { role: "row" }, ...heads)),
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
    const shown = items.slice(0, this.#options.rowsMax ?? ROWS_MAX);
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
    const { texts, buttons } = row;
    this.#options.columns.forEach(({ text }, index) => {
      setText(texts[index] as Text, text(item));
    });
    this.#options.actions?.forEach((action, index) => {
      const button = buttons[index] as HTMLButtonElement;
      const label = action.label(item);
      if (button.textContent !== label) button.textContent = label;
      button.disabled = !action.enabled(item);
      button.ariaLabel = action.name(item);
    });
    return row;
  }

  #makeRow(item: T): Row<T> {
    const { columns, actions = [] } = this.#options;
    const texts = columns.map(() => document.createTextNode(""));
    const cells = columns.map(({ label, className = "" }, index) =>
      element("td", { role: "cell", class: className, "data-label": label }, texts[index] as Text),
    );
    const buttons = actions.map((action) => {
      const button = element("button", { type: "button", class: "quiet small" });
      button.addEventListener("click", () => action.run(row.item));
      return button;
    });
    if (buttons.length > 0)
      cells.push(element("td", { role: "cell", class: "action" }, ...buttons));
    const row: Row<T> = { item, element: element("tr", { role: "row" }, ...cells), texts, buttons };
    return row;
  }
}
