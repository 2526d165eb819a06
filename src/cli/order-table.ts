import type { Order } from "../client/node.js";
import { printable } from "./message-lines.js";

type Cell = readonly [heading: string, of: (order: Order) => string | number | undefined];

const NUMBER = new Set(["price", "quantity", "filled", "average"]);

const COLUMNS: readonly Cell[] = [
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

/** Orders as a table for a person; columns that would be empty are left out. */
export function orderTable(orders: readonly Order[]): string {
  const columns = COLUMNS.map(([heading, of]) => [
    heading,
    ...orders.map((order) => printable(String(of(order) ?? ""))),
  ]).filter(([, ...cells]) => cells.some((cell) => cell !== ""));
  const padded = columns.map(([heading = "", ...cells]) => {
    const width = Math.max(heading.length, ...cells.map((cell) => cell.length));
    const pad = (cell: string): string =>
      NUMBER.has(heading) ? cell.padStart(width) : cell.padEnd(width);
    return [heading, ...cells].map(pad);
  });
  return Array.from({ length: orders.length + 1 }, (_, row) =>
    padded
      .map((column) => column[row])
      .join("  ")
      .trimEnd(),
  ).join("\n");
}
