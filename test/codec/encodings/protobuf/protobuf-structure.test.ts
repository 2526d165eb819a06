import { describe, expect, it } from "vitest";
import { findProtobufFault as findFault } from "../../../../src/codec/encodings/protobuf/protobuf-structure.js";
import { FIELDS_MAX } from "../../../../src/codec/value-bounds.js";
import {
  CLIENT_MESSAGE,
  SERVER_MESSAGE,
} from "../../../../src/contract/protobuf/protobuf-messages.js";
import { encodeClientMessage, encodeServerMessage } from "../../../support/protobuf-json.js";
import { CLIENT_SAMPLES, SERVER_SAMPLES } from "../../../support/protobuf-samples.js";

const VALUES_MAX = 4096;
const findProtobufFault = (bytes: Uint8Array): string | undefined =>
  findFault(bytes, CLIENT_MESSAGE, VALUES_MAX);
const hex = (text: string): Buffer => Buffer.from(text.replaceAll(" ", ""), "hex");

describe("protobuf-structure", () => {
  it("protobuf-structure - whatever another library writes is sound", () => {
    for (const message of Object.values(CLIENT_SAMPLES))
      expect(findProtobufFault(encodeClientMessage(message))).toBeUndefined();
    for (const message of Object.values(SERVER_SAMPLES))
      expect(findFault(encodeServerMessage(message), SERVER_MESSAGE, VALUES_MAX)).toBeUndefined();
  });

  it.each([
    ["a tag that is cut off", "80", "cut off"],
    ["a value that is cut off", "08", "cut off"],
    ["a length beyond the end", "3205 00", "cut off"],
    ["a length beyond 2^53", "32 ffffffffffffffffff01", "cut off"],
    ["a part that ends in the middle of a field", "3202 0900", "cut off"],
    ["a part that ends in the middle of an integer", "2203 0a01 12", "cut off"],
    ["a packed list that ends in the middle of an integer", "2208 0a06 1a04 0a02 0180", "cut off"],
    ["the field 0", "00 01", "tag at byte 0"],
    ["a tag of more than 32 bits", "808080808001 00", "tag at byte 0"],
    ["an integer of more than 64 bits", "08 ffffffffffffffffff02", "more than 64 bits"],
    ["an integer of eleven bytes", "08 8080808080808080808000", "more than 64 bits"],
    ["a group", "0b 0c", "wire type 3"],
    ["a group that nobody knows", "a306 a406", "groups are not taken"],
    ["the end of a group", "a406", "groups are not taken"],
    ["a wire type that is none", "a706", "groups are not taken"],
    ["a field of another wire type", "3001", "wire type 0"],
    ["a double as 32 bits", "3205 0d 00000000", "wire type 5"],
    ["a token that is no UTF-8", "1a04 0a02 ff61", "invalid UTF-8"],
    ["a text that is no UTF-8", "12 01 80", "invalid UTF-8"],
    ["a surrogate", "12 03 eda080", "invalid UTF-8"],
    ["one message twice", "3200 3200", "comes twice"],
    ["two messages of a oneof", "3200 1a00", "beside another of its oneof"],
    ["two ids", "0802 12 00", "beside another of its oneof"],
    ["a field twice", "3212 09 0000000000000000 09 0000000000000000", "comes twice"],
    ["two types of a channel", "2206 0a04 0a00 1200", "beside another of its oneof"],
  ])("protobuf-structure - %s is a fault", (_, bytes, fault) => {
    expect(findProtobufFault(hex(bytes))).toContain(fault);
  });

  it("protobuf-structure - values and fields are bounded before they are read", () => {
    const unknown = (count: number) => Buffer.alloc(3 * count, Buffer.of(0xa0, 0x06, 0x01));
    expect(findProtobufFault(unknown(FIELDS_MAX))).toBeUndefined();
    expect(findProtobufFault(unknown(FIELDS_MAX + 1))).toBe(
      `it has more than ${FIELDS_MAX} fields`,
    );
    const varint = (value: number) =>
      Buffer.of((value & 0x7f) | 0x80, ((value >> 7) & 0x7f) | 0x80, value >> 14);
    const part = (tag: number, content: Buffer) =>
      Buffer.concat([Buffer.of(tag), varint(content.length), content]);
    // The list is in a price feed, a channel, a subscription and the message: four values.
    const feed = (ids: number) =>
      part(0x22, part(0x0a, part(0x1a, part(0x0a, Buffer.alloc(ids, 1)))));
    expect(findProtobufFault(feed(VALUES_MAX - 4))).toBeUndefined();
    expect(findProtobufFault(feed(VALUES_MAX - 3))).toBe(`it has more than ${VALUES_MAX} values`);
    const channels = (count: number) => part(0x22, Buffer.alloc(2 * count, "\n\u0000"));
    expect(findProtobufFault(channels(VALUES_MAX - 2))).toBeUndefined();
    expect(findProtobufFault(channels(VALUES_MAX - 1))).toContain("values");
  });

  it("protobuf-structure - nesting that nobody knows is not looked into", () => {
    let nested = Buffer.alloc(0);
    for (let depth = 0; depth < 60; depth++)
      nested = Buffer.concat([hex("a206"), Buffer.of(nested.length), nested]).subarray(0, 127);
    expect(findProtobufFault(Buffer.concat([hex("a206"), Buffer.of(nested.length), nested]))).toBe(
      undefined,
    );
  });

  it("protobuf-structure - a view into a larger buffer is checked by itself", () => {
    const bytes = hex("ff ff 3200 ff");
    expect(findProtobufFault(bytes.subarray(2, 4))).toBeUndefined();
    expect(findProtobufFault(new Uint8Array(bytes.buffer, bytes.byteOffset, 2))).toContain(
      "cut off",
    );
  });
});
