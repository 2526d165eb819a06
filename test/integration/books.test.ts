import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { ENCODINGS } from "../../src/contract/encodings.js";
import type { BookUpdate, OrderBook, PriceLevel } from "../../src/contract/messages.js";
import { closeClients, newClient, nextEvent } from "../support/client-harness.js";
import { type ServerProcess, startServerProcess } from "../support/server-process.js";
import { TestClient } from "../support/test-client.js";
import { until } from "../support/until.js";

const ID = 1001;
const book = (more: object) => ({ type: "Book", params: { market_id: ID, ...more } });

let server: ServerProcess;
beforeAll(async () => {
  server = await startServerProcess({
    feed: "exchange",
    shards: 2,
    "feed-rate": 2000,
    "book-interval": 5,
    "book-depth": 100,
    "market-interval": 20,
  });
});
afterEach(closeClients);
afterAll(() => server.dispose());

/** What an update makes of a side, by the contract's words alone. */
function applied(levels: readonly PriceLevel[], changes: readonly PriceLevel[], up: boolean) {
  const all = new Map(levels);
  for (const [price, quantity] of changes) {
    if (quantity === 0) all.delete(price);
    else all.set(price, quantity);
  }
  return [...all].sort(([a], [b]) => (up ? a - b : b - a));
}

describe.each(ENCODINGS)("books of an exchange, %s", (encoding) => {
  it(`books - updates lead from each book to the next one, in ${encoding}`, async () => {
    const client = await TestClient.connect(server.port, { encoding });
    await client.subscribe(book({ depth: 5, checksum: true }));
    const { data } = await client.take("OrderBook");
    expect(data).toMatchObject({ depth: 5, checksum: expect.any(Number) });
    let now: OrderBook = data;
    for (let count = 0; count < 12; count++) {
      const { data: update } = await client.take("BookUpdate");
      expect([update.prev_seq, update.depth]).toEqual([now.seq, 5]);
      const { prev_seq: _, ...rest }: BookUpdate = update;
      const bids = applied(now.bids, update.bids, false);
      const asks = applied(now.asks, update.asks, true);
      expect(Math.max(bids.length, asks.length)).toBeLessThanOrEqual(5);
      now = { ...rest, bids, asks };
    }
    // The same again is a whole book, with which another depth begins as well.
    await client.subscribe(book({ depth: 50 }));
    const whole = await client.take("OrderBook");
    expect(whole.data.depth).toBe(50);
    expect(whole.data.checksum).toBeUndefined();
    const next = await client.take("BookUpdate");
    expect([next.data.depth, next.data.prev_seq]).toEqual([50, whole.data.seq]);
    await client.close();
  });

  it(`books - intervals merge prices, states and books, the first at once, in ${encoding}`, async () => {
    const intervalMs = 250;
    const client = await TestClient.connect(server.port, { encoding });
    const asked = performance.now();
    await client.subscribe(
      book({ interval_ms: intervalMs }),
      { type: "Market", params: { market_id: ID, interval_ms: intervalMs } },
      { type: "PriceFeed", params: { market_ids: [ID], sizes: true, interval_ms: intervalMs } },
      { type: "Markets", params: { interval_ms: 500 } },
    );
    const at = new Map<string, number[]>();
    while ((at.get("PriceUpdate")?.length ?? 0) < 6) {
      const { type, data } = await client.next();
      if (type === "PriceUpdate") {
        expect(data.bid_quantity).toBeGreaterThan(0);
        expect(data.ask_quantity).toBeGreaterThan(0);
      }
      const own = type !== "MarketUpdate" || data.market.market_id === ID;
      if (own) at.set(type, [...(at.get(type) ?? []), performance.now()]);
    }
    expect((at.get("PriceUpdate")?.[0] ?? 0) - asked).toBeLessThan(intervalMs);
    for (const type of ["PriceUpdate", "BookUpdate", "MarketUpdate"]) {
      const times = at.get(type) ?? [];
      expect(times.length).toBeGreaterThan(2);
      const spanMs = (times.at(-1) as number) - (times[0] as number);
      // However late some of them came, there are no more than fit.
      expect(times.length).toBeLessThanOrEqual(Math.floor(spanMs / intervalMs) + 2);
    }
    await client.close();
  });

  it(`books - a change of a best size alone is a price with sizes, and none without, in ${encoding}`, async () => {
    const client = await TestClient.connect(server.port, { encoding });
    await client.subscribe({ type: "PriceFeed", params: { market_ids: [ID], sizes: true } });
    let before = (await client.take("PriceUpdate")).data;
    let sizesAlone = 0;
    for (let count = 0; count < 15 || sizesAlone === 0; count++) {
      const { data } = await client.take("PriceUpdate");
      expect(data.seq).toBe(before.seq + 1);
      const { price, best_bid, best_ask } = before;
      if (data.price === price && data.best_bid === best_bid && data.best_ask === best_ask)
        sizesAlone++;
      before = data;
    }
    expect(sizesAlone).toBeGreaterThan(0);
    // Asking for another replaces it: from here on there is one without sizes.
    await client.subscribe({ type: "PriceFeed", params: { market_ids: [ID] } });
    let plain = (await client.take("PriceUpdate", (one) => !("bid_quantity" in one.data))).data;
    for (let count = 0; count < 6; count++) {
      const { data } = await client.take("PriceUpdate");
      expect(data).not.toHaveProperty("bid_quantity");
      expect(data.seq).toBe(plain.seq + 1);
      plain = data;
    }
    await client.close();
  });

  it(`books - a client's mirrors of all depths agree at each seq, in ${encoding}`, async () => {
    const whole = newClient(server.port, { encoding });
    const seen = new Map<number, OrderBook>();
    whole.books.onChange(({ value }) => value !== undefined && seen.set(value.seq, value));
    await whole.subscribe([
      { type: "Book", params: { market_id: ID, depth: 100 } },
      { type: "Markets" },
    ]);
    const depths = [1, 5, 10] as const;
    const clients = depths.map((depth) => {
      const client = newClient(server.port, { encoding });
      void client.subscribe([
        { type: "Markets" },
        { type: "Book", params: { market_id: ID, depth, checksum: true } },
      ]);
      return client;
    });
    await Promise.all(clients.map((client) => nextEvent(client, "OrderBook")));
    let compared = 0;
    for (const [index, client] of clients.entries()) {
      const depth = depths[index] as number;
      client.books.onChange(({ value }) => {
        const all = value === undefined ? undefined : seen.get(value.seq);
        if (value === undefined || all === undefined) return;
        compared++;
        expect(value.bids).toEqual(all.bids.slice(0, depth));
        expect(value.asks).toEqual(all.asks.slice(0, depth));
      });
    }
    await until("books at the same seq", () => compared > 10);
    for (const client of [whole, ...clients]) expect(client.stats.bookResyncs).toBe(0);
  });
});

it("books - what is no depth or interval is refused with the field and the rule", async () => {
  const client = await TestClient.connect(server.port);
  for (const [channel, field] of [
    [book({ depth: 7 }), "depth"],
    [book({ interval_ms: 30 }), "interval_ms"],
    [book({ checksum: "yes" }), "checksum"],
    [{ type: "Markets", params: { interval_ms: -1 } }, "interval_ms"],
    [{ type: "PriceFeed", params: { market_ids: [ID], sizes: 1 } }, "sizes"],
  ] as const) {
    const reply = await client.subscribe(channel);
    expect(reply).toMatchObject({ type: "Error", data: { code: "INVALID_MESSAGE" } });
    expect(JSON.stringify(reply.data)).toContain(field);
  }
  const unknown = await client.subscribe({ type: "Book", params: { market_id: 1 } });
  expect(unknown).toMatchObject({ type: "Error", data: { code: "MARKET_NOT_FOUND" } });
  await client.close();
});
