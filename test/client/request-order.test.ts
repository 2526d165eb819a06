import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Requests } from "../../src/client/requests.js";
import type { ClientData, ClientMessage, ClientType } from "../../src/contract/messages.js";

let requests: Requests;
let sent: ClientMessage[];

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  sent = [];
  requests = new Requests(100, 60_000, { sent: () => {}, abandoned: () => {} });
  requests.connect((message) => {
    sent.push(message);
    return 100;
  });
  requests.flush();
});
afterEach(() => vi.useRealTimers());

function ask<T extends ClientType>(type: T, data: ClientData[T]): void {
  requests.ask(type, data, { whenLost: "resend" }).catch(() => {});
}

/** Ids of what has been sent since it was last asked. */
const ids = () => sent.splice(0).map(({ id }) => id);

function refuse(id: number): void {
  requests.settle({ type: "Error", id, data: { code: "UNAVAILABLE", message: "not now" } });
}

function answer(id: number): void {
  requests.settle({ type: "CancelAfterSet", id, data: { trigger_ts: null } });
}

describe("request order", () => {
  it("request order - an amend waits for the one before it of the same order, and for the order itself", () => {
    const order = {
      market_id: 1,
      side: "Buy",
      order_type: "Limit",
      price: 1,
      quantity: 1,
    } as const;
    ask("PlaceOrder", { order: { ...order, client_order_id: "a" } });
    ask("AmendOrder", { client_order_id: "a", price: 2 });
    ask("AmendOrder", { client_order_id: "a", price: 3 });
    ask("AmendOrder", { order_id: "7", price: 3 });
    ask("PlaceOrder", { order: { ...order, client_order_id: "b" } });
    // Nobody else waits for them.
    expect(ids()).toEqual([1, 4, 5]);
    for (const id of [4, 5]) answer(id);
    refuse(1);
    vi.advanceTimersByTime(5000);
    expect(ids()).toEqual([1]);
    answer(1);
    vi.advanceTimersByTime(5000);
    expect(ids()).toEqual([2]);
    // One that is refused for now is not overtaken by the one that was meant to be the last word.
    refuse(2);
    vi.advanceTimersByTime(5000);
    expect(ids()).toEqual([2]);
    answer(2);
    vi.advanceTimersByTime(5000);
    expect(ids()).toEqual([3]);
  });

  it("request order - a CancelAfter waits for the one before it, a cancel for the amend of its order", () => {
    ask("CancelAfter", { timeout_ms: 0 });
    ask("CancelAfter", { timeout_ms: 5000 });
    ask("AmendOrder", { order_id: "7", price: 3 });
    ask("CancelOrder", { order_id: "7" });
    ask("CancelOrder", { order_id: "8" });
    expect(ids().sort()).toEqual([1, 3, 5]);
    answer(5);
    refuse(1);
    vi.advanceTimersByTime(5000);
    expect(ids()).toEqual([1]);
    for (const id of [1, 3]) answer(id);
    vi.advanceTimersByTime(5000);
    expect(ids().sort()).toEqual([2, 4]);
  });
});
