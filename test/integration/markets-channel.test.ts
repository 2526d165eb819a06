import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ServerMessage } from "../../src/contract/messages.js";
import {
  deliveries,
  type FeedLine,
  feedListings,
  listing,
  quote,
  SENTINEL,
  SENTINEL_LISTING,
  status,
  trade,
} from "../support/feed-lines.js";
import { type ServerProcess, startServerProcess } from "../support/server-process.js";
import { TestClient } from "../support/test-client.js";

const MARKET_INTERVAL_MS = 60;

let server: ServerProcess;

beforeAll(async () => {
  server = await startServerProcess(
    { shards: 1, feed: "stdin", "market-interval": MARKET_INTERVAL_MS },
    { stdin: "pipe" },
  );
});
afterAll(() => server.dispose());

const markets = (filter?: unknown) =>
  filter === undefined ? { type: "Markets" } : { type: "Markets", params: { filter } };
/** A filter that brings the mark of `deliveries`, and nothing else that tests move. */
const SENTINEL_FILTER = markets({ search: "sentinel" });

/** What was told of markets: update type, id and seq, in order. */
const told = (messages: readonly ServerMessage[]): unknown[] =>
  messages.map((message) => {
    if (message.type !== "MarketUpdate") throw new Error(`a ${message.type}`);
    const { update_type, market } = message.data;
    return [update_type, market.market_id, market.seq];
  });

/** A client with `Markets` channels of its own and that of the marks, its snapshots taken. */
async function subscribed(...channels: readonly unknown[]): Promise<TestClient> {
  const client = await TestClient.connect(server.port);
  const { type } = await client.subscribe(...channels, SENTINEL_FILTER);
  expect(type).toBe("Subscribed");
  await client.take("MarketSnapshot", ({ data }) => data.markets[0]?.market_id === SENTINEL);
  return client;
}

const delivered = (client: TestClient, ...lines: readonly FeedLine[]) =>
  deliveries(server, client, "MarketUpdate", ...lines);

describe("Markets before and after the first listing", () => {
  it("markets channel - has an empty snapshot first, then Created for each listing", async () => {
    const client = await TestClient.connect(server.port);
    await client.subscribe(markets());
    expect(await client.next()).toEqual({ type: "MarketSnapshot", data: { markets: [] } });
    server.feed(SENTINEL_LISTING);
    const created = await client.take("MarketUpdate");
    expect(created.data).toEqual({
      update_type: "Created",
      market: {
        market_id: SENTINEL,
        title: "Sentinel",
        status: "Active",
        price: null,
        best_bid: null,
        best_ask: null,
        volume: 0,
        tick_size: 0.01,
        lot_size: 1,
        seq: 1,
        ts: expect.any(Number),
      },
    });
    const lines = [
      listing(500, "Moved at once", "Halted"),
      quote(500, 1, 2),
      trade(500, 2, 3),
      status(500, "Active"),
    ];
    const [later, ...more] = await delivered(client, ...lines);
    expect(more).toEqual([]);
    expect(later?.data).toMatchObject({
      update_type: "Created",
      market: { market_id: 500, status: "Active", price: 2, best_bid: 1, volume: 3 },
    });
    await client.close();
  });

  it("markets channel - tells Created only where the new market matches", async () => {
    const client = await subscribed(markets({ search: "wanted", status: "Active" }));
    const lines = [
      listing(510, "Wanted"),
      listing(511, "Ignored"),
      listing(512, "Wanted", "Halted"),
      status(511, "Closed"),
    ];
    expect(told(await delivered(client, ...lines))).toEqual([["Created", 510, 1]]);
    await client.close();
  });
});

describe("filters", () => {
  beforeAll(async () => {
    await feedListings(
      server,
      [1, 2, 3, 4],
      listing(1, "Acme Anvils"),
      listing(2, "Zenith Zippers", "Halted"),
      trade(2, 1, 10),
      listing(3, "acme Zinc"),
      trade(3, 1, 25),
      listing(4, "ÄRGER & Äpfel GmbH", "Closed"),
      trade(4, 1, 100),
    );
  });

  it.each([
    [undefined, [1, 2, 3, 4]],
    [null, [1, 2, 3, 4]],
    [{}, [1, 2, 3, 4]],
    [{ status: "Active" }, [1, 3]],
    [{ status: ["Halted", "Closed"] }, [2, 4]],
    [{ min_volume: 10 }, [2, 3, 4]],
    [{ min_volume: 10.5 }, [3, 4]],
    [{ max_volume: 25 }, [1, 2, 3]],
    [{ max_volume: 0 }, [1]],
    [{ min_volume: 10, max_volume: 25 }, [2, 3]],
    [{ min_volume: 26, max_volume: 25 }, []],
    [{ search: "ACME" }, [1, 3]],
    [{ search: "zi" }, [2, 3]],
    [{ search: "ärger & ä" }, [4]],
    [{ search: "" }, [1, 2, 3, 4]],
    [{ search: "no such title" }, []],
    [{ search: "zi", status: "Active" }, [3]],
    [{ search: "acme", status: ["Active", "Halted"], min_volume: 1, max_volume: 30 }, [3]],
    [{ search: "acme", status: "Closed" }, []],
  ] as const)("markets channel - the filter %j matches %j", async (filter, ids) => {
    const client = await TestClient.connect(server.port, { encoding: "msgpack" });
    await client.subscribe(markets(filter));
    const snapshot = (await client.take("MarketSnapshot")).data.markets;
    const others = [SENTINEL, 500, 510, 511, 512];
    const matching = snapshot.map(({ market_id }) => market_id as number);
    expect(matching.filter((id) => !others.includes(id)).sort((a, b) => a - b)).toEqual(ids);
    await client.close();
  });

  it("markets channel - two spellings of a filter are the same channel", async () => {
    const client = await TestClient.connect(server.port);
    const canonical = {
      type: "Markets",
      params: { filter: { status: ["Active", "Closed"], min_volume: 2, search: "acme" } },
    };
    const spelled = markets({
      search: "AcMe",
      min_volume: 2,
      status: ["Closed", "Active", "Closed"],
      unknown: 1,
    });
    const reply = await client.subscribe(spelled, canonical);
    expect(reply.data).toEqual({ channels: [canonical] });
    expect(JSON.stringify(reply.data)).toBe(JSON.stringify({ channels: [canonical] }));
    for (const everything of [{ type: "Markets" }, markets(null), markets({}), markets()]) {
      const { data } = await client.subscribe(everything, { type: "Markets", params: null });
      expect(data).toEqual({ channels: [{ type: "Markets", params: null }] });
    }
    await client.close();
  });
});

describe("MarketUpdate", () => {
  it("markets channel - has the first type that applies to all that changed", async () => {
    const ids = [21, 22, 23, 24, 25];
    await feedListings(
      server,
      ids,
      ...ids.flatMap((id) => [listing(id, `Precedence ${id}`), trade(id, 5, 1), quote(id, 5, 6)]),
    );
    const client = await subscribed(markets({ search: "precedence" }));
    const messages = await delivered(
      client,
      ...[trade(21, 6, 1), quote(21, 5, 7), status(21, "Halted")],
      ...[status(22, "Halted"), status(22, "Active")],
      ...[trade(23, 6, 1), quote(23, 5, 6)],
      ...[quote(24, 4, 6)],
      ...[trade(25, 5, 2), quote(25, 5, 6)],
    );
    expect(told(messages)).toEqual([
      ["Status", 21, 4],
      ["Status", 22, 4],
      ["Price", 23, 3],
      ["Price", 24, 3],
      ["Volume", 25, 3],
    ]);
    await client.close();
  });

  it("markets channel - is one per market and interval, with the latest state", async () => {
    await feedListings(server, [30, 31], listing(30, "Cadence"), listing(31, "Other"));
    const client = await subscribed(markets({ search: "cadence" }));
    const lines = Array.from({ length: 20 }, (_, step) => quote(30, 1 + step, 2 + step));
    const messages = await delivered(client, ...lines, quote(31, 1, 2));
    expect(told(messages)).toEqual([["Price", 30, 21]]);
    expect(messages[0]?.data).toMatchObject({ market: { best_bid: 20, best_ask: 21 } });
    await client.close();
  });

  it("markets channel - comes once an interval while Market is told each change", async () => {
    await feedListings(server, [32], listing(32, "Busy"));
    const slow = await subscribed(markets({ search: "busy" }));
    const fast = await TestClient.connect(server.port, { encoding: "msgpack" });
    await fast.subscribe({ type: "Market", params: { market_id: 32 } });
    const startedAt = performance.now();
    const changes = 150;
    for (let seq = 2; seq < changes; seq++) {
      server.feed(quote(32, seq, seq + 1));
      expect((await fast.take("MarketUpdate")).data.market.seq).toBe(seq);
    }
    const updates = await slow.takeUntil(
      ({ type, data }) => type === "MarketUpdate" && data.market.seq === changes - 1,
    );
    const intervals = (performance.now() - startedAt) / MARKET_INTERVAL_MS;
    expect(updates.length).toBeLessThanOrEqual(intervals + 2);
    await Promise.all([slow.close(), fast.close()]);
  });

  it("markets channel - a snapshot in the middle of an interval is not told again", async () => {
    await feedListings(server, [33], listing(33, "Middle"));
    const first = await TestClient.connect(server.port);
    await first.subscribe({ type: "PriceFeed", params: { market_ids: [33] } });
    server.feed(quote(33, 1, 2));
    await first.take("PriceUpdate");
    // Whether or not the interval has ended meanwhile, the snapshot has the change.
    const second = await TestClient.connect(server.port);
    await second.subscribe(markets({ search: "middle" }), SENTINEL_FILTER);
    const { data } = await second.take("MarketSnapshot");
    expect(data.markets).toMatchObject([{ market_id: 33, seq: 2, best_bid: 1 }]);
    await second.take("MarketSnapshot");
    expect(told(await delivered(second))).toEqual([]);
    expect(told(await delivered(second, quote(33, 2, 3)))).toEqual([["Price", 33, 3]]);
    await Promise.all([first.close(), second.close()]);
  });
});

describe("other subscriptions in the middle of an interval", () => {
  it.each(["Subscribe", "Unsubscribe"])(
    "markets channel - %s loses nothing of what the interval has gathered",
    async (type) => {
      const id = type === "Subscribe" ? 34 : 35;
      const prices = { type: "PriceFeed", params: { market_ids: [id] } };
      await feedListings(server, [id], listing(id, `Gathered ${id}`));
      const client = await subscribed(markets({ search: `gathered ${id}` }), prices);
      server.feed(quote(id, 1, 2));
      const before = await client.takeUntil((message) => message.type === "PriceUpdate");
      client.send({ type, data: { channels: [prices, { type: "Trades" }] } });
      const messages = [...before, ...(await delivered(client))];
      const updates = messages.filter((message) => message.type === "MarketUpdate");
      expect(told(updates)).toEqual([["Price", id, 2]]);
      await client.close();
    },
  );
});

describe("coming into a filter and leaving it", () => {
  it("markets channel - Unmatched is the last one, until the market matches again", async () => {
    await feedListings(
      server,
      [41, 42],
      listing(41, "Leaver"),
      listing(42, "Leaver, halted", "Halted"),
    );
    const client = await subscribed(markets({ search: "leaver", status: "Active" }));
    const left = await delivered(client, status(41, "Closed"), quote(42, 1, 2));
    expect(told(left)).toEqual([["Unmatched", 41, 2]]);
    expect(left[0]?.data).toMatchObject({ market: { status: "Closed" } });
    expect(told(await delivered(client, quote(41, 1, 2)))).toEqual([]);
    const back = await delivered(client, status(41, "Active"), status(42, "Active"));
    expect(told(back)).toEqual([
      ["Status", 41, 4],
      ["Status", 42, 3],
    ]);
    // Out and in again within an interval is a change like others.
    const flicker = await delivered(client, status(41, "Halted"), status(41, "Active"));
    expect(told(flicker)).toEqual([["Status", 41, 6]]);
    await client.close();
  });

  it("markets channel - volumes bring markets in and out", async () => {
    await feedListings(server, [43], listing(43, "Volumes"), trade(43, 1, 1), quote(43, 1, 2));
    const client = await subscribed(markets({ search: "volumes", min_volume: 3, max_volume: 5 }));
    const traded = (quantity: number) =>
      delivered(client, trade(43, 1, quantity), quote(43, 1, 2)).then(told);
    expect(await traded(1)).toEqual([]);
    expect(await traded(1)).toEqual([["Volume", 43, 4]]);
    expect(await traded(2)).toEqual([["Volume", 43, 5]]);
    expect(await traded(1)).toEqual([["Unmatched", 43, 6]]);
    expect(await traded(1)).toEqual([]);
    await client.close();
  });

  it("markets channel - what one of several filters matches is told once and stays", async () => {
    await feedListings(server, [44], listing(44, "Several"));
    const byTitle = markets({ search: "several" });
    const active = markets({ search: "several", status: "Active" });
    const client = await subscribed(byTitle, active);
    expect(told(await delivered(client, quote(44, 1, 2)))).toEqual([["Price", 44, 2]]);
    expect(told(await delivered(client, status(44, "Halted")))).toEqual([["Status", 44, 3]]);
    expect(told(await delivered(client, status(44, "Active")))).toEqual([["Status", 44, 4]]);
    await client.request({ type: "Unsubscribe", data: { channels: [byTitle] } });
    expect(told(await delivered(client, status(44, "Closed")))).toEqual([["Unmatched", 44, 5]]);
    await client.request({ type: "Unsubscribe", data: { channels: [active] } });
    expect(told(await delivered(client, status(44, "Active")))).toEqual([]);
    await client.close();
  });

  it("markets channel - Market is faster: it tells each change, and Markets none of them", async () => {
    await feedListings(server, [45, 46], listing(45, "Overlap one"), listing(46, "Overlap two"));
    const client = await subscribed(markets({ search: "overlap" }));
    const market = { type: "Market", params: { market_id: 45 } };
    await client.subscribe(market);
    await client.take("OrderBook");
    const lines = [quote(45, 1, 2), quote(46, 1, 2), quote(45, 2, 3)];
    expect(told(await delivered(client, ...lines))).toEqual([
      ["Price", 45, 2],
      ["Price", 45, 3],
      ["Price", 46, 2],
    ]);
    await client.request({ type: "Unsubscribe", data: { channels: [market] } });
    const later = [quote(45, 3, 4), quote(45, 4, 5)];
    expect(told(await delivered(client, ...later))).toEqual([["Price", 45, 5]]);
    await client.close();
  });
});
