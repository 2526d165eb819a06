import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Audience } from "../../../../src/workers/shard/fan-out/audience.js";
import { InterestIndex } from "../../../../src/workers/shard/fan-out/interest-index.js";
import { MergedStreams } from "../../../../src/workers/shard/fan-out/merged-streams.js";
import { SubscriptionSet } from "../../../../src/workers/shard/fan-out/subscription-set.js";

const BEGINNING = { mirror: { find: () => undefined }, round: 1, now: 0 };
const IDS = [0, 1, "9007199254740993"];
const wants = fc.record({
  states: fc.subarray(IDS),
  prices: fc.subarray(IDS),
  trades: fc.subarray(IDS),
  allTrades: fc.boolean(),
});

describe("interest-index", () => {
  it("interest-index - each market leads to exactly the audiences there that want its stream", () => {
    const steps = fc.array(fc.tuple(wants, fc.nat(3)), { maxLength: 20 });
    fc.assert(
      fc.property(steps, (list) => {
        const index = new InterestIndex(new MergedStreams());
        const audiences: Audience[] = [];
        for (const [{ states, prices, trades, allTrades }, leaving] of list) {
          const subscriptions = new SubscriptionSet();
          for (const id of states) subscriptions.states.set(id, 0);
          for (const id of prices) subscriptions.prices.set(id, { sizes: false, intervalMs: 0 });
          for (const id of trades) subscriptions.trades.add(id);
          subscriptions.allTrades = allTrades;
          const audience = new Audience("", 0, subscriptions, []);
          index.add(audience, BEGINNING);
          audiences.push(audience);
          for (const left of audiences.splice(leaving)) index.remove(left);
        }
        const whoWant = (wanted: (subscriptions: SubscriptionSet) => boolean) =>
          new Set(audiences.filter(({ subscriptions }) => wanted(subscriptions)));
        for (const [position, marketId] of [...IDS, ...IDS].entries()) {
          // Another producer lists them the other way round.
          const turned = position >= IDS.length;
          if (position === IDS.length) index.restart(BEGINNING);
          const slot = turned ? 2 * IDS.length - 1 - position : position;
          const { states, prices, trades } = index.at({ slot, marketId });
          expect(states).toEqual(whoWant((one) => one.states.has(marketId)));
          expect(prices).toEqual(whoWant((one) => one.prices.has(marketId)));
          // Those that have all trades get this market's among them, and once.
          expect(trades).toEqual(whoWant((one) => one.trades.has(marketId) && !one.allTrades));
        }
        expect(index.allTrades).toEqual(whoWant((one) => one.allTrades));
      }),
    );
  });
});
