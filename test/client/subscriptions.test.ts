import { describe, expect, it } from "vitest";
import { halvesOf } from "../../src/client/halves.js";
import { batchesOf, Subscriptions } from "../../src/client/subscriptions.js";
import type { Channel } from "../../src/contract/messages.js";

const feed = (...market_ids: number[]): Channel => ({ type: "PriceFeed", params: { market_ids } });
const one = (market_id: number): Channel => ({ type: "Market", params: { market_id } });
const trades = (market_id?: number): Channel => ({
  type: "Trades",
  params: market_id === undefined ? null : { market_id },
});
const range = (length: number, from = 0): number[] =>
  Array.from({ length }, (_, index) => from + index);

describe("subscriptions", () => {
  it("subscriptions - price feeds are one set, others are channels of their own", () => {
    const subscriptions = new Subscriptions();
    subscriptions.add([feed(1, 2), one(1), trades()]);
    subscriptions.add([feed(2, 3), one(1), trades(4)]);
    expect(subscriptions.list()).toEqual([one(1), trades(), trades(4), feed(1, 2, 3)]);
    subscriptions.remove([feed(1, 9), one(9), trades()]);
    expect(subscriptions.list()).toEqual([one(1), trades(4), feed(2, 3)]);
    expect(subscriptions.list("Trades")).toEqual([trades(4)]);
    expect(subscriptions.hasMarket(1)).toBe(true);
    expect([1, 2].map((id) => subscriptions.hasPrices(id))).toEqual([false, true]);
    expect([4, 5].map((id) => subscriptions.hasTrades(id))).toEqual([true, false]);
    subscriptions.add([trades()]);
    expect(subscriptions.hasTrades(5)).toBe(true);
  });

  it("subscriptions - channels are told apart into those in it and the others", () => {
    const subscriptions = new Subscriptions();
    subscriptions.add([feed(1, 2), one(1)]);
    const asked = [feed(2, 3), one(1), one(2)];
    expect(subscriptions.of(asked)).toEqual([feed(2), one(1)]);
    expect(subscriptions.without(asked)).toEqual([feed(3), one(2)]);
  });

  it("subscriptions - no feed names more markets, and no request more channels, than is taken", () => {
    const subscriptions = new Subscriptions();
    subscriptions.add([feed(...range(1000)), feed(...range(1000, 1000)), feed(2000)]);
    subscriptions.add(range(250).map(one));
    const feeds = subscriptions.list("PriceFeed");
    expect(feeds).toEqual([feed(...range(1000)), feed(...range(1000, 1000)), feed(2000)]);
    const batches = batchesOf(subscriptions.list());
    expect(new Subscriptions(batches.flat()).list()).toEqual(subscriptions.list());
    expect(batches.every(({ length }) => length <= 100)).toBe(true);
    expect(Math.max(...batchesOf(subscriptions.list(), 7).map(({ length }) => length))).toBe(7);
  });

  it("subscriptions - no request of the client's own has 4 KiB, whatever the ids", () => {
    const ids = Array.from({ length: 1000 }, (_, index) => `${(1n << 127n) + BigInt(index)}`);
    const channels: Channel[] = [
      { type: "PriceFeed", params: { market_ids: ids } },
      ...ids.map((market_id): Channel => ({ type: "Market", params: { market_id } })),
    ];
    const batches = batchesOf(channels);
    for (const batch of batches) {
      const request = { type: "Subscribe", id: Number.MAX_SAFE_INTEGER, data: { channels: batch } };
      expect(Buffer.byteLength(JSON.stringify(request))).toBeLessThan(4096);
    }
    expect(new Subscriptions(batches.flat()).list()).toEqual(new Subscriptions(channels).list());
  });

  it("subscriptions - halves end at single subscriptions, and lose none", () => {
    const singles: Channel[] = [];
    const split = (channels: Channel[]): void => {
      const halves = halvesOf(channels);
      if (halves === undefined) singles.push(...channels);
      else for (const half of halves) split(half);
    };
    split([one(1), feed(1, 2, 3), trades(), one(2)]);
    expect(singles).toEqual([one(1), feed(1), feed(2), feed(3), trades(), one(2)]);
  });
});
