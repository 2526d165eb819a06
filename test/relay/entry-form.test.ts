import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { EntryWriter, openEntry } from "../../src/relay/entry-form.js";
import type { BookPlaced, RecordSink, TradeNumbered } from "../../src/relay/packed-records.js";
import type { PublicationRecord } from "../../src/ring/publication-record.js";
import type { MarketState } from "../../src/ring/records.js";
import {
  type BookSide,
  createBook,
  MARKET_STATUSES,
  type MarketDefinition,
  SIDES,
} from "../../src/shared/market.js";

const count = fc.oneof(
  fc.nat({ max: 200 }),
  fc.nat(),
  fc.maxSafeNat().map((value) => Math.floor(value / 4)),
);
const ts = fc.oneof(fc.constant(0), fc.integer({ min: 1.7e15, max: 1.9e15 }));
const maybe = fc.option(count);
const slot = fc.nat({ max: 100_000 });
const state: fc.Arbitrary<MarketState> = fc.record({
  slot,
  status: fc.constantFrom(...MARKET_STATUSES),
  changes: fc.nat({ max: 63 }),
  stateSeq: count,
  priceSeq: count,
  price: maybe,
  bestBid: maybe,
  bestAsk: maybe,
  volume: count,
  ts,
  sizedSeq: count,
  bidQuantity: maybe,
  askQuantity: maybe,
  sizedTs: ts,
});
const definition: fc.Arbitrary<MarketDefinition> = fc.record({
  marketId: fc.oneof(count, fc.constant("340282366920938463463374607431768211455")),
  title: fc.string({ unit: "grapheme", maxLength: 40 }),
  tickSize: fc.double({ min: 1e-9, max: 1e9, noNaN: true }),
  lotSize: fc.double({ min: 1e-9, max: 1e9, noNaN: true }),
});
const levels = fc.array(fc.tuple(count, count), { maxLength: 200 });
const book = fc.record({ seq: count, ts, topSeq: count, topTs: ts, bids: levels, asks: levels });
const trade: fc.Arbitrary<TradeNumbered> = fc
  .record({
    slot,
    seq: count,
    tradeNumber: count,
    price: count,
    quantity: count,
    takerSide: fc.constantFrom(...SIDES),
    ts,
    id: fc.option(fc.string({ unit: "grapheme", maxLength: 16 })),
  })
  .map(({ id, ...rest }) => ({ ...rest, tradeId: id ?? String(rest.tradeNumber) }));

const publication: fc.Arbitrary<PublicationRecord> = fc.record({
  channel: fc.string({ minLength: 1, maxLength: 128 }),
  userId: fc.option(fc.string({ unit: "grapheme", maxLength: 40 }), { nil: undefined }),
  data: fc.oneof(fc.json(), fc.constant(JSON.stringify("ü".repeat(8000)))),
  seq: count,
  ts,
});

type Given<T> = T extends fc.Arbitrary<infer Value> ? Value : never;
type BookGiven = Given<typeof book>;

type Plain =
  | { type: "listing"; definition: MarketDefinition; state: MarketState; tradeSeq: number }
  | { type: "state"; state: MarketState }
  | { type: "book"; slot: number; book: BookGiven }
  | { type: "trade"; trade: TradeNumbered }
  | { type: "complete"; ts: number }
  | { type: "publication"; publication: PublicationRecord }
  | { type: "published-to"; ts: number };
const record: fc.Arbitrary<Plain> = fc.oneof(
  fc.record({ type: fc.constant("listing" as const), definition, state, tradeSeq: count }),
  fc.record({ type: fc.constant("state" as const), state }),
  fc.record({ type: fc.constant("book" as const), slot, book }),
  fc.record({ type: fc.constant("trade" as const), trade }),
  fc.record({ type: fc.constant("complete" as const), ts }),
  fc.record({ type: fc.constant("publication" as const), publication }),
  fc.record({ type: fc.constant("published-to" as const), ts }),
);
const head = fc.record({
  epoch: fc.string({ minLength: 1, maxLength: 20 }),
  fence: count,
  batch: count,
  gap: fc.boolean(),
  begins: fc.boolean(),
});

type HeadGiven = Given<typeof head>;

function sideOf(side: BookSide, given: readonly (readonly [number, number])[]): void {
  side.length = given.length;
  for (const [at, [price, quantity]] of given.entries()) {
    side.price[at] = price;
    side.quantity[at] = quantity;
  }
}

function packed(records: readonly Plain[], at: number, given: HeadGiven): Buffer {
  const writer = new EntryWriter();
  writer.begin(at);
  for (const one of records) {
    if (one.type === "listing") writer.listing(one.definition, one.state, one.tradeSeq);
    else if (one.type === "state") writer.state(one.state);
    else if (one.type === "trade") writer.trade(one.trade);
    else if (one.type === "complete") writer.completeFrom(one.ts);
    else if (one.type === "publication") writer.publication(one.publication);
    else if (one.type === "published-to") writer.publishedTo(one.ts);
    else {
      const { bids, asks, ...place } = one.book;
      const written: BookPlaced = { ...createBook(), ...place };
      sideOf(written.bids, bids);
      sideOf(written.asks, asks);
      writer.book(one.slot, written);
    }
  }
  return writer.finish(given);
}

const plainSide = ({ price, quantity, length }: BookSide): [number, number][] =>
  Array.from({ length }, (_, at) => [price[at] as number, quantity[at] as number]);

function unpacked(bytes: Buffer): Plain[] {
  const records: Plain[] = [];
  const sink: RecordSink = {
    listing: (found, first, tradeSeq) =>
      records.push({ type: "listing", definition: found, state: { ...first }, tradeSeq }),
    state: (found) => records.push({ type: "state", state: { ...found } }),
    book: (at, { seq, ts: told, topSeq, topTs, bids, asks }) =>
      records.push({
        type: "book",
        slot: at,
        book: { seq, ts: told, topSeq, topTs, bids: plainSide(bids), asks: plainSide(asks) },
      }),
    trade: (found) => records.push({ type: "trade", trade: { ...found } }),
    completeFrom: (from) => records.push({ type: "complete", ts: from }),
    publication: (publication) => records.push({ type: "publication", publication }),
    publishedTo: (to) => records.push({ type: "published-to", ts: to }),
  };
  openEntry(bytes).read(sink);
  return records;
}

describe("entry form", () => {
  it("entry form - what is packed is read as it was", () => {
    fc.assert(
      fc.property(fc.array(record, { maxLength: 20 }), ts, head, (records, at, given) => {
        const bytes = packed(records, at, given);
        expect(unpacked(bytes)).toEqual(records);
        expect(openEntry(bytes)).toMatchObject({ ...given, ts: at, records: records.length });
      }),
    );
  });

  it("entry form - an entry with any byte changed, or cut anywhere, is refused with a code", () => {
    fc.assert(
      fc.property(
        fc.array(record, { maxLength: 5 }),
        head,
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        (records, given, where, change) => {
          const bytes = packed(records, 1.79e15, given);
          const changed = Buffer.from(bytes);
          const at = where % bytes.length;
          changed[at] = (changed[at] as number) ^ change;
          for (const damaged of [changed, bytes.subarray(0, at)])
            expect(() => unpacked(damaged)).toThrow(
              expect.objectContaining({
                name: "EntryError",
                code: expect.stringMatching(/^ENTRY_(DAMAGED|VERSION)$/),
              }),
            );
        },
      ),
    );
  });

  it("entry form - a checksum that fits makes no entry of what is none", () => {
    const bytes = packed([], 1, { epoch: "e", fence: 1, batch: 1, gap: false, begins: false });
    expect(() => openEntry(Buffer.concat([Buffer.from([2]), bytes.subarray(1)]))).toThrow(
      expect.objectContaining({ code: "ENTRY_VERSION", message: expect.stringContaining("2") }),
    );
    expect(() => openEntry(Buffer.alloc(3))).toThrow(
      expect.objectContaining({ code: "ENTRY_DAMAGED" }),
    );
  });

  it("entry form - a state takes some 30 bytes, where the ring has 104", () => {
    const quote: MarketState = {
      slot: 17,
      status: "Active",
      changes: 12,
      stateSeq: 70_000,
      priceSeq: 60_000,
      price: 5853,
      bestBid: 5852,
      bestAsk: 5854,
      volume: 400_000,
      ts: 1.79e15,
      sizedSeq: 61_000,
      bidQuantity: 300,
      askQuantity: 12,
      sizedTs: 1.79e15,
    };
    const one = { epoch: "mwxsv5ce-1", fence: 1.79e9, batch: 1.79e12, gap: false, begins: false };
    const ten = packed(
      Array.from({ length: 10 }, () => ({ type: "state" as const, state: quote })),
      1.79e15 + 500,
      one,
    );
    const none = packed([], 1.79e15 + 500, one);
    expect((ten.length - none.length) / 10).toBeLessThan(30);
    expect(none.length).toBeLessThan(50);
  });
});
