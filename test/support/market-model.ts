import fc from "fast-check";
import type { BookView, MarketView, TradeView } from "../../src/codec/push-encoder.js";
import { DecimalScale } from "../../src/shared/decimal-scale.js";
import {
  BOOK_LEVELS_MAX,
  type BookSide,
  createBook,
  MARKET_STATUSES,
  SIDES,
} from "../../src/shared/market.js";
import { fromBigInt } from "../../src/shared/market-id.js";

/** A step size as digits × 10^-decimals, from which every expected number is made by decimal text. */
interface Step {
  readonly digits: number;
  readonly decimals: number;
}

/** The number that `count` steps are, by way of their decimal text; null stays null. */
function decimal(count: number, { digits, decimals }: Step): number {
  return Number(`${BigInt(count) * BigInt(digits)}e${-decimals}`);
}

const stepOf = ({ digits, decimals }: Step): number => Number(`${digits}e${-decimals}`);

const steps: fc.Arbitrary<Step> = fc.record({
  digits: fc.oneof(fc.constantFrom(1, 5, 25), fc.integer({ min: 1, max: 999 })),
  decimals: fc.integer({ min: -3, max: 9 }),
});

/** Counts whose number is exact, small ones and the largest. */
function counts(step: Step, min: "negative" | 0 | 1): fc.Arbitrary<number> {
  const max = DecimalScale.of(stepOf(step))?.countMax as number;
  const least = min === "negative" ? -max : min;
  return fc.oneof(
    fc.integer({ min: min === "negative" ? -1000 : min, max: 1000 }),
    fc.integer({ min: least, max }),
    fc.constantFrom(least, max),
  );
}

const ids = fc
  .oneof(
    fc.bigInt({ min: 0n, max: 100_000n }),
    fc.bigInt({ min: (1n << 53n) - 2n, max: (1n << 53n) + 2n }),
    fc.bigInt({ min: (1n << 32n) - 2n, max: (1n << 32n) + 2n }),
    fc.bigInt({ min: 0n, max: (1n << 128n) - 1n }),
  )
  .map(fromBigInt);
const seqs = fc.oneof(
  fc.integer({ min: 1, max: 300 }),
  fc.integer({ min: 65_534, max: 65_538 }),
  fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
);
const timestamps = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
/** Well-formed text, as UTF-8 shared memory gives it. */
const titles = fc.oneof(
  fc.string({ maxLength: 40 }),
  fc.string({ unit: "binary", maxLength: 120 }),
  fc.string({ unit: "grapheme", maxLength: 20 }),
  fc.constantFrom("", '"', "\\", "\u2028", "\u0000", "𝒳/€ “Ω”"),
);

/** A market as the encoders see it, and the object that its message must say. */
export const markets = fc.tuple(steps, steps).chain(([tick, lot]) => {
  const quotes = fc.option(counts(tick, "negative"));
  return fc
    .record({
      marketId: ids,
      title: titles,
      status: fc.constantFrom(...MARKET_STATUSES),
      price: quotes,
      bestBid: quotes,
      bestAsk: quotes,
      volume: counts(lot, 0),
      stateSeq: seqs,
      priceSeq: seqs,
      ts: timestamps,
    })
    .map((fields) => {
      const view: MarketView = {
        ...fields,
        priceScale: DecimalScale.of(stepOf(tick)) as DecimalScale,
        quantityScale: DecimalScale.of(stepOf(lot)) as DecimalScale,
      };
      const price = (ticks: number | null) => (ticks === null ? null : decimal(ticks, tick));
      const quote = {
        price: price(fields.price),
        best_bid: price(fields.bestBid),
        best_ask: price(fields.bestAsk),
      };
      return {
        view,
        tick,
        lot,
        priceUpdate: {
          market_id: fields.marketId,
          ...quote,
          seq: fields.priceSeq,
          ts: fields.ts,
        },
        market: {
          market_id: fields.marketId,
          title: fields.title,
          status: fields.status,
          ...quote,
          volume: decimal(fields.volume, lot),
          tick_size: stepOf(tick),
          lot_size: stepOf(lot),
          seq: fields.stateSeq,
          ts: fields.ts,
        },
      };
    });
});

/** A market with a book, and the book's message. */
export const books = markets.chain((market) => {
  const levels = fc.array(fc.tuple(counts(market.tick, "negative"), counts(market.lot, 1)), {
    maxLength: BOOK_LEVELS_MAX,
  });
  return fc
    .record({ bids: levels, asks: levels, seq: fc.oneof(fc.constant(0), seqs), ts: timestamps })
    .map(({ bids, asks, seq, ts }) => {
      const book: BookView = { ...createBook(), seq, ts };
      fill(book.bids, bids);
      fill(book.asks, asks);
      const told = (side: readonly (readonly [number, number])[]) =>
        side.map(([price, quantity]) => [
          decimal(price, market.tick),
          decimal(quantity, market.lot),
        ]);
      return {
        view: market.view,
        book,
        orderBook: {
          market_id: market.view.marketId,
          bids: told(bids),
          asks: told(asks),
          seq,
          ts,
        },
      };
    });
});

/** A market with a trade, and the trade's message. */
export const trades = markets.chain((market) =>
  fc
    .record({
      tradeId: fc.oneof(fc.string({ minLength: 1, maxLength: 64 }), titles),
      price: counts(market.tick, "negative"),
      quantity: counts(market.lot, 1),
      takerSide: fc.constantFrom(...SIDES),
      seq: seqs,
      ts: timestamps,
    })
    .map((trade: TradeView) => ({
      view: market.view,
      trade,
      tradeExecution: {
        trade: {
          trade_id: trade.tradeId,
          market_id: market.view.marketId,
          price: decimal(trade.price, market.tick),
          quantity: decimal(trade.quantity, market.lot),
          taker_side: trade.takerSide,
          seq: trade.seq,
          ts: trade.ts,
        },
      },
    })),
);

/** Messages that go through the general encoder, with numbers and texts of every size. */
export const otherMessages = fc.oneof(
  fc.record({
    type: fc.constant("Connected" as const),
    data: fc.record({
      connection_id: fc.string(),
      server_time: timestamps,
      epoch: fc.string(),
      ping_interval_ms: fc.integer({ min: 0, max: 2 ** 40 }),
      node: fc.string(),
    }),
  }),
  fc.record({
    type: fc.constant("Pong" as const),
    id: fc.oneof(fc.maxSafeInteger(), titles),
    data: fc.record({
      timestamp: fc.oneof(fc.maxSafeInteger(), fc.double({ noNaN: true, noDefaultInfinity: true })),
      server_time: timestamps,
    }),
  }),
  fc.record({
    type: fc.constant("Error" as const),
    data: fc.record(
      {
        code: fc.constant("INVALID_MESSAGE" as const),
        message: titles,
        // What zod takes for a record leaves this one key out.
        details: fc.dictionary(
          fc.string().filter((key) => key !== "__proto__"),
          fc.oneof(fc.string(), fc.maxSafeInteger()),
        ),
      },
      { requiredKeys: ["code", "message"] },
    ),
  }),
  fc.record({
    type: fc.constant("SystemStatus" as const),
    data: fc.record({
      status: fc.record({
        state: fc.constant("ok" as const),
        reasons: fc.array(titles, { maxLength: 20 }),
        connections: fc.nat(),
        shards: fc.integer({ min: 1 }),
        markets: fc.nat(),
        messages_per_second: fc.double({ min: 0, noNaN: true, noDefaultInfinity: true }),
        uptime_s: fc.nat(),
        version: fc.string(),
      }),
    }),
  }),
);

function fill(side: BookSide, levels: readonly (readonly [number, number])[]): void {
  side.length = levels.length;
  for (const [level, [price, quantity]] of levels.entries()) {
    side.price[level] = price;
    side.quantity[level] = quantity;
  }
}
