import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ServerProcess, startServerProcess, testToken } from "../support/server-process.js";
import { TestClient } from "../support/test-client.js";
import { until } from "../support/until.js";

const SUBSCRIPTIONS_MAX = 5;
const FILTERS_MAX = 2;
const DISTINCT_FILTERS_MAX = 4;
const MESSAGES_PER_SECOND_MAX = 50;

let server: ServerProcess;

beforeAll(async () => {
  server = await startServerProcess({
    shards: 1,
    "status-interval": 100,
    "max-subscriptions": SUBSCRIPTIONS_MAX,
    "max-filters": FILTERS_MAX,
    "max-distinct-filters": DISTINCT_FILTERS_MAX,
    "max-messages-per-second": MESSAGES_PER_SECOND_MAX,
  });
});
afterAll(() => server.dispose());

const priceFeed = (...market_ids: number[]) => ({ type: "PriceFeed", params: { market_ids } });
const trades = (market_id: number) => ({ type: "Trades", params: { market_id } });
const matching = (search: string) => ({ type: "Markets", params: { filter: { search } } });
const unsubscribe = (client: TestClient, ...channels: unknown[]) =>
  client.request({ type: "Unsubscribe", data: { channels } });

/** `Subscribed`, or the code of the error. */
async function outcome(client: TestClient, ...channels: unknown[]): Promise<string> {
  const reply = await client.subscribe(...channels);
  return reply.type === "Error" ? reply.data.code : reply.type;
}

const subscriptions = (channel: string) =>
  server.metric(`marketcast_subscriptions{channel="${channel}"}`);

describe("subscriptions", () => {
  it("limits - one address that takes all the filters it can leaves room for others", async () => {
    const greedy = await Promise.all(
      Array.from({ length: 4 }, () => TestClient.connect(server.port)),
    );
    const outcomes = [];
    for (const [number, client] of greedy.entries())
      outcomes.push(await outcome(client, matching(`x${number}`)));
    expect(outcomes).toEqual([
      "Subscribed",
      "Subscribed",
      "TOO_MANY_SUBSCRIPTIONS",
      "TOO_MANY_SUBSCRIPTIONS",
    ]);
    expect(await server.metric('marketcast_distinct_filters{shard="0"}')).toBe(2);
    const elsewhere = await TestClient.connect(server.port, { localAddress: "127.0.0.2" });
    expect(await outcome(elsewhere, matching("y"))).toBe("Subscribed");
    // Every market, and what is in use, is free to all.
    const [, , late] = greedy as [TestClient, TestClient, TestClient];
    expect(await outcome(late, { type: "Markets" })).toBe("Subscribed");
    expect(await outcome(late, matching("y"))).toBe("Subscribed");
    await Promise.all([...greedy, elsewhere].map((client) => client.close()));
    await until(
      "the filters are gone",
      async () => (await server.metric('marketcast_distinct_filters{shard="0"}')) === 0,
    );
  });

  it("limits - each market of a PriceFeed counts, and too many change nothing", async () => {
    const client = await TestClient.connect(server.port);
    const six = [1001, 1002, 1003, 1004, 1005, 1006];
    expect(await outcome(client, priceFeed(...six))).toBe("TOO_MANY_SUBSCRIPTIONS");
    expect(await subscriptions("PriceFeed")).toBe(0);
    expect(await outcome(client, priceFeed(1001, 1002, 1003), trades(1001))).toBe("Subscribed");
    expect(await outcome(client, trades(1002), trades(1003))).toBe("TOO_MANY_SUBSCRIPTIONS");
    expect(await subscriptions("Trades")).toBe(1);
    expect(await outcome(client, { type: "SystemStatus" })).toBe("Subscribed");
    expect(await outcome(client, priceFeed(1001, 1002), trades(1001))).toBe("Subscribed");
    expect(await outcome(client, trades(1002))).toBe("TOO_MANY_SUBSCRIPTIONS");
    await unsubscribe(client, priceFeed(1003));
    expect(await outcome(client, trades(1002))).toBe("Subscribed");
    await unsubscribe(client, priceFeed(1001, 1002), trades(1001), trades(1002));
    await client.close();
  });

  it("limits - a connection has so many filters, an address or a user its share of the different ones", async () => {
    const [one, two] = [
      await TestClient.connect(server.port),
      await TestClient.connect(server.port, {
        encoding: "msgpack",
        query: `?token=${testToken()}`,
      }),
    ];
    const three = [matching("a"), matching("b"), matching("c")];
    expect(await outcome(one, ...three)).toBe("TOO_MANY_SUBSCRIPTIONS");
    expect(await outcome(one, matching("a"), matching("b"), matching("A"))).toBe("Subscribed");
    expect(await outcome(one, matching("c"))).toBe("TOO_MANY_SUBSCRIPTIONS");
    expect(await outcome(two, matching("c"), matching("d"))).toBe("TOO_MANY_SUBSCRIPTIONS");
    expect(await outcome(two, matching("c"))).toBe("Subscribed");
    // It has as many as are left for others.
    expect(await outcome(two, matching("d"))).toBe("TOO_MANY_SUBSCRIPTIONS");
    expect(await outcome(two, matching("a"))).toBe("Subscribed");
    await unsubscribe(two, matching("a"));
    await unsubscribe(one, matching("a"));
    expect(await outcome(two, matching("d"))).toBe("Subscribed");
    await Promise.all([one.close(), two.close()]);
  });
});

describe("messages per second", () => {
  const flood = (client: TestClient, messages: number): void => {
    for (let id = 1; id <= messages; id++)
      client.send({ type: "Ping", data: { timestamp: 1 }, id });
  };

  it("limits - a flood gets RATE_LIMITED, then 4501", async () => {
    const client = await TestClient.connect(server.port);
    await client.take("Connected");
    flood(client, 4 * MESSAGES_PER_SECOND_MAX);
    expect((await client.closed).code).toBe(4501);
    const replies = client.inbox.map((message) =>
      message.type === "Error" ? message.data.code : message.type,
    );
    const count = (of: string): number => replies.filter((one) => one === of).length;
    expect(replies.slice(0, MESSAGES_PER_SECOND_MAX)).toEqual(
      Array.from({ length: MESSAGES_PER_SECOND_MAX }, () => "Pong"),
    );
    expect(count("RATE_LIMITED")).toBeGreaterThanOrEqual(MESSAGES_PER_SECOND_MAX);
    expect(count("Pong") + count("RATE_LIMITED")).toBe(replies.length);
    expect(replies.length).toBeLessThan(4 * MESSAGES_PER_SECOND_MAX);
    expect(client.inbox.map(({ id }) => id)).toEqual(replies.map((_, index) => index + 1));
    // The client may know of the end before the server does, which still has to read its answer.
    const closed = 'marketcast_connections_closed_total{code="4501"}';
    await until("the end is counted", async () => (await server.metric(closed)) === 1);
  });

  it("limits - a client that stops in time is served again, others notice nothing", async () => {
    const client = await TestClient.connect(server.port);
    const other = await TestClient.connect(server.port);
    await client.subscribe({ type: "SystemStatus" });
    flood(client, 1.2 * MESSAGES_PER_SECOND_MAX);
    await client.take("Error", ({ data }) => data.code === "RATE_LIMITED");
    expect((await other.request({ type: "Ping", data: { timestamp: 1 } })).type).toBe("Pong");
    // At 50 a second, ten messages too many are forgiven after 200 ms.
    for (let interval = 0; interval < 5; interval++) await client.take("SystemStatus");
    expect((await client.request({ type: "Ping", data: { timestamp: 1 } })).type).toBe("Pong");
    await Promise.all([client.close(), other.close()]);
  });
});
