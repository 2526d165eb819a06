import { beforeEach, describe, expect, it } from "vitest";
import { counterBlockOf, createCounterBuffer } from "../../src/counters/counters.js";
import { checkDefinition } from "../../src/market-data/feed-checks.js";
import { MarketWriter } from "../../src/market-data/market-writer.js";
import { type SequencedMarket, Sequencer } from "../../src/market-data/sequencer.js";
import { createMarketMemory } from "../../src/ring/market-memory.js";
import { CHANGE, type MarketState, utf8 } from "../../src/ring/records.js";
import { createBook } from "../../src/shared/market.js";

const SIZES = { ringSize: 1 << 16, tradeRingSize: 1 << 16, maxMarkets: 3, maxTitleBytes: 16 };

/** A writer that keeps what it is given. */
class KeptWriter extends MarketWriter {
  readonly states: Partial<MarketState>[] = [];
  readonly trades: { seq: number; ts: number }[] = [];
  readonly books: { seq: number; ts: number }[] = [];

  override state(state: MarketState): void {
    const { changes, stateSeq, priceSeq, price, volume, ts } = state;
    this.states.push({ changes, stateSeq, priceSeq, price, volume, ts });
    super.state(state);
  }

  override trade(trade: Parameters<MarketWriter["trade"]>[0], id: Uint8Array): void {
    this.trades.push({ seq: trade.seq, ts: trade.ts });
    super.trade(trade, id);
  }

  override book(...[slot, seq, ts, book]: Parameters<MarketWriter["book"]>): void {
    this.books.push({ seq, ts });
    super.book(slot, seq, ts, book);
  }
}

describe("sequencer", () => {
  let now: number;
  let writer: KeptWriter;
  let sequencer: Sequencer;
  let market: SequencedMarket;

  beforeEach(() => {
    now = 1000;
    const { producer } = counterBlockOf(createCounterBuffer(1));
    writer = new KeptWriter(createMarketMemory("epoch", SIZES), producer);
    sequencer = new Sequencer(writer, () => now++, producer);
    const definition = { marketId: 5, title: "Five", tickSize: 1, lotSize: 1 };
    const checked = { ...checkDefinition(definition), title: utf8("Five") };
    market = sequencer.list(checked, "Active", { lastPrice: undefined, volume: 0 });
  });

  it("sequencer - a state has the next seq, and the next price seq where price or quote changed", () => {
    expect(sequencer.quote(market, 10, 13)).toBe(true);
    expect(sequencer.setStatus(market, "Halted")).toBe(true);
    expect(sequencer.quote(market, 10, 12)).toBe(true);
    expect(writer.states).toMatchObject([
      { stateSeq: 2, priceSeq: 1, changes: CHANGE.quote | CHANGE.price, price: 11, ts: 1001 },
      { stateSeq: 3, priceSeq: 1, changes: CHANGE.status, ts: 1002 },
      { stateSeq: 4, priceSeq: 2, changes: CHANGE.quote, price: 11, ts: 1003 },
    ]);
  });

  it("sequencer - what changes nothing is told nobody and takes no seq", () => {
    sequencer.quote(market, 10, 12);
    expect(sequencer.quote(market, 10, 12)).toBe(false);
    expect(sequencer.setStatus(market, "Active")).toBe(false);
    sequencer.tellPending();
    expect(writer.states).toHaveLength(1);
  });

  it("sequencer - trades are told each, and the state they lead to once", () => {
    for (const price of [20, 21])
      sequencer.trade(market, { price, quantity: 2, takerSide: "Buy" }, utf8(`${price}`));
    expect(writer.trades.map(({ seq }) => seq)).toEqual([1, 2]);
    expect(writer.states).toEqual([]);
    sequencer.tellPending();
    sequencer.tellPending();
    expect(writer.states).toMatchObject([{ stateSeq: 2, priceSeq: 1, price: 21, volume: 4 }]);
    // From then on trades make the price, and quotes do not.
    sequencer.quote(market, 1, 3);
    expect(writer.states.at(-1)).toMatchObject({ stateSeq: 3, priceSeq: 2, price: 21 });
  });

  it("sequencer - books have a stream of their own", () => {
    sequencer.quote(market, 10, 12);
    for (let index = 0; index < 2; index++) sequencer.book(market, createBook());
    expect(writer.books).toEqual([
      { seq: 1, ts: 1002 },
      { seq: 2, ts: 1003 },
    ]);
  });
});
