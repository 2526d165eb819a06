import type { History } from "./history.js";
import type { RequestOptions } from "./options.js";
import { given } from "./plain-value.js";
import type { Requests } from "./requests.js";

/** Most items that one request may ask for. */
const PAGE_ITEMS_MAX = 1000;
const REQUESTS = {
  trades: "TradeHistory",
  candles: "CandleHistory",
  orders: "OrderHistory",
  fills: "FillHistory",
} as const;

/** The pages of a history, newest first, each asked for when the one before has been taken. */
export async function* historyPages<Item>(
  requests: Requests,
  kind: keyof History,
  { limit, ...query }: { readonly limit?: number },
  itemsMax = PAGE_ITEMS_MAX,
  options?: RequestOptions,
): AsyncGenerator<readonly Item[], undefined> {
  let left = limit ?? Number.POSITIVE_INFINITY;
  if (!(left >= 0)) throw new RangeError(`limit: must be a number from 0 on, not ${limit}`);
  if (!(itemsMax >= 1)) throw new RangeError(`pages: must have 1 item or more, not ${itemsMax}`);
  let before: string | undefined;
  while (left >= 1) {
    const data = { ...query, before, limit: Math.floor(Math.min(PAGE_ITEMS_MAX, itemsMax, left)) };
    // These types of requests are of nobody else's.
    const type = REQUESTS[kind] as never;
    const page: unknown = await requests.ask(type, given(data) as never, {
      ...options,
      whenLost: "resend",
    });
    const { [kind]: items, next } = page as Page<Item>;
    left -= items.length;
    if (items.length > 0) yield items;
    before = next ?? undefined;
    if (before === undefined) return;
  }
}

type Page<Item> = { readonly [Kind in keyof History]: readonly Item[] } & {
  readonly next?: string | null;
};
