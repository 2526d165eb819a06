import type { BatchForm } from "../../encoding.js";

const FIXARRAY = 0x90;
const FIXARRAY_MAX = 15;
const ARRAY_16 = 0xdc;
const ARRAY_16_MAX = 0xffff;
const ARRAY_32 = 0xdd;
const HEADER_BYTES_MAX = 5;

/** A batch is an array of messages. */
export const messagePackBatches: BatchForm = {
  bareAlone: true,
  begin(out, messages) {
    out.reserve(HEADER_BYTES_MAX);
    const { bytes } = out;
    if (messages <= FIXARRAY_MAX) {
      bytes[out.position++] = FIXARRAY | messages;
    } else if (messages <= ARRAY_16_MAX) {
      bytes[out.position++] = ARRAY_16;
      out.position = bytes.writeUInt16BE(messages, out.position);
    } else {
      bytes[out.position++] = ARRAY_32;
      out.position = bytes.writeUInt32BE(messages, out.position);
    }
  },
  before() {},
  end() {},
};
