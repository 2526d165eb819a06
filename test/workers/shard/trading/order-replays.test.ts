import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { counted, SHARD } from "../../../../src/counters/counters.js";
import type { ContractFill, ContractOrder } from "../../../../src/store/contract-form.js";
import type { ExchangeNews, ExchangeRequest } from "../../../../src/workers/messages.js";
import { ExchangeEnd } from "../../../support/exchange-end.js";
import { type Client, ShardWorld, type WorldOptions } from "../../../support/shard-world.js";
import { until } from "../../../support/until.js";

type RequestOf<T extends ExchangeRequest["type"]> = Extract<ExchangeRequest, { readonly type: T }>;

const POSITION = { tradeId: 7, ts: 9, orderId: 3 };

function order(order_id: number, fields: Partial<ContractOrder> = {}): ContractOrder {
  return {
    ...{ order_id: `${order_id}`, wallet: "w", market_id: 1, side: "Buy", order_type: "Limit" },
    ...{ time_in_force: "GTC", post_only: false, price: 0.5, quantity: 10, filled_quantity: 0 },
    ...{ status: "Open", created_ts: 1, updated_ts: 1 },
    ...fields,
  };
}

function fill(trade_id: number): ContractFill {
  return {
    ...{ trade_id: `${trade_id}`, order_id: "1", wallet: "w", market_id: 1, side: "Buy" },
    ...{ price: 0.5, quantity: 1, liquidity: "Maker", ts: 5 },
  };
}

const channel = { type: "Orders", params: { wallet: "w" }, since: 5 };
const fillNews = (one: ContractFill): ExchangeNews => ({ type: "fill", fill: one });
const orderNews = (one: ContractOrder): ExchangeNews => ({ type: "order", order: one });

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

async function startExchange(): Promise<ExchangeRequest[]> {
  exchange = new ExchangeEnd();
  world.trading.connect(exchange.port);
  return exchange.requests();
}

function trader(encoding = 0, wallet = "w"): Client {
  const client = world.connect(encoding);
  client.connection.identity = { userId: "u", wallet, role: undefined, expiresAt: 1e15 };
  return client;
}

/** The only request that the exchange has been sent. */
async function asked<T extends ExchangeRequest["type"]>(type: T): Promise<RequestOf<T>> {
  const requests = await exchange.requests();
  expect(requests.map((request) => request.type)).toEqual([type]);
  return requests[0] as RequestOf<T>;
}

/** The same, when it has been sent: what is asked for in a later turn. */
function askedLater<T extends ExchangeRequest["type"]>(type: T): Promise<RequestOf<T>> {
  return until(`a ${type}`, async () => {
    const requests = await exchange.requests();
    return requests.find((one): one is RequestOf<T> => one.type === type);
  });
}

/** Subscribes to what was since 5, and has the exchange say that it can be had, or not. */
async function since(client: Client, recovered = true): Promise<void> {
  world.subscribe(client, channel);
  const { request } = await asked("recover");
  await exchange.tell({ type: "recoverable", request, recovered });
  world.serve();
}

/** What a client has been sent since it was last asked, by type and what tells it apart. */
function sent({ messages }: Client): unknown[] {
  return messages.splice(0).map((message) => {
    if (message.type === "Fill") return `fill ${message.data.fill.trade_id}`;
    if (message.type === "OrderUpdate") return `order ${message.data.order.order_id}`;
    if (message.type === "Subscribed") return message.data.channels[0]?.recovered;
    return message.type;
  });
}

beforeEach(() => startWorld());
afterEach(() => {
  vi.useRealTimers();
  world.trading.close();
});

describe("order replays", () => {
  it("order replays - Subscribed says what the exchange says, then comes what there was, part by part, then news", async () => {
    for (const encoding of [0, 1, 2]) {
      const client = trader(encoding);
      world.subscribe(client, channel);
      expect(sent(client)).toEqual([]);
      const { type: _, request, ...terms } = await asked("recover");
      expect(terms).toMatchObject({ wallet: "w", since: 5 });
      // What it asks meanwhile waits, as replies keep their order.
      world.request(client, { type: "Ping", data: { timestamp: 1 } });
      expect(sent(client)).toEqual([]);
      await exchange.tell({ type: "recoverable", request, recovered: true });
      world.serve();
      expect(sent(client)).toEqual([true, "Pong"]);
      const first = await asked("replay");
      expect(first.from).toEqual({ since: 5 });
      // News of before the last part are in it.
      await exchange.tell(fillNews(fill(1)), orderNews(order(1)));
      expect(sent(client)).toEqual([]);
      const told = [fill(1), order(1)];
      await exchange.tell({ type: "replay", request: first.request, told, next: POSITION });
      expect(sent(client)).toEqual(["fill 1", "order 1"]);
      const second = await askedLater("replay");
      expect(second.from).toEqual(POSITION);
      await exchange.tell(
        { type: "replay", request: second.request, told: [order(2)], next: undefined },
        fillNews(fill(2)),
        orderNews(order(3)),
      );
      expect(sent(client)).toEqual(["order 2", "fill 2", "order 3"]);
      world.disconnect(client);
      await exchange.requests();
    }
    expect(counted(world.counters, SHARD.replays)).toBe(3);
    expect(counted(world.counters, SHARD.replayedMessages)).toBe(9);
  });

  it("order replays - what cannot be had is recovered false and a snapshot", async () => {
    const client = trader();
    await since(client, false);
    expect(sent(client)).toEqual([false]);
    const { request } = await asked("watch");
    await exchange.tell({ type: "snapshot", request, orders: [], positions: [] });
    expect(sent(client)).toEqual(["OrderSnapshot"]);
    const stranger = trader(0, "somebody else");
    world.subscribe(stranger, channel);
    expect(sent(stranger)).toEqual(["Error"]);
  });

  it("order replays - where the exchange goes away before it says what can be had, the next one is asked", async () => {
    const [one, other] = [trader(), trader()];
    world.subscribe(one, channel);
    await asked("recover");
    await exchange.close();
    world.subscribe(other, channel);
    world.serve();
    expect([sent(one), sent(other)]).toEqual([[], []]);
    const asks = (await startExchange()).filter(({ type }) => type !== "attach");
    expect(asks).toMatchObject([
      { type: "recover", wallet: "w", since: 5 },
      { type: "recover", wallet: "w", since: 5 },
    ]);
    for (const [at, ask] of asks.entries()) {
      const { request } = ask as RequestOf<"recover">;
      await exchange.tell({ type: "recoverable", request, recovered: at === 0 });
    }
    world.serve();
    expect([sent(one), sent(other)]).toEqual([[true], [false]]);
  });

  it("order replays - where no exchange comes in time nothing can be had", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    try {
      await exchange.close();
      const client = trader();
      world.subscribe(client, channel);
      vi.advanceTimersByTime(4999);
      world.serve();
      expect(sent(client)).toEqual([]);
      vi.advanceTimersByTime(1);
      world.serve();
      expect(sent(client)).toEqual([false]);
      // Whoever comes is asked for the snapshot alone.
      const asks = await startExchange();
      expect(asks.map(({ type }) => type)).toEqual(["attach", "watch"]);
    } finally {
      vi.useRealTimers();
    }
  });

  it("order replays - followers are told what an exchange has stored and did not live to tell, and a snapshot", async () => {
    const [follower, other] = [trader(), trader(0, "v")];
    world.subscribe(follower, { type: "Orders", params: { wallet: "w" } });
    world.subscribe(other, { type: "Positions", params: { wallet: "v" } });
    for (const ask of await exchange.requests()) {
      const { request } = ask as RequestOf<"watch">;
      await exchange.tell(
        { type: "snapshot", request, orders: [], positions: [] },
        { type: "told", position: POSITION },
      );
    }
    expect([sent(follower), sent(other)]).toEqual([
      [undefined, "OrderSnapshot"],
      [undefined, "PositionSnapshot"],
    ]);
    await exchange.close();
    const asks = await startExchange();
    expect(asks.map(({ type }) => type)).toEqual(["attach", "watch", "watch", "replay"]);
    const replay = asks.find((one): one is RequestOf<"replay"> => one.type === "replay");
    expect(replay).toMatchObject({ wallet: "w", from: POSITION, promised: false });
    const watch = asks[1] as RequestOf<"watch">;
    await exchange.tell(
      { type: "snapshot", request: watch.request, orders: [], positions: [] },
      // It is in what is replayed, as the exchange is between two batches there.
      fillNews(fill(2)),
      { type: "replay", request: replay?.request ?? 0, told: [fill(2)], next: undefined },
      fillNews(fill(3)),
    );
    expect(sent(follower)).toEqual(["OrderSnapshot", "fill 2", "fill 3"]);
  });

  it("order replays - a slow connection is sent the next part when it has taken the last", async () => {
    const client = trader();
    await since(client);
    const { request } = await asked("replay");
    client.socket.congested = true;
    vi.useFakeTimers({ toFake: ["setTimeout"] });
    await exchange.tell({ type: "replay", request, told: [fill(1)], next: POSITION });
    expect([sent(client), client.connection.blocked]).toEqual([[true, "fill 1"], true]);
    // However often it is looked at.
    vi.advanceTimersByTime(1000);
    expect(await exchange.requests()).toEqual([]);
    client.socket.drain();
    vi.advanceTimersByTime(1000);
    vi.useRealTimers();
    expect((await askedLater("replay")).from).toEqual(POSITION);
  });

  it("order replays - where what is left of it is gone the connection is closed, and has to ask again", async () => {
    const client = trader();
    await since(client);
    const { request, promised } = await asked("replay");
    expect(promised).toBe(true);
    await exchange.tell({ type: "replay", request, told: [fill(1)], next: POSITION });
    const next = await askedLater("replay");
    await exchange.tell({ type: "replay-lost", request: next.request });
    expect(client.connection.open).toBe(false);
  });

  it("order replays - one that is unsubscribed, ended, or begun again, has no part any more", async () => {
    const client = trader();
    await since(client);
    const first = await asked("replay");
    world.unsubscribe(client, channel);
    expect((await exchange.requests()).map(({ type }) => type)).toEqual(["unwatch"]);
    await exchange.tell({
      type: "replay",
      request: first.request,
      told: [fill(1)],
      next: POSITION,
    });
    expect(sent(client)).toEqual([true, "Unsubscribed"]);
    await since(client);
    const second = await asked("replay");
    world.subscribe(client, channel);
    const { request } = await asked("recover");
    await exchange.tell({ type: "recoverable", request, recovered: true });
    world.serve();
    const third = await asked("replay");
    await exchange.tell(
      { type: "replay", request: second.request, told: [fill(1)], next: undefined },
      fillNews(fill(2)),
      { type: "replay", request: third.request, told: [fill(3)], next: undefined },
      fillNews(fill(4)),
    );
    expect(sent(client)).toEqual([true, true, "fill 3", "fill 4"]);
    await since(client);
    const last = await asked("replay");
    client.socket.congested = true;
    vi.useFakeTimers({ toFake: ["setTimeout"] });
    await exchange.tell({ type: "replay", request: last.request, told: [fill(5)], next: POSITION });
    world.disconnect(client);
    vi.advanceTimersByTime(1000);
    expect((await exchange.requests()).map(({ type }) => type)).toEqual(["unwatch"]);
  });

  it("order replays - another exchange is asked for the rest, and for the snapshot that follows an epoch", async () => {
    const client = trader();
    await since(client);
    const { request } = await asked("replay");
    await exchange.tell({ type: "replay", request, told: [fill(1)], next: POSITION });
    await askedLater("replay");
    await exchange.close();
    const requests = await startExchange();
    expect(requests).toMatchObject([
      { type: "attach" },
      { type: "watch", wallet: "w" },
      { type: "replay", from: POSITION },
    ]);
    const [, watch, rest] = requests as [unknown, RequestOf<"watch">, RequestOf<"replay">];
    await exchange.tell(
      { type: "snapshot", request: watch.request, orders: [], positions: [] },
      orderNews(order(1)),
      { type: "replay", request: rest.request, told: [order(1)], next: undefined },
      orderNews(order(2)),
    );
    expect(sent(client)).toEqual([true, "fill 1", "OrderSnapshot", "order 1", "order 2"]);
  });

  it("order replays - a connection waits for a page at a time, and everybody is told when the exchange is gone", async () => {
    await startWorld({ maxPending: 100 });
    const client = trader();
    for (let id = 0; id < 6; id++) world.request(client, { type: "FillHistory", id, data: {} });
    world.request(client, { type: "Ping", data: { timestamp: 1 } });
    const requests = await exchange.requests();
    expect(requests.map(({ type }) => type)).toEqual(["fills"]);
    const { request } = requests[0] as RequestOf<"fills">;
    const items = { fills: [fill(1)] };
    await exchange.tell({ type: "page", request, wallet: "w", items, next: 35, read: 1 });
    expect(client.messages).toMatchObject([
      { type: "FillPage", id: 0, data: { wallet: "w", fills: [fill(1)], next: "f-z" } },
    ]);
    world.serve();
    expect((await exchange.requests()).map(({ type }) => type)).toEqual(["fills"]);
    client.messages.length = 0;
    await exchange.close();
    world.serve();
    await until("all of it", () => client.messages.length === 6 || undefined);
    expect(client.messages.map(({ id, type }) => [id, type])).toEqual([
      ...[1, 2, 3, 4, 5].map((id) => [id, "Error"]),
      [undefined, "Pong"],
    ]);
    for (const message of client.messages.slice(0, 5))
      expect(message).toMatchObject({ data: { code: "UNAVAILABLE" } });
    expect(counted(world.counters, SHARD.ordersPending)).toBe(0);
  });
});
