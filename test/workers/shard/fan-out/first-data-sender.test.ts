import { beforeEach, describe, expect, it } from "vitest";
import { CLOSE } from "../../../../src/contract/closings.js";
import { counted, SHARD } from "../../../../src/counters/counters.js";
import { type Client, ShardWorld, type WorldOptions } from "../../../support/shard-world.js";

const MARKETS = { type: "Markets" };
const filter = (search: string) => ({ type: "Markets", params: { filter: { search } } });
const market = (market_id: number) => ({ type: "Market", params: { market_id } });
const prices = (...market_ids: number[]) => ({ type: "PriceFeed", params: { market_ids } });
const TRADES = { type: "Trades" };

let world: ShardWorld;
/** A clock that stands still, in ms, but for a step at each look while a turn is to be spent. */
let nowMs = 0;
let stepMs = 0;

function clock(): number {
  nowMs += stepMs;
  return nowMs;
}

/** Has a client that nobody looks at use up this turn's time. */
function spendTurn(): void {
  stepMs = 100;
  world.subscribe(world.connect(0), { type: "PriceFeed", params: { market_ids: [1] } });
  stepMs = 0;
}

/** A world of twelve markets with quotes, whose parts have some three of them. */
function startWorld(options: WorldOptions = {}): void {
  world = new ShardWorld({
    partBytes: 700,
    lazy: true,
    sizes: { maxMarkets: 64 },
    ...options,
  });
  for (let id = 0; id < 12; id++) {
    world.list(id);
    world.quote(id, 100);
  }
  world.flush();
  world.round({ tell: true });
}

beforeEach(() => startWorld());

function congest(...clients: Client[]): void {
  for (const { socket, model } of clients) {
    socket.congested = true;
    model.conflated = true;
  }
}

/** Has a socket take what it holds, and no more than that. */
function takeOnce(client: Client): void {
  client.socket.drain();
  congest(client);
  world.serve();
}

function publish(middle: number, ...ids: number[]): void {
  for (const id of ids) world.quote(id, middle);
  world.flush();
  world.round();
}

const types = ({ messages }: Client): string[] => messages.map(({ type }) => type);
/** The ids of each snapshot's part, and whether more follow. */
const parts = ({ messages }: Client) =>
  messages.flatMap((message) =>
    message.type === "MarketSnapshot"
      ? [{ ids: message.data.markets.map(({ market_id }) => market_id), more: message.data.more }]
      : [],
  );
const ping = (id: number) => ({ type: "Ping", id, data: { timestamp: 1 } });
const loading = (): number => counted(world.counters, SHARD.loadingConnections);

describe("first-data-sender", () => {
  it("first-data-sender - a socket that takes everything gets one part with its request and all others in one turn, the last of them marked by nothing", () => {
    for (const encoding of [0, 1]) {
      const client = world.connect(encoding);
      world.subscribe(client, MARKETS);
      // A request costs those behind it no more than that.
      expect(parts(client)).toHaveLength(1);
      world.serve(1);
      expect(client.connection.loading).toBe(false);
      const all = parts(client);
      expect(all.length).toBeGreaterThan(2);
      expect(all.flatMap(({ ids }) => ids)).toEqual(Array.from({ length: 12 }, (_, id) => id));
      expect(all.map(({ more }) => more)).toEqual([
        ...all.slice(1).map(() => true as const),
        undefined,
      ]);
      for (const bytes of client.socket.calls.flat()) expect(bytes.length).toBeLessThan(750);
    }
  });

  it("first-data-sender - a socket that is full is given one part, and the next when it has taken that", () => {
    const client = world.connect(0);
    congest(client);
    world.subscribe(client, MARKETS, market(3), prices(1, 2));
    let written = 0;
    while (client.connection.loading) {
      expect(loading()).toBe(1);
      expect(world.intake.holds(client.connection)).toBe(true);
      const waits = client.socket.writableLength;
      expect(waits).toBeGreaterThan(0);
      expect(waits).toBeLessThan(1000);
      written += waits;
      world.serve();
      expect(client.socket.writableLength).toBe(waits);
      takeOnce(client);
    }
    expect(written).toBeGreaterThan(2500);
    expect(loading()).toBe(0);
    expect(world.intake.holds(client.connection)).toBe(false);
    expect(types(client).slice(-4)).toEqual([
      "MarketSnapshot",
      "OrderBook",
      "PriceUpdate",
      "PriceUpdate",
    ]);
  });

  it("first-data-sender - what is asked behind a Subscribe is answered behind its first data", () => {
    const client = world.connect(1);
    congest(client);
    world.subscribe(client, MARKETS);
    world.request(client, ping(1));
    world.subscribe(client, filter("market 1"));
    world.unsubscribe(client, MARKETS);
    world.request(client, ping(2));
    while (client.connection.loading) takeOnce(client);
    client.socket.drain();
    world.serve();
    const order = types(client).filter((type, at, all) => type !== all[at - 1]);
    expect(order).toEqual([
      "Subscribed",
      "MarketSnapshot",
      "Pong",
      "Subscribed",
      "MarketSnapshot",
      "Unsubscribed",
      "Pong",
    ]);
  });

  it("first-data-sender - updates of what has been told go on between parts, of the rest they come behind it", () => {
    const client = world.connect(0);
    world.subscribe(client, prices(0));
    client.messages.length = 0;
    congest(client);
    world.subscribe(client, MARKETS, prices(11), TRADES);
    publish(200, 0, 5, 11);
    takeOnce(client);
    const live = client.messages.findIndex(
      (message) => message.type === "PriceUpdate" && message.data.market_id === 0,
    );
    expect(live).toBeGreaterThan(0);
    expect(client.connection.loading).toBe(true);
    world.trade(7, 300);
    world.flush();
    world.round({ tell: true });
    while (client.connection.loading) takeOnce(client);
    // Nothing of Markets before the snapshot's last part, and then what its first parts had not yet.
    expect(types(client)).not.toContain("MarketUpdate");
    client.socket.drain();
    world.settle();
    const updates = client.messages.filter(({ type }) => type === "MarketUpdate");
    expect(updates).toMatchObject([0, 7].map((market_id) => ({ data: { market: { market_id } } })));
    expect(client.model.last("price", 11)).toBe(2);
    expect(client.model.last("trade", 7)).toBe(1);
  });

  it("first-data-sender - first data come to their end, however much of what was told before changes meanwhile", () => {
    const client = world.connect(0);
    const ids = Array.from({ length: 12 }, (_, id) => id);
    world.subscribe(client, ...ids.map(market));
    world.serve();
    congest(client);
    world.subscribe(client, MARKETS, prices(...ids));
    let takes = 0;
    for (; client.connection.loading; takes++) {
      const before = client.messages.length;
      publish(200 + takes, ...ids);
      takeOnce(client);
      const sent = client.messages.slice(before);
      // What changed meanwhile, and as much of what was asked for.
      expect(sent.filter(({ type }) => type === "MarketUpdate").length).toBeLessThanOrEqual(12);
    }
    // One after the other, each behind what is due, the parts would take four.
    expect(takes).toBeLessThanOrEqual(2);
  });

  it("first-data-sender - clients that ask for the same in one round share each part", () => {
    const clients = Array.from({ length: 500 }, () => world.connect(0));
    for (const client of clients) world.subscribe(client, MARKETS, prices(1, 2, 3));
    world.serve();
    const buffers = (client: Client) => client.socket.calls.flat().slice(1);
    const shared = buffers(clients[0] as Client);
    expect(shared.length).toBeGreaterThan(3);
    for (const client of clients) {
      expect(buffers(client).every((bytes, at) => bytes === shared[at])).toBe(true);
    }
    // They share what they are told later, too: they are one audience.
    publish(300, 1);
    expect(new Set(clients.map((client) => client.socket.calls.at(-1)?.[0])).size).toBe(1);
  });

  it("first-data-sender - connections take turns, and a turn's time is kept", () => {
    let now = 0;
    startWorld({ now: () => (now += 1) });
    const greedy = [0, 0, 0].map((encoding) => world.connect(encoding));
    const all = Array.from({ length: 8 }, (_, index) => ({
      type: "Markets",
      params: { filter: { min_volume: 0, max_volume: 1000 + index } },
    }));
    for (const client of greedy) world.subscribe(client, ...all);
    const small = world.connect(0);
    world.subscribe(small, prices(1));
    // This turn's time is spent, so it waits for the next one, but for no more than that.
    const turnsUntil = (done: () => boolean): number => {
      for (let turns = 0; ; turns++) {
        if (done()) return turns;
        world.serve(1);
      }
    };
    expect(turnsUntil(() => types(small).length > 0)).toBeLessThanOrEqual(4);
    expect(greedy.some(({ connection }) => connection.loading)).toBe(true);
    turnsUntil(() => greedy.every(({ connection }) => !connection.loading));
    for (const client of greedy)
      expect(parts(client).flatMap(({ ids }) => ids)).toHaveLength(8 * 12);
  });

  it("first-data-sender - who waits for its turn, and not for its socket, has its trades at once", () => {
    startWorld({ maxQueuedMessages: 3, now: clock });
    const client = world.connect(0);
    world.subscribe(client, TRADES);
    spendTurn();
    world.subscribe(client, MARKETS);
    expect([client.connection.loading, client.connection.blocked]).toEqual([true, false]);
    for (let trade = 0; trade < 8; trade++) {
      world.trade(1, 50);
      world.flush();
      world.round();
    }
    expect(client.connection.open).toBe(true);
    expect(types(client).filter((type) => type === "TradeExecution")).toHaveLength(8);
    world.settle();
    expect(client.connection.loading).toBe(false);
  });

  it("first-data-sender - one that has trades of two epochs before it waits for nothing any more", () => {
    const client = world.connect(0);
    world.subscribe(client, prices(0), TRADES);
    congest(client);
    publish(101, 0);
    world.trade(0, 50);
    world.flush();
    world.round();
    expect([client.connection.open, client.connection.blocked]).toEqual([true, true]);
    world.restartProducer(() => world.list(0));
    expect([client.connection.open, client.connection.held]).toEqual([true, true]);
    world.restartProducer();
    expect(client.ws.closed?.code).toBe(4001);
    expect([loading(), world.intake.holds(client.connection)]).toEqual([0, false]);
    client.socket.drain();
    world.serve();
    expect(loading()).toBe(0);
  });

  it("first-data-sender - an epoch that changes meanwhile begins everything anew, behind trades that wait", () => {
    const client = world.connect(0);
    world.subscribe(client, TRADES);
    congest(client);
    world.subscribe(client, MARKETS, market(2));
    world.trade(1, 50);
    world.flush();
    world.round();
    world.restartProducer(() => {
      for (const id of [2, 1]) {
        world.list(id);
        world.quote(id, 70);
      }
    });
    world.trade(1, 60);
    world.flush();
    world.round();
    const before = client.messages.length;
    while (client.connection.loading) takeOnce(client);
    client.socket.drain();
    world.settle();
    expect(types(client).slice(before)).toEqual([
      "TradeExecution",
      "EpochChanged",
      "TradeExecution",
      "MarketSnapshot",
      "MarketSnapshot",
      "OrderBook",
    ]);
    expect(client.model.epoch).toBe(world.memory.epoch);
  });

  it("first-data-sender - a request that waits when the epoch changes is taken up in the new one", () => {
    const client = world.connect(0);
    congest(client);
    world.request(client, ping(1));
    world.subscribe(client, market(5));
    world.subscribe(client, market(1));
    world.restartProducer(() => world.list(1));
    client.socket.drain();
    world.settle();
    expect(types(client)).toEqual([
      "Pong",
      "Error",
      "EpochChanged",
      "Subscribed",
      "MarketSnapshot",
      "OrderBook",
    ]);
  });

  it("first-data-sender - who closes or goes while it waits leaves nothing behind", () => {
    const [closing, gone] = [world.connect(0), world.connect(1)];
    congest(closing, gone);
    for (const client of [closing, gone]) world.subscribe(client, MARKETS);
    world.request(closing, ping(1));
    expect(loading()).toBe(2);
    closing.connection.close(CLOSE.restart);
    // It is read again, for the answer to the close frame.
    expect([world.intake.holds(closing.connection), loading()]).toEqual([false, 1]);
    world.disconnect(gone);
    expect(loading()).toBe(0);
    const written = [closing, gone].map(({ messages }) => messages.length);
    for (const { socket } of [closing, gone]) socket.drain();
    world.serve();
    world.round({ tell: true });
    expect([closing, gone].map(({ messages }) => messages.length)).toEqual(written);
  });

  it("first-data-sender - whatever is asked again and again by one that does not read costs one part", () => {
    const client = world.connect(0);
    congest(client);
    for (let again = 0; again < 1000; again++) world.subscribe(client, MARKETS);
    world.serve();
    expect(client.socket.writableLength).toBeLessThan(1000);
    expect(client.connection.open).toBe(true);
  });
});
