import { Packr } from "msgpackr";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ServerMessage } from "../../src/contract/messages.js";
import { type ServerProcess, startServerProcess, testToken } from "../support/server-process.js";
import { TestClient } from "../support/test-client.js";

const MESSAGE_BYTES_MAX = 8192;

let server: ServerProcess;

beforeAll(async () => {
  server = await startServerProcess({ shards: 1, "max-message-size": MESSAGE_BYTES_MAX });
});
afterAll(() => server.dispose());

const packr = new Packr({ useRecords: false, variableMapSize: true });
const PING = { type: "Ping", data: { timestamp: 1 } };

/** A client whose first message has been taken. */
async function connected(encoding: "json" | "msgpack" = "json", query = ""): Promise<TestClient> {
  const client = await TestClient.connect(server.port, { encoding, query });
  await client.take(query === "" ? "Connected" : "Authenticated");
  return client;
}

/** The connection goes on: it answers, and still gets data. */
async function expectAlive(client: TestClient): Promise<void> {
  expect((await client.request(PING)).type).toBe("Pong");
  expect((await client.subscribe({ type: "Market", params: { market_id: 1001 } })).type).toBe(
    "Subscribed",
  );
  await client.take("MarketSnapshot");
  await client.close();
}

const invalid = (field?: string) => ({
  type: "Error",
  data: {
    code: "INVALID_MESSAGE",
    message: expect.stringMatching(/./),
    ...(field !== undefined && { details: { field } }),
  },
});

describe("malformed messages", () => {
  it.each([
    "",
    "{",
    "nonsense",
    '{"type":"Ping","data":{"timestamp":1}} and more',
    "{'type':'Ping'}",
    '{"type":"Ping","data":{"timestamp":NaN}}',
    "[]",
    "null",
    "42",
    '"Ping"',
    `${"[".repeat(900)}`,
  ])("errors - the JSON text %j is INVALID_MESSAGE, and the connection goes on", async (text) => {
    const client = await connected();
    expect(await client.requestRaw(text)).toEqual(invalid());
    await expectAlive(client);
  });

  const ping = packr.pack(PING);
  const wrap = (value: string) => `82a474797065a450696e67a46461746181a974696d657374616d70${value}`;
  it.each([
    ["nothing", ""],
    ["a value that is cut off", ping.subarray(0, -1).toString("hex")],
    ["a byte after the value", `${ping.toString("hex")}00`],
    ["two values", ping.toString("hex").repeat(2)],
    ["the byte that is never used", "c1"],
    ["fixext 1", wrap("d40100")],
    ["a timestamp (fixext 4)", wrap("d6ff00000001")],
    ["fixext 16", wrap(`d801${"00".repeat(16)}`)],
    ["ext 8", wrap("c7010000")],
    ["ext 16", wrap("c800010000")],
    ["ext 32", wrap("c9000000010000")],
    ["an extension as a whole", "d47201"],
    ["a map with a key that is no string", "8101c0"],
    ["invalid UTF-8 in a string", "81a474797065a2c328"],
    ["an array that claims four billion items", "ddffffffff"],
    ["a string that claims four billion bytes", "81a474797065dbffffffff"],
    ["deep nesting", "91".repeat(1000)],
    ["an array", "90"],
    ["nil", "c0"],
    ["a string", "a450696e67"],
  ])(
    "errors - in MessagePack %s is INVALID_MESSAGE, and the connection goes on",
    async (_, hex) => {
      const client = await connected("msgpack");
      expect(await client.requestRaw(Buffer.from(hex, "hex"))).toEqual(invalid());
      await expectAlive(client);
    },
  );
});

describe.each(["json", "msgpack"] as const)("the schema in %s", (encoding) => {
  const subscribe = (...channels: unknown[]) => ({ type: "Subscribe", data: { channels } });
  const markets = (filter: unknown) => subscribe({ type: "Markets", params: { filter } });
  const status = { type: "SystemStatus" };
  const ids = (count: number) => Array.from({ length: count }, (_, id) => id % 100);

  it.each([
    ["type", {}],
    ["type", { type: null }],
    ["type", { type: 7, data: {} }],
    ["data", { type: "Ping", data: 5 }],
    ["data.timestamp", { type: "Ping" }],
    ["data.timestamp", { type: "Ping", data: null }],
    ["data.timestamp", { type: "Ping", data: { timestamp: "now" } }],
    ["data.token", { type: "Authenticate", data: {} }],
    ["data.token", { type: "Authenticate", data: { token: 1 } }],
    ["data.channels", { type: "Subscribe" }],
    ["data.channels", { type: "Unsubscribe", data: {} }],
    ["data.channels", { type: "Subscribe", data: { channels: status } }],
    ["data.channels", subscribe()],
    ["data.channels", subscribe(...ids(101).map(() => status))],
    ["data.channels.0.type", subscribe({ type: "Everything" })],
    ["data.channels.1.type", subscribe(status, {})],
    ["data.channels.0", subscribe("Markets")],
    ["data.channels.0.params", subscribe({ type: "Market" })],
    ["data.channels.0.params.market_id", subscribe({ type: "Market", params: {} })],
    ["data.channels.0.params.market_ids", subscribe({ type: "PriceFeed", params: {} })],
    [
      "data.channels.0.params.market_ids",
      subscribe({ type: "PriceFeed", params: { market_ids: [] } }),
    ],
    [
      "data.channels.0.params.market_ids",
      subscribe({ type: "PriceFeed", params: { market_ids: ids(1001) } }),
    ],
    [
      "data.channels.0.params.market_ids",
      subscribe({ type: "PriceFeed", params: { market_ids: 1 } }),
    ],
    [
      "data.channels.0.params.market_ids.1",
      subscribe({ type: "PriceFeed", params: { market_ids: [1, -1] } }),
    ],
    ["data.channels.0.params.market_id", subscribe({ type: "Trades", params: { market_id: "x" } })],
    ["data.channels.0.params.filter.search", markets({ search: "x".repeat(65) })],
    ["data.channels.0.params.filter.search", markets({ search: 7 })],
    ["data.channels.0.params.filter.status", markets({ status: "Open" })],
    ["data.channels.0.params.filter.status", markets({ status: ["Active", "Open"] })],
    ["data.channels.0.params.filter.min_volume", markets({ min_volume: "1" })],
    ["data.channels.0.params.filter.max_volume", markets({ max_volume: -1 })],
    ["data.channels.0.params.filter", markets("Active")],
  ])("errors - details name the field %s (case %#)", async (field, message) => {
    const client = await connected(encoding);
    const reply = await client.request(message as { type: string });
    expect(reply).toEqual({ ...invalid(field), id: expect.any(String) });
    await expectAlive(client);
  });

  it.each(["Everything", "", "ping", "Pong", "constructor", "__proto__", "x".repeat(500)])(
    "errors - the type '%s' is UNKNOWN_TYPE",
    async (type) => {
      const client = await connected(encoding);
      const reply = await client.request({ type, data: {} });
      expect(reply).toMatchObject({ type: "Error", data: { code: "UNKNOWN_TYPE" } });
      await expectAlive(client);
    },
  );

  it("errors - as much as the contract allows is no error", async () => {
    const client = await connected(encoding);
    const search = { type: "Markets", params: { filter: { search: "x".repeat(64) } } };
    const channels = [search, ...ids(99).map(() => status)];
    expect((await client.request(subscribe(...channels))).type).toBe("Subscribed");
    const many = { type: "PriceFeed", params: { market_ids: ids(1000) } };
    const reply = await client.request({ type: "Unsubscribe", data: { channels: [many] } });
    expect(reply.type).toBe("Unsubscribed");
    await expectAlive(client);
  });

  it("errors - unknown fields are ignored", async () => {
    const client = await connected(encoding);
    const message = { type: "Ping", data: { timestamp: 5, more: {} }, extra: [1], ts: 1 };
    expect(await client.request(message)).toMatchObject({ type: "Pong", data: { timestamp: 5 } });
    await client.close();
  });

  it.each([0, -1, 2 ** 53 - 1, -(2 ** 53 - 1), "", "a", "x".repeat(64), "ü€𝄞", "7"])(
    "errors - each direct reply carries the id %j back",
    async (id) => {
      const client = await connected(encoding, `?token=${testToken()}`);
      const replyTo = async (message: object): Promise<ServerMessage> => {
        client.send({ ...message, id });
        return client.next();
      };
      const replies = [
        await replyTo(PING),
        await replyTo({ type: "Authenticate", data: { token: testToken() } }),
        await replyTo({ type: "Nothing" }),
        await replyTo({ type: "Ping", data: {} }),
        await replyTo({ type: "CancelOrder", data: { order_id: "1" } }),
        await replyTo({ type: "Unsubscribe", data: { channels: [status] } }),
        await replyTo(subscribe({ type: "Market", params: { market_id: 1001 } })),
      ];
      expect(replies.map(({ type }) => type)).toEqual([
        "Pong",
        "Authenticated",
        "Error",
        "Error",
        "Error",
        "Unsubscribed",
        "Subscribed",
      ]);
      expect(replies.map((reply) => reply.id)).toEqual(replies.map(() => id));
      expect(Object.hasOwn(await client.take("MarketSnapshot"), "id")).toBe(false);
      await client.close();
    },
  );

  it.each(["x".repeat(65), 1.5, 2 ** 53, true, {}, []])(
    "errors - the id %j is INVALID_MESSAGE, and is not given back",
    async (id) => {
      const client = await connected(encoding);
      client.send({ ...PING, id });
      expect(await client.next()).toEqual(invalid("id"));
      await expectAlive(client);
    },
  );

  it("errors - a reply to a request without id, or with null for one, has none", async () => {
    const client = await connected(encoding);
    for (const request of [PING, { ...PING, id: null }]) {
      client.send(request);
      expect(await client.next()).toEqual({
        type: "Pong",
        data: { timestamp: 1, server_time: expect.any(Number) },
      });
    }
    await client.close();
  });
});

describe("size and text", () => {
  /** A Ping of exactly `bytes`, padded by a field that is ignored. */
  function pingOf(bytes: number): string {
    const padded = (length: number) => JSON.stringify({ ...PING, padding: "x".repeat(length) });
    return padded(bytes - padded(0).length);
  }

  it("errors - a message of the greatest size is taken, one byte more closes with 1009", async () => {
    const client = await connected();
    expect((await client.requestRaw(pingOf(MESSAGE_BYTES_MAX))).type).toBe("Pong");
    client.ws.send(pingOf(MESSAGE_BYTES_MAX + 1));
    expect((await client.closed).code).toBe(1009);
    expect(client.inbox).toEqual([]);
  });

  it("errors - fragments count together", async () => {
    const client = await connected();
    const whole = pingOf(MESSAGE_BYTES_MAX);
    client.ws.send(whole.slice(0, 1000), { fin: false });
    client.ws.send(whole.slice(1000), { fin: true });
    expect((await client.next()).type).toBe("Pong");
    const tooLong = pingOf(MESSAGE_BYTES_MAX + 1);
    client.ws.send(tooLong.slice(0, 1000), { fin: false });
    client.ws.send(tooLong.slice(1000), { fin: true });
    expect((await client.closed).code).toBe(1009);
  });

  it("errors - an oversized binary message closes with 1009", async () => {
    const client = await connected("msgpack");
    client.ws.send(Buffer.alloc(MESSAGE_BYTES_MAX + 1));
    expect((await client.closed).code).toBe(1009);
  });

  it.each(["7b22ff227d", "c328", "eda080", "f8a1a1a1a1"])(
    "errors - the invalid UTF-8 %s closes with 1007",
    async (hex) => {
      const client = await connected();
      client.ws.send(Buffer.from(hex, "hex"), { binary: false });
      expect((await client.closed).code).toBe(1007);
    },
  );
});

describe("trading", () => {
  const order = { market_id: 1001, side: "Buy", order_type: "Limit", price: 1, quantity: 1 };
  const requests = [
    { type: "PlaceOrder", data: { order } },
    { type: "CancelOrder", data: { order_id: "1" } },
    { type: "CancelOrder", data: { client_order_id: "a" } },
    ...["Orders", "Positions"].map((type) => ({
      type: "Subscribe",
      data: {
        channels: [
          { type: "PriceFeed", params: { market_ids: [1001] } },
          { type, params: { wallet: "wallet-1" } },
        ],
      },
    })),
  ];

  it.each([
    ["an anonymous client", ""],
    ["an authenticated client", `?token=${testToken()}`],
  ])("errors - %s gets TRADING_DISABLED, and nothing is subscribed", async (_, query) => {
    const client = await connected("json", query);
    for (const request of requests) {
      const reply = await client.request(request);
      expect(reply).toMatchObject({ type: "Error", data: { code: "TRADING_DISABLED" } });
    }
    const text = await (await server.ops("/metrics")).text();
    for (const channel of ["PriceFeed", "Orders", "Positions"])
      expect(text).toContain(`marketcast_subscriptions{channel="${channel}"} 0\n`);
    await client.close();
  });
});
