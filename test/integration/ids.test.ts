import { Packr } from "msgpackr";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Encoding } from "../../src/contract/encodings.js";
import { ENCODINGS } from "../../src/contract/encodings.js";
import type { MarketId } from "../../src/shared/market-id.js";
import { book, feedListings, listing, quote, trade } from "../support/feed-lines.js";
import { type ServerProcess, startServerProcess } from "../support/server-process.js";
import { TestClient } from "../support/test-client.js";

/** Ids and their form on the wire: an integer while it is safe, a decimal string beyond. */
const IDS: readonly MarketId[] = [
  0,
  4_294_967_296,
  2 ** 53 - 1,
  `${2n ** 53n}`,
  `${2n ** 53n + 1n}`,
  `${2n ** 64n - 1n}`,
  `${2n ** 64n}`,
  `${2n ** 128n - 2n}`,
  `${2n ** 128n - 1n}`,
];
const UINT64_MAX = 2n ** 64n - 1n;
const packr = new Packr({ useRecords: false, variableMapSize: true });

let server: ServerProcess;
let bid = 0;

beforeAll(async () => {
  server = await startServerProcess(
    { shards: 1, feed: "stdin", "market-interval": 20, "book-interval": 0 },
    { stdin: "pipe" },
  );
  await feedListings(server, IDS, ...IDS.map((id) => listing(id, `Market ${id}`)));
});
afterAll(() => server.dispose());

/** Subscribes to a Market and a PriceFeed whose one id are these nine bytes: a MessagePack uint64. */
function subscribeByUint64(id: bigint): Buffer {
  const uint64 = Buffer.alloc(9, 0xcf);
  uint64.writeBigUInt64BE(id, 1);
  const fixMap = (size: number) => Buffer.of(0x80 | size);
  const fixArray = (size: number) => Buffer.of(0x90 | size);
  const text = (value: string) => Buffer.from(packr.pack(value));
  return Buffer.concat([
    ...[fixMap(3), text("id"), text("by uint64"), text("type"), text("Subscribe"), text("data")],
    ...[fixMap(1), text("channels"), fixArray(2)],
    ...[fixMap(2), text("type"), text("Market"), text("params")],
    ...[fixMap(1), text("market_id"), uint64],
    ...[fixMap(2), text("type"), text("PriceFeed"), text("params")],
    ...[fixMap(1), text("market_ids"), fixArray(1), uint64],
  ]);
}

describe.each(ENCODINGS)("market ids in %s", (encoding) => {
  const connect = () => TestClient.connect(server.port, { encoding });

  it("ids - every message has an id in its canonical form", async () => {
    const client = await connect();
    const channels = [
      { type: "Markets", params: null },
      { type: "PriceFeed", params: { market_ids: IDS } },
      ...IDS.map((market_id) => ({ type: "Trades", params: { market_id } })),
      ...IDS.slice(1).map((market_id) => ({ type: "Market", params: { market_id } })),
    ];
    expect((await client.subscribe(...channels)).data).toEqual({ channels });
    const { markets } = (await client.take("MarketSnapshot")).data;
    expect(markets.map(({ market_id }) => market_id)).toEqual(IDS);
    for (const id of IDS) {
      // Neighbours beyond 2^53 round to the same double; no two ids may be mixed up.
      bid++;
      const price = bid;
      server.feed(book(id, [[price, 1]], []), trade(id, price, 1), quote(id, price, null));
      const seen = new Set<string>();
      const wanted = ["MarketUpdate", "PriceUpdate", "TradeExecution"];
      if (id !== 0) wanted.push("OrderBook");
      while (wanted.some((type) => !seen.has(type))) {
        const message = await client.next();
        const { type } = message;
        if (type === "MarketUpdate" && message.data.market.price === price) {
          expect(message.data.market.market_id).toBe(id);
        } else if (type === "PriceUpdate" && message.data.price === price) {
          expect(message.data.market_id).toBe(id);
        } else if (type === "TradeExecution") {
          expect(message.data.trade).toMatchObject({ market_id: id, price });
        } else if (type === "OrderBook" && message.data.bids[0]?.[0] === price) {
          expect(message.data.market_id).toBe(id);
        } else {
          continue;
        }
        seen.add(type);
      }
    }
    await client.close();
  });

  it.each(IDS)("ids - %s is taken as number and as string, and is one channel", async (id) => {
    const client = await connect();
    const canonical = [{ type: "Market", params: { market_id: id } }];
    const spellings: unknown[] = [`${id}`, id];
    if (encoding === "msgpack" && BigInt(id) <= UINT64_MAX) spellings.push(BigInt(id));
    for (const market_id of spellings) {
      const reply = await client.subscribe({ type: "Market", params: { market_id } });
      expect(reply.data).toEqual({ channels: canonical });
      const [snapshot] = (await client.take("MarketSnapshot")).data.markets;
      expect(snapshot).toMatchObject({ market_id: id, title: `Market ${id}` });
    }
    await client.close();
  });

  const field = "data.channels.0.params.market_id";
  // Protocol Buffers have a place for ids alone.
  it
    .skipIf(encoding === "protobuf")
    .each([
      "9007199254740992",
      "1e300",
      "1.5",
      "-1",
      "true",
      "null",
      "[1]",
      '""',
      '" 1"',
      '"-1"',
      '"+1"',
      '"01"',
      '"1.0"',
      '"1e3"',
      '"0x10"',
      '"١"',
      `"${2n ** 128n}"`,
      `"1${"0".repeat(60)}"`,
    ])("ids - %s is INVALID_MESSAGE", async (literal) => {
    const client = await connect();
    await client.take("Connected");
    const text = `{"type":"Subscribe","data":{"channels":[{"type":"Market","params":{"market_id":${literal}}}]}}`;
    const payload = encoding === "json" ? text : packr.pack(JSON.parse(text));
    expect(await client.requestRaw(payload)).toMatchObject({
      type: "Error",
      data: { code: "INVALID_MESSAGE", details: { field } },
    });
    await client.close();
  });

  it("ids - one that no market has is MARKET_NOT_FOUND", async () => {
    const client = await connect();
    const unlisted = `${2n ** 128n - 3n}`;
    const reply = await client.subscribe({ type: "PriceFeed", params: { market_ids: [unlisted] } });
    expect(reply).toMatchObject({ type: "Error", data: { code: "MARKET_NOT_FOUND" } });
    await client.close();
  });
});

describe("market ids as uint64", () => {
  it.each(IDS.filter((id) => BigInt(id) <= UINT64_MAX))("ids - %s is taken", async (id) => {
    const client = await TestClient.connect(server.port, { encoding: "msgpack" });
    await client.take("Connected");
    expect(await client.requestRaw(subscribeByUint64(BigInt(id)))).toEqual({
      type: "Subscribed",
      id: "by uint64",
      data: {
        channels: [
          { type: "Market", params: { market_id: id } },
          { type: "PriceFeed", params: { market_ids: [id] } },
        ],
      },
    });
    await client.close();
  });
});

describe("bytes on the wire", () => {
  const firstSnapshot = async (encoding: Encoding): Promise<Buffer> => {
    const client = await TestClient.connect(server.port, { encoding });
    const frames: Buffer[] = [];
    client.ws.on("message", (data: Buffer) => frames.push(data));
    await client.subscribe({ type: "Markets" });
    await client.take("MarketSnapshot");
    await client.close();
    return frames.find((frame) => frame.includes("MarketSnapshot")) as Buffer;
  };

  it("ids - in JSON they are digits up to 2^53-1 and quoted beyond", async () => {
    const text = (await firstSnapshot("json")).toString("utf8");
    for (const id of IDS) expect(text).toContain(`"market_id":${JSON.stringify(id)},`);
  });

  it("ids - in MessagePack they are integers up to 2^53-1 and strings beyond", async () => {
    const bytes = await firstSnapshot("msgpack");
    const key = packr.pack("market_id");
    const formats: number[] = [];
    for (let at = bytes.indexOf(key); at >= 0; at = bytes.indexOf(key, at + 1))
      formats.push(bytes[at + key.length] as number);
    const isInteger = (format: number) => format <= 0x7f || (format >= 0xcc && format <= 0xd3);
    const isText = (format: number) => (format >= 0xa0 && format <= 0xbf) || format === 0xd9;
    expect(
      formats.map((format) => (isInteger(format) ? "integer" : isText(format) && "text")),
    ).toEqual(IDS.map((id) => (typeof id === "number" ? "integer" : "text")));
  });
});
