import { describe, expect, it } from "vitest";
import { Audience } from "../../../../src/workers/shard/fan-out/audience.js";
import { SubscriptionSet } from "../../../../src/workers/shard/fan-out/subscription-set.js";
import { ShardWorld } from "../../../support/shard-world.js";

describe("audience", () => {
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
