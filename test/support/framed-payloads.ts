import { constants, inflateRawSync } from "node:zlib";
import { Unpackr } from "msgpackr";
import type { Encoding } from "../../src/contract/encodings.js";
import { parseFrames } from "./frames.js";
import { decodeServerBatch, decodeServerMessage } from "./protobuf-json.js";

const RESERVED_1 = 0x40;
const unpackr = new Unpackr({
  useRecords: false,
  mapsAsObjects: true,
  int64AsType: "auto" as "bigint",
});

/** A frame's payload, inflated where its first byte says that it is compressed. */
export interface FramedPayload {
  /** The first byte, as if it were not compressed. */
  readonly head: number;
  readonly compressed: boolean;
  readonly payload: Buffer;
}

/** The payloads of whole frames of a server, each inflated by itself (RFC 7692, section 7.2.2). */
export function framedPayloads(bytes: Buffer): FramedPayload[] {
  return parseFrames(bytes).map(({ head, payload }) => {
    if ((head & RESERVED_1) === 0) return { head, compressed: false, payload };
    const whole = Buffer.concat([payload, Buffer.from("0000ffff", "hex")]);
    const inflated = inflateRawSync(whole, { finishFlush: constants.Z_SYNC_FLUSH });
    return { head: head & ~RESERVED_1, compressed: true, payload: inflated };
  });
}

/** The messages of a payload, in either form that it may have. */
export function messagesIn(payload: Buffer, encoding: Encoding, batched: boolean): unknown[] {
  switch (encoding) {
    case "json":
      return [JSON.parse(String(payload))].flat();
    case "msgpack":
      return [unpackr.unpack(payload)].flat();
    case "protobuf":
      return batched ? decodeServerBatch(payload) : [decodeServerMessage(payload)];
  }
}
