import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Position } from "../../src/engine/order.js";
import { afterFill, exposure, flatPosition, Positions } from "../../src/engine/positions.js";
import type { Side } from "../../src/shared/market.js";
import { orderTerms } from "../support/order-terms.js";

type Fill = readonly [side: Side, price: number, quantity: number];

function afterFills(fills: readonly Fill[]): Position {
  return fills.reduce(
    (position, [side, price, quantity], index) =>
      afterFill(position, side, price, quantity, index + 1),
    flatPosition("w", 1),
  );
}

describe("positions", () => {
  it.each<readonly [string, readonly Fill[], number, bigint, bigint]>([
    ["a purchase is held at its cost", [["Buy", 50, 10]], 10, 500n, 0n],
    ["a sale of what is not held is a short position", [["Sell", 50, 10]], -10, -500n, 0n],
    [
      "the cost of a part that is sold is its share, the rest profit",
      [
        ["Buy", 50, 10],
        ["Buy", 60, 10],
        ["Sell", 70, 5],
      ],
      15,
      825n,
      75n,
    ],
    [
      "buying back a short position realizes what it fell",
      [
        ["Sell", 50, 10],
        ["Buy", 40, 4],
      ],
      -6,
      -300n,
      40n,
    ],
    [
      "the other direction closes all and opens the rest at its price",
      [
        ["Buy", 50, 10],
        ["Sell", 60, 25],
      ],
      -15,
      -900n,
      100n,
    ],
    [
      "what does not divide is cut off the released cost",
      [
        ["Buy", 10, 1],
        ["Buy", 11, 2],
        ["Sell", 10, 1],
      ],
      // A third of 32 is 10.67: 10 are released, and 10 are earned.
      2,
      22n,
      0n,
    ],
    [
      "of a short position too",
      [
        ["Sell", 10, 1],
        ["Sell", 11, 2],
        ["Buy", 10, 1],
      ],
      -2,
      -22n,
      0n,
    ],
    [
      "the last sale releases the whole cost",
      [
        ["Buy", 10, 1],
        ["Buy", 11, 2],
        ["Sell", 10, 1],
        ["Sell", 12, 2],
      ],
      0,
      0n,
      2n,
    ],
    [
      "values beyond 2^53 stay exact",
      [
        ["Buy", 2 ** 53 - 1, 3],
        ["Sell", 2 ** 52 + 1, 1],
      ],
      2,
      2n * (2n ** 53n - 1n),
      2n ** 52n + 1n - (2n ** 53n - 1n),
    ],
  ])("positions - %s", (_, fills, quantity, cost, realizedPnl) => {
    expect(afterFills(fills)).toEqual({
      wallet: "w",
      marketId: 1,
      quantity,
      cost,
      realizedPnl,
      updatedTs: fills.length,
    });
  });

  it("positions - cash, cost and quantity always add up, and a flat position has no cost", () => {
    const fill = fc.tuple(
      fc.constantFrom<Side>("Buy", "Sell"),
      fc.oneof(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 1, max: 2 ** 53 - 1 })),
      fc.integer({ min: 1, max: 6 }),
    );
    fc.assert(
      fc.property(fc.array(fill, { minLength: 1, maxLength: 60 }), (fills) => {
        const { quantity, cost, realizedPnl } = afterFills(fills);
        const sum = (of: (price: number, quantity: number) => bigint): bigint =>
          fills.reduce(
            (all, [side, ...fill]) => all + (side === "Buy" ? of(...fill) : -of(...fill)),
            0n,
          );
        expect(BigInt(quantity)).toBe(sum((_price, bought) => BigInt(bought)));
        expect(cost - realizedPnl).toBe(sum((price, bought) => BigInt(price) * BigInt(bought)));
        if (quantity === 0) expect(cost).toBe(0n);
        if (quantity !== 0 && cost !== 0n) expect(cost > 0n).toBe(quantity > 0);
      }),
    );
  });

  it("positions - the exposure of a side is what it may grow to if its orders are filled", () => {
    const holding = { position: afterFills([["Buy", 5, 10]]), open: { Buy: 3, Sell: 4 } };
    expect([exposure(holding, "Buy"), exposure(holding, "Sell")]).toEqual([13, 4]);
    const short = { position: afterFills([["Sell", 5, 10]]), open: { Buy: 3, Sell: 4 } };
    expect([exposure(short, "Buy"), exposure(short, "Sell")]).toEqual([3, 14]);
  });

  it("positions - a holding goes with its last open order unless it has traded", () => {
    const positions = new Positions();
    const [buy, sell] = [orderTerms({ wallet: "w" }), orderTerms({ wallet: "w", side: "Sell" })];
    positions.changeOpen(buy, 5);
    positions.changeOpen(sell, 3);
    positions.changeOpen(buy, -5);
    expect(positions.get("w", 1)).toEqual({ position: undefined, open: { Buy: 0, Sell: 3 } });
    positions.changeOpen(sell, -3);
    expect(positions.get("w", 1)).toBeUndefined();
    positions.changeOpen(buy, 1);
    const traded = positions.take("w", 1);
    traded.position = afterFills([
      ["Buy", 5, 1],
      ["Sell", 6, 1],
    ]);
    positions.changeOpen(buy, -1);
    expect([...positions.ofWallet("w")]).toEqual([traded.position]);
    expect([...positions.ofWallet("another")]).toEqual([]);
  });

  it("positions - whether a wallet has open orders is known by market and side", () => {
    const positions = new Positions();
    const sell = orderTerms({ wallet: "w", marketId: 2, side: "Sell" });
    positions.changeOpen(sell, 3);
    const has = (marketId?: number, side?: Side) => positions.hasOpen("w", marketId, side);
    const asked = () => [
      has(),
      has(1),
      has(2),
      has(2, "Buy"),
      has(2, "Sell"),
      has(undefined, "Buy"),
    ];
    expect(asked()).toEqual([true, false, true, false, true, false]);
    // Flat, and with a history.
    const holding = positions.take("w", 2);
    positions.set(holding, afterFills([["Buy", 5, 1]]));
    positions.changeOpen(sell, -3);
    expect(asked()).toEqual(Array(6).fill(false));
    expect(positions.hasOpen("another", undefined, undefined)).toBe(false);
  });
});
