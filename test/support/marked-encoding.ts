import type { EncodingDescriptor } from "../../src/codec/encoding.js";
import { jsonBatches } from "../../src/codec/encodings/json/json-batches.js";
import { jsonDecoder } from "../../src/codec/encodings/json/json-decoder.js";
import { jsonEncoder } from "../../src/codec/encodings/json/json-encoder.js";
import { ENCODING_TABLE } from "../../src/codec/encodings.js";
import type { FrameWriter } from "../../src/codec/frame-writer.js";

/** First byte of each payload, so that no other encoding's message passes for one of this. */
const MARK = 0x23;

function mark(out: FrameWriter): void {
  out.reserve(1);
  out.bytes[out.position++] = MARK;
}

/** A further encoding, which only tests know: JSON behind a mark, in binary frames. */
export const markedEncoding: EncodingDescriptor = {
  name: "marked",
  subprotocol: "marketcast.marked",
  frames: "binary",
  encoder: {
    priceUpdate(out, market) {
      mark(out);
      jsonEncoder.priceUpdate(out, market);
    },
    sizedPriceUpdate(out, market) {
      mark(out);
      jsonEncoder.sizedPriceUpdate(out, market);
    },
    bookUpdate(out, market, update) {
      mark(out);
      jsonEncoder.bookUpdate(out, market, update);
    },
    marketUpdate(out, market, updateType) {
      mark(out);
      jsonEncoder.marketUpdate(out, market, updateType);
    },
    orderBook(out, market, book) {
      mark(out);
      jsonEncoder.orderBook(out, market, book);
    },
    tradeExecution(out, market, trade) {
      mark(out);
      jsonEncoder.tradeExecution(out, market, trade);
    },
    marketSnapshot(out, markets, from, bytesMax) {
      mark(out);
      return jsonEncoder.marketSnapshot(out, markets, from, bytesMax);
    },
    message(out, message) {
      mark(out);
      jsonEncoder.message(out, message);
    },
  },
  decoder: {
    format: "marked JSON",
    findFault: (payload, valuesMax) =>
      payload[0] === MARK
        ? jsonDecoder.findFault(payload.subarray(1), valuesMax)
        : "not valid marked JSON: there is no mark",
    decode: (payload) => jsonDecoder.decode(payload.subarray(1)),
  },
  batches: jsonBatches,
};

/** The encodings that there are, and one more. */
export const WITH_MARKED: readonly EncodingDescriptor[] = [...ENCODING_TABLE, markedEncoding];
