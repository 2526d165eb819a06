import fc from "fast-check";
import { Packr } from "msgpackr";
import { describe, expect, it } from "vitest";
import { type Decoded, decodeClientMessage as decodeWithin } from "../../src/codec/decode.js";
import { encodingNamed } from "../../src/codec/encodings.js";
import { FIELDS_MAX } from "../../src/codec/value-bounds.js";
import type { Encoding } from "../../src/contract/encodings.js";

/** Those that can carry what is no message; the third has tests of its own. */
const SELF_DESCRIBING = ["json", "msgpack"] as const;
const packr = new Packr({ useRecords: false, variableMapSize: true });
const VALUES_MAX = 4096;
const decodeClientMessage = (encoding: Encoding, payload: Buffer): Decoded =>
  decodeWithin(encodingNamed(encoding), payload, VALUES_MAX);

const encoded = (encoding: Encoding, value: unknown): Buffer =>
  encoding === "json" ? Buffer.from(JSON.stringify(value)) : packr.pack(value);
const decodeJson = (text: string): Decoded => decodeClientMessage("json", Buffer.from(text));
const decodeHex = (text: string): Decoded =>
  decodeClientMessage("msgpack", Buffer.from(text.replaceAll(" ", ""), "hex"));

/** Names that objects have or that parsers treat in their own way, among ordinary ones. */
const keys = fc.oneof(
  fc.constantFrom(
    "__proto__",
    "constructor",
    "prototype",
    "toString",
    "valueOf",
    "hasOwnProperty",
    "then",
    "length",
  ),
  fc.constantFrom("type", "data", "id", "channels", "params", "filter", "market_id", "market_ids"),
  fc.constantFrom("token", "timestamp", "order", "status", "search", "min_volume", "wallet"),
  fc.constantFrom("side", "order_type", "price", "quantity", "order_id", "client_order_id"),
  fc.string({ maxLength: 6 }),
);
const anything = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 5 },
    fc.constantFrom(null, true, 0, -1, 1.5, 2 ** 53, 1e300, "", "Markets", "Market", "PriceFeed"),
    fc.string({ unit: "binary", maxLength: 8 }),
    fc.maxSafeInteger(),
    fc.array(tie("value"), { maxLength: 4 }),
    fc
      .array(fc.tuple(keys, tie("value")), { maxLength: 4 })
      // Own properties, whatever their names, as JSON.parse makes them.
      .map((entries) => JSON.parse(textOf(entries)) as unknown),
  ),
})).value;

function textOf(entries: readonly (readonly [string, unknown])[]): string {
  return `{${entries.map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value) ?? "null"}`).join()}}`;
}

const types = fc.constantFrom(
  "Authenticate",
  "Subscribe",
  "Unsubscribe",
  "Ping",
  "PlaceOrder",
  "CancelOrder",
);

const LIMIT = {
  market_id: 1,
  side: "Buy",
  order_type: "Limit",
  price: 0.52,
  quantity: 10,
} as const;

/** An order with each field as it should be, or anything. */
function orderOf(value: fc.Arbitrary<unknown>) {
  return {
    market_id: fc.oneof(fc.nat(), value),
    side: fc.oneof(fc.constantFrom("Buy", "Sell"), value),
    order_type: fc.oneof(fc.constantFrom("Limit", "Market"), value),
    price: fc.oneof(fc.double(), value),
    quantity: fc.oneof(fc.double(), value),
    time_in_force: fc.oneof(fc.constantFrom("GTC", "IOC", "FOK"), value),
    post_only: fc.oneof(fc.boolean(), value),
    client_order_id: value,
  };
}

/** Checks what holds for whatever a client sends; that it does not throw is the point. */
function check(encoding: Encoding, payload: Buffer): Decoded {
  const decoded = decodeClientMessage(encoding, payload);
  if (decoded.fault !== undefined) {
    expect(["INVALID_MESSAGE", "UNKNOWN_TYPE"]).toContain(decoded.fault.code);
    expect(decoded.fault.message.length).toBeLessThan(300);
    if (decoded.fault.details !== undefined)
      expect(decoded.fault.message).toContain(decoded.fault.details.field);
  }
  expect(Object.prototype).not.toHaveProperty("polluted");
  return decoded;
}

describe("decode", () => {
  it("decode - a number in JSON that rounds is refused as an id, and never another one", () => {
    for (const id of ["9007199254740992", "9007199254740993", "1e400", "1.5", "-1", "1e30"]) {
      const channels = `[{"type":"Market","params":{"market_id":${id}}}]`;
      const text = `{"type":"Subscribe","data":{"channels":${channels}}}`;
      expect(check("json", Buffer.from(text)).fault?.code).toBe("INVALID_MESSAGE");
    }
  });

  for (const encoding of SELF_DESCRIBING) {
    it(`decode - no bytes whatever make it throw (${encoding})`, () => {
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
          check(encoding, Buffer.from(bytes));
        }),
        { numRuns: 3000 },
      );
    });

    it(`decode - no value in the place of a message makes it throw (${encoding})`, () => {
      fc.assert(
        fc.property(anything, (value) => {
          check(encoding, encoded(encoding, value));
        }),
        { numRuns: 1000 },
      );
    });

    it(`decode - no data of a known type makes it throw (${encoding})`, () => {
      const channel = fc.record({
        type: fc.constantFrom("Markets", "Market", "PriceFeed", "Trades", "Orders", "SystemStatus"),
        params: fc.oneof(
          anything,
          fc.record({ market_id: anything }),
          fc.record({ market_ids: fc.array(anything) }),
          fc.record({ filter: fc.record({ status: anything, search: anything }) }),
        ),
      });
      const data = fc.oneof(
        anything,
        fc.record({ channels: fc.array(fc.oneof(channel, anything), { maxLength: 4 }) }),
        fc.record({ token: anything, timestamp: anything }),
        fc.record({ order_id: anything, client_order_id: anything }),
        fc.record({ order: fc.record(orderOf(anything)) }),
        fc
          .tuple(keys, fc.string({ minLength: 500, maxLength: 1000 }), anything)
          .map(([one, other, value]) => ({ order: { ...LIMIT, [one]: value, [other]: value } })),
      );
      fc.assert(
        fc.property(types, data, anything, (type, value, id) => {
          check(encoding, encoded(encoding, { type, data: value }));
          check(encoding, encoded(encoding, { type, data: value, id }));
        }),
        { numRuns: 1000 },
      );
    });

    it(`decode - a market id of no sense at all is a fault that names its field (${encoding})`, () => {
      const nested = Array.from({ length: 5 }).reduce((inner) => [inner], [] as unknown);
      const ids = [{ toString: 1 }, { toString: 1, valueOf: null }, nested, [], {}, true, null];
      for (const market_id of ids) {
        const message = {
          type: "Subscribe",
          id: 7,
          data: { channels: [{ type: "Market", params: { market_id } }] },
        };
        const decoded = check(encoding, encoded(encoding, message));
        expect(decoded).toMatchObject({
          id: 7,
          fault: {
            code: "INVALID_MESSAGE",
            details: { field: "data.channels.0.params.market_id" },
          },
        });
      }
    });

    it(`decode - both encodings of a message are the same message (${encoding})`, () => {
      const message = {
        data: {
          channels: [
            {
              params: { market_ids: ["3", 1, 3, "340282366920938463463374607431768211455"] },
              type: "PriceFeed",
            },
            { type: "Markets", params: { filter: { status: "Halted", unknown: 1 } } },
          ],
          unknown: { a: [1] },
        },
        type: "Subscribe",
        id: "r-1",
        unknown: null,
      };
      expect(check(encoding, encoded(encoding, message))).toEqual({
        message: {
          type: "Subscribe",
          id: "r-1",
          data: {
            channels: [
              {
                type: "PriceFeed",
                params: { market_ids: [1, 3, "340282366920938463463374607431768211455"] },
              },
              { type: "Markets", params: { filter: { status: ["Halted"] } } },
            ],
          },
        },
      });
    });

    it(`decode - names of Object's own properties are no message types (${encoding})`, () => {
      for (const type of ["constructor", "toString", "__proto__", "hasOwnProperty", ""]) {
        expect(check(encoding, encoded(encoding, { type, id: 1 }))).toMatchObject({
          id: 1,
          fault: { code: "UNKNOWN_TYPE" },
        });
      }
    });

    it(`decode - null for an optional part of a message means that it is absent (${encoding})`, () => {
      const decode = (message: unknown) => check(encoding, encoded(encoding, message)).message;
      expect(decode({ type: "Ping", id: null, data: { timestamp: 1 } })).toStrictEqual({
        type: "Ping",
        data: { timestamp: 1 },
      });
      const order = { ...LIMIT, time_in_force: null, post_only: null, client_order_id: null };
      expect(decode({ type: "PlaceOrder", id: 1, data: { order } })?.data).toStrictEqual({
        order: LIMIT,
      });
      const filter = { status: "Active", search: null, min_volume: null, max_volume: null };
      const channels = [
        { type: "Markets", params: { filter } },
        { type: "Markets", params: { filter: null } },
        { type: "Trades", params: { market_id: null } },
        { type: "SystemStatus", params: null },
      ];
      expect(decode({ type: "Subscribe", data: { channels } })?.data).toStrictEqual({
        channels: [
          { type: "Markets", params: { filter: { status: ["Active"] } } },
          { type: "Markets", params: null },
          { type: "Trades", params: null },
          { type: "SystemStatus", params: null },
        ],
      });
    });

    it(`decode - a fault carries the id where there is a sound one (${encoding})`, () => {
      const cases = [
        [{ type: 1, id: 1 }, 1, "type"],
        [{ id: "a" }, "a", "type"],
        [{ type: "Ping", id: 1.5 }, undefined, "id"],
        [{ type: "Ping", id: null }, undefined, "data.timestamp"],
        [{ type: "Ping", id: "x".repeat(65) }, undefined, "id"],
        [{ type: "Ping", id: 2 }, 2, "data.timestamp"],
        [{ type: "Ping", id: 3, data: { timestamp: "1" } }, 3, "data.timestamp"],
        [{ type: "Subscribe", data: { channels: [{}] } }, undefined, "data.channels.0.type"],
      ] as const;
      for (const [message, id, field] of cases) {
        const decoded = check(encoding, encoded(encoding, message));
        expect(decoded.fault?.details).toEqual({ field });
        expect(decoded.message === undefined && decoded.id).toBe(id);
      }
    });

    it(`decode - an order with all its fields, and one with no more than it needs (${encoding})`, () => {
      const all = {
        ...LIMIT,
        market_id: "340282366920938463463374607431768211455",
        time_in_force: "GTC",
        post_only: true,
        client_order_id: "My_order-1",
      };
      const least = { quantity: 0.5, order_type: "Market", side: "Sell", market_id: "7" };
      for (const [order, taken] of [
        [all, all],
        [least, { ...least, market_id: 7 }],
      ]) {
        // Only inside the order is an unknown field an error.
        const message = { type: "PlaceOrder", id: 1, data: { order, unknown: 1 }, unknown: 1 };
        expect(check(encoding, encoded(encoding, message))).toEqual({
          message: { type: "PlaceOrder", id: 1, data: { order: taken } },
        });
      }
    });

    it(`decode - an order's faults name the field, one that is none as well (${encoding})`, () => {
      const { price: _price, ...withoutPrice } = LIMIT;
      const { quantity: _quantity, ...withoutQuantity } = LIMIT;
      const cases = [
        [{ ...LIMIT, sid: "Buy" }, "sid"],
        [{ ...LIMIT, constructor: 1 }, "constructor"],
        [withoutPrice, "price"],
        [{ ...LIMIT, order_type: "Market" }, "price"],
        [{ ...LIMIT, price: null }, "price"],
        [{ ...LIMIT, price: "0.52" }, "price"],
        [{ ...LIMIT, quantity: "10" }, "quantity"],
        [withoutQuantity, "quantity"],
        [{ ...LIMIT, market_id: 1.5 }, "market_id"],
        [{ ...LIMIT, side: "buy" }, "side"],
        [{ ...LIMIT, order_type: "Stop" }, "order_type"],
        [{ ...LIMIT, time_in_force: "GTX" }, "time_in_force"],
        [{ ...LIMIT, time_in_force: "GTD" }, "expires_ts"],
        [{ ...LIMIT, expires_ts: 1 }, "expires_ts"],
        [{ ...LIMIT, self_trade: "Both" }, "self_trade"],
        [{ ...LIMIT, post_only: 1 }, "post_only"],
        [{ ...LIMIT, client_order_id: "a b" }, "client_order_id"],
      ] as const;
      for (const [order, field] of cases) {
        const message = { type: "PlaceOrder", id: 1, data: { order } };
        expect(check(encoding, encoded(encoding, message))).toMatchObject({
          id: 1,
          fault: { code: "INVALID_MESSAGE", details: { field: `data.order.${field}` } },
        });
      }
      for (const data of [null, {}, { order: null }, { order: [LIMIT] }]) {
        const { fault } = check(encoding, encoded(encoding, { type: "PlaceOrder", data }));
        expect(fault?.details).toEqual({ field: "data.order" });
      }
    });

    it(`decode - a long unknown field of an order does not come back whole (${encoding})`, () => {
      const order = { ...LIMIT, ["x".repeat(5000)]: 1, ["y".repeat(5000)]: 1 };
      const { fault } = check(encoding, encoded(encoding, { type: "PlaceOrder", data: { order } }));
      expect(fault?.details?.field).toMatch(/^data\.order\.x+$/);
    });

    it(`decode - CancelOrder names an order in one of two ways (${encoding})`, () => {
      for (const data of [{ order_id: "12" }, { client_order_id: "a-1" }]) {
        const message = { type: "CancelOrder", id: "c", data };
        const more = { ...message, data: { ...data, unknown: 1 } };
        expect(check(encoding, encoded(encoding, more))).toEqual({ message });
      }
      const faults = [
        [null, "order_id"],
        [{}, "order_id"],
        [{ order_id: "1", client_order_id: "a" }, "order_id"],
        [{ order_id: 1 }, "order_id"],
        [{ order_id: "" }, "order_id"],
        [{ order_id: "1".repeat(65) }, "order_id"],
        [{ client_order_id: "" }, "client_order_id"],
        [{ order_id: "1", client_order_id: "ä" }, "client_order_id"],
      ] as const;
      for (const [data, field] of faults) {
        const message = { type: "CancelOrder", id: "c", data };
        expect(check(encoding, encoded(encoding, message))).toMatchObject({
          id: "c",
          fault: { code: "INVALID_MESSAGE", details: { field: `data.${field}` } },
        });
      }
    });

    it(`decode - what is no object is no message (${encoding})`, () => {
      for (const value of [null, true, 1, "x", [], [{ type: "Ping" }]])
        expect(check(encoding, encoded(encoding, value)).fault?.code).toBe("INVALID_MESSAGE");
    });
  }

  it("decode - malformed JSON is a fault", () => {
    for (const text of ["", "{", "{'a':1}", '{"type":"Ping"}x', "\ufeff{}", "[".repeat(10)])
      expect(decodeJson(text).fault?.message).toMatch(/^not valid JSON: /);
  });

  it("decode - JSON nested to the size limit is a fault where it does not belong", () => {
    const deep = "[".repeat(30_000) + "]".repeat(30_000);
    const market = `{"type":"Subscribe","data":{"channels":[{"type":"Market","params":{"market_id":${deep}}}]}}`;
    for (const text of [deep, market, `{"type":${deep}}`, `{"type":"Ping","data":${deep}}`]) {
      const { fault } = check("json", Buffer.from(text));
      expect(fault).toMatchObject({
        code: "INVALID_MESSAGE",
        message: "nested more than 16 deep",
      });
    }
  });

  it("decode - a message may have so many values and fields and no more, in each encoding", () => {
    const maps = (length: number) => Array.from({ length }, () => ({}));
    const fields = (length: number) =>
      Object.fromEntries(Array.from({ length }, (_, index) => [`k${index}`, index]));
    for (const encoding of SELF_DESCRIBING) {
      const faultOf = (data: unknown) =>
        decodeClientMessage(encoding, encoded(encoding, { type: "Ping", data })).fault;
      // The envelope has three values: itself, its type and its data; and two fields.
      for (const [most, more, what] of [
        [maps(VALUES_MAX - 3), maps(VALUES_MAX - 2), `more than ${VALUES_MAX} values`],
        [fields(FIELDS_MAX - 2), fields(FIELDS_MAX - 1), `more than ${FIELDS_MAX} fields`],
      ] as const) {
        expect(faultOf(most)?.message).not.toContain("more than");
        const fault = faultOf(more);
        expect(fault?.code).toBe("INVALID_MESSAGE");
        expect(fault?.message).toContain(what);
      }
    }
  });

  it("decode - a price or quantity that is no finite number is a fault", () => {
    for (const field of ["price", "quantity"]) {
      const expected = { details: { field: `data.order.${field}` } };
      for (const value of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
        const message = { type: "PlaceOrder", data: { order: { ...LIMIT, [field]: value } } };
        expect(check("msgpack", packr.pack(message)).fault).toMatchObject(expected);
      }
      for (const huge of ["1e999", "-1e999"]) {
        const order = JSON.stringify({ ...LIMIT, [field]: "huge" }).replace('"huge"', huge);
        const text = `{"type":"PlaceOrder","data":{"order":${order}}}`;
        expect(check("json", Buffer.from(text)).fault).toMatchObject(expected);
      }
    }
  });

  it("decode - a MessagePack integer is a price and a quantity, whatever its width", () => {
    const values = [
      ["05", 5],
      ["cf 0000000000000005", 5],
      ["cb 4014000000000000", 5],
      ["ca 40a00000", 5],
    ] as const;
    for (const [bytes, quantity] of values) {
      // {type: "PlaceOrder", data: {order: {market_id: 1, side: "Buy", order_type: "Market", quantity}}}
      const decoded = decodeHex(
        `82 a474797065 aa506c6163654f72646572 a464617461 81 a56f72646572 84
         a96d61726b65745f6964 01 a473696465 a3427579 aa6f726465725f74797065 a64d61726b6574
         a87175616e74697479 ${bytes}`.replaceAll(/\s/g, ""),
      );
      expect(decoded.message?.data).toMatchObject({ order: { quantity } });
    }
    // Beyond 2^53-1 a number could be any of several.
    const beyond = { ...LIMIT, quantity: 2n ** 53n };
    expect(
      check("msgpack", packr.pack({ type: "PlaceOrder", data: { order: beyond } })).fault,
    ).toMatchObject({ details: { field: "data.order.quantity" } });
  });

  it("decode - a JSON id beyond 2^53-1 is a fault, and one beyond in a string is not", () => {
    const subscribe = (id: string) =>
      decodeJson(
        `{"type":"Subscribe","data":{"channels":[{"type":"Market","params":{"market_id":${id}}}]}}`,
      );
    for (const id of ["9007199254740992", "9007199254740993", "1e30", "-1", "1.5", '"01"'])
      expect(subscribe(id).fault?.code).toBe("INVALID_MESSAGE");
    expect(subscribe('"9007199254740993"').message?.data).toEqual({
      channels: [{ type: "Market", params: { market_id: "9007199254740993" } }],
    });
  });

  it("decode - a MessagePack uint64 is an id to its last bit", () => {
    const market = (id: string) =>
      // {type: "Subscribe", data: {channels: [{type: "Market", params: {market_id: <id>}}]}}
      decodeHex(
        `82 a474797065 a9537562736372696265 a464617461 81 a86368616e6e656c73 91
         82 a474797065 a64d61726b6574 a6706172616d73 81 a96d61726b65745f6964 ${id}`.replaceAll(
          /\s/g,
          "",
        ),
      );
    const ids = [
      ["cf 0000000000000001", 1],
      ["cf 001fffffffffffff", Number.MAX_SAFE_INTEGER],
      ["cf 0020000000000000", "9007199254740992"],
      ["cf 0020000000000001", "9007199254740993"],
      ["cf ffffffffffffffff", "18446744073709551615"],
      ["d3 0000000000000005", 5],
      ["cb 3ff0000000000000", 1],
    ] as const;
    for (const [bytes, market_id] of ids) {
      expect(market(bytes).message?.data).toEqual({
        channels: [{ type: "Market", params: { market_id } }],
      });
    }
    for (const bytes of [
      "d3 ffffffffffffffff",
      "cb 3ff8000000000000",
      "cb 4340000000000000",
      "ff",
      "c0",
    ])
      expect(market(bytes).fault?.code).toBe("INVALID_MESSAGE");
  });

  it("decode - MessagePack of other kinds is a fault: extensions, trailing bytes, odd keys", () => {
    const faults = [
      ["", "cut off"],
      ["81 a474797065", "cut off"],
      ["80 00", "1 bytes after the value"],
      ["d6 ff 00000000", "extension type"],
      ["81 a26964 c7 01 05 00", "extension type"],
      ["81 01 01", "map key"],
      ["81 a1ff 01", "invalid UTF-8"],
      ["c1", "never used"],
    ] as const;
    for (const [bytes, message] of faults) {
      const { fault } = decodeHex(bytes);
      expect(fault?.code).toBe("INVALID_MESSAGE");
      expect(fault?.message).toContain(message);
    }
  });

  it("decode - a text with half a character is a fault that names its field", () => {
    const half = "a\\ud800";
    const orders = (wallet: string) =>
      `{"type":"Subscribe","id":1,"data":{"channels":[{"type":"Orders","params":{"wallet":"${wallet}"}}]}}`;
    const wallet = "data.channels.0.params.wallet";
    for (const [text, field] of [
      [`{"type":"Ping","id":"${half}","data":{"timestamp":1}}`, "id"],
      [orders(half), wallet],
      [orders("a\\u0000"), wallet],
      [orders(" a"), wallet],
      [orders("w".repeat(129)), wallet],
      [
        `{"type":"Subscribe","data":{"channels":[{"type":"Markets","params":{"filter":{"search":"${half}"}}}]}}`,
        "data.channels.0.params.filter.search",
      ],
      [`{"type":"CancelOrder","data":{"order_id":"${half}"}}`, "data.order_id"],
      [`{"type":"CancelOrder","data":{"client_order_id":"${half}"}}`, "data.client_order_id"],
      [
        `{"type":"PlaceOrder","data":{"order":{"client_order_id":"${half}",${JSON.stringify(LIMIT).slice(1)}}}`,
        "data.order.client_order_id",
      ],
    ] as const) {
      const { fault } = decodeJson(text);
      expect([fault?.code, fault?.details?.field]).toEqual(["INVALID_MESSAGE", field]);
      expect(fault?.message).toMatch(new RegExp(`^${field.replaceAll(".", "\\.")}: .`));
    }
  });

  it("decode - a request id comes back as it was, whatever well-formed text it is", () => {
    for (const id of ["\u0000\u001b", " a\n", "\ufffd", "\ufeff\u202e", "😀".repeat(32)])
      for (const encoding of SELF_DESCRIBING) {
        const message = { type: "Ping", id, data: { timestamp: 1 } };
        expect(decodeClientMessage(encoding, encoded(encoding, message)).message).toEqual(message);
      }
  });

  it("decode - what is quoted of a client's text is well-formed, wherever it is cut", () => {
    const pairs = "😀".repeat(200);
    for (let shift = 0; shift < 2; shift++) {
      const odd = "x".repeat(shift) + pairs;
      const key = `{"client_order_id":"a","${odd}":1,${JSON.stringify(LIMIT).slice(1)}`;
      for (const text of [
        `{"type":"${odd}"}`,
        `{"type":"Ping","data":{"timestamp":"${odd}"}}`,
        `{"type":"Subscribe","data":{"channels":[{"type":"Market","params":{"market_id":"${odd}"}}]}}`,
        `{"type":"PlaceOrder","data":{"order":${key}}}`,
        `{"type":"PlaceOrder","data":{"order":{"\\ud800":1,${JSON.stringify(LIMIT).slice(1)}}}`,
        `{"${odd}" 1}`,
        `${odd}`,
      ]) {
        const { fault } = decodeJson(text);
        expect(fault).toBeDefined();
        expect(fault?.message.isWellFormed()).toBe(true);
        expect(String(fault?.details?.["field"]).isWellFormed()).toBe(true);
      }
    }
  });

  it("decode - no key reaches a prototype", () => {
    const order = JSON.stringify(LIMIT);
    const attacks = [
      '{"__proto__":{"polluted":1},"type":"Ping","data":{"timestamp":1}}',
      '{"type":"Ping","data":{"timestamp":1,"__proto__":{"polluted":1}}}',
      `{"type":"PlaceOrder","data":{"order":${order},"constructor":{"prototype":{"polluted":1}},"__proto__":{"polluted":1}}}`,
    ];
    for (const text of attacks) {
      const plain = check("json", Buffer.from(text)).message;
      expect(plain?.data).not.toHaveProperty("polluted");
      const packed = check("msgpack", packr.pack(JSON.parse(text))).message;
      expect(packed?.data).not.toHaveProperty("polluted");
    }
    const inside = `{"type":"PlaceOrder","data":{"order":{"__proto__":{"polluted":1},${order.slice(1)}}}`;
    expect(check("json", Buffer.from(inside)).fault?.details).toEqual({
      field: "data.order.__proto__",
    });
    expect(decodeJson('{"__proto__":{"type":"Ping","data":{"timestamp":1}}}').fault?.code).toBe(
      "INVALID_MESSAGE",
    );
  });
});
