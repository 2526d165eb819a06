import { beforeEach, describe, expect, it } from "vitest";
import { counted, LATENCY_BUCKETS_S, SHARD } from "../../../../src/counters/counters.js";
import { Publisher } from "../../../../src/market-data/publisher.js";
import { createMarketMemory } from "../../../../src/ring/market-memory.js";
import { Mirror } from "../../../../src/workers/shard/fan-out/mirror.js";
import { type Client, ShardWorld } from "../../../support/shard-world.js";

const prices = (...market_ids: number[]) => ({ type: "PriceFeed", params: { market_ids } });
const market = (market_id: number) => ({ type: "Market", params: { market_id } });
const markets = (filter?: object) => ({ type: "Markets", params: filter ? { filter } : null });
const TRADES = { type: "Trades" };
const SMALL = {
  ringSize: 1 << 16,
  tradeRingSize: 1 << 16,
  maxMarkets: 4,
  maxTitleBytes: 64,
  bookDepth: 50,
};

let world: ShardWorld;

function startWorld(options = {}): void {
  world = new ShardWorld(options);
  world.list(1);
  world.list(2);
  world.flush();
  world.round({ tell: true });
}

function connect(encoding: number, ...channels: unknown[]): Client {
  const client = world.connect(encoding);
  world.subscribe(client, ...channels);
  client.messages.length = client.socket.calls.length = 0;
  return client;
}

function congest(...clients: Client[]): void {
  for (const { socket, model } of clients) {
    socket.congested = true;
    model.conflated = true;
  }
}

const types = ({ messages }: Client): string[] => messages.map(({ type }) => type);
const onlyBuffers = ({ socket }: Client): readonly Buffer[] => {
  expect(socket.calls).toHaveLength(1);
  return socket.calls[0] as readonly Buffer[];
};
const conflated = (): number => counted(world.counters, SHARD.conflated);

beforeEach(() => startWorld());

describe("fan-out", () => {
  it("fan-out - the members of an audience share one buffer, whatever their channels' spelling", () => {
    const one = connect(0, prices(1, 2), TRADES);
    const other = connect(0, TRADES, prices(2), prices(1));
    const binary = connect(1, prices(1, 2), TRADES);
    expect([...world.fanOut.audiences]).toHaveLength(2);
    world.quote(1, 100);
    world.quote(2, 100);
    world.trade(1, 101);
    world.quote(1, 102);
    world.flush();
    world.round();
    const [shared] = onlyBuffers(one);
    expect(onlyBuffers(other)).toEqual([shared]);
    expect(onlyBuffers(other)[0]).toBe(shared);
    expect(types(one)).toEqual(["PriceUpdate", "PriceUpdate", "PriceUpdate", "TradeExecution"]);
    expect(types(binary)).toEqual(types(one));
    expect(onlyBuffers(binary)).toHaveLength(1);
  });

  it("fan-out - congested members that stopped in one round share one catch-up buffer", () => {
    const clients = [0, 0, 0, 0].map((encoding) => connect(encoding, prices(1), market(2)));
    const [first, second, third, current] = clients as [Client, Client, Client, Client];
    const publish = (middle: number): void => {
      world.quote(1, middle);
      world.quote(2, middle);
      world.flush();
      world.round();
    };
    congest(first, second);
    publish(100);
    congest(third);
    publish(101);
    publish(102);
    publish(103);
    for (const client of [first, second, third]) {
      client.messages.length = client.socket.calls.length = 0;
      client.socket.drain();
    }
    expect(first.socket.calls).toEqual([]);
    world.round();
    const [shared] = onlyBuffers(first);
    expect(onlyBuffers(second)[0]).toBe(shared);
    expect(onlyBuffers(third)[0]).not.toBe(shared);
    expect(onlyBuffers(third)[0]).toEqual(shared);
    expect(types(first)).toEqual(["PriceUpdate", "MarketUpdate"]);
    // Of the rounds after the one whose bytes the socket still took, the last one was told.
    const left = [2, 2, 1].map((rounds) => 2 * rounds);
    expect(conflated()).toBe(left.reduce((sum, count) => sum + count));
    expect(types(current)).toHaveLength(8);
    expect(current.model.skipped).toBe(0);
  });

  it("fan-out - trades of a later round stay behind those that wait for a socket that has drained", () => {
    const client = connect(0, TRADES);
    congest(client);
    for (let price = 1; price <= 3; price++) {
      world.trade(1, price);
      world.flush();
      world.round();
    }
    client.socket.drain();
    world.trade(1, 4);
    world.flush();
    world.round();
    expect(client.model.last("trade", 1)).toBe(1);
    world.serve();
    expect(client.model.last("trade", 1)).toBe(4);
    expect(counted(world.counters, SHARD.queuedBytes)).toBe(0);
  });

  it("fan-out - one that does not read keeps nothing waiting, and gets every trade when it does", () => {
    startWorld({ maxQueuedMessages: 5, maxQueuedBytes: 400 });
    const slow = connect(0, TRADES);
    const fast = connect(0, TRADES);
    congest(slow);
    for (let price = 1; price <= 3000; price++) {
      world.trade(1, price);
      if (price % 100 !== 0) continue;
      world.flush();
      world.round();
    }
    expect([slow.ws.closed, fast.ws.closed]).toEqual([undefined, undefined]);
    expect(counted(world.counters, SHARD.queuedBytes)).toBe(0);
    expect([slow, fast].map(({ model }) => model.last("trade", 1))).toEqual([100, 3000]);
    slow.socket.drain();
    world.serve();
    expect(slow.model.last("trade", 1)).toBe(3000);
    world.trade(1, 3001);
    world.flush();
    world.round();
    expect([slow, fast].map(({ model }) => model.last("trade", 1))).toEqual([3001, 3001]);
  });

  it("fan-out - whom the window of trades has passed by is closed, others are not", () => {
    startWorld({ sizes: { tradeRingSize: 1 << 16 } });
    const slow = connect(0, TRADES);
    const fast = connect(0, TRADES);
    congest(slow);
    for (let price = 1; price <= 2000; price++) {
      world.trade(1, price);
      if (price % 100 !== 0) continue;
      world.flush();
      world.round();
    }
    expect(slow.ws.closed).toBeUndefined();
    slow.socket.drain();
    world.serve();
    expect(slow.ws.closed?.code).toBe(4001);
    expect(counted(world.counters, SHARD.slowConsumersClosed)).toBe(1);
    expect([fast.ws.closed, fast.model.last("trade", 1)]).toEqual([undefined, 2000]);
  });

  it("fan-out - a round of more trades than the bound does not close a connection that takes them", () => {
    startWorld({ maxQueuedMessages: 5 });
    for (const conflating of [false, true]) {
      const client = connect(0, TRADES, prices(1));
      for (let price = 1; price <= 20; price++) world.trade(1, price);
      world.quote(1, 100);
      world.flush();
      world.round({ conflating });
      expect(client.ws.closed).toBeUndefined();
      expect(types(client).filter((type) => type === "TradeExecution")).toHaveLength(20);
    }
  });

  it("fan-out - a conflating round tells each stream once and counts what it leaves out", () => {
    const clients = [connect(0, prices(1)), connect(0, prices(1)), connect(1, market(1))];
    for (let middle = 100; middle < 110; middle++) world.quote(1, middle);
    world.book(1, 200);
    world.book(1, 201);
    world.flush();
    world.round({ conflating: true });
    expect(clients.map(types)).toEqual([
      ["PriceUpdate"],
      ["PriceUpdate"],
      ["MarketUpdate", "OrderBook"],
    ]);
    expect(onlyBuffers(clients[0] as Client)[0]).toBe(onlyBuffers(clients[1] as Client)[0]);
    expect(conflated()).toBe(9 + 9 + 9 + 1);
    world.quote(1, 300);
    world.flush();
    world.round();
    expect(conflated()).toBe(28);
  });

  it("fan-out - who was told of Markets late, with changes of the next interval, is told those right", () => {
    const active = connect(0, markets({ status: "Active" }));
    const halted = connect(0, markets({ status: "Halted" }));
    congest(active, halted);
    world.quote(1, 100);
    world.quote(2, 100);
    world.flush();
    world.round({ tell: true });
    world.quote(1, 101);
    world.flush();
    world.round({ tell: true });
    // The sockets drain in the next interval, and in it a market goes from one filter to the other.
    for (const { socket } of [active, halted]) socket.drain();
    world.setStatus(2, "Halted");
    world.flush();
    world.round();
    world.round({ tell: true });
    expect([...active.model.view]).toEqual([1]);
    expect([...halted.model.view]).toEqual([2]);
  });

  it("fan-out - Markets tells each change once an interval, and nothing where nothing changed", () => {
    const client = connect(0, markets(), prices(1));
    for (let middle = 100; middle < 103; middle++) {
      world.quote(1, middle);
      world.flush();
      world.round();
    }
    expect(types(client)).toEqual(["PriceUpdate", "PriceUpdate", "PriceUpdate"]);
    client.messages.length = 0;
    world.round({ tell: true });
    expect(types(client)).toEqual(["MarketUpdate"]);
    world.round({ tell: true });
    world.round({ tell: true });
    expect(client.messages).toHaveLength(1);
  });

  it("fan-out - Unmatched comes once, when the market ceases to match, to those who had it", () => {
    const early = connect(0, markets({ status: "Active" }));
    world.setStatus(1, "Halted");
    world.flush();
    world.round();
    // In the same audience, but its snapshot is of after the change.
    const late = connect(0, markets({ status: "Active" }));
    world.quote(1, 100);
    world.flush();
    world.round({ tell: true });
    expect(early.messages).toMatchObject([
      { data: { update_type: "Unmatched", market: { market_id: 1, status: "Halted" } } },
    ]);
    expect(late.messages).toEqual([]);
    world.quote(1, 101);
    world.flush();
    world.round({ tell: true });
    expect(early.messages).toHaveLength(1);
    world.setStatus(1, "Active");
    world.flush();
    world.round({ tell: true });
    expect(late.messages).toMatchObject([{ data: { update_type: "Status" } }]);
    expect(early.messages.slice(1)).toEqual(late.messages);
  });

  it("fan-out - the faster channel wins: a market of one's own is not told by Markets again", () => {
    const client = connect(0, markets(), market(1));
    world.quote(1, 100);
    world.quote(2, 100);
    world.flush();
    world.round();
    expect(types(client)).toEqual(["MarketUpdate"]);
    world.round({ tell: true });
    expect(client.messages).toMatchObject([
      { data: { market: { market_id: 1 } } },
      { data: { market: { market_id: 2 } } },
    ]);
  });

  it("fan-out - a market that the next producer lists late is told from its first state on", () => {
    const client = connect(0, market(1), prices(1), market(2));
    world.restartProducer(() => world.list(2));
    client.messages.length = 0;
    // Congested, so that its markets are looked up before the market is listed, and after.
    congest(client);
    world.quote(2, 100);
    world.flush();
    world.round();
    client.socket.drain();
    world.round();
    congest(client);
    world.list(1);
    world.quote(1, 100);
    world.quote(1, 101);
    world.flush();
    world.round();
    world.quote(1, 102);
    world.flush();
    world.round();
    client.socket.drain();
    world.round();
    expect(client.model.last("state", 1)).toBe(4);
    expect(client.model.last("price", 1)).toBe(3);
  });

  it("fan-out - lapped on the trade ring, it closes who is subscribed to trades, and nobody else", () => {
    startWorld({ sizes: { tradeRingSize: 1 << 16 } });
    const all = connect(0, TRADES);
    const one = connect(1, { type: "Trades", params: { market_id: 2 } });
    const none = connect(0, prices(1));
    world.trade(1, 1);
    world.flush();
    world.round();
    const lapping = 2000;
    for (let price = 1; price <= lapping; price++) {
      world.trade(1, price);
      if (price % 100 === 0) world.flush();
    }
    world.round();
    expect([all.ws.closed?.code, one.ws.closed?.code]).toEqual([4001, 4001]);
    expect(none.connection.open).toBe(true);
    const after = connect(0, TRADES);
    world.trade(1, 5);
    world.flush();
    world.round();
    expect(types(after)).toEqual(["TradeExecution"]);
    // How many were lost is known with the first one that was not.
    expect(counted(world.counters, SHARD.tradesLost)).toBe(lapping);
  });

  it("fan-out - lapped on the ring, it repairs from the table: everybody has the latest, once", () => {
    startWorld({ sizes: { ringSize: 1 << 16 } });
    const clients = [connect(0, prices(1), market(2)), connect(1, markets()), connect(0, TRADES)];
    world.quote(1, 50);
    world.flush();
    world.round();
    for (let middle = 100; middle < 2100; middle++) {
      world.quote(1, middle);
      world.quote(2, middle);
      world.book(2, middle);
      if (middle % 100 === 0) world.flush();
      if (middle === 500) world.trade(2, 1);
    }
    world.flush();
    for (const { messages } of clients) messages.length = 0;
    world.round({ tell: true });
    expect(counted(world.counters, SHARD.lapped)).toBe(1);
    const [own, all, trades] = clients as [Client, Client, Client];
    expect(types(own)).toEqual(["PriceUpdate", "MarketUpdate", "OrderBook"]);
    expect(own.messages).toMatchObject([
      { data: { best_bid: 20.98 } },
      { data: { update_type: "Price", market: { best_bid: 20.98 } } },
      { data: { bids: [[20.98, 10]] } },
    ]);
    expect(types(all)).toEqual(["MarketUpdate", "MarketUpdate"]);
    expect(types(trades)).toEqual(["TradeExecution"]);
    world.quote(1, 3000);
    world.flush();
    world.round();
    expect(own.model.last("price", 1)).toBe(world.truth.of(1).states.at(-1)?.priceSeq);
  });

  it("fan-out - each write is observed once in the latency histogram", () => {
    for (let count = 0; count < 130; count++) connect(count & 1, prices(1));
    world.quote(1, 100);
    world.flush();
    world.round();
    const buckets = world.counters.subarray(
      SHARD.latencyBuckets,
      SHARD.latencyBuckets + LATENCY_BUCKETS_S.length + 1,
    );
    expect(buckets.reduce((sum, count) => sum + count)).toBe(130);
  });

  it("fan-out - subscriptions and audiences are counted while they are there", () => {
    const subscriptions = () => [
      ...world.counters.subarray(SHARD.subscriptionsByChannel, SHARD.subscriptionsByChannel + 4),
    ];
    const one = connect(0, prices(1, 2), market(1), markets());
    const two = connect(0, markets(), market(1), prices(2, 1));
    expect(subscriptions()).toEqual([2, 2, 4, 0]);
    expect(counted(world.counters, SHARD.audiences)).toBe(1);
    world.unsubscribe(one, prices(1));
    expect(subscriptions()).toEqual([2, 2, 3, 0]);
    expect(counted(world.counters, SHARD.audiences)).toBe(2);
    world.unsubscribe(one, prices(2), market(1), markets());
    world.disconnect(two);
    expect(subscriptions()).toEqual([0, 0, 0, 0]);
    expect(counted(world.counters, SHARD.audiences)).toBe(0);
  });

  it("fan-out - connections of different wallets share their audience of market data", () => {
    startWorld({ takesOrders: true });
    const clients = ["v", "w", "w"].map((wallet) => {
      const client = world.connect(0);
      client.connection.identity = { userId: "u", wallet, role: undefined, expiresAt: 1e15 };
      world.subscribe(
        client,
        prices(1),
        ...["Orders", "Positions"].map((type) => ({ type, params: { wallet } })),
      );
      client.messages.length = client.socket.calls.length = 0;
      return client;
    });
    clients.push(connect(0, prices(1)));
    expect([...world.fanOut.audiences]).toHaveLength(1);
    world.quote(1, 100);
    world.flush();
    world.round();
    const buffers = new Set(clients.map((client) => onlyBuffers(client)[0]));
    expect(buffers.size).toBe(1);
  });

  it("fan-out - what waits for a connection without an audience is sent when it has drained", () => {
    const client = world.connect(0);
    client.socket.congested = true;
    const notice = (message: string) =>
      world.outbox.deliver(client.connection, {
        type: "Notification",
        data: { level: "info", message },
      });
    for (const text of ["a", "b", "c"]) notice(text);
    expect(world.fanOut.hasDrained).toBe(false);
    client.socket.drain();
    expect([client.messages.length, world.fanOut.hasDrained]).toEqual([1, true]);
    world.round();
    expect(client.messages).toMatchObject(
      ["a", "b", "c"].map((message) => ({ data: { message } })),
    );
    expect([client.connection.current, world.fanOut.hasDrained]).toEqual([true, false]);
  });

  it("fan-out - trades of a dead producer that were not read yet come before its successor, each once and in order", () => {
    const client = connect(0, TRADES, market(1));
    const binary = connect(1, TRADES);
    world.trade(1, 100);
    world.flush();
    world.round();
    world.trade(1, 101);
    // A market that the shard has not heard of, and states that it has not read.
    world.list(3);
    world.trade(3, 7);
    world.quote(1, 200);
    world.trade(1, 102);
    world.flush();
    world.restartProducer(() => {
      world.list(1);
      world.trade(1, 103);
    });
    world.flush();
    world.round();
    const told = ({ messages }: Client) =>
      messages.flatMap((message) => {
        if (message.type === "EpochChanged") return ["epoch"];
        if (message.type !== "TradeExecution") return [];
        const { market_id, seq } = message.data.trade;
        return [`${market_id}: ${seq}`];
      });
    const expected = ["1: 1", "1: 2", "3: 1", "1: 3", "epoch", "1: 1"];
    expect(told(client)).toEqual(expected);
    expect(told(binary)).toEqual(expected);
    expect(counted(world.counters, SHARD.tradesLost)).toBe(0);
  });

  it("fan-out - what a dead producer had claimed and not published is not read", () => {
    const client = connect(0, TRADES);
    const { memory } = world;
    world.trade(1, 100);
    world.flush();
    // It dies in the middle of a trade.
    world.trade(1, 101);
    const { round } = world.fanOut;
    const next = new Mirror(memory, world.counters, world.fanOut, round);
    world.fanOut.setMirror(next);
    expect(client.model.last("trade", 1)).toBe(1);
  });

  it("fan-out - where a dead producer had lapped the shard on trades, their subscribers are closed, and no others", () => {
    startWorld({ sizes: { tradeRingSize: 1 << 16 } });
    const [all, one, other] = [
      connect(0, TRADES),
      connect(1, { type: "Trades", params: { market_id: 2 } }),
      connect(0, market(1)),
    ];
    for (let count = 0; count < 2000; count++) {
      world.trade(1, 100);
      if (count % 100 === 0) world.flush();
    }
    world.restartProducer(() => world.list(1));
    const codes = [all, one, other].map(({ connection }) => connection.closeCode);
    expect(codes).toEqual([4001, 4001, undefined]);
    expect(types(other).slice(-3)).toEqual(["EpochChanged", "MarketSnapshot", "OrderBook"]);
  });

  it("fan-out - where the successor has lapped the shard already, they are closed as well", () => {
    const client = connect(0, TRADES);
    const next = createMarketMemory("next", SMALL);
    const publisher = new Publisher(next, world.block.producer, {
      bookIntervalMs: 0,
      now: () => 1,
      defer: () => {},
      setTimer: () => {},
      reject: () => {},
    });
    const listed = publisher.list({ marketId: 1, title: "One", tickSize: 1, lotSize: 1 });
    for (let price = 1; price <= 2000; price++) {
      publisher.trade(listed, { price, quantity: 1, takerSide: "Buy" });
      publisher.flush();
    }
    const { counters, fanOut } = world;
    const { round } = fanOut;
    fanOut.setMirror(new Mirror(next, counters, fanOut, round, "start"));
    expect(client.connection.closeCode).toBeUndefined();
    world.round();
    expect(client.connection.closeCode).toBe(4001);
  });

  it("fan-out - a market that a dead producer has left half-written costs its trades' subscribers, not the shard", () => {
    const [trades, prices1] = [connect(0, TRADES), connect(0, prices(1))];
    const { table } = world.memory;
    world.list(3);
    world.trade(3, 7);
    world.publisher.flush();
    // Slot 2 stays locked: its lock is the first word behind those of slots 0 and 1.
    const bytes = (table.buffer.byteLength - 64) / table.capacity;
    Atomics.add(new Int32Array(table.buffer), (64 + 2 * bytes) / 4, 1);
    const next = createMarketMemory("next", SMALL);
    const { round } = world.fanOut;
    world.fanOut.setMirror(new Mirror(next, world.counters, world.fanOut, round));
    expect([trades, prices1].map(({ connection }) => connection.closeCode)).toEqual([
      4001,
      undefined,
    ]);
  });

  it("fan-out - one round is under way at a time, and members are moved between two of them", () => {
    const { fanOut } = world;
    const { connection } = connect(0, prices(1));
    const { round, mirror } = fanOut;
    expect(() => fanOut.endRound(false)).toThrow(`an end without a round after ${round}`);
    expect(() => fanOut.conflate()).toThrow(`conflating without a round after ${round}`);
    fanOut.beginRound(false);
    const during = `during round ${round + 1}`;
    expect(() => fanOut.beginRound(false)).toThrow(`another round ${during}`);
    expect(() => fanOut.join(connection, undefined)).toThrow(`a move ${during}`);
    expect(() => fanOut.move(connection, undefined)).toThrow(during);
    expect(() => fanOut.takeDue(connection)).toThrow(during);
    expect(() => fanOut.setMirror(mirror)).toThrow(`another mirror ${during}`);
    expect([fanOut.round, connection.audience !== undefined]).toEqual([round + 1, true]);
    fanOut.endRound(false);
    fanOut.move(connection, undefined);
    expect(connection.audience).toBeUndefined();
  });

  it("fan-out - a change between two rounds is a fault, as it would be written at no round's end", () => {
    const { fanOut } = world;
    connect(0, market(1));
    world.book(1, 100);
    world.flush();
    const { mirror, round } = fanOut;
    expect(() => mirror.poll(round, 10, Number.POSITIVE_INFINITY)).toThrow(
      `a message without a round after ${round}`,
    );
  });
});
