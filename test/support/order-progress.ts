import { expect } from "vitest";
import type { TestOrder } from "./trading.js";

export function isFinished({ status }: TestOrder): boolean {
  return status === "Filled" || status === "Cancelled";
}

/**
 * Whether `one` is a later state of an order than `other`. Fails where they are not states of one
 * order, or where neither can follow the other.
 */
export function isLater(one: TestOrder, other: TestOrder): boolean {
  expect(termsOf(one)).toEqual(termsOf(other));
  const ahead = isAhead(one, other);
  if (!ahead && !isAhead(other, one)) {
    expect(one, "two accounts of one state").toEqual(other);
    return false;
  }
  const [earlier, later] = ahead ? [other, one] : [one, other];
  expect(isFinished(earlier), `${JSON.stringify(earlier)} was not the last state`).toBe(false);
  expect(later.filled_quantity).toBeGreaterThanOrEqual(earlier.filled_quantity);
  expect(later.updated_ts).toBeGreaterThanOrEqual(earlier.updated_ts);
  return ahead;
}

function isAhead(one: TestOrder, other: TestOrder): boolean {
  if (one.filled_quantity !== other.filled_quantity)
    return one.filled_quantity > other.filled_quantity;
  if (isFinished(one) !== isFinished(other)) return isFinished(one);
  // Only an amend makes another one of it.
  const isAmended = one.price !== other.price || one.quantity !== other.quantity;
  return isAmended && one.updated_ts > other.updated_ts;
}

/** What never changes of an order. */
function termsOf(order: TestOrder) {
  const { price, quantity, filled_quantity, average_price, ...others } = order;
  const { status, reason, reason_code, updated_ts, ...terms } = others;
  return terms;
}
