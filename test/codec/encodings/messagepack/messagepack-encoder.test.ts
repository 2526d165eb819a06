import fc from "fast-check";
import { Unpackr } from "msgpackr";
import { describe, expect, it } from "vitest";
import { messagePackEncoder } from "../../../../src/codec/encodings/messagepack/messagepack-encoder.js";
import { findMessagePackFault } from "../../../../src/codec/encodings/messagepack/messagepack-structure.js";
import { FRAME, FrameWriter } from "../../../../src/codec/frame-writer.js";
import { parseFrames } from "../../../support/frames.js";
import { books, markets, otherMessages, trades } from "../../../support/market-model.js";
import { numberFormats } from "../../../support/messagepack-numbers.js";
import { orderMessages } from "../../../support/order-messages.js";
import { UPDATE_TYPES } from "../../../support/server-messages-schema.js";

const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true, int64AsType: "bigint" });

function withNumbers(value: unknown): unknown {
  if (typeof value === "bigint") return Number(value);
  if (Array.isArray(value)) return value.map(withNumbers);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, field]) => [key, withNumbers(field)]));
}

/** Checks the one frame that `write` makes, in a buffer that was full before it, against a model. */
function expectMessage(write: (out: FrameWriter) => void, model: unknown): void {
  const out = new FrameWriter();
  out.ascii("x".repeat(out.bytes.length - 20));
  const before = out.position;
  out.begin();
  write(out);
  const start = out.end(FRAME.binary);
  expect(start).toBe(before);
  const frames = parseFrames(out.bytes.subarray(start, out.position));
  expect(frames.map(({ head }) => head)).toEqual([FRAME.binary]);
  const payload = frames[0]?.payload as Buffer;
  expect(findMessagePackFault(payload, 1e6)).toBeUndefined();
  // -0 is 0 as an integer.
  expect(withNumbers(unpackr.unpack(payload))).toEqual(JSON.parse(JSON.stringify(model)));
  for (const { value, integer } of numberFormats(payload)) {
    expect({ value, integer }).toEqual({ value, integer: Number.isSafeInteger(value) });
  }
}

describe("messagepack-encoder", () => {
  it("messagepack-encoder - a PriceUpdate decodes to its model, integers as integers", () => {
    fc.assert(
      fc.property(markets, ({ view, priceUpdate }) => {
        expectMessage((out) => messagePackEncoder.priceUpdate(out, view), {
          type: "PriceUpdate",
          data: priceUpdate,
        });
      }),
    );
  });

  it("messagepack-encoder - a MarketUpdate decodes to its model, integers as integers", () => {
    fc.assert(
      fc.property(markets, fc.constantFrom(...UPDATE_TYPES), ({ view, market }, update_type) => {
        expectMessage((out) => messagePackEncoder.marketUpdate(out, view, update_type), {
          type: "MarketUpdate",
          data: { update_type, market },
        });
      }),
    );
  });

  it("messagepack-encoder - a MarketSnapshot decodes to its model, integers as integers", () => {
    fc.assert(
      fc.property(fc.array(markets, { maxLength: 20 }), (listed) => {
        const views = listed.map(({ view }) => view);
        const write = (out: FrameWriter): void => {
          const next = messagePackEncoder.marketSnapshot(out, views, 0, Number.POSITIVE_INFINITY);
          expect(next).toBe(views.length);
        };
        expectMessage(write, {
          type: "MarketSnapshot",
          data: { markets: listed.map(({ market }) => market) },
        });
      }),
      { numRuns: 50 },
    );
  });

  it("messagepack-encoder - a MarketSnapshot that is too large comes in parts, the last without more", () => {
    fc.assert(
      fc.property(
        fc.array(markets, { minLength: 1, maxLength: 20 }),
        fc.integer({ min: 1, max: 3000 }),
        (listed, bytesMax) => {
          const views = listed.map(({ view }) => view);
          for (let from = 0; from < views.length; ) {
            const measured = new FrameWriter();
            measured.begin();
            const next = messagePackEncoder.marketSnapshot(measured, views, from, bytesMax);
            measured.end(FRAME.binary);
            const [frame] = parseFrames(measured.bytes.subarray(0, measured.position));
            if (next > from + 1) expect(frame?.payload.length).toBeLessThanOrEqual(bytesMax);
            const write = (out: FrameWriter): void => {
              messagePackEncoder.marketSnapshot(out, views, from, bytesMax);
            };
            expectMessage(write, {
              type: "MarketSnapshot",
              data: {
                markets: listed.slice(from, next).map(({ market }) => market),
                ...(next < views.length && { more: true }),
              },
            });
            from = next;
          }
        },
      ),
      { numRuns: 50 },
    );
  });

  it("messagepack-encoder - a part has no more markets than an array 16 header can say", () => {
    const [example] = fc.sample(markets, { numRuns: 1, seed: 1 });
    const views = Array.from({ length: 65_537 }, () => example?.view as never);
    const out = new FrameWriter();
    out.begin();
    expect(messagePackEncoder.marketSnapshot(out, views, 1, Number.POSITIVE_INFINITY)).toBe(65_536);
    out.end(FRAME.binary);
    const [frame] = parseFrames(out.bytes.subarray(0, out.position));
    const { data } = unpackr.unpack(frame?.payload as Buffer);
    expect([data.markets.length, data.more]).toEqual([65_535, true]);
  });

  it("messagepack-encoder - an OrderBook decodes to its model, integers as integers", () => {
    fc.assert(
      fc.property(books, ({ view, book, orderBook }) => {
        expectMessage((out) => messagePackEncoder.orderBook(out, view, book), {
          type: "OrderBook",
          data: orderBook,
        });
      }),
    );
  });

  it("messagepack-encoder - a TradeExecution decodes to its model, integers as integers", () => {
    fc.assert(
      fc.property(trades, ({ view, trade, tradeExecution }) => {
        expectMessage((out) => messagePackEncoder.tradeExecution(out, view, trade), {
          type: "TradeExecution",
          data: tradeExecution,
        });
      }),
    );
  });

  it("messagepack-encoder - any other message decodes to itself, integers as integers", () => {
    fc.assert(
      fc.property(otherMessages, (message) => {
        expectMessage((out) => messagePackEncoder.message(out, message), message);
      }),
    );
  });

  it("messagepack-encoder - an order or position decodes to itself, integers as integers", () => {
    fc.assert(
      fc.property(orderMessages, (message) => {
        expectMessage((out) => messagePackEncoder.message(out, message), message);
      }),
    );
  });

  it("messagepack-encoder - an optional field that is undefined is left out", () => {
    const message = { type: "Pong", id: undefined, data: { timestamp: 1, server_time: 2 } };
    expectMessage((out) => messagePackEncoder.message(out, message as never), {
      type: "Pong",
      data: { timestamp: 1, server_time: 2 },
    });
    const order = { order_id: "1", price: undefined, quantity: 1 };
    expectMessage(
      (out) => messagePackEncoder.message(out, { type: "OrderUpdate", data: { order } } as never),
      { type: "OrderUpdate", data: { order: { order_id: "1", quantity: 1 } } },
    );
  });

  it("messagepack-encoder - texts around each header's limit are whole", () => {
    const [example] = fc.sample(markets, { numRuns: 1, seed: 1 });
    for (const length of [0, 31, 32, 255, 256, 65_535]) {
      const title = "é".repeat(length >>> 1) + "x".repeat(length & 1);
      const view = { ...(example?.view as object), title } as never;
      expectMessage((out) => messagePackEncoder.marketUpdate(out, view, "Price"), {
        type: "MarketUpdate",
        data: { update_type: "Price", market: { ...example?.market, title } },
      });
    }
  });
});
