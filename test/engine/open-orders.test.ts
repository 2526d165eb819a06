import { describe, expect, it } from "vitest";
import { OpenOrders } from "../../src/engine/open-orders.js";
import type { Order } from "../../src/engine/order.js";
import { filledOrder, newOrder } from "../../src/engine/order-versions.js";
import { orderTerms } from "../support/order-terms.js";

function order(orderId: number, wallet: string, session?: string): Order {
  return newOrder(orderTerms({ wallet, session }), orderId, 0);
}

const ids = (orders: readonly Order[]): number[] => orders.map(({ orderId }) => orderId);

describe("OpenOrders", () => {
  it("open orders - finds them by id, wallet and session, in the order of their ids", () => {
    const open = new OpenOrders();
    const orders = [order(1, "a", "s"), order(2, "b", "s"), order(5, "a"), order(6, "a", "t")];
    for (const each of orders) open.add(each);
    expect(open.get(5)).toBe(orders[2]);
    expect([open.get(3), open.countOf("a"), open.countOf("c")]).toEqual([undefined, 3, 0]);
    expect([ids(open.ofWallet("a")), ids(open.ofWallet("c"))]).toEqual([[1, 5, 6], []]);
    expect([ids(open.ofSession("s")), ids(open.ofSession("u"))]).toEqual([[1, 2], []]);
    expect([...open.sessions()]).toEqual(["s", "t"]);
  });

  it("open orders - a newer version stands where the order stood", () => {
    const open = new OpenOrders();
    const first = order(1, "a", "s");
    open.add(first);
    open.add(order(2, "a", "s"));
    const filled = filledOrder(first, 50, 3, 1);
    open.replace(filled);
    expect([open.get(1), open.ofWallet("a")[0], open.ofSession("s")[0]]).toEqual(
      Array(3).fill(filled),
    );
    expect(ids(open.ofWallet("a"))).toEqual([1, 2]);
  });

  it("open orders - nothing is left of a wallet or session without any", () => {
    const open = new OpenOrders();
    const orders = [order(1, "a", "s"), order(2, "a", "s")];
    for (const each of orders) open.add(each);
    for (const each of orders) open.remove(each);
    expect([open.get(1), open.countOf("a"), open.ownerOf("a")]).toEqual([undefined, 0, 0]);
    expect([...open.sessions()]).toEqual([]);
  });

  it("open orders - a wallet's number is its own while it has orders, and then another's", () => {
    const open = new OpenOrders();
    const owners = ["a", "b", "a", "c"].map((wallet, id) => open.add(order(id + 1, wallet)));
    expect(owners[2]).toBe(owners[0]);
    expect(new Set(owners)).toEqual(new Set([1, 2, 3]));
    open.remove(order(2, "b"));
    expect(open.add(order(5, "d"))).toBe(owners[1]);
    expect([open.ownerOf("d"), open.ownerOf("b")]).toEqual([owners[1], 0]);
    for (let id = 6; id < 1000; id++) {
      expect(open.add(order(id, `w${id}`))).toBe(4);
      open.remove(order(id, `w${id}`));
    }
  });
});
