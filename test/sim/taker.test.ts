import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { TrieOrderBook } from "../../src/engine/trie-order-book.js";
import { Random } from "../../src/shared/random.js";
import { MarketMaker } from "../../src/sim/market-maker.js";
import { drawTakerOrder } from "../../src/sim/taker.js";

const TERMS = { marketId: 1, wallet: "sim-1", start: 500, levels: 10 };

function draw(priceMax: number, seed: number, quotes: { bid?: number; ask?: number }) {
  const book = new TrieOrderBook();
  if (quotes.bid !== undefined) book.add(1, "Buy", quotes.bid, 1, 0);
  if (quotes.ask !== undefined) book.add(2, "Sell", quotes.ask, 1, 0);
  const maker = new MarketMaker({ ...TERMS, priceMax }, new Random(1));
  return drawTakerOrder(maker, "sim-2", { book: () => book }, new Random(seed));
}

describe("taker", () => {
  it("taker - an order trades at the best price or through it, and never rests", () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 480, max: 518 }), (seed, bid) => {
        const terms = draw(520, seed, { bid, ask: bid + 1 });
        if (terms === undefined) return;
        expect(terms).toMatchObject({ marketId: 1, wallet: "sim-2", timeInForce: "IOC" });
        expect(terms.quantity).toBeGreaterThanOrEqual(1);
        if (terms.orderType === "Market") expect(terms.price).toBeUndefined();
        else if (terms.side === "Buy") expect(terms.price).toBeGreaterThanOrEqual(bid + 1);
        else expect(terms.price).toBeLessThanOrEqual(bid);
        expect(terms.price ?? 1).toBeLessThan(520);
      }),
    );
  });

  it("taker - both sides, Limit and Market orders, small ones and sweeps are drawn", () => {
    const drawn = Array.from({ length: 500 }, (_, seed) =>
      draw(1000, seed, { bid: 499, ask: 501 }),
    );
    const kinds = drawn.map((terms) => {
      const through = terms?.price !== undefined && terms.price !== 499 && terms.price !== 501;
      return `${terms?.side} ${terms?.orderType}${through ? " sweep" : ""}`;
    });
    expect([...new Set(kinds)].sort()).toEqual([
      "Buy Limit",
      "Buy Limit sweep",
      "Buy Market",
      "Sell Limit",
      "Sell Limit sweep",
      "Sell Market",
    ]);
  });

  it("taker - there is no order for an empty side, or a price that no maker would quote", () => {
    for (let seed = 0; seed < 100; seed++) {
      expect(draw(1000, seed, {})).toBeUndefined();
      expect(draw(1000, seed, { bid: 499 })?.side ?? "Sell").toBe("Sell");
      expect(draw(1000, seed, { ask: 501 })?.side ?? "Buy").toBe("Buy");
      expect(draw(1000, seed, { bid: 1, ask: 999 })).toBeUndefined();
    }
  });
});
