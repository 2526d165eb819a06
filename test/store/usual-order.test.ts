import { crc32 } from "node:zlib";
import { Packr } from "msgpackr";
import { describe, expect, it } from "vitest";
import type { Order } from "../../src/engine/order.js";
import { orderForm } from "../../src/store/records.js";
import { isUsualOrder } from "../../src/store/usual-order.js";

const packr = new Packr({ useRecords: false });

const ORDER: Order = {
  orderId: 7,
  marketId: 1001,
  wallet: "w",
  clientOrderId: "mine",
  side: "Buy",
  orderType: "Limit",
  timeInForce: "GTC",
  postOnly: false,
  selfTrade: "CancelTaker",
  expiresTs: undefined,
  price: 500,
  quantity: 10,
  session: undefined,
  priority: 7,
  original: undefined,
  filled: 3,
  filledValue: 1500n,
  status: "PartiallyFilled",
  reason: undefined,
  reasonCode: undefined,
  createdTs: 1,
  updatedTs: 2,
};

/** What may stand in the place of a field, and must not. */
const ODD: readonly unknown[] = [
  null,
  undefined,
  true,
  0,
  -1,
  1,
  1.5,
  2 ** 53,
  -0,
  Number.NaN,
  "",
  "0",
  "-0",
  "-1",
  "01",
  "1.5",
  "Buy",
  "buy",
  "340282366920938463463374607431768211455",
  [],
  {},
];

function fieldsOf(order: Order): unknown[] {
  return packr.unpack(orderForm.encode(order).subarray(4)) as unknown[];
}

function sealed(fields: readonly unknown[]): Buffer {
  const packed = packr.pack(fields);
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(crc32(packed), 0);
  return Buffer.concat([bytes, packed]);
}

/** What the schema makes of fields, which is asked where a rare end shows that an order is not usual. */
function bySchema(fields: readonly unknown[]): Order | undefined {
  try {
    const rare = [...fields, [7, null, null, null, "CancelTaker", null]];
    return orderForm.decode(sealed(rare), 7);
  } catch {
    return undefined;
  }
}

describe("usual order", () => {
  it("usual order - orders without a rare end are usual, others are not", () => {
    const usual: Partial<Order>[] = [
      {},
      { clientOrderId: undefined, price: undefined, session: "s", reason: "because" },
      { filledValue: 10n ** 40n, marketId: "340282366920938463463374607431768211455" },
      { status: "Cancelled", side: "Sell", orderType: "Market", timeInForce: "IOC" },
    ];
    for (const change of usual) expect(isUsualOrder(fieldsOf({ ...ORDER, ...change }))).toBe(true);
    expect(isUsualOrder(fieldsOf({ ...ORDER, selfTrade: "CancelMaker" }))).toBe(false);
    expect(isUsualOrder(fieldsOf({ ...ORDER, expiresTs: 9 }))).toBe(false);
  });

  it("usual order - what is taken at first sight the schema takes, and makes the same of it", () => {
    const fields = fieldsOf(ORDER);
    expect(bySchema(fields)).toEqual(ORDER);
    let taken = 0;
    for (let place = 0; place < fields.length; place++) {
      for (const odd of ODD) {
        const changed = fields.toSpliced(place, 1, odd);
        const expected = bySchema(changed);
        const isUsual = isUsualOrder(packr.unpack(packr.pack(changed)));
        // An odd id is not that of the rare end, so only what it is otherwise is compared.
        if (isUsual)
          expect(orderForm.decode(sealed(changed), 7)).toEqual(
            place === 0 ? { ...expected, priority: odd } : expected,
          );
        else expect(expected, `${String(odd)} as field ${place}`).toBeUndefined();
        if (isUsual) taken++;
      }
    }
    expect(taken).toBeGreaterThan(20);
    for (const other of [undefined, null, {}, [], fields.slice(0, 16), [...fields, null]])
      expect(isUsualOrder(other)).toBe(false);
  });
});
