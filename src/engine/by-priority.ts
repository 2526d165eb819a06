import type { Order } from "./order.js";

/**
 * Orders by ascending priority: those that an amend has taken their places from stand among the ones that
 * came later.
 *
 * @param orders by ascending id
 * @param moved those of them whose priority is not their id
 */
export function* byPriority(
  orders: Iterable<Order>,
  moved: readonly Order[],
): Generator<Order, void> {
  const waiting = [...moved].sort((a, b) => b.priority - a.priority);
  for (const order of orders) {
    if (order.priority !== order.orderId) continue;
    for (let next = waiting.at(-1); next && next.priority < order.priority; next = waiting.at(-1)) {
      yield next;
      waiting.pop();
    }
    yield order;
  }
  yield* waiting.reverse();
}
