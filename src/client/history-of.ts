import type { History, HistoryItems } from "./history.js";
import type { RequestOptions } from "./options.js";
import type { Requests } from "./requests.js";

/** The histories that are asked for by `requests`. */
export function historyOf(requests: Requests): History {
  const of =
    <Query extends { readonly limit?: number }, Item>(kind: keyof History) =>
    (query: Query = {} as Query, options?: RequestOptions): HistoryItems<Item> => {
      async function* pages(itemsMax?: number): AsyncGenerator<readonly Item[], undefined> {
        const { historyPages } = await import("./history-pages.js");
        yield* historyPages<Item>(requests, kind, query, itemsMax, options);
      }
      return {
        pages,
        async *[Symbol.asyncIterator]() {
          for await (const page of pages()) yield* page;
        },
      };
    };
  return {
    trades: of("trades"),
    candles: of("candles"),
    orders: of("orders"),
    fills: of("fills"),
  };
}
