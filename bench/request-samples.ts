import jwt from "jsonwebtoken";
import type { Encoding } from "../src/contract/encodings.js";
import { encodeRequest } from "./support/encode-request.js";

export const SECRET = "a secret for benches, of more than 32 bytes";
export const MARKETS = 1000;
const FIRST_MARKET_ID = 1001;
/** The largest message, by default. */
const BYTES = 65_536;
/** The most values in a message, by default, less those of an envelope. */
const VALUES = 4096 - 8;
/** The most fields in a message, less those of an envelope. */
const FIELDS = 1024 - 16;

/** A message of a client in an encoding, and what it stands for. */
export interface RequestSample {
  readonly name: string;
  readonly encoding: Encoding;
  readonly payload: Buffer;
}

const marketIds = Array.from({ length: MARKETS }, (_, index) => FIRST_MARKET_ID + index);
const many = <T>(count: number, make: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, index) => make(index));
/** Ids that no number holds, of no market there is. */
const longIds = many(MARKETS, (index) => `3402823669209384634633746074317681${10_000 + index}`);

/** By name: the type, and data that are large or awkward. */
const MESSAGES: Readonly<Record<string, { readonly type: string; readonly data: unknown }>> = {
  Ping: { type: "Ping", data: { timestamp: 1 } },
  "Ping, a long text beside it": { type: "Ping", data: { timestamp: 1, x: "é".repeat(32_000) } },
  "Ping, many values beside it": {
    type: "Ping",
    data: { timestamp: 1, x: many(VALUES, () => 0.5) },
  },
  "Ping, many maps": { type: "Ping", data: { timestamp: 1, x: many(VALUES, () => ({})) } },
  "Ping, many keys": {
    type: "Ping",
    data: { timestamp: 1, ...Object.fromEntries(many(FIELDS, (index) => [`k${index}`, 0])) },
  },
  "Ping, too many maps": { type: "Ping", data: many(21_000, () => ({})) },
  "Subscribe to 1,000 prices": subscribe([
    { type: "PriceFeed", params: { market_ids: marketIds } },
  ]),
  "Subscribe to 1,000 unknown long ids": subscribe([
    { type: "PriceFeed", params: { market_ids: longIds } },
  ]),
  "Subscribe to 4 × 1,000 prices": subscribe(
    many(4, () => ({ type: "PriceFeed", params: { market_ids: marketIds } })),
  ),
  "Subscribe to 100 Market": subscribe(
    many(100, (index) => ({ type: "Market", params: { market_id: FIRST_MARKET_ID + index } })),
  ),
  "Subscribe to all Markets": subscribe([{ type: "Markets" }]),
  "Subscribe to 16 filters": subscribe(
    many(16, (index) => ({ type: "Markets", params: { filter: { search: `none ${index}` } } })),
  ),
  "Subscribe to too many empty channels": subscribe(many(VALUES, () => ({}))),
  "Subscribe to 100 malformed channels": subscribe(
    many(100, () => ({ type: "PriceFeed", params: { market_ids: many(38, () => 1.5) } })),
  ),
  "Unsubscribe from 4 × 1,000 prices": {
    ...subscribe(many(4, () => ({ type: "PriceFeed", params: { market_ids: marketIds } }))),
    type: "Unsubscribe",
  },
  "Authenticate, refused for its size": {
    type: "Authenticate",
    data: { token: "x".repeat(64_000) },
  },
  "Authenticate, the largest token": {
    type: "Authenticate",
    data: { token: token("x".repeat(5900)) },
  },
  "PlaceOrder, refused": {
    type: "PlaceOrder",
    data: { order: { ...order(), quantity: 0.5 } },
  },
  PlaceOrder: { type: "PlaceOrder", data: { order: { ...order(), time_in_force: "IOC" } } },
  "PlaceOrder, many unknown fields": {
    type: "PlaceOrder",
    data: {
      order: { ...order(), ...Object.fromEntries(many(FIELDS, (index) => [`k${index}`, 0])) },
    },
  },
  "CancelOrder by order_id": { type: "CancelOrder", data: { order_id: "9".repeat(15) } },
  "CancelOrder by client_order_id": {
    type: "CancelOrder",
    data: { client_order_id: "c".repeat(36) },
  },
  "Subscribe to 100 wallets": subscribe(wallets()),
  "Unsubscribe from 100 wallets": { ...subscribe(wallets()), type: "Unsubscribe" },
  "Unsubscribe from 16 filters": {
    ...subscribe(
      many(16, (index) => ({ type: "Markets", params: { filter: { search: `none ${index}` } } })),
    ),
    type: "Unsubscribe",
  },
  "unknown type": { type: "x".repeat(60_000), data: {} },
};

const SELF_DESCRIBING = ["json", "msgpack"] as const;
/** Names of messages that Protocol Buffers have no place for. */
const NOT_OF_THE_CONTRACT = /beside it|many|malformed|unknown type/;

/** Every sample in each encoding, and what only one of them can have. */
export function requestSamples(): RequestSample[] {
  const samples = Object.entries(MESSAGES).flatMap(([name, message]): RequestSample[] => [
    ...SELF_DESCRIBING.map((encoding) => ({
      name,
      encoding,
      payload: encodeRequest(encoding, message),
    })),
    ...(NOT_OF_THE_CONTRACT.test(name)
      ? []
      : [{ name, encoding: "protobuf" as const, payload: encodeRequest("protobuf", message) }]),
  ]);
  const [open, close] = ["[".repeat(32_000), "]".repeat(32_000)];
  samples.push(
    { name: "nested very deep", encoding: "json", payload: Buffer.from(open + close) },
    { name: "no JSON", encoding: "json", payload: Buffer.alloc(BYTES, 0x7b) },
    { name: "many escapes", encoding: "json", payload: escapes() },
    { name: "nested very deep", encoding: "msgpack", payload: Buffer.alloc(BYTES, 0x91) },
    {
      name: "many unknown fields",
      encoding: "protobuf",
      payload: Buffer.alloc(2 * FIELDS, "x\u0001"),
    },
    { name: "many ids", encoding: "protobuf", payload: manyIds() },
    { name: "no Protocol Buffers", encoding: "protobuf", payload: Buffer.alloc(BYTES, 0xff) },
    { name: "no MessagePack", encoding: "msgpack", payload: Buffer.alloc(BYTES, 0xc1) },
  );
  return samples.map((sample) => ({ ...sample, payload: sample.payload.subarray(0, BYTES) }));
}

function subscribe(channels: readonly unknown[]) {
  return { type: "Subscribe", data: { channels } };
}

function wallets() {
  return many(100, (index) => ({
    type: index % 2 === 0 ? "Orders" : "Positions",
    params: { wallet: `${"w".repeat(120)}${index}` },
  }));
}

function order() {
  return { market_id: FIRST_MARKET_ID, side: "Buy", order_type: "Limit", price: 0.5, quantity: 1 };
}

/** As many ids of 64 bits as may be, in a list that a message may have once. */
function manyIds(): Buffer {
  const market_ids = many(VALUES, () => `${2n ** 64n - 1n}`);
  return encodeRequest("protobuf", subscribe([{ type: "PriceFeed", params: { market_ids } }]));
}

function escapes(): Buffer {
  const text = `{"type":"Ping","data":{"timestamp":1,"x":"${"\\u00e9".repeat(10_900)}"}}`;
  return Buffer.from(text);
}

function token(filler: string): string {
  return jwt.sign({ sub: "u", wallet: "w", role: "admin", filler }, SECRET, { expiresIn: 3600 });
}

/** Whose the requests are: a trader who may watch every wallet. */
export const BEARER = `Bearer ${token("")}`;
