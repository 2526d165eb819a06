import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ClientOrderIds } from "../../src/engine/client-order-ids.js";

const RETENTION = 1000;

/** Ids that are made and finished by `finish`. */
class Ids extends ClientOrderIds {
  constructor(maxClientOrderIds = 1000, maxAllClientOrderIds = Infinity) {
    super({
      maxClientOrderIds,
      maxAllClientOrderIds,
      clientOrderIdRetentionMicros: RETENTION,
    });
  }

  open(wallet: string, clientOrderId: string, orderId: number): void {
    this.add({ wallet, clientOrderId, orderId });
  }

  isFull(wallet: string, passed: number): boolean {
    return this.fullFor(wallet, passed) !== undefined;
  }

  /** Uses ids until the wallet may use no more; returns how many that were, and the bound. */
  fill(wallet: string, passed = 0): readonly [number, string | undefined] {
    let used = 0;
    while (this.fullFor(wallet, passed) === undefined)
      this.open(wallet, `${wallet}-${++used}`, used);
    return [used, this.fullFor(wallet, passed)];
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
    ids.add({ wallet: "w", clientOrderId: "a", orderId: 1 }, 100);
    ids.add({ wallet: "w", clientOrderId: "b", orderId: 2 }, 200);
    expect([ids.find("w", "a", 150), ids.isFull("w", 150)]).toEqual([1, true]);
    expect([ids.isFull("w", 100 + RETENTION), ids.find("w", "b", 1150)]).toEqual([false, 2]);
  });

  it("client order ids - a wallet may have as many of all as are free, so one that comes has its share", () => {
    const ids = new Ids(1000, 120);
    expect(ids.fill("a")).toEqual([60, "all"]);
    expect(ids.fill("b")).toEqual([30, "all"]);
    // Both have at least what is left, and that is for whoever comes.
    expect([ids.fullFor("a", 0), ids.fullFor("b", 0), ids.fullFor("c", 0)]).toEqual([
      "all",
      "all",
      undefined,
    ]);
    expect(ids.fill("c")).toEqual([15, "all"]);
    expect(ids.size).toBe(105);
    // What one gives back is shared by those who have less.
    for (let id = 1; id <= 60; id++) ids.finish("a", `a-${id}`, 0);
    expect(ids.fullFor("b", RETENTION)).toBeUndefined();
    expect(ids.size).toBe(45);
  });

  it("client order ids - a wallet's own bound counts first", () => {
    const ids = new Ids(10, 1000);
    expect(ids.fill("a")).toEqual([10, "wallet"]);
  });

  it("client order ids - more than are allowed by now go in their time", () => {
    const ids = new Ids(1000, 3);
    for (let id = 1; id <= 5; id++)
      ids.add({ wallet: "a", clientOrderId: `${id}`, orderId: id }, id);
    expect(ids.fullFor("b", 6)).toBe("all");
    expect(ids.fullFor("b", 5 + RETENTION)).toBeUndefined();
  });

  it("client order ids - whatever wallets do, a newcomer gets one while fewer wallets have any than there are ids", () => {
    const action = fc.record({
      wallet: fc.nat(7).map((n) => `w${n}`),
      id: fc.nat(30).map(String),
      finishes: fc.boolean(),
      step: fc.nat(40),
    });
    fc.assert(
      fc.property(
        fc.integer({ min: 12, max: 60 }),
        fc.array(action, { maxLength: 400 }),
        (max, actions) => {
          const ids = new Ids(1000, max);
          /** Of each wallet, ids and when they finished. */
          const model = new Map<string, Map<string, number | undefined>>();
          let passed = 0;
          for (const { wallet, id, finishes, step } of actions) {
            passed += step;
            for (const entries of model.values())
              for (const [one, finishedAt] of entries)
                if (finishedAt !== undefined && passed - finishedAt >= RETENTION)
                  entries.delete(one);
            const used = model.get(wallet) ?? new Map<string, number | undefined>();
            model.set(wallet, used);
            const total = [...model.values()].reduce((sum, { size }) => sum + size, 0);
            const known = ids.find(wallet, id, passed) !== undefined;
            expect(known).toBe(used.has(id));
            if (known) {
              if (finishes && used.get(id) === undefined) {
                ids.finish(wallet, id, passed);
                used.set(id, passed);
              }
              continue;
            }
            const full = ids.fullFor(wallet, passed);
            if (full === undefined) {
              // Those that are over may not be forgotten yet, and are never too few.
              expect(used.size).toBeLessThan(max - total);
              ids.open(wallet, id, 1);
              used.set(id, undefined);
            } else {
              expect(ids.size).toBe(total);
              expect(used.size).toBeGreaterThanOrEqual(max - total);
            }
            expect(ids.size).toBeLessThan(max);
            expect(ids.fullFor("newcomer", passed)).toBeUndefined();
          }
        },
      ),
    );
  });

  it("client order ids - the end of an order that has none is a bug", () => {
    expect(() => new Ids().finish("w", "a", 0)).toThrow("a is not remembered");
  });
});
