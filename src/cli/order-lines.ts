import { randomUUID } from "node:crypto";
import type { OrderRequest } from "../client/node.js";
import { parseExactJson } from "../shared/exact-json.js";
import { LongNumber } from "../shared/exact-number.js";
import { TextFault } from "../shared/text-fault.js";
import { UsageError } from "./usage-error.js";

/** An order with an id by which it can be found again, whatever else it says. */
export type NamedOrder = OrderRequest & { readonly client_order_id: string };

/**
 * The orders of lines of JSON, empty ones left out; those without a `client_order_id` get one. Whether an
 * order is one the server says. Throws UsageError for a line that is no object, naming it.
 */
export function readOrders(lines: string, source: string): readonly NamedOrder[] {
  const orders: NamedOrder[] = [];
  for (const [index, line] of lines.split("\n").entries()) {
    if (line.trim() === "") continue;
    const at = `${source}, line ${index + 1}`;
    const order = parseLine(line, at);
    if (typeof order !== "object" || order === null || Array.isArray(order))
      throw new UsageError(`${at}: is not an order, as an object`);
    for (const [field, value] of Object.entries(order))
      if (value instanceof LongNumber)
        throw new UsageError(`${at}: ${field} has more digits than can be kept`);
    orders.push({ client_order_id: randomUUID(), ...order } as NamedOrder);
  }
  if (orders.length === 0) throw new UsageError(`${source}: has no orders`);
  return orders;
}

function parseLine(line: string, at: string): unknown {
  try {
    return parseExactJson(line);
  } catch (error) {
    if (!(error instanceof TextFault)) throw error;
    const { column } = error.position;
    throw new UsageError(`${at}, column ${column}: ${error.message}`, { cause: error });
  }
}
