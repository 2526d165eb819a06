import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  book,
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

const BOOK_INTERVAL_MS = 150;
const STATUS_INTERVAL_MS = 100;

let server: ServerProcess;
let client: TestClient;
let lastMarket = 0;

beforeAll(async () => {
  server = await startServerProcess(
    {
      shards: 1,
      feed: "stdin",
      "market-interval": 20,
      "book-interval": BOOK_INTERVAL_MS,
      "status-interval": STATUS_INTERVAL_MS,
    },
    { stdin: "pipe" },
  );
  await feedListings(server, [SENTINEL], SENTINEL_LISTING, quote(SENTINEL, null, null));
});
afterAll(() => server.dispose());

/** Lists a market that no other test touches, with lines of its own. */
async function newMarket(lines: (id: number) => readonly FeedLine[] = () => []): Promise<number> {
  const id = ++lastMarket;
  await feedListings(server, [id], listing(id, `Market ${id}`), ...lines(id));
  return id;
}

const marketChannel = (market_id: unknown) => ({ type: "Market", params: { market_id } });
const priceFeed = (...market_ids: unknown[]) => ({ type: "PriceFeed", params: { market_ids } });
const trades = (market_id?: unknown) =>
  market_id === undefined ? { type: "Trades" } : { type: "Trades", params: { market_id } };
const ts = expect.any(Number);

/** Subscribes a new client, which gets its marks from `PriceFeed`. */
async function subscribed(...channels: readonly unknown[]): Promise<TestClient> {
  client = await TestClient.connect(server.port);
  await client.subscribe(priceFeed(SENTINEL));
  const { type } = await client.subscribe(...channels);
  expect(type).toBe("Subscribed");
  return client;
}

const delivered = (...lines: readonly FeedLine[]) =>
  deliveries(server, client, "PriceUpdate", ...lines);

describe("Market", () => {
  it("channels - Market starts with the market and its book, empty before there is one", async () => {
    const id = await newMarket();
    await subscribed(marketChannel(id));
    const market = {
      market_id: id,
      title: `Market ${id}`,
      status: "Active",
      price: null,
      best_bid: null,
      best_ask: null,
      volume: 0,
      tick_size: 0.01,
      lot_size: 1,
      seq: 1,
      ts,
    };
    expect(await client.next()).toEqual({ type: "MarketSnapshot", data: { markets: [market] } });
    expect(await client.next()).toEqual({
      type: "OrderBook",
      data: { market_id: id, bids: [], asks: [], seq: 0, ts },
    });
    await client.close();
  });

  it("channels - Market starts with the latest state and book, of integer microseconds", async () => {
    const before = Date.now() * 1000;
    const id = await newMarket((market) => [
      quote(market, 1, 2),
      quote(market, 99.98, 100.02),
      book(
        market,
        [
          [99.98, 12],
          [99.97, 40],
        ],
        [[100.02, 9]],
      ),
    ]);
    await subscribed(marketChannel(id));
    const [market] = (await client.take("MarketSnapshot")).data.markets;
    expect(market).toMatchObject({ price: 100, best_bid: 99.98, best_ask: 100.02, seq: 3 });
    expect(market?.ts).toBeGreaterThanOrEqual(before);
    expect(market?.ts).toBeLessThanOrEqual((Date.now() + 1) * 1000);
    expect((await client.take("OrderBook")).data).toEqual({
      market_id: id,
      bids: [
        [99.98, 12],
        [99.97, 40],
      ],
      asks: [[100.02, 9]],
      seq: 1,
      ts,
    });
    await client.close();
  });

  it("channels - Market tells each state with the first update type that applies", async () => {
    const id = await newMarket((market) => [quote(market, 10, 11)]);
    await subscribed(marketChannel(id));
    await client.take("OrderBook");
    const messages = await delivered(
      quote(id, 10.01, 11),
      trade(id, 11, 3),
      quote(id, 10.01, 11),
      trade(id, 11, 2),
      quote(id, 10.01, 11),
      quote(id, 10.01, 11.01),
      status(id, "Halted"),
      trade(id, 11.01, 1),
      status(id, "Active"),
      quote(id, null, 11.01),
    );
    const updates = messages.map(({ type, data }) => {
      if (type !== "MarketUpdate") throw new Error(`a ${type}`);
      const { seq, price, best_bid, best_ask, volume, status } = data.market;
      return [data.update_type, seq, price, best_bid, best_ask, volume, status];
    });
    expect(updates).toEqual([
      // Before any trade the middle of the quote, 10.505, rounded down to a tick.
      ["Price", 3, 10.5, 10.01, 11, 0, "Active"],
      ["Price", 4, 11, 10.01, 11, 3, "Active"],
      ["Volume", 5, 11, 10.01, 11, 5, "Active"],
      ["Price", 6, 11, 10.01, 11.01, 5, "Active"],
      ["Status", 7, 11, 10.01, 11.01, 5, "Halted"],
      ["Status", 8, 11.01, 10.01, 11.01, 6, "Active"],
      ["Price", 9, 11.01, null, 11.01, 6, "Active"],
    ]);
    await client.close();
  });

  it("channels - Market tells a trade's state also when no quote follows it", async () => {
    const id = await newMarket();
    await subscribed(marketChannel(id));
    server.feed(trade(id, 5.55, 7));
    const { update_type, market } = (await client.take("MarketUpdate")).data;
    expect(update_type).toBe("Price");
    expect(market).toMatchObject({ price: 5.55, best_bid: null, volume: 7, seq: 2 });
    await client.close();
  });

  it("channels - a book has up to 20 levels a side, best first", async () => {
    const id = await newMarket();
    await subscribed(marketChannel(id));
    await client.take("OrderBook");
    const side = (step: 1 | -1) =>
      Array.from({ length: 20 }, (_, level) => [100 + step * (level + 1), level + 1] as const);
    server.feed(book(id, side(-1), side(1)));
    const { data } = await client.take("OrderBook");
    expect(data).toMatchObject({ bids: side(-1), asks: side(1), seq: 1 });
    await client.close();
  });

  it("channels - books come at most once per book interval, the last one last", async () => {
    const id = await newMarket();
    await subscribed(marketChannel(id));
    await client.take("OrderBook", ({ data }) => data.seq === 0);
    for (let quantity = 1; quantity <= 5; quantity++) server.feed(book(id, [[1, quantity]], []));
    const first = (await client.take("OrderBook")).data;
    const second = (await client.take("OrderBook")).data;
    expect([first.seq, second.seq]).toEqual([1, 2]);
    expect(second.bids).toEqual([[1, 5]]);
    // Timers fire up to a millisecond early.
    expect(second.ts - first.ts).toBeGreaterThanOrEqual((BOOK_INTERVAL_MS - 2) * 1000);
    server.feed(book(id, [], [[2, 6]]));
    const third = (await client.take("OrderBook")).data;
    expect(third).toMatchObject({ bids: [], asks: [[2, 6]], seq: 3 });
    expect(third.ts - second.ts).toBeGreaterThanOrEqual((BOOK_INTERVAL_MS - 2) * 1000);
    await client.close();
  });
});

describe("PriceFeed", () => {
  it("channels - PriceFeed starts with the markets that have a quote", async () => {
    const quoted = await newMarket((id) => [quote(id, 1.01, 1.04)]);
    const unquoted = await newMarket();
    await subscribed(priceFeed(quoted, unquoted));
    expect(await delivered()).toEqual([
      {
        type: "PriceUpdate",
        data: { market_id: quoted, price: 1.02, best_bid: 1.01, best_ask: 1.04, seq: 1, ts },
      },
    ]);
    const [first] = await delivered(quote(unquoted, 5, null));
    expect(first?.data).toMatchObject({ market_id: unquoted, price: null, best_bid: 5, seq: 1 });
    await client.close();
  });

  it("channels - PriceFeed tells changes of price, bid and ask and nothing else", async () => {
    const id = await newMarket((market) => [quote(market, 1, 2)]);
    await subscribed(priceFeed(id));
    await client.take("PriceUpdate", ({ data }) => data.market_id === id);
    const messages = await delivered(
      quote(id, 1, 2),
      quote(id, 1, 2.02),
      trade(id, 2.02, 1),
      quote(id, 1, 2.02),
      trade(id, 2.02, 5),
      quote(id, 1, 2.02),
      status(id, "Halted"),
      book(id, [[1, 1]], [[2.02, 1]]),
      quote(id, 1.01, 2.02),
    );
    expect(messages.map(({ type }) => type)).toEqual(messages.map(() => "PriceUpdate"));
    expect(messages.map(({ data }) => data)).toEqual([
      { market_id: id, price: 1.51, best_bid: 1, best_ask: 2.02, seq: 2, ts },
      { market_id: id, price: 2.02, best_bid: 1, best_ask: 2.02, seq: 3, ts },
      { market_id: id, price: 2.02, best_bid: 1.01, best_ask: 2.02, seq: 4, ts },
    ]);
    await client.close();
  });

  it("channels - PriceFeed is a set: subscribing adds, unsubscribing takes away", async () => {
    const [one, two, three] = [await newMarket(), await newMarket(), await newMarket()];
    const move = (price: number) => [one, two, three].map((id) => quote(id, price, price + 1));
    const movedBy = async (price: number): Promise<unknown[]> =>
      (await delivered(...move(price))).map(
        ({ data }) => (data as { market_id: number }).market_id,
      );
    await subscribed(priceFeed(one, two));
    expect(await movedBy(1)).toEqual([one, two]);
    expect(await client.subscribe(priceFeed(three))).toMatchObject({ type: "Subscribed" });
    await client.take("PriceUpdate", ({ data }) => data.market_id === three);
    expect(await movedBy(2)).toEqual([one, two, three]);
    const channels = [priceFeed(two, three, 123_456)];
    const reply = await client.request({ type: "Unsubscribe", data: { channels } });
    expect(reply).toMatchObject({ type: "Unsubscribed", data: { channels } });
    expect(await movedBy(3)).toEqual([one]);
    await client.close();
  });
});

describe("Trades", () => {
  const tradesDelivered = (...lines: readonly FeedLine[]) =>
    deliveries(server, client, "TradeExecution", ...lines);

  it("channels - Trades of a market tells each of its trades and no others", async () => {
    const [id, other] = [await newMarket(), await newMarket()];
    await subscribed(trades(id), trades(SENTINEL));
    await client.request({ type: "Unsubscribe", data: { channels: [priceFeed(SENTINEL)] } });
    const messages = await tradesDelivered(
      trade(id, 10.01, 3, { trade_id: "T-1", taker_side: "Sell" }),
      trade(other, 10, 1),
      trade(id, 10.02, 4),
      trade(id, 10.02, 4),
    );
    const executions = messages.map((message) => {
      if (message.type !== "TradeExecution") throw new Error(`a ${message.type}`);
      return message.data.trade;
    });
    const common = { market_id: id, ts };
    const trade_id = expect.any(String);
    expect(executions).toEqual([
      { ...common, trade_id: "T-1", price: 10.01, quantity: 3, taker_side: "Sell", seq: 1 },
      { ...common, trade_id, price: 10.02, quantity: 4, taker_side: "Buy", seq: 2 },
      { ...common, trade_id, price: 10.02, quantity: 4, taker_side: "Buy", seq: 3 },
    ]);
    expect(new Set(executions.map((one) => one.trade_id)).size).toBe(3);
    await client.close();
  });

  it("channels - Trades of all markets and of one tell each trade once", async () => {
    const [id, other] = [await newMarket(), await newMarket()];
    const traded = async (): Promise<unknown[]> =>
      (await tradesDelivered(trade(id, 1, 1), trade(other, 1, 1)))
        .filter((message) => message.type === "TradeExecution")
        .map((message) => message.data.trade.market_id);
    await subscribed(trades(id), trades(SENTINEL), trades());
    expect(await traded()).toEqual([id, other]);
    await client.request({ type: "Unsubscribe", data: { channels: [trades()] } });
    expect(await traded()).toEqual([id]);
    await client.subscribe(trades());
    await client.request({ type: "Unsubscribe", data: { channels: [trades(id)] } });
    expect(await traded()).toEqual([id, other]);
    await client.close();
  });
});

describe("SystemStatus", () => {
  it("channels - SystemStatus comes at once and then each interval", async () => {
    await subscribed({ type: "SystemStatus" });
    const { status: first } = (await client.take("SystemStatus")).data;
    expect(first).toMatchObject({ state: "ok", reasons: [], shards: 1, markets: lastMarket + 1 });
    expect(first.connections).toBeGreaterThanOrEqual(1);
    const startedAt = performance.now();
    for (let more = 0; more < 4; more++) await client.take("SystemStatus");
    // The first of the four comes whenever the interval ends, and none before its time.
    expect(performance.now() - startedAt).toBeGreaterThan(3 * STATUS_INTERVAL_MS * 0.8);
    await client.close();
  });
});

describe("Subscribe", () => {
  it("channels - two spellings of a channel are the same, told in canonical form", async () => {
    const [one, two] = [await newMarket(), await newMarket((id) => [quote(id, 1, 2)])];
    client = await TestClient.connect(server.port);
    const spelled = [
      { params: { market_id: `${one}`, unknown: true }, type: "Market" },
      { type: "PriceFeed", params: { market_ids: [`${two}`, one, two, one] } },
      { type: "Trades", params: {} },
      { type: "SystemStatus", params: { anything: 1 } },
    ];
    const canonical = [
      { type: "Market", params: { market_id: one } },
      { type: "PriceFeed", params: { market_ids: [one, two] } },
      { type: "Trades", params: null },
      { type: "SystemStatus", params: null },
    ];
    expect((await client.subscribe(...spelled)).data).toEqual({ channels: canonical });
    const reply = await client.request({ type: "Unsubscribe", data: { channels: canonical } });
    expect(reply.data).toEqual({ channels: canonical });
    // Nothing is left of them: what comes next is the mark.
    await client.subscribe(priceFeed(SENTINEL));
    const lines = [quote(one, 3, 4), quote(two, 3, 4), trade(one, 3, 1), quote(one, 3, 4)];
    expect((await delivered(...lines)).filter(({ type }) => type !== "PriceUpdate")).toEqual([]);
    await client.close();
  });

  it("channels - the same channel twice in one request has its first data once", async () => {
    const id = await newMarket((market) => [quote(market, 1, 2)]);
    await subscribed(marketChannel(id), marketChannel(`${id}`), priceFeed(id), priceFeed(id, id));
    const types = (await delivered()).map(({ type }) => type);
    expect(types).toEqual(["MarketSnapshot", "OrderBook", "PriceUpdate"]);
    await client.close();
  });

  it("channels - Subscribe is atomic: one market that is not there, and nothing changes", async () => {
    const id = await newMarket();
    await subscribed(trades(SENTINEL));
    for (const missing of [marketChannel(404), priceFeed(id, 404), trades(404)]) {
      const reply = await client.subscribe(marketChannel(id), priceFeed(id), trades(id), missing);
      expect(reply).toMatchObject({ type: "Error", data: { code: "MARKET_NOT_FOUND" } });
      expect((reply.data as { message: string }).message).toContain("404");
    }
    expect(await delivered(trade(id, 1, 1), quote(id, 1, 2))).toEqual([]);
    expect(await deliveries(server, client, "TradeExecution")).not.toContainEqual(
      expect.objectContaining({ type: "MarketUpdate" }),
    );
    await client.close();
  });

  it("channels - subscribing again sends the first data again and delivers nothing twice", async () => {
    const id = await newMarket((market) => [quote(market, 1, 2)]);
    await subscribed(marketChannel(id), priceFeed(id));
    const types = (messages: readonly { type: string }[]) => messages.map(({ type }) => type);
    const firstData = ["MarketSnapshot", "OrderBook", "PriceUpdate"];
    expect(types(await delivered())).toEqual(firstData);
    const moved = ["PriceUpdate", "MarketUpdate"];
    expect(types(await delivered(quote(id, 2, 3))).sort()).toEqual([...moved].sort());
    await client.subscribe(marketChannel(id), priceFeed(id));
    const again = await delivered();
    expect(types(again)).toEqual(firstData);
    expect(again[0]?.data).toMatchObject({ markets: [{ seq: 3, best_bid: 2 }] });
    expect(again[2]?.data).toMatchObject({ seq: 2, best_bid: 2 });
    const next = await delivered(quote(id, 3, 4));
    expect(types(next).sort()).toEqual([...moved].sort());
    await client.close();
  });

  it("channels - unsubscribing what is not subscribed is no error", async () => {
    client = await TestClient.connect(server.port, { encoding: "msgpack" });
    const channels = [
      { type: "Markets", params: null },
      marketChannel(404),
      priceFeed(405),
      { type: "Trades", params: { market_id: 404 } },
      { type: "SystemStatus", params: null },
    ];
    const reply = await client.request({ type: "Unsubscribe", data: { channels } });
    expect(reply).toMatchObject({ type: "Unsubscribed", data: { channels } });
    await client.close();
  });
});
