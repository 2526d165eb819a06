import type { ServerMessage } from "../../../contract/messages.js";
import type { ExchangeNews } from "../../messages.js";

/*
 * The cursors of a wallet's pages: what the `next` of a page, which the following one is before, stands for. Of
 * orders it is an order's number, of fills that of a trade; the letter keeps the one from being taken for the other.
 */

const RADIX = 36;

/** Bytes as of an answer for each record that was read for a page and is not in it. */
const READ_COST_BYTES = 64;

type PageKind = "orders" | "fills";

export type PageNews = Extract<ExchangeNews, { type: "page" }>;

/** The number that a `before` stands for; undefined for one that no page of the kind has given. */
export function numberFrom(kind: PageKind, before: string): number | undefined {
  const number = Number.parseInt(before.slice(2), RADIX);
  const isNumber = Number.isSafeInteger(number) && number > 0;
  return isNumber && textOf(kind, number) === before ? number : undefined;
}

function textOf(kind: PageKind, number: number): string {
  return `${kind.charAt(0)}-${number.toString(RADIX)}`;
}

/** The page of the contract. */
export function pageMessage({ wallet, items, next }: PageNews): ServerMessage {
  if (items.orders !== undefined) {
    const { orders } = items;
    const data = { wallet, orders, ...(next !== undefined && { next: textOf("orders", next) }) };
    return { type: "OrderPage", data };
  }
  const { fills } = items;
  const data = { wallet, fills, ...(next !== undefined && { next: textOf("fills", next) }) };
  return { type: "FillPage", data };
}

/** What a page has cost beyond what it has, in bytes as of an answer. */
export function costOfReading({ items, read }: PageNews): number {
  return READ_COST_BYTES * (read - (items.orders ?? items.fills).length);
}
