import { describe, expect, it } from "vitest";
import { ClientOrderIds } from "../../src/engine/client-order-ids.js";

const RETENTION = 1000;

/** Ids that are made and finished by `finish`. */
class Ids extends ClientOrderIds {
  constructor(max = 1000) {
    super(max, RETENTION);
  }

  open(wallet: string, clientOrderId: string, orderId: number): void {
    this.add({ wallet, clientOrderId, orderId, finishedTs: undefined });
  }
}

describe("ClientOrderIds", () => {
  it("client order ids - an open order's is remembered for any time, of its wallet alone", () => {
    const ids = new Ids();
    ids.open("w", "a", 1);
    expect(ids.find("w", "a", 1e15)).toBe(1);
    expect(ids.find("v", "a", 0)).toBeUndefined();
    expect(ids.find("w", "b", 0)).toBeUndefined();
  });

  it("client order ids - a finished order's is free when its time is over, and not before", () => {
    const ids = new Ids();
    ids.open("w", "a", 1);
    ids.finish("w", "a", 5000);
    expect(ids.find("w", "a", 5000 + RETENTION - 1)).toBe(1);
    expect(ids.find("w", "a", 5000 + RETENTION)).toBeUndefined();
  });

  it("client order ids - one that is used again after its time is not forgotten with the first", () => {
    const ids = new Ids();
    ids.open("w", "a", 1);
    ids.finish("w", "a", 0);
    ids.open("w", "a", 2);
    ids.expire(RETENTION);
    expect(ids.find("w", "a", RETENTION)).toBe(2);
    ids.finish("w", "a", RETENTION);
    ids.expire(2 * RETENTION);
    expect(ids.find("w", "a", 0)).toBeUndefined();
  });

  it("client order ids - a wallet is full with its own ids, until one is over", () => {
    const ids = new Ids(3);
    ids.open("w", "a", 1);
    ids.open("w", "b", 2);
    expect(ids.isFull("w", 0)).toBe(false);
    ids.open("w", "c", 3);
    expect([ids.isFull("w", 0), ids.isFull("v", 0)]).toEqual([true, false]);
    ids.finish("w", "b", 10);
    expect(ids.isFull("w", 10 + RETENTION - 1)).toBe(true);
    expect(ids.isFull("w", 10 + RETENTION)).toBe(false);
  });

  it("client order ids - many that are over at once are forgotten over several commands", () => {
    const ids = new Ids();
    for (let id = 1; id <= 500; id++) {
      ids.open("w", `c${id}`, id);
      ids.finish("w", `c${id}`, id);
    }
    const left = (): number => {
      let count = 0;
      for (let id = 1; id <= 500; id++) if (ids.find("w", `c${id}`, 0) !== undefined) count++;
      return count;
    };
    ids.expire(1e6);
    const afterOne = left();
    expect(afterOne).toBeGreaterThan(0);
    expect(afterOne).toBeLessThan(500);
    for (let command = 0; command < 100 && left() > 0; command++) ids.expire(1e6);
    expect(left()).toBe(0);
  });

  it("client order ids - those of an earlier run end in their time", () => {
    const ids = new Ids(2);
    ids.add({ wallet: "w", clientOrderId: "a", orderId: 1, finishedTs: 100 });
    ids.add({ wallet: "w", clientOrderId: "b", orderId: 2, finishedTs: 200 });
    expect([ids.find("w", "a", 150), ids.isFull("w", 150)]).toEqual([1, true]);
    expect([ids.isFull("w", 100 + RETENTION), ids.find("w", "b", 1150)]).toEqual([false, 2]);
  });

  it("client order ids - the end of an order that has none is a bug", () => {
    expect(() => new Ids().finish("w", "a", 0)).toThrow("a is not remembered");
  });
});
