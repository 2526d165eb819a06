import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { protobufCodec } from "../../../../src/client/protobuf-codec.js";
import { protobufEncoder } from "../../../../src/codec/encodings/protobuf/protobuf-encoder.js";
import { findProtobufFault } from "../../../../src/codec/encodings/protobuf/protobuf-structure.js";
import { FRAME, FrameWriter } from "../../../../src/codec/frame-writer.js";
import type { ServerMessage } from "../../../../src/contract/messages.js";
import { SERVER_MESSAGE } from "../../../../src/contract/protobuf/protobuf-messages.js";
import { parseFrames } from "../../../support/frames.js";
import { books, markets, otherMessages, trades } from "../../../support/market-model.js";
import { orderMessages } from "../../../support/order-messages.js";
import { decodeServerMessage, encodeServerMessage } from "../../../support/protobuf-json.js";
import { SERVER_SAMPLES } from "../../../support/protobuf-samples.js";
import { UPDATE_TYPES } from "../../../support/server-messages-schema.js";

/** The payload of the one frame that `write` makes, in a buffer that was full before it. */
function payloadOf(write: (out: FrameWriter) => void): Buffer {
  const out = new FrameWriter();
  out.ascii("x".repeat(out.bytes.length - 20));
  const before = out.position;
  out.begin();
  write(out);
  const start = out.end(FRAME.binary);
  expect(start).toBe(before);
  const frames = parseFrames(out.bytes.subarray(start, out.position));
  expect(frames.map(({ head }) => head)).toEqual([FRAME.binary]);
  return frames[0]?.payload as Buffer;
}

/** Checks what another library, and the client's own codec, make of a message against a model. */
function expectMessage(write: (out: FrameWriter) => void, model: unknown): void {
  const payload = payloadOf(write);
  const json = JSON.parse(JSON.stringify(model));
  expect(findProtobufFault(payload, SERVER_MESSAGE, 1e6)).toBeUndefined();
  expect(JSON.parse(JSON.stringify(decodeServerMessage(payload)))).toEqual(json);
  expect(JSON.parse(JSON.stringify(protobufCodec.decode(payload)))).toEqual(json);
}

describe("protobuf-encoder", () => {
  it("protobuf-encoder - a PriceUpdate decodes to its JSON", () => {
    fc.assert(
      fc.property(markets, ({ view, priceUpdate }) => {
        const model = { type: "PriceUpdate", data: priceUpdate };
        expectMessage((out) => protobufEncoder.priceUpdate(out, view), model);
      }),
    );
  });

  it("protobuf-encoder - a PriceUpdate has at most 60 bytes on the wire, its frame's head with them", () => {
    const [example] = fc.sample(markets, { numRuns: 1, seed: 1 });
    const largest = {
      ...(example?.view as object),
      marketId: 2 ** 32,
      price: 1,
      bestBid: 1,
      bestAsk: 1,
      priceSeq: 2 ** 32,
      ts: 4_000_000_000_000_000,
    } as never;
    const out = new FrameWriter();
    out.begin();
    protobufEncoder.priceUpdate(out, largest);
    const start = out.end(FRAME.binary);
    expect(out.position - start).toBeLessThanOrEqual(60);
  });

  it("protobuf-encoder - a MarketUpdate decodes to its JSON", () => {
    fc.assert(
      fc.property(markets, fc.constantFrom(...UPDATE_TYPES), ({ view, market }, update_type) => {
        const model = { type: "MarketUpdate", data: { update_type, market } };
        expectMessage((out) => protobufEncoder.marketUpdate(out, view, update_type), model);
      }),
    );
  });

  it("protobuf-encoder - a MarketSnapshot comes in parts that are no larger than they may be", () => {
    fc.assert(
      fc.property(
        fc.array(markets, { maxLength: 20 }),
        fc.oneof(fc.integer({ min: 1, max: 3000 }), fc.constant(Number.POSITIVE_INFINITY)),
        (listed, bytesMax) => {
          const views = listed.map(({ view }) => view);
          let from = 0;
          do {
            let next = -1;
            const write = (out: FrameWriter): void => {
              next = protobufEncoder.marketSnapshot(out, views, from, bytesMax);
            };
            const { length } = payloadOf(write);
            if (next > from + 1) expect(length).toBeLessThanOrEqual(bytesMax);
            expectMessage(write, {
              type: "MarketSnapshot",
              data: {
                markets: listed.slice(from, next).map(({ market }) => market),
                ...(next < views.length && { more: true }),
              },
            });
            expect(views.length === 0 || next > from).toBe(true);
            from = next;
          } while (from < views.length);
        },
      ),
      { numRuns: 50 },
    );
  });

  it("protobuf-encoder - an OrderBook decodes to its JSON", () => {
    fc.assert(
      fc.property(books, ({ view, book, orderBook }) => {
        const model = { type: "OrderBook", data: orderBook };
        expectMessage((out) => protobufEncoder.orderBook(out, view, book), model);
      }),
    );
  });

  it("protobuf-encoder - a TradeExecution decodes to its JSON", () => {
    fc.assert(
      fc.property(trades, ({ view, trade, tradeExecution }) => {
        const model = { type: "TradeExecution", data: tradeExecution };
        expectMessage((out) => protobufEncoder.tradeExecution(out, view, trade), model);
      }),
    );
  });

  it("protobuf-encoder - any other message decodes to its JSON", () => {
    fc.assert(
      fc.property(fc.oneof(otherMessages, orderMessages), (message) => {
        expectMessage((out) => protobufEncoder.message(out, message), message);
      }),
      { numRuns: 300 },
    );
  });

  it("protobuf-encoder - texts around each length of a length are whole", () => {
    const [example] = fc.sample(markets, { numRuns: 1, seed: 1 });
    for (const length of [0, 1, 60, 61, 127, 128, 16_200, 16_383, 16_384, 70_000]) {
      const title = "é".repeat(length >>> 1) + "x".repeat(length & 1);
      const view = { ...(example?.view as object), title } as never;
      expectMessage((out) => protobufEncoder.marketUpdate(out, view, "Price"), {
        type: "MarketUpdate",
        data: { update_type: "Price", market: { ...example?.market, title } },
      });
    }
  });

  it("protobuf-encoder - each message has its golden bytes", () => {
    const bytes = Object.entries(SERVER_SAMPLES).map(([type, message]) => {
      const payload = payloadOf((out) => protobufEncoder.message(out, message));
      return `${type} ${payload.toString("hex")}`;
    });
    expect(bytes).toMatchInlineSnapshot(`
      [
        "Connected 82011d0a0263311080d8c1a28c341a02653120a8c3012a02733130003a026e31",
        "Authenticated 08008a01090a01751a0273312001",
        "Subscribed 080172300a0b0a090a070a0201032201780a020a000a1d1a1b0a0ce907ffffffffffffffffff01120b00ffffffffffffffffff01",
        "Unsubscribed 1202c3bc7a070a05220308e907",
        "EpochChanged 9201040a026532",
        "Error 08feffffffffffff1f6a2a080c1204736c6f771a207b226c696d6974223a2278222c2272657472795f61667465725f6d73223a357d",
        "Pong 1200621009000000000000f83f1080d8c1a28c34",
        "MarketSnapshot 3a380a3408e9071a074dc3a4726b6574200131000000000000e03f49000000000000d03f51000000000000f03f58016080c097d1edff96031001",
        "MarketUpdate 22380805123408e9071a074dc3a4726b6574200131000000000000e03f49000000000000d03f51000000000000f03f58016080c097d1edff9603",
        "PriceUpdate 1a2a08e90719000000000000e03f21000000000000d03f29000000000000e83f30ac023880c097d1edff9603",
        "OrderBook 2a3608e9071a1209000000000000e03f110000000000000040221209000000000000e83f11000000000000f03f28073080c097d1edff9603",
        "TradePage 0810ca013208e9071a290a013910e90721000000000000e03f290000000000000040300238014080c097d1edff96034a02653022027439",
        "CandlePage 0812d2015208ffffffffffffffffff0110ffffffffffffffffff01180522380880c097d1edff960311000000000000f83f19000000000000004021000000000000f03f29000000000000fc3f310000000000003e403804",
        "BookUpdate aa012308e9071a0909000000000000e03f2814300638074080c097d1edff960348bef5fad70c",
        "TradeExecution 32270a250a013910e90721000000000000e03f290000000000000040300138014080c097d1edff9603",
        "OrderSnapshot 525d0a580a02313212046d792d3118e9072a0777c3a46c6c6574300238014001480151000000000000e03f59000000000000084061000000000000f03f69000000000000d03f7002800180c097d1edff9603880181c097d1edff9603120177",
        "OrderPage 08148a02620a017712580a02313212046d792d3118e9072a0777c3a46c6c6574300238014001480151000000000000e03f59000000000000084061000000000000f03f69000000000000d03f7002800180c097d1edff9603880181c097d1edff96031a036f2d39",
        "Fill 82023a0a380a0139120231321a046d792d3120e907320777c3a46c6c6574380241000000000000e03f49000000000000004050015880c097d1edff9603",
        "FillPage 081692023d0a017712380a0139120231321a046d792d3120e907320777c3a46c6c6574380241000000000000e03f49000000000000004050015880c097d1edff9603",
        "OrderUpdate 080e425c0a580a02313212046d792d3118e9072a0777c3a46c6c6574300238014001480151000000000000e03f59000000000000084061000000000000f03f69000000000000d03f7002800180c097d1edff9603880181c097d1edff96031001",
        "OrderValidated 08189a024c0a4a08ffffffffffffffffff0110ffffffffffffffffff011801200129000000000000e03f310000000000000840380440004a046d792d325080c097d1edff96035882c097d1edff96036003",
        "OrderResults 081aa202a9020a5c0a580a02313212046d792d3118e9072a0777c3a46c6c6574300238014001480151000000000000e03f59000000000000084061000000000000f03f69000000000000d03f7002800180c097d1edff9603880181c097d1edff960318010a471245080912016d1a3e7b2272756c65223a2265787069726564222c226669656c64223a22657870697265735f7473222c2276616c7565223a312c226c696d6974223a6e756c6c7d0a770a750a02313212046d792d3118e9072a0777c3a46c6c6574300238014004480151000000000000e03f59000000000000084061000000000000f03f69000000000000d03f70047a0765787069726564800180c097d1edff9603880181c097d1edff9603900185c097d1edff96039a0107657870697265640a071205080d12016d",
        "OrdersCancelled 081caa0200",
        "CancelAfterSet 081eb20200",
        "PositionSnapshot 5a03120177",
        "PositionUpdate 4a3f0a3d0a017710ffffffffffffffffff0118ffffffffffffffffff012100000000000000c029000000000000e03f31000000000000f8bf3880c097d1edff9603",
        "SystemStatus 9a01220a20080212016112016218032002283231000000000000294038644205302e312e30",
        "CandleSnapshot b2015408ffffffffffffffffff0110ffffffffffffffffff01180422380880c097d1edff960311000000000000e03f19000000000000e83f21000000000000d03f29000000000000e03f310000000000c0724038072200",
        "CandleUpdate ba014108e907180122380880c097d1edff960311000000000000f03f19000000000000004021000000000000e03f29000000000000f83f31000000000000004038032801",
        "Heartbeat c201120a0265311080c097d1edff9603180c20ac02",
        "Published 0812e2011a0a066465736b2d311080c097d1edff96031880c097d1edff9603",
        "Publication ea014a0a066465736b2d3112277b22c3a4223a5b312c6e756c6c2c2d302e352c22f09f9880222c7b2264656570223a5b5d7d5d7d1881c097d1edff96032080c097d1edff96032a05c3bc6e616c",
        "PresenceUpdate fa01241a066465736b2d3120ac0228023203616e613a02626f3a0263794203616e61420364c3a9",
        "Notification a20105080212016d",
        "ServerShutdown da010c0880c097d1edff9603120172",
      ]
    `);
  });

  it.each(Object.values(SERVER_SAMPLES) as ServerMessage[])(
    "protobuf-encoder - $type has the bytes that another library gives it",
    (message) => {
      const payload = payloadOf((out) => protobufEncoder.message(out, message));
      expect(payload.toString("hex")).toBe(encodeServerMessage(message).toString("hex"));
      expect(protobufCodec.decode(payload)).toEqual(message);
    },
  );
});
