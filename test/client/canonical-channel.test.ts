import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { canonicalChannel } from "../../src/client/canonical-channel.js";
import { channelSchema } from "../../src/contract/channels-schema.js";
import type { Channel, MarketId, MarketsFilter } from "../../src/contract/messages.js";
import { isName } from "../../src/shared/text.js";

const id: fc.Arbitrary<MarketId> = fc
  .oneof(fc.bigInt(0n, 2000n), fc.bigInt(0n, (1n << 128n) - 1n))
  .chain((value) =>
    value <= Number.MAX_SAFE_INTEGER
      ? fc.constantFrom<MarketId>(Number(value), value.toString())
      : fc.constant<MarketId>(value.toString()),
  );
const status = fc.constantFrom("Active" as const, "Halted" as const, "Closed" as const);
const filter: fc.Arbitrary<MarketsFilter> = fc.record(
  {
    status: fc.oneof(status, fc.array(status, { minLength: 1, maxLength: 5 })),
    min_volume: fc.nat(),
    max_volume: fc.nat(),
    search: fc.string({ maxLength: 64 }),
  },
  { requiredKeys: [] },
);
const channel: fc.Arbitrary<Channel> = fc.oneof(
  fc.record({
    type: fc.constant("Markets" as const),
    params: fc.oneof(
      fc.constant(null),
      fc.record({ filter: fc.oneof(fc.constant(null), filter) }, { requiredKeys: [] }),
    ),
  }),
  fc.record({ type: fc.constant("Market" as const), params: fc.record({ market_id: id }) }),
  fc.record({
    type: fc.constant("PriceFeed" as const),
    params: fc.record({ market_ids: fc.array(id, { minLength: 1, maxLength: 20 }) }),
  }),
  fc.record(
    {
      type: fc.constant("Trades" as const),
      params: fc.oneof(fc.constant(null), fc.record({ market_id: id }, { requiredKeys: [] })),
    },
    { requiredKeys: ["type"] },
  ),
  fc.record({
    type: fc.constantFrom("Orders" as const, "Positions" as const),
    params: fc.record({ wallet: fc.string({ minLength: 1, maxLength: 20 }).filter(isName) }),
  }),
  fc.record({ type: fc.constant("SystemStatus" as const) }),
  fc.record({
    type: fc.constant("Candles" as const),
    params: fc.record(
      {
        market_id: id,
        interval: fc.constantFrom("1s" as const, "1d" as const),
        limit: fc.integer({ min: 0, max: 1000 }),
      },
      { requiredKeys: ["market_id", "interval"] },
    ),
  }),
  fc.record(
    {
      type: fc.constant("Heartbeat" as const),
      params: fc.oneof(
        fc.constant(null),
        fc.record({ interval_ms: fc.integer({ min: 100, max: 60_000 }) }, { requiredKeys: [] }),
      ),
    },
    { requiredKeys: ["type"] },
  ),
);

describe("canonical-channel", () => {
  it("canonical-channel - spells every channel as the server does", () => {
    fc.assert(
      fc.property(channel, (one) => {
        expect(JSON.stringify(canonicalChannel(one))).toBe(
          JSON.stringify(channelSchema.parse(one)),
        );
      }),
      { numRuns: 500 },
    );
  });

  it.each([
    { type: "Trades", params: { market_id: null } },
    { type: "Markets", params: { filter: { status: null, search: null, min_volume: null } } },
    { type: "Markets", params: { filter: { status: "Active", search: null, max_volume: 1 } } },
  ])("canonical-channel - takes null for what is absent, as the server does: %j", (one) => {
    expect(canonicalChannel(one as unknown as Channel)).toEqual(channelSchema.parse(one));
  });

  it.each([
    { type: "Market", params: { market_id: -1 } },
    { type: "Market", params: { market_id: "01" } },
    { type: "PriceFeed", params: { market_ids: ["x", 2, 1.5] } },
  ] as const)("canonical-channel - leaves what the server refuses for it to refuse: %j", (one) => {
    expect(canonicalChannel(one)).toEqual(one);
    expect(channelSchema.safeParse(one).success).toBe(false);
  });
});
