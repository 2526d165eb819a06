import { beforeEach, describe, expect, it } from "vitest";
import type { BookView } from "../../../../src/codec/push-encoder.js";
import type { TradeRecord } from "../../../../src/ring/records.js";
import type { MirrorMarket } from "../../../../src/workers/shard/fan-out/mirror-market.js";
import { RoundFrames } from "../../../../src/workers/shard/fan-out/round-frames.js";
import { messagesOf, ShardWorld } from "../../../support/shard-world.js";

let world: ShardWorld;
let frames: RoundFrames;
let market: MirrorMarket;

beforeEach(() => {
  world = new ShardWorld();
  world.list(1);
  world.quote(1, 100);
  world.book(1, 100);
  world.flush();
  world.round();
  market = world.fanOut.mirror.find(1) as MirrorMarket;
  frames = new RoundFrames();
  frames.begin(1);
});

const trade: TradeRecord = {
  slot: 0,
  seq: 1,
  price: 1,
  quantity: 1,
  takerSide: "Buy",
  ts: 1,
  tradeId: "t",
};
/** Asks for one frame of each kind, and says which messages they are. */
const ask = (encoding: number, tradeOf: TradeRecord) => {
  const asked = [
    frames.price(market, encoding),
    frames.state(market, encoding, "Price"),
    frames.book(market, market.book as BookView, encoding),
    frames.trade(market, tradeOf, encoding),
  ];
  return asked.map(({ start, end }) => {
    const [message, ...others] = messagesOf(frames.bytes(encoding).subarray(start, end), encoding);
    expect(others).toEqual([]);
    return message;
  });
};

/** Bytes that were encoded so far, as the next frame's place shows. */
const encoded = (encoding: number): number => frames.trade(market, { ...trade }, encoding).start;

describe("round-frames", () => {
  it("round-frames - within a round each message is encoded once an encoding, and found again", () => {
    for (const encoding of [0, 1]) {
      const first = ask(encoding, trade);
      expect(first.map((message) => message?.type)).toEqual([
        "PriceUpdate",
        "MarketUpdate",
        "OrderBook",
        "TradeExecution",
      ]);
      const again = ask(encoding, trade);
      expect(again).toEqual(first);
      const before = encoded(encoding);
      frames.price(market, encoding);
      frames.state(market, encoding, "Price");
      frames.book(market, market.book as BookView, encoding);
      const tradeBytes = encoded(encoding) - before;
      // Between the two looks no more than the look's own trade was encoded.
      expect(tradeBytes).toBe(encoded(encoding) - before - tradeBytes);
    }
  });

  it("round-frames - another state, book, update type or trade is another frame", () => {
    const [price, state, book] = ask(0, trade);
    world.quote(1, 200);
    world.book(1, 200);
    world.flush();
    world.round();
    const [nextPrice, nextState, nextBook] = ask(0, { ...trade, seq: 2 });
    expect([nextPrice, nextState, nextBook]).not.toEqual([price, state, book]);
    expect(nextPrice?.data).toMatchObject({ best_bid: 1.99, seq: 2 });
    expect(nextBook?.data).toMatchObject({ bids: [[1.99, 10]], seq: 2 });
    const { start, end } = frames.state(market, 0, "Created");
    expect(messagesOf(frames.bytes(0).subarray(start, end), 0)).toMatchObject([
      { data: { update_type: "Created" } },
    ]);
  });

  it("round-frames - a new round begins with nothing, and frames stay whole as the buffer grows", () => {
    ask(0, trade);
    frames.begin(2);
    expect(frames.price(market, 0).start).toBe(0);
    const [first] = ask(0, trade);
    for (let count = 0; count < 2000; count++)
      frames.trade(market, { ...trade, seq: count + 2 }, 0);
    const { start, end } = frames.price(market, 0);
    expect(messagesOf(frames.bytes(0).subarray(start, end), 0)).toEqual([first]);
    frames.begin(3);
    expect(ask(0, trade)[0]).toEqual(first);
  });
});
