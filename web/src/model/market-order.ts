import type { MarketStatus } from "marketcast/client";
import { changeOf, type MarketState } from "./market-store.js";

/** What the market list can be sorted by. */
export const SORT_KEYS = ["title", "volume", "bid", "ask", "price", "change"] as const;
export type SortKey = (typeof SORT_KEYS)[number];

/** Which markets are listed, and in which order. */
export interface MarketView {
  /** A part of the title, in any case. */
  readonly search: string;
  /** Undefined for all. */
  readonly status: MarketStatus | undefined;
  readonly sort: SortKey;
  readonly descending: boolean;
}

const NUMBERS: Readonly<
  Record<Exclude<SortKey, "title">, (market: MarketState) => number | null | undefined>
> = {
  volume: ({ volume }) => volume,
  bid: ({ bestBid }) => bestBid,
  ask: ({ bestAsk }) => bestAsk,
  price: ({ price }) => price,
  change: changeOf,
};

const collator = new Intl.Collator("en", { numeric: true });

/** The markets of a view, in order; those without the value that they are sorted by come last. */
export function arrange(markets: Iterable<MarketState>, view: MarketView): MarketState[] {
  const search = view.search.trim().toLowerCase();
  const listed = [...markets].filter(
    ({ searchText, status }) =>
      searchText.includes(search) && (view.status === undefined || status === view.status),
  );
  return listed.sort(comparison(view));
}

function comparison({ sort, descending }: MarketView): (a: MarketState, b: MarketState) => number {
  const direction = descending ? -1 : 1;
  if (sort === "title") return (a, b) => direction * collator.compare(a.title, b.title);
  const numberOf = NUMBERS[sort];
  return (a, b) => {
    const [one, other] = [numberOf(a) ?? undefined, numberOf(b) ?? undefined];
    if (one === undefined || other === undefined) {
      return Number(one === undefined) - Number(other === undefined);
    }
    return direction * (one - other);
  };
}
