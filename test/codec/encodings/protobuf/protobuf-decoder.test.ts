import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { protobufCodec } from "../../../../src/client/protobuf-codec.js";
import { type Decoded, decodeClientMessage } from "../../../../src/codec/decode.js";
import { encodingNamed } from "../../../../src/codec/encodings.js";
import type { ClientMessage } from "../../../../src/contract/messages.js";
import { fromBigInt } from "../../../../src/shared/market-id.js";
import { decodeClientPayload, encodeClientMessage } from "../../../support/protobuf-json.js";
import { CLIENT_SAMPLES } from "../../../support/protobuf-samples.js";

const VALUES_MAX = 4096;
const PROTOBUF = encodingNamed("protobuf");
const decode = (payload: Uint8Array): Decoded =>
  decodeClientMessage(PROTOBUF, Buffer.from(payload), VALUES_MAX);
const hex = (text: string): Buffer => Buffer.from(text.replaceAll(" ", ""), "hex");
const decodeHex = (text: string): Decoded => decode(hex(text));

const LIMIT = { market_id: 1, side: "Buy", order_type: "Limit", price: 0.52, quantity: 10 };
const orderHex = (fields: string): string => {
  const order = hex(fields).toString("hex");
  const length = (text: string) => (text.length / 2).toString(16).padStart(2, "0");
  const inner = `0a${length(order)}${order}`;
  return `3a${length(inner)}${inner}`;
};

/** What is published is JSON from the decoder on. */
function inCanonicalForm(message: ClientMessage): unknown {
  if (message.type !== "Publish") return message;
  return { ...message, data: { ...message.data, data: JSON.stringify(message.data.data) } };
}

describe("protobuf-decoder", () => {
  it.each(Object.values(CLIENT_SAMPLES) as ClientMessage[])(
    "protobuf-decoder - $type is taken, from the client library and from another",
    (message) => {
      const own = protobufCodec.encode(message) as Uint8Array;
      const other = encodeClientMessage(message);
      expect(Buffer.from(own).toString("hex")).toBe(other.toString("hex"));
      expect(decodeClientPayload(own)).toEqual(message);
      for (const payload of [own, other])
        expect(decode(payload).message).toEqual(inCanonicalForm(message));
    },
  );

  it("protobuf-decoder - each message has its golden bytes", () => {
    const bytes = Object.entries(CLIENT_SAMPLES).map(
      ([type, message]) =>
        `${type} ${Buffer.from(protobufCodec.encode(message) as Uint8Array).toString("hex")}`,
    );
    expect(bytes).toMatchInlineSnapshot(`
      [
        "Authenticate 08021a060a0174120173",
        "Subscribe 080422530a1f0a1d0a1b0a010111000000000000f03f19000000000000044022047261696e0a04120210010a081a060a04e907ea070a0222000a052a030a01770a0532030a01770a023a000a0a5a080a066465736b2d31",
        "Unsubscribe 120574687265652a1a0a18221608ffffffffffffffffff0110ffffffffffffffffff01",
        "Publish 080a92011a0a08612e623a632d315f120e7b2261223a5b312c6e756c6c5d7d",
        "Ping 3209090000c006450c7a42",
        "PlaceOrder 08083a270a2308e9071801200129000000000000e03f310000000000002440380140004a046d792d311001",
        "PlaceOrders 081072560a4208ffffffffffffffffff0110ffffffffffffffffff011802200129000000000000d03f31000000000000f03f38045080c097d1edff96035881c097d1edff960360020a1008e90718012002310000000000000040",
        "AmendOrder 08127a1812046d792d3119000000000000e03f210000000000000840",
        "CancelOrders 081482011808ffffffffffffffffff0110ffffffffffffffffff011802",
        "CancelAfter 08168a0100",
        "TradeHistory 080c6a2808ffffffffffffffffff0110ffffffffffffffffff0118002080c097d1edff96032a02743930e807",
        "CandleHistory 080e4a0508e9073804",
        "OrderHistory 081052250a017710ffffffffffffffffff0118ffffffffffffffffff0122036f2d3928e80732020103",
        "FillHistory 08125a0710e90732023132",
        "GetOrder 081462040a023132",
        "CancelOrder 080a420612046d792d31",
      ]
    `);
  });

  it("protobuf-decoder - an id of any width is taken, in a list as well", () => {
    const ids = fc.oneof(
      fc.bigInt({ min: 0n, max: 1n << 54n }),
      fc.bigInt({ min: 0n, max: (1n << 128n) - 1n }),
    );
    fc.assert(
      fc.property(fc.uniqueArray(ids, { minLength: 1, maxLength: 20 }), (wide) => {
        const market_ids = wide.sort((a, b) => (a < b ? -1 : 1)).map(fromBigInt);
        const channels = [
          { type: "PriceFeed", params: { market_ids } },
          ...market_ids.map((market_id) => ({ type: "Market", params: { market_id } })),
        ];
        const message = { type: "Subscribe", data: { channels } };
        expect(decode(encodeClientMessage(message)).message).toEqual(message);
        expect(
          decode(protobufCodec.encode(message as ClientMessage) as Uint8Array).message,
        ).toEqual(message);
      }),
    );
  });

  it("protobuf-decoder - lists of ids may come unpacked, and with the upper bits first", () => {
    // { subscribe: { channels: [{ price_feed: { market_ids: 1, 2 } }] } }
    expect(decodeHex("22 08 0a 06 1a 04 0801 0802").message?.data).toEqual({
      channels: [{ type: "PriceFeed", params: { market_ids: [1, 2] } }],
    });
    expect(decodeHex("22 0a 0a 08 1a 06 1201 01 0a01 02").message?.data).toEqual({
      channels: [{ type: "PriceFeed", params: { market_ids: [`${2n ** 64n + 2n}`] } }],
    });
    expect(decodeHex("22 08 0a 06 12 04 1001 0802").message?.data).toEqual({
      channels: [{ type: "Market", params: { market_id: `${2n ** 64n + 2n}` } }],
    });
    const { fault } = decodeHex("22 0b 0a 09 1a 07 1202 0101 0a01 02");
    expect(fault?.code).toBe("INVALID_MESSAGE");
    expect(fault?.message).toContain("market_ids_high");
  });

  it("protobuf-decoder - what has no message is a fault, and a message that is unknown another", () => {
    expect(decodeHex("").fault).toMatchObject({
      code: "INVALID_MESSAGE",
      details: { field: "type" },
    });
    expect(decodeHex("0802")).toMatchObject({ id: 1, fault: { details: { field: "type" } } });
    // Field 100 with a message that is empty.
    expect(decodeHex("0802 a206 00")).toMatchObject({ id: 1, fault: { code: "UNKNOWN_TYPE" } });
    expect(decodeHex("0802 a206 00 3200").message?.type).toBe("Ping");
    expect(decodeHex("0802 3200 a206 00").message?.type).toBe("Ping");
  });

  it("protobuf-decoder - ids of requests are safe integers and texts, and come back as they were", () => {
    for (const id of [
      0,
      -1,
      Number.MAX_SAFE_INTEGER,
      -Number.MAX_SAFE_INTEGER,
      "",
      "\ufeff\u202e",
    ]) {
      const message = { type: "Ping", id, data: { timestamp: 1 } };
      expect(decode(encodeClientMessage(message)).message).toEqual(message);
      expect(decode(protobufCodec.encode(message as ClientMessage) as Uint8Array).message).toEqual(
        message,
      );
    }
    // 2^53 and -2^63, in zigzag.
    for (const id of ["80808080808080 20", "ffffffffffffffffff01"])
      expect(decodeHex(`08 ${id} 3200`).fault?.details).toEqual({ field: "id" });
    expect(
      decode(encodeClientMessage({ type: "Ping", id: "x".repeat(65) })).fault?.details,
    ).toEqual({
      field: "id",
    });
  });

  it("protobuf-decoder - an order's faults name the field, one that nobody knows as well", () => {
    const valid = "0801 1801 2001 29 000000000000e03f 31 0000000000002440";
    expect(decodeHex(orderHex(valid)).message?.data).toEqual({
      order: { market_id: 1, side: "Buy", order_type: "Limit", price: 0.5, quantity: 10 },
    });
    const faults = [
      [`${valid} 9006 01`, "98"],
      [valid.replace("1801", ""), "side"],
      [valid.replace("1801", "1800"), "side"],
      [valid.replace("1801", "1803"), "side"],
      [valid.replace("1801", "18 8180808010"), "side"],
      [valid.replace("2001", ""), "order_type"],
      [valid.replace("29 000000000000e03f", ""), "price"],
      [valid.replace("000000000000e03f", "000000000000f07f"), "price"],
      [valid.replace("0000000000002440", "000000000000f87f"), "quantity"],
      [`${valid} 3804`, "expires_ts"],
      [`${valid} 5001`, "expires_ts"],
      [`${valid} 3805`, "time_in_force"],
      [`${valid} 4a 03 612062`, "client_order_id"],
    ] as const;
    for (const [fields, field] of faults)
      expect(decodeHex(orderHex(fields)), fields).toMatchObject({
        fault: { code: "INVALID_MESSAGE", details: { field: `data.order.${field}` } },
      });
  });

  it("protobuf-decoder - fields that nobody knows are passed over, but for those of an order", () => {
    // 98 as an integer, 99 as bytes, 100 as 64 and 101 as 32 bits.
    const unknown = "9006 01 9a06 02 ffff a106 0000000000000000 ad06 00000000";
    const inside = `09 000000000000f03f ${unknown}`;
    const length = hex(inside).length.toString(16).padStart(2, "0");
    expect(decodeHex(`${unknown} 32 ${length} ${inside} ${unknown}`).message).toEqual({
      type: "Ping",
      data: { timestamp: 1 },
    });
  });

  it("protobuf-decoder - no bytes whatever make it throw", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const { fault } = decode(bytes);
        if (fault !== undefined) expect(["INVALID_MESSAGE", "UNKNOWN_TYPE"]).toContain(fault.code);
      }),
      { numRuns: 5000 },
    );
  });

  it("protobuf-decoder - a message with bytes changed, cut or put in is taken or a fault", () => {
    const messages = Object.values(CLIENT_SAMPLES).map((message) => encodeClientMessage(message));
    fc.assert(
      fc.property(
        fc.constantFrom(...messages),
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 }),
        fc.nat(),
        (message, mutations, cut) => {
          const bytes = Buffer.from(message);
          for (const [at, byte] of mutations) bytes[at % bytes.length] = byte;
          for (const payload of [bytes, bytes.subarray(0, cut % bytes.length)]) {
            const { fault } = decode(payload);
            if (fault !== undefined) expect(fault.message.length).toBeLessThan(300);
          }
        },
      ),
      { numRuns: 5000 },
    );
  });

  it("protobuf-decoder - the client refuses what there is no place for", () => {
    const place = (order: object) =>
      protobufCodec.encode({ type: "PlaceOrder", data: { order } } as never);
    for (const [order, text] of [
      [{ ...LIMIT, price: "1" }, "data.order.price: must be a number"],
      [{ ...LIMIT, other: 1 }, "data.order.other: there is no such field"],
      [{ ...LIMIT, market_id: -1 }, "data.order.market_id: must be an integer"],
      [[], "data.order: must be an object"],
    ] as const)
      expect(() => place(order), text).toThrow(text);
    expect(() => protobufCodec.decode("{}")).toThrow(TypeError);
  });
});
