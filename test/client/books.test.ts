import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { CoreClient } from "../../src/client/core-client.js";
import type { BookUpdate, Channel, OrderBook, ServerMessage } from "../../src/contract/messages.js";
import { acceptance, FakeServer } from "../support/fake-server.js";
import { expectedChecksum } from "../support/merged-model.js";

const BOOK: Channel = { type: "Book", params: { market_id: 7, depth: 5, checksum: true } };
const sides = {
  bids: [
    [1.01, 3],
    [1, 5],
  ],
  asks: [[1.02, 1]],
} as const;

const whole = (seq: number, more: Partial<OrderBook> = {}): ServerMessage => ({
  type: "OrderBook",
  data: { market_id: 7, ...sides, seq, ts: seq, depth: 5, ...more },
});
const update = (prev_seq: number, seq: number, more: Partial<BookUpdate> = {}): ServerMessage => ({
  type: "BookUpdate",
  data: { market_id: 7, depth: 5, bids: [], asks: [], prev_seq, seq, ts: seq, ...more },
});
const market: ServerMessage = {
  type: "MarketSnapshot",
  data: {
    markets: [
      {
        market_id: 7,
        title: "Seven",
        status: "Active",
        price: 1,
        best_bid: 1,
        best_ask: 2,
        volume: 0,
        tick_size: 0.01,
        lot_size: 1,
        seq: 1,
        ts: 1,
      },
    ],
  },
};

let server: FakeServer;
let client: CoreClient;
let subscribed: (readonly Channel[])[];
beforeEach(async () => {
  subscribed = [];
  server = new FakeServer((message) => {
    if (message.type === "Subscribe") subscribed.push(message.data.channels);
    return acceptance(message);
  });
  const quiet = { pingIntervalMs: 0, silenceTimeoutMs: 0, reconnectIntervalMs: 5 };
  client = new CoreClient({ url: "ws://x", ...quiet }, server.platform);
  await client.subscribe([BOOK, { type: "Markets" }]);
});
afterEach(() => client.close());

const tell = (...messages: readonly ServerMessage[]): void => {
  for (const message of messages) server.connections.at(-1)?.tell(message);
};
const held = async (seq: number): Promise<OrderBook | undefined> => {
  await vi.waitFor(() => expect(client.books.get(7)?.seq).toBe(seq));
  return client.books.get(7);
};

it("books - an update sets, adds and removes levels in their order", async () => {
  const changes = {
    bids: [
      [1.01, 0],
      [0.99, 4],
      [1, 6],
    ],
    asks: [[1.015, 2]],
  } as const;
  // All come before what applies them has been loaded.
  tell(whole(3), update(3, 8, changes), update(8, 9, { asks: [[1.02, 0]] }));
  expect(await held(9)).toEqual({
    market_id: 7,
    depth: 5,
    bids: [
      [1, 6],
      [0.99, 4],
    ],
    asks: [[1.015, 2]],
    seq: 9,
    ts: 9,
  });
  expect(client.stats.bookResyncs).toBe(0);
});

it("books - a book that an update does not follow is asked for anew, once, and goes on from there", async () => {
  tell(whole(3));
  await held(3);
  tell(update(4, 5), update(5, 6));
  await vi.waitFor(() => expect(subscribed.length).toBe(2));
  expect(subscribed[1]).toEqual([BOOK]);
  expect(client.books.get(7)?.seq).toBe(3);
  tell(whole(6), update(6, 7, { bids: [[1.01, 9]] }));
  expect((await held(7))?.bids[0]).toEqual([1.01, 9]);
  expect(client.stats.bookResyncs).toBe(1);
});

it("books - where its market is known, a checksum that differs has the book asked for anew", async () => {
  const { bids, asks } = sides;
  tell(market, whole(3, { checksum: expectedChecksum(bids, asks) }));
  await held(3);
  const next = [
    [1.01, 4],
    [1, 5],
  ] as const;
  tell(update(3, 4, { bids: [[1.01, 4]], checksum: expectedChecksum(next, asks) }));
  await held(4);
  tell(update(4, 5, { bids: [[1.01, 5]], checksum: 1 }));
  await vi.waitFor(() => expect(client.stats.bookResyncs).toBe(1));
  expect(client.books.get(7)?.seq).toBe(4);
});

it("books - a book of 20 levels of a Market is not taken for that of a Book", async () => {
  await client.subscribe([{ type: "Market", params: { market_id: 7 } }]);
  tell(whole(3), { type: "OrderBook", data: { market_id: 7, bids: [], asks: [], seq: 99, ts: 1 } });
  expect((await held(3))?.depth).toBe(5);
  await client.unsubscribe([BOOK]);
  tell({ type: "OrderBook", data: { market_id: 7, bids: [], asks: [], seq: 100, ts: 1 } });
  await held(100);
});
