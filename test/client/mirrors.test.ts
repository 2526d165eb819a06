import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { MirrorChange } from "../../src/client/mirror.js";
import { ENCODINGS } from "../../src/contract/encodings.js";
import type { Market } from "../../src/contract/messages.js";
import { closeClients, collect, newClient, nextEvent } from "../support/client-harness.js";
import { FrameProxy } from "../support/frame-proxy.js";
import { type ServerProcess, startServerProcess } from "../support/server-process.js";
import { until } from "../support/until.js";

let server: ServerProcess;
let proxy: FrameProxy;
beforeAll(async () => {
  const flags = { feed: "synthetic", shards: 1, "feed-rate": 2000, "market-interval": 50 };
  server = await startServerProcess(flags, { threadEnds: true });
  proxy = await FrameProxy.start(server.port);
});
beforeEach(() => {
  proxy.rules = {};
});
afterEach(closeClients);
afterAll(() => Promise.all([proxy.close(), server.dispose()]));

describe.each(ENCODINGS)("mirrors, %s", (encoding) => {
  it(`mirrors - markets and books are what the messages say, in ${encoding}`, async () => {
    const client = newClient(server.port, { encoding });
    const changes: MirrorChange<Market>[] = [];
    client.markets.onChange((change) => changes.push(change));
    // By the time that a listener is told, the mirror has it.
    client.on("MarketUpdate", ({ market }) =>
      expect(client.markets.get(market.market_id)).toEqual(market),
    );
    client.on("OrderBook", (book) => expect(client.books.get(book.market_id)).toBe(book));
    client.on("PriceUpdate", ({ market_id, price, best_bid, best_ask }) =>
      expect(client.markets.get(market_id)).toMatchObject({ price, best_bid, best_ask }),
    );
    // Where an expectation in a listener fails, that is an error of the listener.
    const errors = collect(client, "error");
    await client.subscribe([{ type: "Markets" }, { type: "Market", params: { market_id: 1001 } }]);
    await client.subscribe([{ type: "PriceFeed", params: { market_ids: [1002, 1003] } }]);
    await nextEvent(client, "PriceUpdate", ({ seq }) => seq > 1);
    await nextEvent(client, "OrderBook");
    await nextEvent(client, "MarketUpdate");
    expect(client.markets.size).toBe(50);
    expect([...client.markets].length).toBe(50);
    expect(client.books.size).toBe(1);
    expect(changes.slice(0, 50).every(({ previous }) => previous === undefined)).toBe(true);
    const later = changes.at(-1);
    expect(later?.previous?.market_id).toBe(later?.marketId);
    expect(later?.value).not.toBe(later?.previous);
    expect(errors).toEqual([]);
  });
});

describe("mirrors", () => {
  it("mirrors - what no subscription keeps up to date is dropped", async () => {
    const client = newClient(server.port);
    const first = { type: "Market", params: { market_id: 1001 } } as const;
    await client.subscribe([{ type: "Markets" }, first]);
    await nextEvent(client, "OrderBook");
    const rain = { type: "Markets", params: { filter: { search: "rain" } } } as const;
    await client.subscribe([rain]);
    await client.unsubscribe([{ type: "Markets" }]);
    const titles = [...client.markets].map(({ title }) => title.toLowerCase());
    expect(titles.length).toBeLessThan(50);
    expect(titles.filter((title) => !title.includes("rain")).length).toBeLessThanOrEqual(1);
    expect(client.markets.get(1001)).toBeDefined();
    await client.unsubscribe([first, rain]);
    expect(client.markets.size + client.books.size).toBe(0);
  });

  it("mirrors - while reconnecting the last known values stay", async () => {
    const client = newClient(proxy.url);
    await client.subscribe([{ type: "Markets" }]);
    await client.ping();
    const gone: unknown[] = [];
    client.markets.onChange(({ marketId, value }) => value === undefined && gone.push(marketId));
    proxy.refusing = true;
    proxy.cut();
    await nextEvent(client, "state", (state) => state.status === "reconnecting");
    expect(client.markets.size).toBe(50);
    const back = nextEvent(client, "resubscribed");
    proxy.refusing = false;
    await back;
    expect(client.markets.size).toBe(50);
    expect(gone).toEqual([]);
  });

  it("mirrors - an epoch with fewer markets leaves no ghosts", async () => {
    const client = newClient(proxy.url);
    await client.subscribe([{ type: "Markets" }]);
    await client.ping();
    // The next snapshot lacks a market, as after a feed that lists one less.
    proxy.rules.dropFromServer = (message) => {
      if (message.type === "MarketUpdate") return true;
      return message.type === "MarketSnapshot";
    };
    const changed = nextEvent(client, "epoch");
    server.command({ restartProducer: true });
    await changed;
    await until(
      "nothing is left that the server did not say again",
      () => client.markets.size === 0,
    );
  });
});
