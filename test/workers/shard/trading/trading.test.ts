import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { ServerMessage } from "../../../../src/contract/messages.js";
import { counted, SHARD } from "../../../../src/counters/counters.js";
import type { ContractOrder, ContractPosition } from "../../../../src/store/contract-form.js";
import type {
  ExchangeNews,
  ExchangeRequest,
  SessionClaim,
} from "../../../../src/workers/messages.js";
import { ExchangeEnd } from "../../../support/exchange-end.js";
import {
  type Client,
  MAX_PENDING,
  ShardWorld,
  type WorldOptions,
} from "../../../support/shard-world.js";

const ORDER = { market_id: 1, side: "Buy", order_type: "Limit", price: 0.5, quantity: 10 } as const;

function order(
  wallet: string,
  order_id: number,
  fields: Partial<ContractOrder> = {},
): ContractOrder {
  return {
    ...ORDER,
    order_id: `${order_id}`,
    wallet,
    time_in_force: "GTC",
    post_only: false,
    filled_quantity: 0,
    status: "Open",
    created_ts: 1,
    updated_ts: 1,
    ...fields,
  };
}
function position(wallet: string, quantity: number): ContractPosition {
  return { wallet, market_id: 1, quantity, average_price: 0.5, realized_pnl: 0, updated_ts: 1 };
}
const orderNews = (of: ContractOrder): ExchangeNews => ({ type: "order", order: of });
const reply = (request: number, of: ContractOrder, changed = true): ExchangeNews => ({
  type: "reply",
  request,
  order: of,
  changed,
});
const refusal = (request: number): ExchangeNews => ({
  type: "refusal",
  request,
  refusal: { code: "ORDER_NOT_FOUND", message: "no" },
});
const snapshot = (
  request: number,
  orders: readonly ContractOrder[] = [],
  positions: readonly ContractPosition[] = [],
): ExchangeNews => ({ type: "snapshot", request, orders, positions });

const orders = (wallet: string) => ({ type: "Orders", params: { wallet } });
const positions = (wallet: string) => ({ type: "Positions", params: { wallet } });

let world: ShardWorld;
let exchange: ExchangeEnd;

async function startWorld(options: WorldOptions = {}): Promise<void> {
  world?.trading.close();
  world = new ShardWorld({ takesOrders: true, ...options });
  world.list(1);
  world.flush();
  world.round();
  await startExchange();
}

/** Another exchange takes over; returns what it hears at first. */
async function startExchange(): Promise<ExchangeRequest[]> {
  exchange = new ExchangeEnd();
  world.trading.connect(exchange.port);
  return exchange.requests();
}

function trader(
  wallet: string,
  encoding = 0,
  options: Parameters<ShardWorld["connect"]>[1] = {},
): Client {
  const client = world.connect(encoding, options);
  client.connection.identity = { userId: "u", wallet, role: undefined, expiresAt: 1e15 };
  return client;
}

function place(client: Client, id: string | number): void {
  world.request(client, { type: "PlaceOrder", id, data: { order: ORDER } });
}
function cancel(client: Client, id: string | number): void {
  world.request(client, { type: "CancelOrder", id, data: { order_id: "1" } });
}

/** Numbers of the requests that the exchange has been sent; they have to have one. */
async function requested(): Promise<number[]> {
  return (await exchange.requests()).map((request) => {
    if (!("request" in request)) throw new Error(`${request.type} has no number`);
    return request.request;
  });
}

/** Subscribes clients to private channels, with empty snapshots. */
async function watch(client: Client, ...channels: readonly unknown[]): Promise<void> {
  world.subscribe(client, ...channels);
  for (const request of await requested()) await exchange.tell(snapshot(request));
  client.messages.length = 0;
}

/** What a client has been sent since it was last asked: type, id, and what tells it apart. */
function sent({ messages }: Client): unknown[] {
  return messages
    .splice(0)
    .map((message) => [
      message.type,
      ...(message.id === undefined ? [] : [`#${message.id}`]),
      ...gistOf(message),
    ]);
}

function gistOf(message: ServerMessage): readonly unknown[] {
  switch (message.type) {
    case "OrderUpdate":
      return [message.data.order.order_id];
    case "OrderSnapshot":
      return [message.data.orders.length];
    case "PositionUpdate":
      return [message.data.position.quantity];
    case "PositionSnapshot":
      return [message.data.positions.length];
    case "Error":
      return [message.data.code];
    default:
      return [];
  }
}

const pending = (): number => counted(world.counters, SHARD.ordersPending);
const unavailable = (): number => counted(world.counters, SHARD.ordersUnavailable);

beforeEach(() => startWorld());
afterEach(() => world.trading.close());

describe("trading", () => {
  it("trading - an order goes to the exchange as asked, and its answer back with the request's id", async () => {
    for (const encoding of [0, 1]) {
      const client = trader("w", encoding);
      const asked = { ...ORDER, client_order_id: "mine" };
      world.request(client, { type: "PlaceOrder", id: "a", data: { order: asked } });
      world.request(client, { type: "CancelOrder", data: { client_order_id: "mine" } });
      const [placed, cancelled] = await exchange.requests();
      expect([placed, cancelled]).toEqual([
        {
          type: "place",
          request: expect.any(Number),
          wallet: "w",
          order: asked,
          boundTo: undefined,
        },
        {
          type: "cancel",
          request: expect.any(Number),
          wallet: "w",
          order: { client_order_id: "mine" },
        },
      ]);
      const numbers = [placed, cancelled].map((one) => (one as { request: number }).request);
      const [first, second] = numbers as [number, number];
      expect(first).not.toBe(second);
      expect([client.messages, pending()]).toEqual([[], 2]);
      const told = order("w", 1, { client_order_id: "mine", filled_quantity: 4 });
      await exchange.tell(reply(first, told), refusal(second));
      expect(client.messages).toEqual([
        { type: "OrderUpdate", id: "a", data: { order: told } },
        { type: "Error", data: { code: "ORDER_NOT_FOUND", message: "no" } },
      ]);
      expect(pending()).toBe(0);
      // A second answer to a request is nobody's.
      await exchange.tell(refusal(first), reply(second, told));
      expect(client.messages).toHaveLength(2);
    }
  });

  it("trading - a wallet's requests wait in its share of the places; another one is UNAVAILABLE at once", async () => {
    const [one, other, third] = [trader("w"), trader("v"), trader("w")];
    // Of 8 places a wallet alone has 4, over all its connections.
    for (let id = 1; id <= 4; id++) (id % 2 ? place : cancel)(id % 3 ? one : third, id);
    expect([sent(one), sent(third), pending()]).toEqual([[], [], 4]);
    for (const client of [one, third]) {
      place(client, "over");
      cancel(client, "over");
      world.subscribe(client, orders("w"));
      expect(sent(client)).toEqual([
        ["Error", "#over", "UNAVAILABLE"],
        ["Error", "#over", "UNAVAILABLE"],
        ["Error", "UNAVAILABLE"],
      ]);
    }
    // Another wallet has half of what is left.
    for (let id = 5; id <= 6; id++) (id % 2 ? place : cancel)(other, id);
    expect([sent(other), pending(), unavailable()]).toEqual([[], 6, 4]);
    cancel(other, "over");
    expect(sent(other)).toEqual([["Error", "#over", "UNAVAILABLE"]]);
    const [first, second, ...others] = await requested();
    expect(others).toHaveLength(4);
    await exchange.tell(refusal(first as number), refusal(second as number));
    expect(sent(one)).toEqual([
      ["Error", "#1", "ORDER_NOT_FOUND"],
      ["Error", "#2", "ORDER_NOT_FOUND"],
    ]);
    place(one, "next");
    expect([sent(one), pending()]).toEqual([[], 5]);
  });

  it("trading - one wallet over many addresses, and many wallets of one address, leave room for others", async () => {
    const of = (wallet: string, address: string): Client => trader(wallet, 0, { address });
    for (let id = 1; id <= 8; id++) place(of("w", `10.0.0.${id}`), id);
    expect(pending()).toBe(4);
    place(of("v", "10.1.0.1"), 1);
    expect(pending()).toBe(5);
    await startWorld();
    for (let id = 1; id <= 8; id++) place(of(`w${id}`, "10.0.0.1"), id);
    expect(pending()).toBe(6);
    place(of("v", "10.1.0.1"), 1);
    expect(pending()).toBe(7);
  });

  it("trading - snapshots have places as well: of an admin's who watches others', not of theirs", async () => {
    const admin = trader("a");
    admin.connection.identity = { userId: "u", wallet: null, role: "admin", expiresAt: 1e15 };
    const [one, two, three, four, five] = ["v1", "v2", "v3", "v4", "v5"].map(orders);
    world.subscribe(admin, one, two, three, four, five);
    expect(sent(admin)).toEqual([["Error", "UNAVAILABLE"]]);
    world.subscribe(admin, one, two, three, four);
    expect(sent(admin)).toEqual([["Subscribed"]]);
    world.subscribe(admin, five);
    expect(sent(admin)).toEqual([["Error", "UNAVAILABLE"]]);
    const trade = trader("v1");
    place(trade, 1);
    expect([sent(trade), pending()]).toEqual([[], 1]);
    for (const request of (await requested()).slice(0, 4)) await exchange.tell(snapshot(request));
    admin.messages.length = 0;
    world.subscribe(admin, five);
    expect(sent(admin)).toEqual([["Subscribed"]]);
    // Those that were lost with the exchange have given their places back.
    world.disconnect(admin);
    await exchange.close();
    await startExchange();
    for (let id = 1; id <= 5; id++) place(trade, id);
    expect(pending()).toBe(4);
  });

  it("trading - what waits when the exchange goes is UNAVAILABLE, each once, and so is what comes then", async () => {
    const [one, other] = [trader("w"), trader("v", 1)];
    place(one, 1);
    place(other, 2);
    const [first] = await requested();
    cancel(one, 3);
    // Heard before the end, so it counts.
    exchange.post(reply(first as number, order("w", 1)));
    await exchange.close();
    expect(sent(one)).toEqual([
      ["OrderUpdate", "#1", "1"],
      ["Error", "#3", "UNAVAILABLE"],
    ]);
    // It may have been carried out, which the message has to say.
    expect(other.messages).toMatchObject([
      { id: 2, data: { message: expect.stringContaining("the same client_order_id") } },
    ]);
    expect(sent(other)).toEqual([["Error", "#2", "UNAVAILABLE"]]);
    expect([pending(), unavailable()]).toEqual([0, 2]);
    place(one, 4);
    cancel(one, 5);
    expect(sent(one)).toEqual([
      ["Error", "#4", "UNAVAILABLE"],
      ["Error", "#5", "UNAVAILABLE"],
    ]);
    expect([pending(), unavailable()]).toEqual([0, 4]);
    await startExchange();
    place(one, 6);
    expect([sent(one), pending()]).toEqual([[], 1]);
  });

  it("trading - an exchange of another node that cannot be reached leaves orders UNAVAILABLE; when it can, all is asked again", async () => {
    const client = trader("w");
    await watch(client, orders("w"));
    world.trading.sessions.open({
      number: client.connection.number,
      userId: "u",
      wallet: "w",
      waitMs: 0,
    });
    place(client, 1);
    await exchange.requests();
    await exchange.tell({ type: "unreachable", reason: "the origin is silent" });
    expect(sent(client)).toEqual([["Error", "#1", "UNAVAILABLE"]]);
    place(client, 2);
    const refused = client.messages.splice(0)[0];
    expect(refused).toMatchObject({
      type: "Error",
      id: 2,
      data: { code: "UNAVAILABLE", message: "the origin is silent; try again" },
    });
    // Neither does anything reach it, nor are there answers twice.
    await exchange.tell({ type: "unreachable", reason: "the origin is silent" });
    expect([await exchange.requests(), sent(client), pending()]).toEqual([[], [], 0]);
    await exchange.tell({ type: "reachable", takesOrders: true });
    const [attach, ...asked] = await exchange.requests();
    expect(attach).toMatchObject({ type: "attach", sessions: [{ userId: "u", wallet: "w" }] });
    expect(asked).toMatchObject([{ type: "watch", wallet: "w" }]);
    // Said once more it is no news.
    await exchange.tell({ type: "reachable", takesOrders: true });
    place(client, 3);
    expect(await exchange.requests()).toMatchObject([{ type: "place" }]);
  });

  it("trading - whether orders are taken is another node's to say, and until then they are UNAVAILABLE", async () => {
    world.trading.takesOrders = undefined;
    const client = trader("w");
    const askAll = (): unknown[] => {
      place(client, 1);
      world.subscribe(client, orders("w"));
      world.request(client, { type: "GetOrder", id: 2, data: { order_id: "1" } });
      return sent(client);
    };
    const refused = (code: string): unknown[] => [
      ["Error", "#1", code],
      ["Error", code],
      ["Error", "#2", code],
    ];
    expect(askAll()).toEqual(refused("UNAVAILABLE"));
    await exchange.tell({ type: "reachable", takesOrders: false });
    expect(askAll()).toEqual(refused("TRADING_DISABLED"));
    expect(await exchange.requests()).toEqual([]);
    await exchange.tell({ type: "reachable", takesOrders: true });
    place(client, 3);
    expect(await exchange.requests()).toMatchObject([{ type: "place" }]);
  });

  it("trading - another exchange answers nothing that was asked of the one before", async () => {
    const client = trader("w");
    place(client, 1);
    const [lost] = await requested();
    await startExchange();
    expect(sent(client)).toEqual([["Error", "#1", "UNAVAILABLE"]]);
    await exchange.tell(reply(lost as number, order("w", 1)));
    place(client, 2);
    const [next] = await requested();
    expect(next).toBeGreaterThan(lost as number);
    expect(sent(client)).toEqual([]);
  });

  it("trading - who asked gets the answer only; the wallet's other live connections get the news", async () => {
    const [asking, other, binary] = [trader("w"), trader("w"), trader("w", 1)];
    const [stranger, positionsOnly] = [trader("v"), trader("w")];
    for (const client of [asking, other, binary]) await watch(client, orders("w"));
    await watch(stranger, orders("v"));
    await watch(positionsOnly, positions("w"));
    const late = trader("w");
    world.subscribe(late, orders("w"));
    await requested();
    late.messages.length = 0;
    for (const [send, number] of [
      [place, 1],
      [cancel, 2],
    ] as const) {
      send(asking, number);
      const [request] = await requested();
      await exchange.tell(reply(request as number, order("w", number)));
      expect(sent(asking)).toEqual([["OrderUpdate", `#${number}`, `${number}`]]);
      expect(sent(other)).toEqual([["OrderUpdate", `${number}`]]);
      expect(sent(binary)).toEqual([["OrderUpdate", `${number}`]]);
    }
    expect([stranger, positionsOnly, late].map(sent)).toEqual([[], [], []]);
    // A later change is news for who asked, too.
    await exchange.tell(orderNews(order("w", 1)));
    expect([asking, other, stranger].map(sent)).toEqual([
      [["OrderUpdate", "1"]],
      [["OrderUpdate", "1"]],
      [],
    ]);
  });

  it("trading - an answer that is no order goes to who asked, what it is of to all others", async () => {
    const [asking, own, other] = [trader("w"), trader("w"), trader("w")];
    for (const client of [own, other]) await watch(client, orders("w"));
    await watch(asking, orders("w"));
    world.request(asking, { type: "PlaceOrders", id: 7, data: { orders: [ORDER, {}] } });
    const [request] = await exchange.requests();
    expect(request).toEqual({
      type: "place-all",
      request: expect.any(Number),
      wallet: "w",
      orders: [
        ORDER,
        {
          refusal: {
            code: "INVALID_MESSAGE",
            message: expect.stringContaining("data.orders.1."),
            details: { field: expect.stringContaining("data.orders.1.") },
          },
        },
      ],
      boundTo: undefined,
    });
    const number = (request as { request: number }).request;
    const placed = order("w", 1);
    const results: ServerMessage = { type: "OrderResults", data: { results: [{ order: placed }] } };
    await exchange.tell(
      orderNews(order("w", 2)),
      { type: "order", order: placed, beside: number },
      { type: "answer", request: number, message: results, costBytes: 0 },
    );
    expect(asking.messages.slice(-2)).toEqual([
      { type: "OrderUpdate", data: { order: order("w", 2) } },
      { ...results, id: 7 },
    ]);
    for (const client of [own, other])
      expect(sent(client).slice(-2)).toEqual([
        ["OrderUpdate", "2"],
        ["OrderUpdate", "1"],
      ]);
    expect(pending()).toBe(0);
  });

  it("trading - a known order is told as a duplicate, an amended one as it is asked for", async () => {
    const client = trader("w");
    place(client, 1);
    const amendment = { order_id: "1", price: 0.4 };
    world.request(client, { type: "AmendOrder", id: 2, data: amendment });
    world.request(client, { type: "CancelOrders", id: 3, data: { side: "Sell" } });
    world.request(client, { type: "CancelAfter", id: 4, data: { timeout_ms: 0 } });
    const [placing, ...others] = await exchange.requests();
    expect(others).toMatchObject([
      { type: "amend", wallet: "w", order: { order_id: "1" }, price: 0.4, quantity: undefined },
      { type: "cancel-all", wallet: "w", marketId: undefined, side: "Sell" },
      { type: "cancel-after", wallet: "w", timeoutMs: 0 },
    ]);
    const known = reply((placing as { request: number }).request, order("w", 1), false);
    await exchange.tell({ ...known, duplicate: true } as ExchangeNews);
    expect(client.messages).toEqual([
      { type: "OrderUpdate", id: 1, data: { order: order("w", 1), duplicate: true } },
    ]);
  });

  it("trading - orders of a batch wait as so many, and are given back together", async () => {
    const client = trader("w");
    const batch = (count: number, id: number): void =>
      world.request(client, {
        type: "PlaceOrders",
        id,
        data: { orders: Array.from({ length: count }, () => ORDER) },
      });
    // One wallet alone may have half of the places.
    batch(MAX_PENDING / 2 + 1, 1);
    expect(sent(client)).toEqual([["Error", "#1", "UNAVAILABLE"]]);
    batch(MAX_PENDING / 2, 2);
    place(client, 3);
    expect(sent(client).at(-1)).toEqual(["Error", "#3", "UNAVAILABLE"]);
    const [request] = await requested();
    await exchange.tell(refusal(request as number));
    batch(MAX_PENDING / 2, 4);
    expect(await requested()).toHaveLength(1);
  });

  it("trading - an answer that changed nothing is told to nobody else", async () => {
    const [asking, other] = [trader("w"), trader("w")];
    for (const client of [asking, other]) await watch(client, orders("w"));
    place(asking, 1);
    const [request] = await requested();
    await exchange.tell(reply(request as number, order("w", 1), false));
    expect([sent(asking), sent(other)]).toEqual([[["OrderUpdate", "#1", "1"]], []]);
  });

  it("trading - who has gone gets no answer; its order is news for the others all the same", async () => {
    const [asking, other] = [trader("w"), trader("w")];
    await watch(other, orders("w"));
    place(asking, 1);
    place(asking, 2);
    world.disconnect(asking);
    const [first, second] = await requested();
    await exchange.tell(reply(first as number, order("w", 1)), refusal(second as number));
    expect([sent(asking), sent(other), pending()]).toEqual([[], [["OrderUpdate", "1"]], 0]);
  });

  it("trading - what one message tells a connection is one write", async () => {
    const client = trader("w");
    await watch(client, orders("w"), positions("w"));
    place(client, 1);
    const [request] = await requested();
    client.socket.calls.length = 0;
    await exchange.tell(
      reply(request as number, order("w", 1)),
      { type: "position", position: position("w", 10) },
      orderNews(order("w", 2)),
    );
    expect(sent(client)).toEqual([
      ["OrderUpdate", "#1", "1"],
      ["PositionUpdate", 10],
      ["OrderUpdate", "2"],
    ]);
    expect(client.socket.calls).toHaveLength(1);
  });

  it("trading - the same news to many connections is encoded once per encoding", async () => {
    const clients = [0, 0, 1, 1].map((encoding) => trader("w", encoding));
    for (const client of clients) {
      await watch(client, orders("w"));
      client.socket.calls.length = 0;
    }
    await exchange.tell(orderNews(order("w", 1)));
    const [one, other, binary, another] = clients.map(({ socket }) => socket.calls[0]?.[0]);
    expect(other).toBe(one);
    expect(another).toBe(binary);
    expect(binary).not.toEqual(one);
  });
});

describe("trading snapshots", () => {
  it("trading - a snapshot is of its channels only, and news begin behind it", async () => {
    const client = trader("w");
    world.subscribe(client, orders("w"), positions("w"));
    const [request, ...others] = await requested();
    expect(others).toEqual([]);
    expect(sent(client)).toEqual([["Subscribed"]]);
    await exchange.tell(
      orderNews(order("w", 1)),
      { type: "position", position: position("w", 1) },
      snapshot(request as number, [order("w", 1), order("w", 2)], [position("w", 1)]),
      orderNews(order("w", 2)),
      { type: "position", position: position("w", 3) },
    );
    expect(sent(client)).toEqual([
      ["OrderSnapshot", 2],
      ["PositionSnapshot", 1],
      ["OrderUpdate", "2"],
      ["PositionUpdate", 3],
    ]);
    const positionsOnly = trader("w");
    world.subscribe(positionsOnly, positions("w"));
    const [second] = await requested();
    await exchange.tell(snapshot(second as number, [order("w", 1)], []), orderNews(order("w", 2)));
    expect(sent(positionsOnly)).toEqual([["Subscribed"], ["PositionSnapshot", 0]]);
    expect(sent(client)).toEqual([["OrderUpdate", "2"]]);
  });

  it("trading - a second subscriber has a snapshot of its own, and the first goes on", async () => {
    const [first, second] = [trader("w"), trader("w", 1)];
    await watch(first, orders("w"));
    world.subscribe(second, orders("w"));
    const [request] = await requested();
    await exchange.tell(orderNews(order("w", 1)));
    await exchange.tell(snapshot(request as number, [order("w", 1)]), orderNews(order("w", 2)));
    expect(sent(first)).toEqual([
      ["OrderUpdate", "1"],
      ["OrderUpdate", "2"],
    ]);
    expect(sent(second)).toEqual([["Subscribed"], ["OrderSnapshot", 1], ["OrderUpdate", "2"]]);
  });

  it("trading - while a snapshot is on its way it serves who subscribes again, each time it was asked for", async () => {
    const client = trader("w");
    for (let time = 0; time < 3; time++) world.subscribe(client, orders("w"));
    world.subscribe(client, positions("w"));
    const [first, other, ...rest] = await requested();
    // Positions had not been subscribed to when the first was asked for.
    expect(rest).toEqual([]);
    client.messages.length = 0;
    await exchange.tell(snapshot(first as number, [order("w", 1)]));
    expect(sent(client)).toEqual(new Array(3).fill(["OrderSnapshot", 1]));
    await exchange.tell(snapshot(other as number));
    expect(sent(client)).toEqual([["PositionSnapshot", 0]]);
  });

  it("trading - subscribing again sends a snapshot again, and interrupts nothing meanwhile", async () => {
    const client = trader("w");
    await watch(client, orders("w"));
    world.subscribe(client, orders("w"));
    const [request] = await requested();
    await exchange.tell(orderNews(order("w", 1)), snapshot(request as number, [order("w", 1)]));
    expect(sent(client)).toEqual([["Subscribed"], ["OrderUpdate", "1"], ["OrderSnapshot", 1]]);
    await exchange.tell(orderNews(order("w", 2)));
    expect(sent(client)).toEqual([["OrderUpdate", "2"]]);
    // Of two channels, only the one that is named again.
    await watch(client, positions("w"));
    world.subscribe(client, positions("w"));
    const [again] = await requested();
    await exchange.tell(snapshot(again as number));
    expect(sent(client)).toEqual([["Subscribed"], ["PositionSnapshot", 0]]);
  });

  it("trading - a snapshot that comes after Unsubscribed is not sent, nor is any news", async () => {
    const client = trader("w");
    world.subscribe(client, orders("w"), positions("w"));
    world.unsubscribe(client, orders("w"));
    expect(sent(client)).toEqual([["Subscribed"], ["Unsubscribed"]]);
    const [watched, ...others] = await exchange.requests();
    expect(others).toEqual([]);
    const { request } = watched as { request: number };
    await exchange.tell(snapshot(request, [order("w", 1)]), orderNews(order("w", 2)));
    expect(sent(client)).toEqual([["PositionSnapshot", 0]]);
    world.unsubscribe(client, positions("w"));
    await exchange.tell({ type: "position", position: position("w", 1) });
    expect(sent(client)).toEqual([["Unsubscribed"]]);
  });

  it("trading - a snapshot for a subscription that has ended is not that of the next one", async () => {
    const client = trader("w");
    world.subscribe(client, orders("w"));
    world.unsubscribe(client, orders("w"));
    world.subscribe(client, orders("w"));
    const asked = await exchange.requests();
    expect(asked.map(({ type }) => type)).toEqual(["watch", "unwatch", "watch"]);
    const [first, , second] = asked as { request: number }[];
    client.messages.length = 0;
    // The exchange told nothing between the two: what is in the second, the first does not have.
    await exchange.tell(snapshot(first?.request as number), orderNews(order("w", 1)));
    expect(sent(client)).toEqual([]);
    await exchange.tell(snapshot(second?.request as number, [order("w", 1), order("w", 2)]));
    expect(sent(client)).toEqual([["OrderSnapshot", 2]]);
  });

  it("trading - a wallet is unwatched with its last subscriber, and not before", async () => {
    const [one, other] = [trader("w"), trader("w")];
    await watch(one, orders("w"), positions("w"));
    await watch(other, orders("w"));
    world.unsubscribe(one, orders("w"));
    world.disconnect(other);
    world.unsubscribe(one, orders("w"));
    expect(await exchange.requests()).toEqual([]);
    world.unsubscribe(one, positions("w"));
    expect(await exchange.requests()).toEqual([{ type: "unwatch", wallet: "w" }]);
    await watch(one, orders("w"));
    world.disconnect(one);
    expect(await exchange.requests()).toEqual([{ type: "unwatch", wallet: "w" }]);
    await exchange.tell(orderNews(order("w", 1)));
    expect(sent(one)).toEqual([]);
  });

  it("trading - one connection may watch several wallets, each with a snapshot", async () => {
    const client = trader("admin's");
    client.connection.identity = { userId: "u", wallet: null, role: "admin", expiresAt: 1e15 };
    world.subscribe(client, orders("w"), orders("v"), positions("w"));
    const asked = await exchange.requests();
    expect(asked.map((one) => [one.type, "wallet" in one && one.wallet])).toEqual([
      ["watch", "w"],
      ["watch", "v"],
    ]);
    const [ofW, ofV] = asked as { request: number }[];
    await exchange.tell(
      snapshot(ofV?.request as number, [order("v", 1)]),
      orderNews(order("w", 2)),
      orderNews(order("v", 3)),
      snapshot(ofW?.request as number),
    );
    expect(sent(client)).toEqual([
      ["Subscribed"],
      ["OrderSnapshot", 1],
      ["OrderUpdate", "3"],
      ["OrderSnapshot", 0],
      ["PositionSnapshot", 0],
    ]);
  });
});

describe("trading with another exchange", () => {
  it("trading - a new exchange is asked for every snapshot; nothing is live before", async () => {
    const [one, other] = [trader("w"), trader("v", 1)];
    await watch(one, orders("w"), positions("w"));
    await watch(other, orders("v"));
    await exchange.close();
    // Subscribed while there is no exchange.
    const third = trader("w");
    world.subscribe(third, positions("w"));
    expect(sent(third)).toEqual([["Subscribed"]]);
    const [attach, ...watches] = await startExchange();
    expect(attach).toEqual({ type: "attach", sessions: [] });
    expect(watches.map((request) => [request.type, "wallet" in request && request.wallet])).toEqual(
      [
        ["watch", "w"],
        ["watch", "w"],
        ["watch", "v"],
      ],
    );
    await exchange.tell(orderNews(order("w", 1)), orderNews(order("v", 1)));
    expect([one, other, third].map(sent)).toEqual([[], [], []]);
    const numbers = watches.map((request) => (request as { request: number }).request);
    await exchange.tell(...numbers.map((request) => snapshot(request)));
    await exchange.tell(orderNews(order("w", 2)), { type: "position", position: position("w", 5) });
    expect([one, other, third].map(sent)).toEqual([
      [
        ["OrderSnapshot", 0],
        ["PositionSnapshot", 0],
        ["OrderUpdate", "2"],
        ["PositionUpdate", 5],
      ],
      [["OrderSnapshot", 0]],
      [
        ["PositionSnapshot", 0],
        ["PositionUpdate", 5],
      ],
    ]);
  });

  it("trading - who subscribes without an exchange keeps nobody's order out of the next one", async () => {
    const client = trader("w");
    world.trading.connect(undefined);
    for (let time = 0; time < MAX_PENDING; time++) world.subscribe(client, orders("w"));
    const [, ...watches] = await startExchange();
    expect(watches).toHaveLength(1);
    client.messages.length = 0;
    // The one snapshot has a place of the wallet's half.
    for (let id = 1; id < MAX_PENDING / 2; id++) place(client, id);
    expect([sent(client), pending()]).toEqual([[], MAX_PENDING / 2 - 1]);
  });

  it("trading - an exchange that is replaced while it lives is not heard any more", async () => {
    const client = trader("w");
    await watch(client, orders("w"));
    const before = exchange;
    const [, watched] = await startExchange();
    before.post(orderNews(order("w", 9)));
    const { request } = watched as { request: number };
    await exchange.tell(snapshot(request));
    expect(sent(client)).toEqual([["OrderSnapshot", 0]]);
    world.trading.connect(undefined);
    place(client, 1);
    expect(sent(client)).toEqual([["Error", "#1", "UNAVAILABLE"]]);
  });

  /** Gives a client a session, as with its token. */
  const openSession = ({ connection }: Client): SessionClaim => {
    const { number, cancelAfterMs: waitMs = 0 } = connection;
    const terms = { userId: "u", wallet: "w", waitMs };
    connection.session = world.trading.sessions.open({ ...terms, number });
    return { ...terms, connection: number, session: connection.session.session };
  };

  it("trading - orders are bound to the sessions of connections that ask for it, whose end is told once", async () => {
    const [bound, free] = [trader("w", 0, { cancelAfterMs: 0 }), trader("w")];
    const [claim, other] = [openSession(bound), openSession(free)];
    for (const client of [bound, bound, free]) place(client, 1);
    const asked = await exchange.requests();
    expect(asked.slice(0, 2)).toEqual([
      { type: "session", ...claim },
      { type: "session", ...other },
    ]);
    const boundTo = asked.slice(2).map((request) => "boundTo" in request && request.boundTo);
    expect(boundTo).toEqual([claim?.session, claim?.session, undefined]);
    for (const client of [free, bound]) world.disconnect(client);
    world.trading.forget(bound.connection);
    expect(await exchange.requests()).toEqual([
      { type: "ended", connection: free.connection.number },
      { type: "ended", connection: bound.connection.number },
    ]);
    expect(await startExchange()).toEqual([{ type: "attach", sessions: [] }]);
  });

  it("trading - a new exchange is told which connections have sessions", async () => {
    const [stays, goes] = [trader("w", 0, { cancelAfterMs: 5000 }), trader("w")];
    const claim = openSession(stays);
    openSession(goes);
    await exchange.close();
    // What ends while there is no exchange, the next one knows by its absence.
    world.disconnect(goes);
    expect(await startExchange()).toEqual([{ type: "attach", sessions: [claim] }]);
    expect(claim.waitMs).toBe(5000);
  });
});

describe("trading with slow clients", () => {
  for (const channels of [[], [{ type: "Market", params: { market_id: 1 } }]]) {
    const also = channels.length > 0 ? "with a market" : "without any market";
    it(`trading - private messages wait in order for a blocked connection (${also})`, async () => {
      const client = trader("w");
      await watch(client, orders("w"), ...channels);
      place(client, 7);
      const [request] = await requested();
      client.socket.congested = true;
      client.model.conflated = true;
      await exchange.tell(orderNews(order("w", 1)));
      expect([sent(client), client.connection.blocked]).toEqual([[["OrderUpdate", "1"]], true]);
      await exchange.tell(orderNews(order("w", 2)));
      world.quote(1, 100);
      world.flush();
      world.round();
      await exchange.tell(reply(request as number, order("w", 3)));
      expect(sent(client)).toEqual([]);
      client.socket.drain();
      // Drained, but the round that catches up has not been: nothing may overtake.
      await exchange.tell(orderNews(order("w", 4)));
      expect([sent(client), world.fanOut.hasDrained]).toEqual([[], true]);
      world.round();
      const privately = [
        ["OrderUpdate", "2"],
        ["OrderUpdate", "#7", "3"],
        ["OrderUpdate", "4"],
      ];
      expect(sent(client)).toEqual(
        channels.length > 0 ? [...privately, ["MarketUpdate"]] : privately,
      );
      expect(client.connection.current).toBe(true);
      expect(counted(world.counters, SHARD.queuedBytes)).toBe(0);
      await exchange.tell(orderNews(order("w", 5)));
      expect(sent(client)).toEqual([["OrderUpdate", "5"]]);
    });

    it(`trading - what waits is sent before Unsubscribed, and nothing after (${also})`, async () => {
      const client = trader("w");
      await watch(client, orders("w"), ...channels);
      client.socket.congested = true;
      client.model.conflated = true;
      for (const id of [1, 2, 3]) await exchange.tell(orderNews(order("w", id)));
      world.unsubscribe(client, orders("w"));
      // The request is taken up when there is room for its answer.
      expect(sent(client)).toEqual([["OrderUpdate", "1"]]);
      client.socket.drain();
      world.serve();
      expect(sent(client)).toEqual([["OrderUpdate", "2"], ["OrderUpdate", "3"], ["Unsubscribed"]]);
      await exchange.tell(orderNews(order("w", 4)));
      world.round();
      expect(sent(client)).toEqual([]);
    });
  }

  it("trading - over the bound of what waits a connection is closed with 4001, others are not", async () => {
    await startWorld({ maxQueuedMessages: 3 });
    const [slow, fast] = [trader("w"), trader("w")];
    for (const client of [slow, fast]) await watch(client, orders("w"));
    place(slow, 1);
    const [request] = await requested();
    slow.socket.congested = true;
    for (const id of [1, 2, 3, 4]) await exchange.tell(orderNews(order("w", id)));
    expect(slow.connection.open).toBe(true);
    // An answer counts as well.
    await exchange.tell(reply(request as number, order("w", 5)));
    expect(slow.ws.closed?.code).toBe(4001);
    expect(counted(world.counters, SHARD.slowConsumersClosed)).toBe(1);
    expect(counted(world.counters, SHARD.queuedBytes)).toBe(0);
    await exchange.tell(orderNews(order("w", 6)));
    expect(sent(fast)).toHaveLength(6);
    expect(sent(slow)).toEqual([["OrderUpdate", "1"]]);
  });

  it("trading - a snapshot over the bound waits for a blocked connection, as it was asked for; news over it do not", async () => {
    await startWorld({ maxQueuedBytes: 1000 });
    const client = trader("w");
    const block = (): void => {
      client.socket.congested = true;
      world.request(client, { type: "Ping", data: { timestamp: 1 } });
    };
    const many = Array.from({ length: 10 }, (_, id) => order("w", id + 1));
    for (const _ of [1, 2]) {
      world.subscribe(client, orders("w"), positions("w"));
      const [request] = await requested();
      block();
      await exchange.tell(snapshot(request as number, many), orderNews(order("w", 1)));
      expect(client.connection.open).toBe(true);
      client.socket.drain();
      world.round();
      expect(sent(client).slice(-3)).toEqual([
        ["OrderSnapshot", 10],
        ["PositionSnapshot", 0],
        ["OrderUpdate", "1"],
      ]);
    }
    block();
    await exchange.tell(...many.map(orderNews));
    expect(client.ws.closed?.code).toBe(4001);
    expect(counted(world.counters, SHARD.queuedBytes)).toBe(0);
  });
});
