import { expect, it } from "vitest";
import {
  numberFrom,
  type PageNews,
  pageMessage,
} from "../../../../src/workers/shard/trading/wallet-pages.js";

const page = (next: number): PageNews => {
  return { type: "page", request: 1, wallet: "w", items: { orders: [] }, next, read: 0 };
};

it.each([1, 35, 36, Number.MAX_SAFE_INTEGER])(
  "wallet pages - the next of a page stands for %i, in pages of its kind",
  (number) => {
    const { data } = pageMessage(page(number));
    const { next } = data as { readonly next: string };
    expect([numberFrom("orders", next), numberFrom("fills", next)]).toEqual([number, undefined]);
  },
);

it.each([
  "",
  "o-",
  "o-0",
  "o--5",
  "o-01",
  "o-Z",
  "o-1 ",
  "o-1.5",
  "o-2gosa7pa2gw",
  "x-1",
  "1",
  "o-NaN!",
])("wallet pages - %j is the next of no page", (before) => {
  expect(numberFrom("orders", before)).toBeUndefined();
});
