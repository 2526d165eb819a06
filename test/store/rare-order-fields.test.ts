import { crc32 } from "node:zlib";
import { Packr } from "msgpackr";
import { describe, expect, it } from "vitest";
import { amendedOrder, cancelledOrder, newOrder } from "../../src/engine/order-versions.js";
import { orderForm } from "../../src/store/records.js";
import { orderTerms } from "../support/order-terms.js";

const packr = new Packr({ useRecords: false });
/** The fields of an order's record behind its checksum. */
const fieldsOf = (record: Buffer): unknown[] => packr.unpack(record.subarray(4)) as unknown[];

describe("rare order fields", () => {
  it("rare order fields - an order that has none is as an earlier version wrote it", () => {
    const order = newOrder(orderTerms({ clientOrderId: "c", session: "s" }), 7, 1000);
    const fields = fieldsOf(orderForm.encode(order));
    expect(fields).toEqual([
      ...[7, 1, "alice", "c", "Buy", "Limit", "GTC", false, 50, 10, "s", 0, "0", "Open", null],
      ...[1000, 1000],
    ]);
    // A cancelled one of that version has a reason, and no code.
    fields.splice(13, 2, "Cancelled", "requested");
    const packed = packr.pack(fields);
    const record = Buffer.alloc(4 + packed.length);
    record.writeUInt32LE(crc32(packed), 0);
    record.set(packed, 4);
    expect(orderForm.decode(record, 7)).toEqual({
      ...order,
      status: "Cancelled",
      reason: "requested",
    });
  });

  it("rare order fields - what an order has of them is read as it was written", () => {
    const gtd = { timeInForce: "GTD", expiresTs: 5000, selfTrade: "CancelBoth" } as const;
    const placed = newOrder(orderTerms(gtd), 7, 1000);
    const moved = amendedOrder(placed, 51, 20, 9, 2000);
    const cancelled = cancelledOrder(moved, { code: "expired", text: "expired" }, 5000);
    const plain = newOrder(orderTerms(), 8, 1000);
    const reduced = amendedOrder(plain, 50, 5, 8, 2000);
    for (const order of [placed, moved, cancelled, reduced])
      expect(orderForm.decode(orderForm.encode(order), order.orderId)).toEqual(order);
    expect(moved.original).toEqual({ price: 50, quantity: 10 });
  });
});
