import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { CoreClient } from "../../src/client/core-client.js";
import type { ClientOptions } from "../../src/client/options.js";
import { Pace } from "../../src/client/pace.js";
import type { ClientMessage, Order, ServerMessage } from "../../src/contract/messages.js";
import { TokenBucket } from "../../src/workers/shard/connections/token-bucket.js";
import { acceptance, FakeServer, refusal } from "../support/fake-server.js";

beforeEach(() => {
  vi.useFakeTimers({
    toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "performance", "Date"],
  });
});
afterEach(() => {
  vi.useRealTimers();
});

interface Limits {
  /** Messages a second; twice as many in a second end in 4501. */
  readonly messages?: number;
  /** Orders a second; more are refused and cost nothing else. */
  readonly orders?: number;
  /** Whether refusals say how long to wait. */
  readonly details?: boolean;
}

/** A server that counts as the real one does. */
class LimitedServer {
  readonly placed: string[] = [];
  refusals = 0;
  unavailable = false;
  readonly #limits: Limits;
  #messages: TokenBucket | undefined;
  #orders: TokenBucket | undefined;

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  readonly server = new FakeServer((message, connection): ServerMessage | undefined => {
    const { messages = 1_000_000, orders = 1_000_000 } = this.#limits;
    const now = performance.now();
    this.#messages ??= new TokenBucket(now, messages);
    this.#orders ??= new TokenBucket(now, orders);
    const left = this.#messages.take(now);
    if (left < -messages) connection.end(4501);
    if (left < 0) return this.#limited(message, messages);
    if (message.type !== "PlaceOrder") return acceptance(message);
    if (this.#orders.take(now) < 0) {
      this.#orders.giveBack();
      return this.#limited(message, orders);
    }
    if (this.unavailable) return refusal(message, "UNAVAILABLE");
    return placed(message, this.placed);
  });

  #limited(message: ClientMessage, limit: number): ServerMessage {
    this.refusals++;
    const details = { limit, retry_after_ms: 1000 / limit };
    return refusal(message, "RATE_LIMITED", this.#limits.details === true ? details : undefined);
  }
}

function placed(message: ClientMessage<"PlaceOrder">, ids: string[]): ServerMessage {
  const { order } = message.data;
  ids.push(order.client_order_id as string);
  const answered = { ...order, order_id: "1", status: "Open" } as unknown as Order;
  return { id: message.id as number, type: "OrderUpdate", data: { order: answered } };
}

function newClient(server: FakeServer, options: Partial<ClientOptions> = {}): CoreClient {
  const quiet = { url: "ws://x", pingIntervalMs: 0, offline: "queue" } as const;
  return new CoreClient({ ...quiet, ...options }, server.platform);
}

const ORDER = { market_id: 1, side: "Buy", order_type: "Limit", price: 1, quantity: 1 } as const;

const place = (client: CoreClient, count: number): Promise<PromiseSettledResult<unknown>[]> =>
  Promise.allSettled(Array.from({ length: count }, () => client.placeOrder(ORDER)));

async function close(client: CoreClient): Promise<void> {
  const closing = client.close();
  await vi.advanceTimersByTimeAsync(5000);
  await closing;
}

describe("pace", () => {
  it.each<[number, string, Limits]>([
    [1000, "messages, told without a number", { messages: 20 }],
    [300, "messages, told with one", { messages: 20, details: true }],
    [300, "orders, told without a number", { orders: 20 }],
    [300, "orders, told with one", { orders: 20, details: true }],
    [300, "orders, below one of messages", { messages: 50, orders: 20 }],
    [200, "messages, of 10", { messages: 10 }],
    [1000, "messages, of 200", { messages: 200 }],
  ])(
    "pace - %d orders over a limit of %s: none is lost, and no flood",
    async (count, _, limits) => {
      const world = new LimitedServer(limits);
      const client = newClient(world.server, { requestTimeoutMs: 600_000 });
      const outcomes = place(client, count);
      const began = performance.now();
      const limit = Math.min(limits.messages ?? 1e6, limits.orders ?? 1e6);
      while (world.placed.length < count && performance.now() - began < 300_000)
        await vi.advanceTimersByTimeAsync(100);
      const tookMs = performance.now() - began;
      await vi.advanceTimersByTimeAsync(100);
      expect((await outcomes).filter(({ status }) => status === "rejected")).toEqual([]);
      expect(new Set(world.placed).size).toBe(count);
      expect(world.placed.length).toBe(count);
      expect(client.stats.reconnects).toBe(0);
      expect(client.state.status).toBe("open");
      // The first second's worth comes at once; what follows keeps near the limit.
      expect(tookMs).toBeLessThan(((count - limit) / limit) * 1000 * 1.4 + 3000);
      await close(client);
    },
  );

  it("pace - 15 orders at 20 a second while the exchange is away: none is lost", async () => {
    const world = new LimitedServer({ messages: 20 });
    world.unavailable = true;
    const client = newClient(world.server);
    const outcomes = place(client, 15);
    await vi.advanceTimersByTimeAsync(4000);
    expect(world.refusals).toBe(0);
    world.unavailable = false;
    await vi.advanceTimersByTimeAsync(4000);
    expect((await outcomes).map(({ status }) => status)).toEqual(Array(15).fill("fulfilled"));
    expect(new Set(world.placed).size).toBe(15);
    await close(client);
  });

  it("pace - an exchange that is away is probed, by whatever number of orders, with growing delays", async () => {
    const world = new LimitedServer({});
    world.unavailable = true;
    const client = newClient(world.server, { requestTimeoutMs: 30_000 });
    const outcomes = place(client, 1000);
    const sent = (): number => world.server.connection?.received.length ?? 0;
    await vi.advanceTimersByTimeAsync(1000);
    // The first eight at once, then one at a time.
    expect(sent()).toBeLessThan(20);
    const before = sent();
    await vi.advanceTimersByTimeAsync(20_000);
    expect(sent() - before).toBeLessThan(25);
    expect(sent() - before).toBeGreaterThan(8);
    world.unavailable = false;
    await vi.advanceTimersByTimeAsync(4000);
    expect((await outcomes).filter(({ status }) => status === "rejected")).toEqual([]);
    expect(new Set(world.placed).size).toBe(1000);
    await close(client);
  });

  it("pace - what stays refused ends with its timeout, and says whether it may have worked", async () => {
    const away = new LimitedServer({});
    away.unavailable = true;
    const client = newClient(away.server);
    const late = client.placeOrder(ORDER).catch((error: unknown) => error);
    await vi.advanceTimersByTimeAsync(10_001);
    expect(await late).toMatchObject({
      code: "REQUEST_TIMEOUT",
      sent: true,
      cause: { code: "UNAVAILABLE" },
    });
    await close(client);

    const server = new FakeServer((message) => refusal(message, "RATE_LIMITED"));
    const limited = newClient(server);
    const refused = limited.placeOrder(ORDER).catch((error: unknown) => error);
    await vi.advanceTimersByTimeAsync(10_001);
    expect(await refused).toMatchObject({
      code: "REQUEST_TIMEOUT",
      sent: false,
      cause: { code: "RATE_LIMITED" },
    });
    expect(server.connection?.received.length).toBeLessThan(12);
    await close(limited);
  });

  it("pace - RATE_LIMITED is waited for as long as it says", async () => {
    let refusals = 0;
    const at: number[] = [];
    const server = new FakeServer((message) => {
      at.push(performance.now());
      if (refusals++ === 0)
        return refusal(message, "RATE_LIMITED", { limit: 5, retry_after_ms: 3000 });
      return acceptance(message);
    });
    const client = newClient(server);
    const pinging = client.ping();
    await vi.advanceTimersByTimeAsync(3500);
    expect(await pinging).toBeGreaterThan(0);
    expect((at[1] as number) - (at[0] as number)).toBeGreaterThanOrEqual(3000);
    await close(client);
  });

  it("pace - orders that wait hold up no cancel and no ping", async () => {
    const world = new LimitedServer({ orders: 20 });
    const client = newClient(world.server, { requestTimeoutMs: 100_000 });
    const outcomes = place(client, 200);
    await vi.advanceTimersByTimeAsync(500);
    const cancelling = client.cancelOrder({ order_id: "1" }).catch((error: unknown) => error);
    const pinging = client.ping();
    await vi.advanceTimersByTimeAsync(10);
    expect(await cancelling).toMatchObject({ code: "TRADING_DISABLED" });
    expect(await pinging).toBeGreaterThan(0);
    await close(client);
    await outcomes;
  });

  it("pace - a cancel does not overtake its order, which waits to be asked again", async () => {
    const world = new LimitedServer({});
    world.unavailable = true;
    const client = newClient(world.server);
    const ordering = client.placeOrder({ ...ORDER, client_order_id: "mine" });
    const cancelling = client.cancelOrder({ client_order_id: "mine" }).catch(() => {});
    await vi.advanceTimersByTimeAsync(1000);
    world.unavailable = false;
    await vi.advanceTimersByTimeAsync(3000);
    await Promise.all([ordering, cancelling]);
    const types = world.server.connection?.received.map(({ type }) => type) ?? [];
    expect(types.at(-1)).toBe("CancelOrder");
    expect(new Set(types.slice(0, -1))).toEqual(new Set(["PlaceOrder"]));
    await close(client);
  });

  it("pace - a refusal without an id is that of the large request, which is asked again", async () => {
    let refusals = 0;
    const server = new FakeServer((message) => {
      if (message.type !== "Subscribe" || refusals++ > 1) return acceptance(message);
      const { data } = refusal(message, "RATE_LIMITED");
      return { type: "Error", data } as ServerMessage;
    });
    const client = newClient(server);
    const errors: unknown[] = [];
    client.on("error", (error) => errors.push(error));
    const market_ids = Array.from({ length: 1000 }, (_, index) => 100_000 + index);
    const subscribing = client.subscribe([{ type: "PriceFeed", params: { market_ids } }]);
    const pinging = client.ping();
    await vi.advanceTimersByTimeAsync(5000);
    await Promise.all([subscribing, pinging]);
    expect(client.subscriptions).toEqual([{ type: "PriceFeed", params: { market_ids } }]);
    expect(errors).toEqual([]);
    // One that no request on its way can be is told.
    server.connection?.tell({ type: "Error", data: { code: "RATE_LIMITED", message: "slower" } });
    expect(errors).toMatchObject([{ code: "RATE_LIMITED" }]);
    await close(client);
  });

  it("pace - a Ping that is one too many does not keep resubscribed from coming", async () => {
    let pings = 0;
    const server = new FakeServer((message) =>
      message.type === "Ping" && pings++ < 2
        ? refusal(message, "RATE_LIMITED")
        : acceptance(message),
    );
    const client = newClient(server);
    const told: unknown[] = [];
    client.on("resubscribed", (event) => told.push(event));
    const subscribing = client.subscribe([{ type: "Trades" }]);
    await vi.advanceTimersByTimeAsync(10);
    await subscribing;
    server.connection?.end(1012);
    await vi.advanceTimersByTimeAsync(5000);
    expect(told).toMatchObject([{ channels: [{ type: "Trades" }] }]);
    await close(client);
  });

  it("pace - is that of a burst at first, and forgotten after a rest", () => {
    const pace = new Pace();
    const readyAfter = (count: number, now: number): number => {
      for (let sent = 0; sent < count; sent++) pace.sent(now);
      for (let sent = 0; sent < count; sent++) pace.left();
      return Math.max(0, pace.readyAt - now);
    };
    expect(readyAfter(8, 0)).toBe(0);
    pace.limited(10, { limit: 10 });
    expect(pace.readyAt).toBeGreaterThanOrEqual(1010);
    // Ten a second, a little less: the fifth goes after four tenths of a second.
    expect(readyAfter(4, 1200)).toBeGreaterThan(300);
    expect(readyAfter(4, 20_000)).toBe(0);
  });
});
