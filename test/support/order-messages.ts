import fc from "fast-check";
import type { ServerMessage } from "../../src/contract/messages.js";
import { SIDES } from "../../src/shared/market.js";
import { fromBigInt } from "../../src/shared/market-id.js";
import { ORDER_STATUSES, ORDER_TYPES, TIMES_IN_FORCE } from "../../src/shared/order.js";

const ids = fc.bigInt({ min: 0n, max: (1n << 128n) - 1n }).map(fromBigInt);
const timestamps = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
const wallets = fc.string({ unit: "grapheme", minLength: 1, maxLength: 40 });

/** Integers of every width, and decimal fractions. */
const positive = fc.oneof(
  fc.integer({ min: 1, max: 300 }),
  fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
  fc.tuple(fc.integer({ min: 1, max: 1e9 }), fc.nat(9)).map(([n, e]) => Number(`${n}e-${e}`)),
);
const signed = fc
  .tuple(positive, fc.constantFrom(1, -1, 0))
  .map(([number, sign]) => (sign === 0 ? 0 : sign * number));

const orders = fc.record(
  {
    order_id: fc.integer({ min: 1 }).map(String),
    client_order_id: fc.stringMatching(/^[A-Za-z0-9_-]{1,36}$/),
    market_id: ids,
    wallet: wallets,
    side: fc.constantFrom(...SIDES),
    order_type: fc.constantFrom(...ORDER_TYPES),
    time_in_force: fc.constantFrom(...TIMES_IN_FORCE),
    post_only: fc.boolean(),
    price: positive,
    quantity: positive,
    filled_quantity: fc.oneof(fc.constant(0), positive),
    average_price: positive,
    status: fc.constantFrom(...ORDER_STATUSES),
    reason: fc.string({ maxLength: 60 }),
    created_ts: timestamps,
    updated_ts: timestamps,
  },
  {
    requiredKeys: [
      "order_id",
      "market_id",
      "wallet",
      "side",
      "order_type",
      "time_in_force",
      "post_only",
      "quantity",
      "filled_quantity",
      "status",
      "created_ts",
      "updated_ts",
    ],
  },
);

const positions = fc.record({
  wallet: wallets,
  market_id: ids,
  quantity: signed,
  average_price: fc.oneof(fc.constant(0), positive),
  realized_pnl: signed,
  updated_ts: timestamps,
});

const requestIds = fc.oneof(fc.maxSafeInteger(), fc.string({ maxLength: 64 }));
const listOf = <T>(one: fc.Arbitrary<T>): fc.Arbitrary<T[]> => fc.array(one, { maxLength: 20 });

/** What the server says of orders and positions, in every form that the contract allows. */
export const orderMessages: fc.Arbitrary<ServerMessage> = fc.oneof(
  fc.record(
    {
      type: fc.constant("OrderUpdate" as const),
      id: requestIds,
      data: fc.record({ order: orders }),
    },
    { requiredKeys: ["type", "data"] },
  ),
  fc.record({
    type: fc.constant("OrderSnapshot" as const),
    data: fc.record({ wallet: wallets, orders: listOf(orders) }),
  }),
  fc.record({
    type: fc.constant("PositionUpdate" as const),
    data: fc.record({ position: positions }),
  }),
  fc.record({
    type: fc.constant("PositionSnapshot" as const),
    data: fc.record({ wallet: wallets, positions: listOf(positions) }),
  }),
);
