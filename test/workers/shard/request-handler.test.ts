import jwt from "jsonwebtoken";
import { Packr } from "msgpackr";
import { beforeEach, describe, expect, it } from "vitest";
import { counted, SHARD } from "../../../src/ring/counters.js";
import { Authenticator, type Identity } from "../../../src/workers/shard/authenticator.js";
import type { Connection } from "../../../src/workers/shard/connection.js";
import { RequestHandler, type RequestOptions } from "../../../src/workers/shard/request-handler.js";
import { type Client, ShardWorld } from "../../support/shard-world.js";

const packr = new Packr({ useRecords: false });
const MARKETS = { type: "Markets" };
const market = (market_id: unknown) => ({ type: "Market", params: { market_id } });
const subscribe = (...channels: unknown[]) => ({ type: "Subscribe", data: { channels } });
const unsubscribe = (...channels: unknown[]) => ({ type: "Unsubscribe", data: { channels } });
const ping = (id?: unknown) => ({
  type: "Ping",
  data: { timestamp: 1 },
  ...(id !== undefined && { id }),
});

let world: ShardWorld;
let client: Client;
let identified: [Connection, Identity][];
let subscribed: number;
let handler: RequestHandler;

function makeHandler(options: Partial<RequestOptions> = {}): void {
  const limits = {
    maxSubscriptions: 100,
    maxFilters: 10,
    maxDistinctFilters: 10,
    maxMessagesPerSecond: 1e9,
    maxOrdersPerSecond: 1e9,
    takesOrders: false,
    ...options,
  };
  const key = {
    key: { secret: "s" },
    algorithms: ["HS256"],
    issuer: undefined,
    audience: undefined,
  };
  handler = new RequestHandler(
    limits,
    world.fanOut,
    world.outbox,
    world.trading,
    new Authenticator(key),
    world.counters,
    {
      subscribed: () => subscribed++,
      identified: (connection, identity) => {
        connection.identity = identity;
        identified.push([connection, identity]);
      },
    },
  );
}

/** A handler, and a client, with a limit on messages. */
function makeLimited(maxMessagesPerSecond: number): void {
  world = new ShardWorld({ maxMessagesPerSecond });
  world.flush();
  world.round();
  client = world.connect(0);
  makeHandler({ maxMessagesPerSecond });
}

/** What the client is sent for a message. */
function ask(message: unknown, now = 0, one = client) {
  one.messages.length = 0;
  const binary = one.connection.encoding === 1;
  const payload = binary ? packr.pack(message) : Buffer.from(JSON.stringify(message));
  handler.handle(one.connection, payload, binary, now);
  return one.messages;
}

const errorOf = (message: unknown) => ask(message)[0]?.data as { code: string; message: string };
const token = (claims: object): string =>
  jwt.sign({ sub: "u", exp: Math.floor(Date.now() / 1000) + 60, ...claims }, "s");
const authenticate = (claims: object, id = 1) => ({
  type: "Authenticate",
  id,
  data: { token: token(claims) },
});

beforeEach(() => {
  world = new ShardWorld();
  for (let id = 0; id < 20; id++) world.list(id);
  world.flush();
  world.round();
  client = world.connect(0);
  identified = [];
  subscribed = 0;
  makeHandler();
});

describe("request-handler", () => {
  it("request-handler - each request has one direct reply, with its id", () => {
    for (const id of [7, "r", undefined]) {
      const [pong, ...others] = ask(ping(id));
      expect(others).toEqual([]);
      expect(pong).toMatchObject({ type: "Pong", data: { timestamp: 1 } });
      expect(pong?.id).toBe(id);
    }
    expect(
      ask({ ...subscribe(market("3"), MARKETS), id: 2 }).map(({ type, id }) => [type, id]),
    ).toEqual([
      ["Subscribed", 2],
      ["MarketSnapshot", undefined],
      ["OrderBook", undefined],
      ["MarketSnapshot", undefined],
    ]);
    expect(ask({ ...unsubscribe(market(3)), id: 3 })).toEqual([
      { type: "Unsubscribed", id: 3, data: { channels: [market(3)] } },
    ]);
    // One that is not subscribed is no error.
    expect(ask(unsubscribe(market(3)))[0]?.type).toBe("Unsubscribed");
    expect(ask(unsubscribe(market(999)))[0]?.type).toBe("Unsubscribed");
    expect(counted(world.counters, SHARD.messagesReceived)).toBe(7);
  });

  it("request-handler - a faulty message is answered, with its id where it has one", () => {
    expect(ask({ type: "Nothing", id: 4 })).toMatchObject([
      { type: "Error", id: 4, data: { code: "UNKNOWN_TYPE" } },
    ]);
    expect(ask({ type: "Ping", id: 5 })).toMatchObject([
      { id: 5, data: { code: "INVALID_MESSAGE", details: { field: "data.timestamp" } } },
    ]);
    handler.handle(client.connection, Buffer.from("{"), false, 0);
    expect(client.connection.open).toBe(true);
  });

  it("request-handler - a frame of the other encoding's kind closes with 1003", () => {
    for (const encoding of [0, 1]) {
      const one = world.connect(encoding);
      handler.handle(one.connection, Buffer.from("{}"), encoding === 0, 0);
      expect(one.ws.closed?.code).toBe(1003);
      expect(one.messages).toEqual([]);
    }
    expect(counted(world.counters, SHARD.messagesReceived)).toBe(0);
  });

  it("request-handler - all channels of a Subscribe are taken, or one Error says why none is", () => {
    expect(errorOf(subscribe(MARKETS, market(999)))).toMatchObject({
      code: "MARKET_NOT_FOUND",
      details: { field: "market_id" },
    });
    const wallet = { wallet: "w" };
    for (const type of ["Orders", "Positions"])
      expect(errorOf(subscribe(MARKETS, { type, params: wallet })).code).toBe("TRADING_DISABLED");
    expect(client.connection.audience).toBeUndefined();
    const order = { market_id: 1, side: "Buy", order_type: "Market", quantity: 1 };
    expect(errorOf({ type: "PlaceOrder", data: { order } }).code).toBe("TRADING_DISABLED");
    expect(errorOf({ type: "CancelOrder", data: { order_id: "1" } }).code).toBe("TRADING_DISABLED");
    expect(subscribed).toBe(0);
    ask(subscribe({ type: "PriceFeed", params: { market_ids: [1] } }));
    expect(subscribed).toBe(1);
    expect(errorOf(subscribe({ type: "Trades", params: { market_id: 77 } })).code).toBe(
      "MARKET_NOT_FOUND",
    );
    expect(client.connection.audience?.subscriptions.size).toBe(1);
  });

  it("request-handler - the bounds on subscriptions and filters hold, and count what there is", () => {
    makeHandler({ maxSubscriptions: 5, maxFilters: 2, maxDistinctFilters: 3 });
    const prices = (...market_ids: number[]) => ({ type: "PriceFeed", params: { market_ids } });
    const filter = (search: string) => ({ type: "Markets", params: { filter: { search } } });
    ask(subscribe(prices(1, 2, 3, 4)));
    expect(errorOf(subscribe(prices(5, 6))).code).toBe("TOO_MANY_SUBSCRIPTIONS");
    expect(ask(subscribe(prices(1, 2), market(1)))[0]?.type).toBe("Subscribed");
    ask(unsubscribe(prices(1, 2, 3)));
    ask(subscribe(filter("a"), filter("b")));
    expect(errorOf(subscribe(filter("c"))).message).toContain("filters");
    const other = world.connect(0);
    expect(ask(subscribe(filter("b"), filter("c")), 0, other)[0]?.type).toBe("Subscribed");
    const third = world.connect(0);
    expect(ask(subscribe(filter("d")), 0, third)).toMatchObject([
      { data: { code: "TOO_MANY_SUBSCRIPTIONS" } },
    ]);
    expect(ask(subscribe(filter("a")), 0, third)[0]?.type).toBe("Subscribed");
    ask(unsubscribe(filter("b"), filter("c")), 0, other);
    expect(ask(subscribe(filter("d")), 0, third)[0]?.type).toBe("Subscribed");
  });

  it("request-handler - Authenticate gives an identity, and a later one must be of the same wallet", () => {
    const [reply] = ask(authenticate({ wallet: "w" }));
    expect(reply).toEqual({ type: "Authenticated", id: 1, data: { user_id: "u", wallet: "w" } });
    expect(identified.at(-1)?.[1]).toMatchObject({ userId: "u", wallet: "w" });
    expect(errorOf(authenticate({ wallet: "x" })).code).toBe("FORBIDDEN");
    expect(errorOf(authenticate({})).code).toBe("FORBIDDEN");
    expect(errorOf(authenticate({ sub: "v", wallet: "w" })).code).toBe("FORBIDDEN");
    const failed = errorOf({ type: "Authenticate", data: { token: "no.token.atall" } });
    expect(failed.code).toBe("AUTH_FAILED");
    expect(failed.message).not.toContain("atall");
    expect(identified).toHaveLength(1);
    expect(ask(authenticate({ wallet: "w", role: "admin" }))[0]?.type).toBe("Authenticated");
    expect(identified).toHaveLength(2);
  });

  it("request-handler - beyond a second's messages each is refused; as many again close with 4501", () => {
    const most = 10;
    makeLimited(most);
    const answers = Array.from({ length: 3 * most }, (_, id) =>
      ask(ping(id)).map((one) => [one.type, one.id]),
    );
    expect(answers.slice(0, most)).toEqual(answers.slice(0, most).map((_, id) => [["Pong", id]]));
    expect(answers.slice(most, 2 * most)).toEqual(
      Array.from({ length: most }, (_, at) => [["Error", most + at]]),
    );
    expect(client.ws.closed?.code).toBe(4501);
    expect(counted(world.counters, SHARD.rateLimited)).toBeGreaterThan(most);
  });

  it("request-handler - the allowance comes back with time, up to a second's worth", () => {
    const most = 10;
    makeLimited(most);
    const burst = (now: number, messages: number) =>
      Array.from({ length: messages }, () => ask(ping(), now)[0]?.type).filter(
        (type) => type === "Pong",
      ).length;
    expect(burst(0, 12)).toBe(10);
    // Two refused ones are a debt of two; half a second pays it and three more.
    expect(burst(500, 4)).toBe(3);
    expect(burst(60_000, 11)).toBe(10);
    expect(client.connection.open).toBe(true);
    // A faulty message counts like any other.
    expect(ask({ type: "?" }, 60_300)).toMatchObject([{ data: { code: "UNKNOWN_TYPE" } }]);
    expect(burst(60_300, 1)).toBe(1);
    expect(ask({ type: "?" }, 60_300)).toMatchObject([{ data: { code: "RATE_LIMITED" } }]);
  });
});
