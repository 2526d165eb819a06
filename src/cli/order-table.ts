import type { Fill, Order } from "../client/node.js";
import { printable } from "./message-lines.js";

type Cell<T> = readonly [heading: string, of: (one: T) => string | number | undefined];

const NUMBER = new Set(["price", "quantity", "filled", "average"]);

const ORDER_COLUMNS: readonly Cell<Order>[] = [
  ["order id", (order) => order.order_id],
  ["client order id", (order) => order.client_order_id],
  ["market", (order) => order.market_id],
  ["side", (order) => order.side],
  ["type", (order) => order.order_type],
  ["tif", (order) => `${order.time_in_force}${order.post_only ? " post-only" : ""}`],
  ["price", (order) => order.price],
  ["quantity", (order) => order.quantity],
  ["filled", (order) => order.filled_quantity],
  ["average", (order) => order.average_price],
  ["status", (order) => order.status],
  ["reason", (order) => order.reason],
];

const FILL_COLUMNS: readonly Cell<Fill>[] = [
  ["trade id", (fill) => fill.trade_id],
  ["order id", (fill) => fill.order_id],
  ["client order id", (fill) => fill.client_order_id],
  ["market", (fill) => fill.market_id],
  ["side", (fill) => fill.side],
  ["price", (fill) => fill.price],
  ["quantity", (fill) => fill.quantity],
  ["liquidity", (fill) => fill.liquidity],
  ["time", (fill) => new Date(fill.ts / 1000).toISOString()],
];

/** Orders as a table for a person; columns that would be empty are left out. */
export function orderTable(orders: readonly Order[]): string {
  return table(ORDER_COLUMNS, orders);
}

/** Fills as a table for a person, in the same way. */
export function fillTable(fills: readonly Fill[]): string {
  return table(FILL_COLUMNS, fills);
}

function table<T>(cells: readonly Cell<T>[], rows: readonly T[]): string {
  const columns = cells
    .map(([heading, of]) => [heading, ...rows.map((row) => printable(String(of(row) ?? "")))])
    .filter(([, ...texts]) => texts.some((text) => text !== ""));
  const padded = columns.map(([heading = "", ...texts]) => {
    const width = Math.max(heading.length, ...texts.map((text) => text.length));
    const pad = (text: string): string =>
      NUMBER.has(heading) ? text.padStart(width) : text.padEnd(width);
    return [heading, ...texts].map(pad);
  });
  return Array.from({ length: rows.length + 1 }, (_, row) =>
    padded
      .map((column) => column[row])
      .join("  ")
      .trimEnd(),
  ).join("\n");
}
