import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Gap } from "../../src/client/events.js";
import { SequenceTracker } from "../../src/client/sequence-tracker.js";
import { since } from "../../src/client/since.js";
import { Subscriptions } from "../../src/client/subscriptions.js";
import type { Channel, ServerMessage } from "../../src/contract/messages.js";
import { drawSeed } from "../support/seeds.js";

/** A message of a stream as the server remembers it. */
interface Told {
  readonly stream: "price" | "trade";
  readonly market: number;
  readonly epoch: string;
  readonly seq: number;
  readonly ts: number;
  readonly id: string;
}

const MARKETS = [1, 2, 3];
const CHANNELS: readonly Channel[] = [
  { type: "Trades", params: { market_id: 1 } },
  { type: "Trades", params: null },
  { type: "PriceFeed", params: { market_ids: MARKETS } },
];

const step = fc.record({
  stream: fc.constantFrom("price", "trade"),
  market: fc.constantFrom(...MARKETS),
  // Often none: several messages have an equal ts.
  later: fc.integer({ min: 0, max: 2 }),
  event: fc.constantFrom("none", "none", "none", "cut", "cut", "epoch"),
  /** Messages of a replay that come before the next cut. */
  before: fc.integer({ min: 0, max: 12 }),
  away: fc.boolean(),
});

function messageOf({ stream, market, epoch, seq, ts, id }: Told, now: string): ServerMessage {
  if (stream === "price") {
    const price = { price: 1, best_bid: 1, best_ask: 2 };
    return { type: "PriceUpdate", data: { market_id: market, ...price, seq, ts } };
  }
  const rest = { price: 1, quantity: 1, taker_side: "Buy", seq, ts } as const;
  const old = epoch === now ? {} : { epoch };
  return {
    type: "TradeExecution",
    data: { trade: { trade_id: id, market_id: market, ...rest, ...old } },
  };
}

const isOf = ({ type, params }: Channel, { stream, market }: Told): boolean =>
  type === "PriceFeed"
    ? stream === "price" && params.market_ids.includes(market)
    : type === "Trades" &&
      stream === "trade" &&
      (params?.market_id === undefined || params.market_id === market);

/** A server's history, and a client that is cut off it again and again. */
class World {
  readonly history: Told[] = [];
  readonly news: Told[] = [];
  readonly gaps: Gap[] = [];
  readonly subscriptions = new Subscriptions(CHANNELS);
  readonly tracker = new SequenceTracker(this.subscriptions, (gap) => this.gaps.push(gap));
  readonly seqs = new Map<string, number>();
  epoch = "e0";
  connected = true;
  ts = 10_000_000;

  constructor() {
    this.tracker.reset(this.epoch);
    this.tracker.subscribed(CHANNELS, CHANNELS, this.ts);
  }

  publish(stream: Told["stream"], market: number, later: number): void {
    const key = `${stream} ${market}`;
    const seq = (this.seqs.get(key) ?? 0) + 1;
    this.seqs.set(key, seq);
    this.ts += later;
    const { epoch, ts } = this;
    const told: Told = { stream, market, epoch, seq, ts, id: `${this.history.length}` };
    this.history.push(told);
    if (this.connected) this.deliver(told);
  }

  deliver(told: Told): void {
    if (this.tracker.take(messageOf(told, this.epoch))) this.news.push(told);
  }

  cut(): void {
    this.connected = false;
    this.tracker.disconnected();
  }

  changeEpoch(): void {
    this.epoch = `e${this.history.length + 1}`;
    this.seqs.clear();
    // Of one epoch to the next it is later.
    this.ts++;
    if (this.connected) this.tracker.reset(this.epoch);
  }

  /** Comes back; `most` messages are replayed before the connection is cut again, or all of them. */
  resume(most: number): void {
    this.connected = true;
    this.tracker.reset(this.epoch);
    let left = most;
    for (const channel of since(CHANNELS, this.tracker)) {
      const { since: from, ...named } = channel;
      if (from === undefined) {
        // Nothing was told yet: first data come, of this epoch.
        if (channel.type !== "PriceFeed") throw new Error(`${channel.type} goes on from nowhere`);
        this.tracker.subscribed([channel]);
        for (const market of channel.params.market_ids) {
          const latest = this.history.findLast(
            (told) =>
              told.stream === "price" && told.market === market && told.epoch === this.epoch,
          );
          if (latest === undefined) continue;
          if (left-- <= 0) return this.cut();
          this.deliver(latest);
        }
        continue;
      }
      this.tracker.subscribed([{ ...named, recovered: true } as Channel]);
      for (const told of this.history) {
        if (told.ts < from || !isOf(channel, told)) continue;
        // A window of prices is an epoch's.
        if (told.stream === "price" && told.epoch !== this.epoch) continue;
        if (left-- <= 0) return this.cut();
        this.deliver(told);
      }
    }
  }
}

describe("positions", () => {
  it("positions - over cuts, replays and epochs each trade is told once, and prices without a gap", () => {
    const seed = drawSeed("positions") | 0;
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        const world = new World();
        for (const { stream, market, later, event, before, away } of steps) {
          world.publish(stream, market, later);
          if (event === "epoch") world.changeEpoch();
          if (event === "cut" && world.connected) world.cut();
          if (!world.connected && !away) world.resume(before);
        }
        if (!world.connected) world.resume(Number.POSITIVE_INFINITY);
        const of = (told: readonly Told[], stream: string, market: number): readonly string[] =>
          told.flatMap((one) => (one.stream === stream && one.market === market ? [one.id] : []));
        for (const market of MARKETS) {
          expect(of(world.news, "trade", market)).toEqual(of(world.history, "trade", market));
          const prices = world.news.filter(
            (one) => one.stream === "price" && one.market === market,
          );
          expect(new Set(prices).size).toBe(prices.length);
          const last = world.history.findLast(
            (one) => one.stream === "price" && one.market === market && one.epoch === world.epoch,
          );
          if (last !== undefined) expect(prices.at(-1)).toEqual(last);
        }
        expect(world.gaps).toEqual([]);
      }),
      { seed, numRuns: 2000 },
    );
  });
});
