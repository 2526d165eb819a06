import type { BatchForm } from "../../encoding.js";

/** The tag of `messages`, field 1 of a `ServerBatch`, which is delimited by its length. */
const MESSAGES = (1 << 3) | 2;
/** Bytes of the tag and of a 32-bit length at most. */
const HEAD_BYTES_MAX = 6;

/** A batch is a `ServerBatch`, also where one message is alone: nothing else would tell them apart. */
export const protobufBatches: BatchForm = {
  bareAlone: false,
  begin() {},
  before(out, length) {
    out.reserve(HEAD_BYTES_MAX);
    const { bytes } = out;
    bytes[out.position++] = MESSAGES;
    let left = length;
    while (left > 0x7f) {
      bytes[out.position++] = (left & 0x7f) | 0x80;
      left >>>= 7;
    }
    bytes[out.position++] = left;
  },
  end() {},
};
