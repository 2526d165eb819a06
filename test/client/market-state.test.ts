import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { CoreClient } from "../../src/client/core-client.js";
import type { Channel, Market, ServerMessage } from "../../src/contract/messages.js";
import { acceptance, type FakeConnection, FakeServer } from "../support/fake-server.js";

const market = (market_id: number, more: Partial<Market> = {}): Market => ({
  market_id,
  title: `Market ${market_id}`,
  status: "Active",
  price: 1,
  best_bid: 1,
  best_ask: 2,
  volume: 0,
  tick_size: 1,
  lot_size: 1,
  seq: 1,
  ts: 1,
  ...more,
});
const snapshot = (ids: readonly number[], more?: true): ServerMessage => ({
  type: "MarketSnapshot",
  data: { markets: ids.map((id) => market(id)), ...(more && { more }) },
});
const price = (market_id: number, ts = 5): ServerMessage => ({
  type: "PriceUpdate",
  data: { market_id, price: 7, best_bid: 7, best_ask: 8, seq: 1, ts },
});
const book = (market_id: number): ServerMessage => ({
  type: "OrderBook",
  data: { market_id, bids: [], asks: [], seq: 1, ts: 1 },
});

const ALL: Channel = { type: "Markets" };
const ACTIVE: Channel = { type: "Markets", params: { filter: { status: "Active" } } };
const one = (market_id: number): Channel => ({ type: "Market", params: { market_id } });
const feed = (...market_ids: number[]): Channel => ({ type: "PriceFeed", params: { market_ids } });

let server: FakeServer;
let client: CoreClient;
/** What is sent behind each `Subscribed`. */
let firstData: ServerMessage[];
/** What is sent before the answers to the next pings, one entry for each. */
let beforePongs: ServerMessage[][];
beforeEach(async () => {
  vi.useFakeTimers({
    toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "performance", "Date"],
  });
  firstData = [];
  beforePongs = [];
  server = new FakeServer((message, connection) => {
    if (message.type === "Subscribe") {
      const data = firstData;
      // Behind the answer, which is sent when this returns.
      queueMicrotask(() => setTimeout(() => tellAll(connection, data), 1));
    }
    if (message.type === "Ping") tellAll(connection, beforePongs.shift() ?? []);
    return acceptance(message);
  });
  const quiet = { pingIntervalMs: 0, silenceTimeoutMs: 0, reconnectIntervalMs: 5 };
  client = new CoreClient({ url: "ws://x", ...quiet }, server.platform);
  await pass();
});
afterEach(async () => {
  const closing = client.close();
  await pass();
  await closing;
  vi.useRealTimers();
});

const pass = async (): Promise<void> => void (await vi.advanceTimersByTimeAsync(50));
const tellAll = (
  connection: FakeConnection | undefined,
  messages: readonly ServerMessage[],
): void => {
  for (const message of messages) connection?.tell(message);
};
const listed = (): unknown[] => [...client.markets].map(({ market_id }) => market_id).sort();

async function subscribe(...channels: Channel[]): Promise<void> {
  const subscribing = client.subscribe(channels);
  await pass();
  await subscribing;
}

async function reconnect(): Promise<void> {
  server.connection?.end(1012);
  await pass();
}

describe("market-state", () => {
  it("market-state - a market that no longer matches goes with a reconnect, whatever its prices say", async () => {
    firstData = [snapshot([1, 2]), price(1), price(2)];
    await subscribe(ACTIVE, feed(1, 2));
    expect(listed()).toEqual([1, 2]);
    firstData = [price(1), price(2, 9), snapshot([1]), price(2, 10)];
    await reconnect();
    expect(listed()).toEqual([1]);
    tellAll(server.connection, [price(2, 11)]);
    expect(listed()).toEqual([1]);
  });

  it("market-state - so it does at a new epoch", async () => {
    firstData = [snapshot([1, 2])];
    await subscribe(ACTIVE, feed(1, 2));
    const epoch: ServerMessage = { type: "EpochChanged", data: { epoch: "f" } };
    tellAll(server.connection, [epoch, snapshot([1]), price(2, 20)]);
    await pass();
    expect(listed()).toEqual([1]);
  });

  it("market-state - what a snapshot in parts lacks is dropped after its last part, not before", async () => {
    firstData = [snapshot([1, 2, 3])];
    await subscribe(ALL);
    const gone: unknown[] = [];
    client.markets.onChange(({ marketId, value }) => value === undefined && gone.push(marketId));
    firstData = [snapshot([1], true)];
    await reconnect();
    // The answer to the Ping behind it is there already.
    expect(listed()).toEqual([1, 2, 3]);
    tellAll(server.connection, [snapshot([4], true)]);
    expect(listed()).toEqual([1, 2, 3, 4]);
    tellAll(server.connection, [snapshot([2])]);
    expect(listed()).toEqual([1, 2, 4]);
    expect(gone).toEqual([3]);
  });

  it("market-state - a snapshot that a reconnect cuts short drops nothing", async () => {
    firstData = [snapshot([1, 2, 3])];
    await subscribe(ALL);
    firstData = [snapshot([1], true)];
    await reconnect();
    firstData = [snapshot([3], true), snapshot([2])];
    await reconnect();
    expect(listed()).toEqual([2, 3]);
  });

  it("market-state - a null for more is none", async () => {
    firstData = [snapshot([1, 2])];
    await subscribe(ALL);
    const data = { markets: [market(1)], more: null as never };
    firstData = [{ type: "MarketSnapshot", data }];
    await reconnect();
    expect(listed()).toEqual([1]);
  });

  it("market-state - an epoch that changes amid a resubscription drops nothing early", async () => {
    firstData = [snapshot([1, 2])];
    await subscribe(ALL);
    const gone: unknown[] = [];
    client.markets.onChange(({ marketId, value }) => value === undefined && gone.push(marketId));
    // The first answer is that of the resubscription, and says nothing of what follows the epoch.
    const epoch: ServerMessage = { type: "EpochChanged", data: { epoch: "f" } };
    firstData = [];
    beforePongs = [[snapshot([1, 2]), epoch], [snapshot([1, 2])]];
    await reconnect();
    expect(beforePongs).toEqual([]);
    expect(gone).toEqual([]);
    expect(listed()).toEqual([1, 2]);
  });

  it("market-state - data on their way do not bring back what was unsubscribed", async () => {
    firstData = [snapshot([1]), book(1)];
    await subscribe(one(1));
    expect(client.books.size).toBe(1);
    const ending = client.unsubscribe([one(1)]);
    tellAll(server.connection, [snapshot([1]), book(1)]);
    expect([client.markets.size, client.books.size]).toEqual([0, 0]);
    await pass();
    await ending;
    expect([client.markets.size, client.books.size]).toEqual([0, 0]);
  });

  it("market-state - of overlapping filters, data on their way stay no longer than the answer", async () => {
    firstData = [snapshot([1])];
    await subscribe({ type: "Markets", params: { filter: { search: "market 1" } } });
    firstData = [snapshot([1, 2])];
    await subscribe(ALL);
    const ending = client.unsubscribe([ALL]);
    tellAll(server.connection, [snapshot([2])]);
    await pass();
    await ending;
    expect(listed()).toEqual([1]);
  });

  it("market-state - a connection that is lost with an Unsubscribe on its way leaves nothing stale", async () => {
    firstData = [snapshot([1, 2])];
    await subscribe(one(1), ALL);
    const ending = client.unsubscribe([one(1), ALL]);
    server.connection?.end(1012);
    await pass();
    await ending;
    expect(listed()).toEqual([]);
  });

  it("market-state - Unmatched takes a market away, but for one of a Market channel", async () => {
    firstData = [snapshot([1, 2])];
    await subscribe(ACTIVE, one(1), feed(1, 2));
    for (const id of [1, 2]) {
      const halted = market(id, { status: "Halted" });
      const data = { update_type: "Unmatched", market: halted } as const;
      server.connection?.tell({ type: "MarketUpdate", data });
    }
    tellAll(server.connection, [price(1, 30), price(2, 30)]);
    expect(listed()).toEqual([1]);
    const ending = client.unsubscribe([one(1)]);
    await pass();
    await ending;
    expect(listed()).toEqual([]);
  });

  it("market-state - a type of message that a newer server has changes nothing, and is passed on", async () => {
    firstData = [snapshot([1]), book(1)];
    await subscribe(one(1));
    const heard: unknown[] = [];
    client.on("message", (message) => heard.push(message));
    client.on("error", (error) => heard.push(error));
    const unknown = { type: "Candle", data: { market_id: 1, close: 3, seq: 9, ts: 9 } };
    tellAll(server.connection, [unknown as unknown as ServerMessage]);
    await pass();
    expect(heard).toEqual([unknown]);
    expect(client.markets.get(1)).toEqual(market(1));
    expect(client.state.status).toBe("open");
  });
});
