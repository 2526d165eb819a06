import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { jsonEncoder } from "../../../../src/codec/encodings/json/json-encoder.js";
import { FRAME, FrameWriter } from "../../../../src/codec/frame-writer.js";
import { parseFrames } from "../../../support/frames.js";
import { books, markets, otherMessages, trades } from "../../../support/market-model.js";
import { orderMessages } from "../../../support/order-messages.js";
import { parseServerMessage, UPDATE_TYPES } from "../../../support/server-messages-schema.js";

/** The text of the one frame that `write` makes; a full buffer before it must not matter. */
function textOf(write: (out: FrameWriter) => void): string {
  const out = new FrameWriter();
  out.ascii("x".repeat(out.bytes.length - 20));
  const before = out.position;
  out.begin();
  write(out);
  const start = out.end(FRAME.text);
  expect(start).toBe(before);
  const frames = parseFrames(out.bytes.subarray(start, out.position));
  expect(frames.map(({ head }) => head)).toEqual([FRAME.text]);
  return String(frames[0]?.payload);
}

describe("json-encoder", () => {
  it("json-encoder - a PriceUpdate is the text that JSON.stringify gives of its model", () => {
    fc.assert(
      fc.property(markets, ({ view, priceUpdate }) => {
        const text = textOf((out) => jsonEncoder.priceUpdate(out, view));
        expect(text).toBe(JSON.stringify({ type: "PriceUpdate", data: priceUpdate }));
        expect(parseServerMessage(JSON.parse(text)).data).toEqual(JSON.parse(text).data);
      }),
    );
  });

  it("json-encoder - a MarketUpdate is the text that JSON.stringify gives of its model", () => {
    fc.assert(
      fc.property(markets, fc.constantFrom(...UPDATE_TYPES), ({ view, market }, update_type) => {
        const text = textOf((out) => jsonEncoder.marketUpdate(out, view, update_type));
        expect(text).toBe(JSON.stringify({ type: "MarketUpdate", data: { update_type, market } }));
        parseServerMessage(JSON.parse(text));
      }),
    );
  });

  it("json-encoder - a MarketSnapshot is the text that JSON.stringify gives of its model", () => {
    fc.assert(
      fc.property(fc.array(markets, { maxLength: 5 }), (listed) => {
        const views = listed.map(({ view }) => view);
        const text = textOf((out) => {
          const start = out.position;
          expect(jsonEncoder.marketSnapshot(out, views, 0, Number.POSITIVE_INFINITY)).toBe(
            views.length,
          );
          return start;
        });
        const data = { markets: listed.map(({ market }) => market) };
        expect(text).toBe(JSON.stringify({ type: "MarketSnapshot", data }));
        parseServerMessage(JSON.parse(text));
      }),
    );
  });

  it("json-encoder - a MarketSnapshot that is too large comes in parts, as large as may be, the last without more", () => {
    fc.assert(
      fc.property(
        fc.array(markets, { minLength: 1, maxLength: 8 }),
        fc.integer({ min: 1, max: 3000 }),
        (listed, bytesMax) => {
          const all = listed.map(({ market }) => market);
          const views = listed.map(({ view }) => view);
          for (let from = 0; from < all.length; ) {
            let next = from;
            const text = textOf((out) => {
              next = jsonEncoder.marketSnapshot(out, views, from, bytesMax);
            });
            const textWith = (to: number): string =>
              JSON.stringify({
                type: "MarketSnapshot",
                data: { markets: all.slice(from, to), ...(to < all.length && { more: true }) },
              });
            expect(text).toBe(textWith(next));
            parseServerMessage(JSON.parse(text));
            // Within the bound, unless it is of one market, and none that fits is left for the next.
            if (next > from + 1) expect(Buffer.byteLength(text)).toBeLessThanOrEqual(bytesMax);
            if (next < all.length)
              expect(Buffer.byteLength(textWith(next + 1))).toBeGreaterThan(bytesMax);
            from = next;
          }
        },
      ),
    );
  });

  it("json-encoder - an OrderBook is the text that JSON.stringify gives of its model", () => {
    fc.assert(
      fc.property(books, ({ view, book, orderBook }) => {
        const text = textOf((out) => jsonEncoder.orderBook(out, view, book));
        expect(text).toBe(JSON.stringify({ type: "OrderBook", data: orderBook }));
        parseServerMessage(JSON.parse(text));
      }),
    );
  });

  it("json-encoder - a TradeExecution is the text that JSON.stringify gives of its model", () => {
    fc.assert(
      fc.property(trades, ({ view, trade, tradeExecution }) => {
        const text = textOf((out) => jsonEncoder.tradeExecution(out, view, trade));
        expect(text).toBe(JSON.stringify({ type: "TradeExecution", data: tradeExecution }));
        parseServerMessage(JSON.parse(text));
      }),
    );
  });

  it("json-encoder - any other message is the text that JSON.stringify gives of it", () => {
    fc.assert(
      fc.property(otherMessages, (message) => {
        const text = textOf((out) => jsonEncoder.message(out, message));
        expect(text).toBe(JSON.stringify(message));
      }),
    );
  });

  it("json-encoder - an order or position comes back as it was, and is in the contract", () => {
    fc.assert(
      fc.property(orderMessages, (message) => {
        const text = textOf((out) => jsonEncoder.message(out, message));
        expect(text).toBe(JSON.stringify(message));
        expect(parseServerMessage(JSON.parse(text))).toEqual(JSON.parse(text));
      }),
    );
  });
});
