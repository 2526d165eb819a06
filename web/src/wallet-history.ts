import { ClientClosedError, type HistoryItems } from "marketcast/client";

/** Items that are asked for at a time. */
const PAGE_ITEMS = 100;

/** How far a history has been loaded. */
export type HistoryStanding =
  | { readonly status: "nothing" | "loading" | "more" | "complete" }
  | { readonly status: "failed"; readonly why: string };

export interface WalletHistoryEvents<Item> {
  loaded(items: readonly Item[]): void;
  changed(): void;
}

/**
 * One of the histories of the wallet that is signed in, loaded page by page, newest first. What happens
 * meanwhile is told by other ways, so that pages may bring what is known already.
 */
export class WalletHistory<Item> {
  readonly #history: () => HistoryItems<Item>;
  readonly #events: WalletHistoryEvents<Item>;
  #standing: HistoryStanding = { status: "nothing" };
  /** The pages that are read now; of others nothing counts any more. */
  #pages: AsyncIterator<readonly Item[]> | undefined;
  /** The page that comes next: only by asking for it is it known whether there is one. */
  #ahead: readonly Item[] = [];

  constructor(history: () => HistoryItems<Item>, events: WalletHistoryEvents<Item>) {
    this.#history = history;
    this.#events = events;
  }

  get standing(): HistoryStanding {
    return this.#standing;
  }

  /** Starts with the newest page: somebody has signed in, or something may have been missed. */
  begin(): void {
    this.#pages = this.#history().pages(PAGE_ITEMS);
    this.#ahead = [];
    void this.#load(this.#pages);
  }

  /** Goes on with older ones, or tries again. */
  more(): void {
    if (this.#standing.status === "failed") this.begin();
    else if (this.#standing.status === "more" && this.#pages !== undefined)
      void this.#load(this.#pages);
  }

  /** Nobody is signed in any more. */
  end(): void {
    this.#pages = undefined;
    this.#stand({ status: "nothing" });
  }

  async #load(pages: AsyncIterator<readonly Item[]>): Promise<void> {
    this.#stand({ status: "loading" });
    try {
      let page = this.#ahead;
      if (page.length === 0) {
        const first = await pages.next();
        page = first.done === true ? [] : first.value;
      }
      if (pages !== this.#pages) return;
      this.#events.loaded(page);
      const next = await pages.next();
      if (pages !== this.#pages) return;
      this.#ahead = next.done === true ? [] : next.value;
      this.#stand({ status: next.done === true ? "complete" : "more" });
    } catch (error) {
      // A client that was closed is followed by another one, and that by another beginning.
      if (pages !== this.#pages || error instanceof ClientClosedError) return;
      this.#stand({ status: "failed", why: (error as Error).message });
    }
  }

  #stand(standing: HistoryStanding): void {
    this.#standing = standing;
    this.#events.changed();
  }
}
