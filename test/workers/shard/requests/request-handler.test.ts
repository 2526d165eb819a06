import jwt from "jsonwebtoken";
import { Packr } from "msgpackr";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { counted, SHARD } from "../../../../src/counters/counters.js";
import type { Connection } from "../../../../src/workers/shard/connections/connection.js";
import {
  Authenticator,
  type Identity,
} from "../../../../src/workers/shard/requests/authenticator.js";
import { History } from "../../../../src/workers/shard/requests/history.js";
import {
  RequestHandler,
  type RequestOptions,
} from "../../../../src/workers/shard/requests/request-handler.js";
import { ExchangeEnd } from "../../../support/exchange-end.js";
import { type Client, ShardWorld, type WorldOptions } from "../../../support/shard-world.js";

const packr = new Packr({ useRecords: false });
const MARKETS = { type: "Markets" };
const market = (market_id: unknown) => ({ type: "Market", params: { market_id } });
const filter = (search: string) => ({ type: "Markets", params: { filter: { search } } });
const subscribe = (...channels: unknown[]) => ({ type: "Subscribe", data: { channels } });
const unsubscribe = (...channels: unknown[]) => ({ type: "Unsubscribe", data: { channels } });
const ping = (id?: unknown) => ({
  type: "Ping",
  data: { timestamp: 1 },
  ...(id !== undefined && { id }),
});

let world: ShardWorld;
let client: Client;
let held: [string, number][];
let identified: [Connection, Identity][];
let subscribed: number;
let handler: RequestHandler;

function makeHandler(options: Partial<RequestOptions> = {}): void {
  const limits = {
    maxSubscriptions: 100,
    maxFilters: 10,
    maxMessageValues: 8192,
    maxReplayMessages: 100_000,
    ...options,
  };
  const key = {
    key: { secret: "s" },
    algorithms: ["HS256"] as const,
    issuer: undefined,
    audience: undefined,
  };
  handler = new RequestHandler(
    limits,
    world.fanOut,
    world.outbox,
    world.firstData,
    world.trading,
    world.channels,
    new Authenticator(key, 8192),
    world.counters,
    {
      subscribed: () => subscribed++,
      identified: (connection, identity) => {
        connection.identity = identity;
        identified.push([connection, identity]);
      },
      hold: (connection) => held.push(["hold", connection.number]),
      release: (connection) => held.push(["release", connection.number]),
    },
    new History({ reader: undefined, noteFault: () => {} }, world.counters),
    world.presence,
  );
}

/** A handler, and a client, with a limit on messages. */
function makeLimited(maxMessagesPerSecond: number): void {
  world = new ShardWorld({ maxMessagesPerSecond });
  world.flush();
  world.round();
  client = world.connect(0);
  makeHandler();
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
  held = [];
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
    makeHandler({ maxSubscriptions: 5, maxFilters: 2 });
    const prices = (...market_ids: number[]) => ({ type: "PriceFeed", params: { market_ids } });
    ask(subscribe(prices(1, 2, 3, 4)));
    expect(errorOf(subscribe(prices(5, 6))).code).toBe("TOO_MANY_SUBSCRIPTIONS");
    expect(ask(subscribe(prices(1, 2), market(1)))[0]?.type).toBe("Subscribed");
    ask(unsubscribe(prices(1, 2, 3)));
    ask(subscribe(filter("a"), filter("b")));
    expect(errorOf(subscribe(filter("c"))).message).toContain("filters");
    ask(unsubscribe(filter("a")));
    expect(ask(subscribe(filter("c")))[0]?.type).toBe("Subscribed");
  });

  it("request-handler - an address or a user has its share of the distinct filters, and others go on", () => {
    world = new ShardWorld({ maxDistinctFilters: 8 });
    world.list(0);
    world.flush();
    world.round();
    makeHandler();
    const connect = (address: string): Client => world.connect(0, { address });
    const codeOf = (one: Client, ...channels: unknown[]) => {
      const [reply] = ask(subscribe(...channels), 0, one);
      return reply?.type === "Error" ? reply.data.code : reply?.type;
    };
    // The greedy address gets half of them, over however many connections.
    const greedy = ["a", "b", "c", "d", "e"].map((name) => [connect("10.0.0.1"), name] as const);
    expect(greedy.map(([one, name]) => codeOf(one, filter(name)))).toEqual([
      ...new Array(4).fill("Subscribed"),
      "TOO_MANY_SUBSCRIPTIONS",
    ]);
    const [refused] = ask(subscribe(filter("e")), 0, connect("10.0.0.1"));
    expect(refused).toMatchObject({
      data: { message: expect.stringContaining("of 8 distinct filters of Markets 4 are in use") },
    });
    // What is in use, and every market, is free.
    const late = connect("10.0.0.1");
    expect(codeOf(late, filter("a"), filter("b"), MARKETS)).toBe("Subscribed");
    // Others have half of what is left: a user by its token, wherever it comes from.
    const user = connect("10.0.0.1");
    ask(authenticate({ sub: "someone" }), 0, user);
    expect(codeOf(user, filter("u"), filter("v"))).toBe("Subscribed");
    expect(codeOf(user, filter("w"))).toBe("TOO_MANY_SUBSCRIPTIONS");
    const elsewhere = connect("10.0.0.2");
    expect(codeOf(elsewhere, filter("x"))).toBe("Subscribed");
    expect(counted(world.counters, SHARD.distinctFilters)).toBe(7);
    // A filter has its place until nobody uses it.
    world.disconnect(greedy[0]?.[0] as Client);
    expect(counted(world.counters, SHARD.distinctFilters)).toBe(7);
    world.disconnect(late);
    expect(counted(world.counters, SHARD.distinctFilters)).toBe(6);
  });

  it("request-handler - Authenticate gives an identity, and a later one must be of the same wallet", () => {
    const [reply] = ask(authenticate({ wallet: "w" }));
    const data = { user_id: "u", wallet: "w", session: expect.any(String), resumed: false };
    expect(reply).toEqual({ type: "Authenticated", id: 1, data });
    expect(identified.at(-1)?.[1]).toMatchObject({ userId: "u", wallet: "w" });
    expect(errorOf(authenticate({ wallet: "x" })).code).toBe("FORBIDDEN");
    expect(errorOf(authenticate({})).code).toBe("FORBIDDEN");
    expect(errorOf(authenticate({ sub: "v", wallet: "w" })).code).toBe("FORBIDDEN");
    const failed = errorOf({ type: "Authenticate", data: { token: "no.token.atall" } });
    expect(failed.code).toBe("AUTH_FAILED");
    expect(failed.message).not.toContain("atall");
    expect(identified).toHaveLength(1);
    // The session goes on, whatever else is named.
    const renewed = authenticate({ wallet: "w", role: "admin" });
    const named = { ...renewed, data: { ...renewed.data, session: "s".repeat(24) } };
    expect(ask(named)[0]).toEqual(reply);
    expect(identified).toHaveLength(2);
    expect(held).toEqual([]);
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

  it("request-handler - subscriptions count and are charged for whatever their channel is", () => {
    makeHandler({ maxSubscriptions: 8 });
    const named = (channel: string) => ({ type: "Private", params: { channel } });
    const present = (of: object) => ({ type: "Presence", params: of });
    const charges = vi.spyOn(client.connection, "charge");
    const charged = (message: unknown): number => {
      charges.mockClear();
      ask(message);
      return charges.mock.calls.reduce((sum, [bytes]) => sum + bytes, 0);
    };
    ask(authenticate({ channels: ["*"] }));
    ask(subscribe(market(1), named("a"), named("b"), present({ market_id: 1 })));
    ask(subscribe(present({ channel: "a" }), market(4), named("c")));
    const { connection } = client;
    expect(connection.subscriptions).toBe(7);
    const many = charged(unsubscribe(named("none")));
    expect(errorOf(subscribe(named("d"), named("e")))).toMatchObject({
      code: "TOO_MANY_SUBSCRIPTIONS",
      message: "9 subscriptions; a connection may have 8",
    });
    expect(errorOf(subscribe(present({ market_id: 2 }), present({ market_id: 3 }))).code).toBe(
      "TOO_MANY_SUBSCRIPTIONS",
    );
    // What it has already is one.
    expect(ask(subscribe(named("a"), named("c"), named("d")))[0]?.type).toBe("Subscribed");
    expect(connection.subscriptions).toBe(8);
    ask(unsubscribe(...["a", "b", "c", "d"].map(named), present({ channel: "a" }), market(1)));
    expect(connection.subscriptions).toBe(2);
    expect(many - charged(unsubscribe(named("none")))).toBe(32 * 5);
    // The hub has to be asked for a history.
    const plain = charged(subscribe(named("a")));
    expect(charged(subscribe({ ...named("b"), since: 1 })) - plain).toBe(32 + 512);
  });
});

describe("request-handler with an exchange", () => {
  const ORDER = { market_id: 1, side: "Buy", order_type: "Limit", price: 0.5, quantity: 10 };
  const place = (id?: unknown) => ({
    type: "PlaceOrder",
    data: { order: ORDER },
    ...(id ? { id } : {}),
  });
  const cancel = { type: "CancelOrder", data: { order_id: "1" } };
  const orders = (wallet: string) => ({ type: "Orders", params: { wallet } });
  const positions = (wallet: string) => ({ type: "Positions", params: { wallet } });
  const codes = (messages: readonly { readonly data: unknown }[]) =>
    messages.map(({ data }) => (data as { code?: string }).code);

  let exchange: ExchangeEnd;

  function startTrading(options: WorldOptions = {}): void {
    world?.trading.close();
    world = new ShardWorld({ takesOrders: true, ...options });
    for (const id of [1, 2, 3]) world.list(id);
    world.flush();
    world.round();
    client = world.connect(0);
    makeHandler(options);
    exchange = new ExchangeEnd();
    world.trading.connect(exchange.port);
  }

  beforeEach(() => startTrading());
  afterEach(() => world.trading.close());

  it("request-handler - orders and private channels need a token, and one with a wallet", async () => {
    for (const message of [place(), cancel, subscribe(orders("w")), subscribe(positions("w"))]) {
      expect(codes(ask(message))).toEqual(["AUTH_REQUIRED"]);
    }
    ask(authenticate({}));
    for (const message of [place(), cancel, subscribe(orders("w")), subscribe(positions("w"))]) {
      expect(codes(ask(message))).toEqual(["FORBIDDEN"]);
    }
    expect((await exchange.requests()).map(({ type }) => type)).toEqual(["attach", "session"]);
    const simulated = world.connect(0);
    ask(authenticate({ wallet: "sim-7" }), 0, simulated);
    for (const message of [place(), cancel])
      expect(codes(ask(message, 0, simulated))).toEqual(["FORBIDDEN"]);
    const trader = world.connect(1);
    ask(authenticate({ wallet: "w" }), 0, trader);
    for (const message of [place(), cancel]) expect(ask(message, 0, trader)).toEqual([]);
    expect(ask({ ...subscribe(orders("w"), positions("w")), id: 4 }, 0, trader)).toEqual([
      { type: "Subscribed", id: 4, data: { channels: [orders("w"), positions("w")] } },
    ]);
    expect((await exchange.requests()).map(({ type }) => type)).toEqual([
      "session",
      "session",
      "place",
      "cancel",
      "watch",
    ]);
  });

  it("request-handler - another wallet's channels are FORBIDDEN, but for an admin, who trades for itself", async () => {
    ask(authenticate({ wallet: "w" }));
    const { code, message } = errorOf(subscribe(orders("v")));
    expect([code, message]).toEqual(["FORBIDDEN", 'Orders: the token\'s wallet is "w", not "v"']);
    const admin = world.connect(0);
    ask(authenticate({ role: "admin" }), 0, admin);
    expect(ask(subscribe(orders("w"), positions("v")), 0, admin)[0]?.type).toBe("Subscribed");
    expect(codes(ask(place(), 0, admin))).toEqual(["FORBIDDEN"]);
    const trading = world.connect(0);
    ask(authenticate({ wallet: "v", role: "admin" }), 0, trading);
    ask(place(), 0, trading);
    const placed = (await exchange.requests()).filter(({ type }) => type === "place");
    expect(placed).toMatchObject([{ wallet: "v" }]);
  });

  it("request-handler - a Subscribe with one channel that may not be changes nothing", async () => {
    ask(authenticate({ wallet: "w" }));
    await exchange.requests();
    for (const [channels, code] of [
      [[MARKETS, orders("w"), orders("v")], "FORBIDDEN"],
      [[orders("w"), market(1), market(999)], "MARKET_NOT_FOUND"],
    ] as const) {
      expect(codes(ask(subscribe(...channels)))).toEqual([code]);
    }
    expect([client.connection.audience, client.connection.subscribed]).toEqual([undefined, false]);
    expect(subscribed).toBe(0);
    const both = ask(subscribe(orders("w"), market(1)));
    expect(both.map(({ type }) => type)).toEqual(["Subscribed", "MarketSnapshot", "OrderBook"]);
    expect(subscribed).toBe(1);
    ask(unsubscribe(market(1)));
    expect(client.connection.audience).toBeUndefined();
    // Only what was taken was asked for, and it is still there.
    expect(await exchange.requests()).toMatchObject([{ type: "watch", wallet: "w" }]);
    expect(world.trading.channelsOf(client.connection)).toEqual([orders("w")]);
    ask(unsubscribe(orders("w"), positions("w"), orders("v")));
    expect(await exchange.requests()).toEqual([{ type: "unwatch", wallet: "w" }]);
  });

  it("request-handler - private channels alone are no subscription to market data", () => {
    ask(authenticate({ wallet: "w" }));
    ask(subscribe(orders("w"), positions("w")));
    expect(subscribed).toBe(0);
  });

  it("request-handler - private channels count among the subscriptions, each of them once", () => {
    makeHandler({ maxSubscriptions: 3 });
    ask(authenticate({ wallet: "w", role: "admin" }));
    expect(ask(subscribe(orders("w"), positions("w"), market(1)))[0]?.type).toBe("Subscribed");
    for (const one of [market(2), orders("v")]) {
      const { code, message } = errorOf(subscribe(one));
      expect([code, message]).toEqual([
        "TOO_MANY_SUBSCRIPTIONS",
        "4 subscriptions; a connection may have 3",
      ]);
    }
    expect(ask(subscribe(orders("w"), orders("w"), market(1)))[0]?.type).toBe("Subscribed");
    ask(unsubscribe(positions("w")));
    expect(ask(subscribe(orders("v")))[0]?.type).toBe("Subscribed");
  });

  it("request-handler - who loses the role loses other wallets' channels, each with an Error", async () => {
    ask(authenticate({ wallet: "w", role: "admin" }));
    ask(subscribe(orders("w"), orders("v"), positions("v"), market(1)));
    await exchange.requests();
    const answers = ask(authenticate({ wallet: "w" }, 9));
    expect(answers.map(({ type, id }) => [type, id])).toEqual([
      ["Authenticated", 9],
      ["Error", undefined],
      ["Error", undefined],
    ]);
    expect(codes(answers)).toEqual([undefined, "FORBIDDEN", "FORBIDDEN"]);
    const messages = answers.slice(1).map(({ data }) => (data as { message: string }).message);
    expect(messages[0]).toMatch(/^the subscription has ended: Orders: /);
    expect(messages[1]).toMatch(/^the subscription has ended: Positions: /);
    expect(world.trading.channelsOf(client.connection)).toEqual([orders("w")]);
    expect(client.connection.audience?.subscriptions.size).toBe(1);
    expect(await exchange.requests()).toEqual([{ type: "unwatch", wallet: "v" }]);
  });

  it("request-handler - an Authenticate that names a session is answered with it, and requests wait until then", async () => {
    const { number } = client.connection;
    const named = "n".repeat(24);
    const asks = authenticate({ wallet: "w" }, 3);
    expect(ask({ ...asks, data: { ...asks.data, session: named } })).toEqual([]);
    expect(held).toEqual([["hold", number]]);
    const [, asked] = await exchange.requests();
    expect(asked).toMatchObject({ type: "session", resume: named, wallet: "w", waitMs: 0 });
    await exchange.tell({ type: "session", connection: number, session: named });
    const data = { user_id: "u", wallet: "w", session: named, resumed: true };
    expect(client.messages).toEqual([{ type: "Authenticated", id: 3, data }]);
    expect(held.at(-1)).toEqual(["release", number]);
    await exchange.tell({ type: "session-taken", connection: number, session: named });
    expect(client.connection.closeCode).toBe(4003);
  });

  it("request-handler - what can be no session is none, and nobody is asked", () => {
    const asks = authenticate({ wallet: "w" });
    const [reply] = ask({ ...asks, data: { ...asks.data, session: "short" } });
    expect(reply?.data).toMatchObject({ resumed: false });
    expect(held.map(([what]) => what)).toEqual(["hold", "release"]);
  });

  it("request-handler - a fresh token that keeps role and wallet ends nothing", async () => {
    ask(authenticate({ wallet: "w", role: "admin" }));
    ask(subscribe(orders("v")));
    await exchange.requests();
    const answers = ask(authenticate({ wallet: "w", role: "admin" }, 2));
    expect(answers.map(({ type }) => type)).toEqual(["Authenticated"]);
    expect(await exchange.requests()).toEqual([]);
  });

  it("request-handler - the Error of a subscription that ends comes behind its last news", async () => {
    ask(authenticate({ wallet: "w", role: "admin" }));
    ask(subscribe(positions("v")));
    const [, , asked] = await exchange.requests();
    const { request } = asked as { request: number };
    await exchange.tell({ type: "snapshot", request, orders: [], positions: [] });
    client.socket.congested = true;
    const position = { wallet: "v", market_id: 1, quantity: 1, average_price: 1, realized_pnl: 0 };
    for (const updated_ts of [1, 2]) {
      await exchange.tell({ type: "position", position: { ...position, updated_ts } });
    }
    const answers = ask(authenticate({ wallet: "w" }, 9));
    client.socket.drain();
    world.round();
    expect(answers.map(({ type }) => type)).toEqual(["Authenticated", "PositionUpdate", "Error"]);
  });

  it("request-handler - orders over the limit of a second are RATE_LIMITED, and close nothing", async () => {
    startTrading({ maxOrdersPerSecond: 3, maxPending: 100 });
    ask(authenticate({ wallet: "w" }));
    const other = world.connect(0);
    ask(authenticate({ wallet: "w" }), 0, other);
    const refused = (now: number, tries: number, one = client) =>
      Array.from({ length: tries }, (_, id) => [...ask(place(`o${id}`), now, one)])
        .flat()
        .map(({ id, data }) => [id, (data as { code: string }).code]);
    expect(refused(0, 100)).toEqual(
      Array.from({ length: 97 }, (_, id) => [`o${3 + id}`, "RATE_LIMITED"]),
    );
    // Each connection has its own; a cancel is no order; refusals cost nothing.
    expect(refused(0, 3, other)).toEqual([]);
    expect(ask(cancel)).toEqual([]);
    expect(counted(world.counters, SHARD.ordersRateLimited)).toBe(97);
    expect(client.connection.open).toBe(true);
    for (const request of await exchange.requests()) {
      if (!("request" in request)) continue;
      const refusal = { code: "ORDER_NOT_FOUND", message: "" } as const;
      await exchange.tell({ type: "refusal", request: request.request, refusal });
    }
    expect(refused(1000, 3)).toEqual([]);
    expect(codes(ask(place(), 1000))).toEqual(["RATE_LIMITED"]);
    expect(counted(world.counters, SHARD.rateLimited)).toBe(0);
  });

  it("request-handler - without an exchange at the moment orders are UNAVAILABLE, subscriptions wait", async () => {
    world.trading.connect(undefined);
    ask(authenticate({ wallet: "w" }));
    expect(ask(place(5))).toMatchObject([{ type: "Error", id: 5, data: { code: "UNAVAILABLE" } }]);
    expect(codes(ask(cancel))).toEqual(["UNAVAILABLE"]);
    expect(ask(subscribe(orders("w")))[0]?.type).toBe("Subscribed");
    exchange = new ExchangeEnd();
    world.trading.connect(exchange.port);
    expect((await exchange.requests()).map(({ type }) => type)).toEqual(["attach", "watch"]);
  });
});
