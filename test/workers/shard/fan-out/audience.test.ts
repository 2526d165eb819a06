import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Audience } from "../../../../src/workers/shard/fan-out/audience.js";
import { FrameRanges } from "../../../../src/workers/shard/fan-out/frame-ranges.js";
import { SubscriptionSet } from "../../../../src/workers/shard/fan-out/subscription-set.js";
import { ShardWorld } from "../../../support/shard-world.js";

describe("audience", () => {
  it("audience - ranges of frames become one buffer with all of them, in order", () => {
    const source = Buffer.from(Array.from({ length: 256 }, (_, at) => at));
    const range = fc
      .tuple(fc.nat(256), fc.nat(256))
      .map(([a, b]) => ({ start: Math.min(a, b), end: Math.max(a, b) }));
    // Neighbours, which are merged, are as likely as not.
    const neighbours = fc
      .uniqueArray(fc.nat(256), { minLength: 2 })
      .map((cuts) => cuts.sort((a, b) => a - b))
      .map((cuts) => cuts.slice(1).map((end, at) => ({ start: cuts[at] as number, end })));
    const lists = fc.array(fc.oneof(fc.array(range), neighbours), { maxLength: 3 });
    fc.assert(
      fc.property(lists, (all) => {
        const ranges = all.map((list) => {
          const one = new FrameRanges();
          one.add({ start: 1, end: 9 });
          one.clear();
          for (const entry of list) one.add(entry);
          return one;
        });
        const { bytes, messages } = FrameRanges.concat(source, ...ranges);
        const expected = all.flat().map(({ start, end }) => source.subarray(start, end));
        expect(messages).toBe(expected.length);
        expect(bytes.equals(Buffer.concat(expected))).toBe(true);
        // Memory of its own, no part of a pool that it would hold back.
        expect(bytes.buffer.byteLength).toBe(bytes.length);
      }),
    );
  });

  it("audience - its markets are those that are listed, with every listing and every mirror", () => {
    const world = new ShardWorld();
    const subscriptions = new SubscriptionSet();
    for (const market_id of [1, 2]) subscriptions.add({ type: "Market", params: { market_id } });
    subscriptions.add({ type: "PriceFeed", params: { market_ids: [2, 3] } });
    const audience = new Audience("", 0, subscriptions, []);
    const ids = () => {
      const { mirror } = world.fanOut;
      const idsOf = (markets: readonly { marketId: unknown }[]) =>
        markets.map(({ marketId }) => marketId);
      return [idsOf(audience.stateMarkets(mirror)), idsOf(audience.priceMarkets(mirror))];
    };
    expect(ids()).toEqual([[], []]);
    const list = (id: number): void => {
      world.list(id);
      world.flush();
      world.round();
    };
    list(2);
    expect(ids()).toEqual([[2], [2]]);
    list(9);
    list(3);
    list(1);
    expect(ids()).toEqual([
      [1, 2],
      [2, 3],
    ]);
    const [before] = audience.stateMarkets(world.fanOut.mirror);
    world.restartProducer(() => world.list(1));
    expect(ids()).toEqual([[1], []]);
    expect(audience.stateMarkets(world.fanOut.mirror)[0]).not.toBe(before);
  });
});
