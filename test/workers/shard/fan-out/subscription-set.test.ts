import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { channelSchema, type PublicChannel } from "../../../../src/contract/channels-schema.js";
import { SubscriptionSet } from "../../../../src/workers/shard/fan-out/subscription-set.js";

const ids = fc.oneof(fc.nat(4), fc.constantFrom("9007199254740993", "9007199254740994"));
const channels: fc.Arbitrary<PublicChannel> = fc
  .oneof(
    fc
      .constantFrom(null, { status: "Active" }, { search: "a;b|c" }, { search: '"}}};{' })
      .map((filter) => ({ type: "Markets", params: { filter } })),
    ids.map((market_id) => ({ type: "Market", params: { market_id } })),
    fc
      .array(ids, { minLength: 1 })
      .map((market_ids) => ({ type: "PriceFeed", params: { market_ids } })),
    fc
      .option(ids, { nil: undefined })
      .map((market_id) => ({ type: "Trades", params: { market_id } })),
    fc.constant({ type: "SystemStatus" }),
    fc
      .constantFrom(100, 1000)
      .map((interval_ms) => ({ type: "Heartbeat", params: { interval_ms } })),
  )
  .map((spelling) => channelSchema.parse(spelling) as PublicChannel);
const changes = fc.array(fc.tuple(fc.boolean(), channels));

/** The obvious set: a text for each single thing that is subscribed to. */
function items(channel: PublicChannel): string[] {
  if (channel.type !== "PriceFeed") return [JSON.stringify(channel)];
  return channel.params.market_ids.map((id) => `price ${id}`);
}

function apply(
  list: readonly (readonly [boolean, PublicChannel])[],
): [SubscriptionSet, Set<string>] {
  const subscriptions = new SubscriptionSet();
  const model = new Set<string>();
  for (const [add, channel] of list) {
    if (add) subscriptions.add(channel);
    else subscriptions.remove(channel);
    for (const item of items(channel)) {
      // There is one heartbeat at most.
      if (add && channel.type === "Heartbeat")
        for (const other of model) if (other.includes("Heartbeat")) model.delete(other);
      if (add) model.add(item);
      else model.delete(item);
    }
  }
  return [subscriptions, model];
}

const heartbeatOf = (channel: PublicChannel): number =>
  channel.type === "Heartbeat" ? channel.params.interval_ms : 0;

describe("subscriptions", () => {
  it("subscriptions - they are the set that an obvious set is", () => {
    fc.assert(
      fc.property(changes, (list) => {
        const [subscriptions, model] = apply(list);
        expect(subscriptions.size).toBe(model.size);
        const counts = subscriptions.countByChannel();
        expect(Object.values(counts).reduce((sum, count) => sum + count, 0)).toBe(model.size);
        expect(counts.PriceFeed).toBe([...model].filter((item) => item.startsWith("price")).length);
      }),
    );
  });

  it("subscriptions - equal sets have one key, however they came about, and others another", () => {
    fc.assert(
      fc.property(changes, changes, (one, other) => {
        const [a, modelA] = apply(one);
        const [b, modelB] = apply(other);
        const same = [...modelA].sort().join() === [...modelB].sort().join();
        expect(a.key() === b.key()).toBe(same);
      }),
    );
    const orders = fc
      .array(channels)
      .chain((all) =>
        fc.tuple(fc.constant(all), fc.shuffledSubarray(all, { minLength: all.length })),
      )
      // Of two heartbeats the last one counts, so their order would.
      .filter(([all]) => new Set(all.map(heartbeatOf).filter(Boolean)).size < 2);
    fc.assert(
      fc.property(orders, ([one, other]) => {
        const [a] = apply(one.map((channel) => [true, channel]));
        const [b] = apply([...other, ...other].map((channel) => [true, channel]));
        expect(b.key()).toBe(a.key());
      }),
    );
  });

  it("subscriptions - a copy changes by itself", () => {
    fc.assert(
      fc.property(changes, channels, (list, channel) => {
        const [original] = apply(list);
        const key = original.key();
        const copy = new SubscriptionSet(original);
        expect(copy.key()).toBe(key);
        copy.add(channel);
        copy.remove(channel);
        expect(original.key()).toBe(key);
      }),
    );
  });
});
