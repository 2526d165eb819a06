import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CANCEL_REASONS, type CancelReason } from "../../src/contract/order-rules.js";
import type { EngineChanges } from "../../src/engine/commands.js";
import { fromBigInt } from "../../src/shared/market-id.js";
import { SELF_TRADES, TIMES_IN_FORCE } from "../../src/shared/order.js";
import { Random } from "../../src/shared/random.js";
import { decodeBatch, encodeBatch, type StoredBatch } from "../../src/store/stored-batch.js";
import { drawSeed } from "../support/seeds.js";
import { engineRun, take } from "./engine-run.js";

const SEEDS = Array.from({ length: 8 }, (_, at) => drawSeed(`stored batch ${at}`));
const NOTHING: EngineChanges = {
  orders: [],
  trades: [],
  positions: [],
  totals: [],
  timers: [],
  markets: [],
  nextOrderId: 1,
  nextTradeId: 1,
};
const NO_SESSIONS = { put: [], removed: [] };

function batchOf(changes: EngineChanges, rest: Partial<StoredBatch> = {}): StoredBatch {
  return { changes, stretches: [], latestTs: 0, sessions: NO_SESSIONS, ...rest };
}

/** Objects as any others are. */
const record = <T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }) =>
  fc.record<T>(model, { noNullPrototype: true });

/** The memory of an encoding is used again. */
const copied = (batch: StoredBatch): Buffer => Buffer.from(encodeBatch(batch));

const count = fc.oneof(fc.maxSafeNat(), fc.nat(300), fc.constant(Number.MAX_SAFE_INTEGER));
const integer = fc.oneof(fc.maxSafeInteger(), fc.integer({ min: -130, max: 130 }));
const big = fc.oneof(fc.bigInt(), fc.bigInt({ min: -70n, max: 70n }));
const text = fc.oneof(fc.string({ unit: "binary" }), fc.string({ maxLength: 80 }));
const marketId = fc.bigInt({ min: 0n, max: (1n << 128n) - 1n }).map(fromBigInt);
const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
const side = fc.constantFrom("Buy" as const, "Sell" as const);
const order = record({
  orderId: count,
  marketId,
  wallet: text,
  clientOrderId: maybe(text),
  side,
  orderType: fc.constantFrom("Limit" as const, "Market" as const),
  timeInForce: fc.constantFrom(...TIMES_IN_FORCE),
  postOnly: fc.boolean(),
  price: maybe(count),
  quantity: count,
  selfTrade: fc.constantFrom(...SELF_TRADES),
  expiresTs: maybe(count),
  session: maybe(text),
  priority: count,
  original: maybe(record({ price: maybe(count), quantity: count })),
  filled: count,
  filledValue: big,
  status: fc.constantFrom(...(["Open", "PartiallyFilled", "Filled", "Cancelled"] as const)),
  reason: maybe(text),
  reasonCode: maybe(fc.constantFrom(...(Object.keys(CANCEL_REASONS) as CancelReason[]))),
  createdTs: count,
  updatedTs: count,
});
const trade = record({
  tradeId: count,
  marketId,
  price: count,
  quantity: count,
  takerSide: side,
  makerOrderId: count,
  takerOrderId: count,
  makerWallet: text,
  takerWallet: text,
  makerClientOrderId: maybe(text),
  takerClientOrderId: maybe(text),
  ts: count,
});
const position = record({
  wallet: text,
  marketId,
  quantity: integer,
  cost: big,
  realizedPnl: big,
  updatedTs: count,
});
const session = record({
  session: text,
  userId: text,
  wallet: fc.option(text, { nil: null }),
  waitMs: count,
  run: text,
  shard: count,
});
const double = fc.double({ noNaN: true });
const market = record({
  marketId,
  status: fc.constantFrom("Active" as const, "Halted" as const, "Closed" as const),
  settlementPrice: maybe(count),
  listing: maybe(
    record({ title: text, tickSize: double, lotSize: double, maxPrice: maybe(double) }),
  ),
  updatedTs: count,
});
const batch: fc.Arbitrary<StoredBatch> = record({
  changes: record({
    orders: fc.array(order, { maxLength: 6 }),
    trades: fc.array(trade, { maxLength: 4 }),
    positions: fc.array(position, { maxLength: 4 }),
    totals: fc.array(record({ marketId, lastPrice: maybe(count), volume: count }), {
      maxLength: 3,
    }),
    timers: fc.array(record({ wallet: text, setTs: count, triggerTs: maybe(count) }), {
      maxLength: 3,
    }),
    markets: fc.array(market, { maxLength: 3 }),
    nextOrderId: count,
    nextTradeId: count,
  }),
  stretches: fc.array(record({ ts: count, passed: integer, pace: double }), { maxLength: 3 }),
  latestTs: count,
  sessions: record({
    put: fc.array(session, { maxLength: 3 }),
    removed: fc.array(text, { maxLength: 3 }),
  }),
});

describe("stored batch", () => {
  it("stored batch - whatever can be stored is read as it was written", () => {
    fc.assert(
      fc.property(batch, (one) => {
        expect(decodeBatch(encodeBatch(one))).toStrictEqual(one);
      }),
      { numRuns: 300 },
    );
  });

  it.each(SEEDS)("stored batch - seed %i: so is what a real engine changes", (seed) => {
    const size = 1 + new Random(seed).below(100);
    for (const changes of take(engineRun(seed, size), 30)) {
      const one = batchOf(changes, { latestTs: changes.orders.at(-1)?.updatedTs ?? 0 });
      expect(decodeBatch(encodeBatch(one))).toStrictEqual(one);
    }
  });

  it("stored batch - a batch of 64 commands takes less than 100 bytes a change", () => {
    for (const changes of take(engineRun(1, 64), 20)) {
      const { orders, trades, positions, totals, markets } = changes;
      const all = [orders, trades, positions, totals, markets];
      const records = all.reduce((sum, { length }) => sum + length, 0);
      expect(encodeBatch(batchOf(changes)).length / records).toBeLessThan(100);
    }
  });

  it("stored batch - its bytes are those of version 1", () => {
    const one = batchOf(
      {
        ...NOTHING,
        orders: [
          {
            orderId: 300,
            marketId: 7,
            wallet: "w1",
            clientOrderId: undefined,
            side: "Sell",
            orderType: "Limit",
            timeInForce: "IOC",
            postOnly: true,
            price: 500,
            quantity: 3,
            selfTrade: "CancelBoth",
            expiresTs: undefined,
            session: "w1",
            priority: 301,
            original: { price: undefined, quantity: 4 },
            filled: 1,
            filledValue: 500n,
            status: "Cancelled",
            reason: "é",
            reasonCode: "expired",
            createdTs: 1000,
            updatedTs: 1001,
          },
        ],
        totals: [{ marketId: "18446744073709551616", lastPrice: undefined, volume: 2 }],
        timers: [{ wallet: "w1", setTs: 1001, triggerTs: undefined }],
        markets: [
          {
            marketId: 7,
            status: "Closed",
            settlementPrice: 500,
            listing: { title: "é", tickSize: 1, lotSize: 1, maxPrice: undefined },
            updatedTs: 1002,
          },
        ],
        nextOrderId: 301,
      },
      {
        stretches: [{ ts: 900, passed: -70, pace: 1 }],
        latestTs: 2000,
        sessions: { put: [], removed: ["w1"] },
      },
    );
    const hex = [
      ["01", "version"],
      ["01", "one order"],
      ["0e", "market 7"],
      ["00 02 7731", "a new text, w1"],
      ["00", "no client order id"],
      ["01 00 01 01", "Sell, Limit, IOC, post only"],
      ["01 f403", "price 500"],
      ["03", "quantity 3"],
      ["02 00", "CancelBoth, no expiry"],
      ["01 01", "session: the first text"],
      ["ac02", "id 300"],
      ["ad02 01 00 04", "priority 301, at first without a price, 4 of it"],
      ["01", "filled 1"],
      ["00 e807", "value 500"],
      ["03", "Cancelled"],
      ["01 00 02 c3a9", "reason é"],
      ["01 01", "reason code expired"],
      ["d00f 02", "ts 1000, and 1 later"],
      ["00 00", "no trades, no positions"],
      ["01 03 00 14 3138343436373434303733373039353531363136", "totals of a large market id"],
      ["00 02", "no last price, volume 2"],
      ["01 01 00 00", "one timer, of the first text, set at the last ts, over"],
      ["01 0e 02", "one market, 7, Closed"],
      ["01 f403", "settled at 500"],
      ["01 02", "listed with the second text"],
      ["000000000000f03f 000000000000f03f 00", "in steps of 1, without a highest price"],
      ["02", "1 later"],
      ["ad02 01", "next ids 301 and 1"],
      ["01 cd01", "one stretch, 102 before the ts before"],
      ["8d01 000000000000f03f", "-70 passed, pace 1"],
      ["9811", "latest ts 1100 later"],
      ["00 01 01", "no session put, the first text removed"],
    ];
    expect(encodeBatch(one).toString("hex")).toBe(
      hex.map(([bytes]) => bytes?.replaceAll(" ", "")).join(""),
    );
  });

  it("stored batch - one that is cut, longer, or of another version is refused", () => {
    const [changes] = take(engineRun(3, 10), 1);
    const bytes = copied(batchOf(changes as EngineChanges));
    for (let length = 0; length < bytes.length; length++)
      expect(() => decodeBatch(bytes.subarray(0, length)), `${length} bytes`).toThrow(Error);
    expect(() => decodeBatch(Buffer.concat([bytes, Buffer.of(0)]))).toThrow("behind its end");
    bytes[0] = 2;
    expect(() => decodeBatch(bytes)).toThrow("version 2");
  });

  it.each(["w\ud800", `${"w".repeat(60)}\udc00`])(
    "stored batch - a text with half a character is refused",
    (session) => {
      const sessions = { put: [], removed: [session] };
      expect(() => encodeBatch(batchOf(NOTHING, { sessions }))).toThrow(/would be read as/);
    },
  );

  it.each([-1, 0.5, 2 ** 53, Number.NaN, Number.POSITIVE_INFINITY])(
    "stored batch - %d is no id, and is not written as another",
    (nextOrderId) => {
      expect(() => encodeBatch(batchOf({ ...NOTHING, nextOrderId }))).toThrow(RangeError);
      expect(decodeBatch(encodeBatch(batchOf(NOTHING)))).toStrictEqual(batchOf(NOTHING));
    },
  );
});
