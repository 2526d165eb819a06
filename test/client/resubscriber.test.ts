import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { CoreClient } from "../../src/client/core-client.js";
import type { ClientOptions } from "../../src/client/options.js";
import type { Channel } from "../../src/contract/messages.js";
import { acceptance, FakeServer } from "../support/fake-server.js";

const SLOW = 4001;

beforeEach(() => {
  vi.useFakeTimers({
    toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "performance", "Date"],
  });
});
afterEach(async () => {
  vi.useRealTimers();
});

function newClient(server: FakeServer, options: Partial<ClientOptions> = {}): CoreClient {
  const quiet = { url: "ws://x", pingIntervalMs: 0, silenceTimeoutMs: 0 };
  return new CoreClient({ ...quiet, ...options }, server.platform);
}

async function close(client: CoreClient): Promise<void> {
  const closing = client.close();
  await vi.advanceTimersByTimeAsync(5000);
  await closing;
}

const market = (market_id: number): Channel => ({ type: "Market", params: { market_id } });
const isMarket = (channel: Channel, id: number): boolean =>
  channel.type === "Market" && channel.params.market_id === id;
const ids = (channels: readonly Channel[]): unknown[] =>
  channels.map((channel) => (channel.type === "Market" ? channel.params.market_id : channel.type));

/** Subscribes in requests of 100 and waits for the answers. */
async function subscribe(client: CoreClient, channels: readonly Channel[]): Promise<void> {
  const parts = Array.from({ length: Math.ceil(channels.length / 100) }, (_, part) =>
    client.subscribe(channels.slice(part * 100, (part + 1) * 100)),
  );
  await vi.advanceTimersByTimeAsync(100);
  await Promise.all(parts);
}

describe("resubscriber", () => {
  it("resubscriber - a channel that a connection cannot bear is told once, and no other is lost", async () => {
    let deadly = false;
    const server = new FakeServer((message, connection) => {
      const { type, data } = message;
      if (deadly && type === "Subscribe" && data.channels.some((one) => isMarket(one, 113)))
        setTimeout(() => connection.end(SLOW), 5);
      return acceptance(message);
    });
    const client = newClient(server);
    const lost: (readonly Channel[])[] = [];
    client.on("subscriptionLost", ({ channels, cause }) => {
      lost.push(channels);
      expect(cause).toMatchObject({ code: "DISCONNECTED", closeCode: SLOW });
    });
    const all = Array.from({ length: 300 }, (_, index) => market(index));
    await subscribe(client, all);
    deadly = true;
    server.connection?.end(1012);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(lost.map(ids)).toEqual([[113]]);
    expect(client.subscriptions.length).toBe(299);
    const { length } = server.connections;
    expect(length).toBeLessThanOrEqual(9);
    await vi.advanceTimersByTimeAsync(600_000);
    expect(server.connections.length).toBe(length);
    expect(client.state.status).toBe("open");
    await close(client);
  });

  it("resubscriber - what flows too fast, all of it, is given up after a few tries with growing delays", async () => {
    const server = new FakeServer((message, connection) => {
      if (message.type === "Subscribe") setTimeout(() => connection.end(SLOW), 700);
      return acceptance(message);
    });
    const client = newClient(server);
    const lost: (readonly Channel[])[] = [];
    client.on("subscriptionLost", ({ channels }) => lost.push(channels));
    const attempts: number[] = [];
    client.on("state", (state) => state.status === "reconnecting" && attempts.push(state.attempt));
    await subscribe(client, [market(1), { type: "Trades" }]);
    await vi.advanceTimersByTimeAsync(600_000);
    expect(lost.map(ids)).toEqual([[1, "Trades"]]);
    expect(attempts).toEqual([1, 2, 3, 4, 5, 6]);
    expect(client.state.status).toBe("open");
    expect(client.subscriptions).toEqual([]);
    // It may be asked for again; that is the program's to decide.
    await subscribe(client, [market(1)]);
    expect(client.subscriptions).toEqual([market(1)]);
    await close(client);
  });

  it("resubscriber - a connection that bears it for a while is none of a row", async () => {
    const server = new FakeServer((message, connection) => {
      if (message.type === "Subscribe") setTimeout(() => connection.end(SLOW), 8000);
      return acceptance(message);
    });
    const client = newClient(server);
    const lost: unknown[] = [];
    client.on("subscriptionLost", (loss) => lost.push(loss));
    await subscribe(client, [market(1)]);
    await vi.advanceTimersByTimeAsync(200_000);
    expect(lost).toEqual([]);
    expect(client.subscriptions).toEqual([market(1)]);
    await close(client);
  });

  it("resubscriber - other closes are none of slowness, and are tried for ever", async () => {
    const server = new FakeServer((message, connection) => {
      if (message.type === "Subscribe") setTimeout(() => connection.end(1011), 5);
      return acceptance(message);
    });
    const client = newClient(server, { maxReconnectIntervalMs: 30_000 });
    const lost: unknown[] = [];
    client.on("subscriptionLost", (loss) => lost.push(loss));
    await subscribe(client, [market(1)]);
    await vi.advanceTimersByTimeAsync(600_000);
    expect(lost).toEqual([]);
    expect(server.connections.length).toBeGreaterThan(20);
    // Half a minute at most, and a quarter on average.
    expect(server.connections.length).toBeLessThan(100);
    await close(client);
  });

  it("resubscriber - a subscribe that never is answered before the close rejects, once, and no other is blamed", async () => {
    const server = new FakeServer((message, connection) => {
      const { type, data } = message;
      if (type !== "Subscribe" || !data.channels.some((one) => isMarket(one, 2)))
        return acceptance(message);
      connection.end(SLOW);
      return undefined;
    });
    const client = newClient(server);
    const lost: unknown[] = [];
    client.on("subscriptionLost", (loss) => lost.push(loss));
    await subscribe(client, [market(1)]);
    const subscribing = client
      .subscribe([market(2)], { timeoutMs: Number.POSITIVE_INFINITY })
      .catch((error: unknown) => error);
    await vi.advanceTimersByTimeAsync(300_000);
    expect(await subscribing).toMatchObject({ code: "DISCONNECTED", closeCode: SLOW });
    expect(server.connections.length).toBe(7);
    expect(lost).toEqual([]);
    expect(client.subscriptions).toEqual([market(1)]);
    await close(client);
  });

  it("resubscriber - a private channel that a new token ends is asked for again, and told as lost", async () => {
    const orders: Channel = { type: "Orders", params: { wallet: "w" } };
    let allowed = true;
    const server = new FakeServer((message) => {
      const { id, type } = message;
      if (type !== "Subscribe" || allowed) return acceptance(message);
      return { id: id as number, type: "Error", data: { code: "FORBIDDEN", message: "not yours" } };
    });
    const client = newClient(server);
    const lost: unknown[] = [];
    const errors: unknown[] = [];
    client.on("subscriptionLost", ({ channels }) => lost.push(channels));
    client.on("error", (error) => errors.push(error));
    await subscribe(client, [market(1), orders]);
    allowed = false;
    const data = { code: "FORBIDDEN", message: "the subscription has ended" } as const;
    server.connection?.tell({ type: "Error", data });
    await vi.advanceTimersByTimeAsync(1000);
    expect(lost).toEqual([[orders]]);
    expect(errors.length).toBe(1);
    expect(client.subscriptions).toEqual([market(1)]);
    await close(client);
  });
});
