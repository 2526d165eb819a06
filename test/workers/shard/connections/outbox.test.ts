import { beforeEach, describe, expect, it } from "vitest";
import { CLOSE } from "../../../../src/contract/closings.js";
import { type Client, ShardWorld } from "../../../support/shard-world.js";

const MARKETS = { type: "Markets" };
const market = (market_id: number) => ({ type: "Market", params: { market_id } });
const prices = (...market_ids: number[]) => ({ type: "PriceFeed", params: { market_ids } });
const notice = { type: "Notification", data: { level: "info", message: "m" } } as const;

let world: ShardWorld;
beforeEach(() => {
  world = new ShardWorld();
  for (const id of [1, 2, 3]) world.list(id);
  world.quote(1, 100);
  world.flush();
  world.round();
});

const types = ({ messages }: Client): string[] => messages.map(({ type }) => type);

describe("outbox", () => {
  it("outbox - a reply and the first data behind it are one write, in the order of the channels", () => {
    for (const encoding of [0, 1]) {
      const client = world.connect(encoding);
      world.subscribe(client, prices(1, 2), market(2), MARKETS);
      expect(client.socket.calls).toHaveLength(1);
      expect(types(client)).toEqual([
        "Subscribed",
        "MarketSnapshot",
        "OrderBook",
        "MarketSnapshot",
        "PriceUpdate",
      ]);
      // A market without a book has an empty one, which its first will follow.
      expect(client.messages[2]).toMatchObject({ data: { bids: [], asks: [], seq: 0 } });
    }
  });

  it("outbox - clients that ask for the same between two rounds share the buffer, later ones do not", () => {
    const [one, two, three] = [0, 0, 1].map((encoding) => world.connect(encoding)) as [
      Client,
      Client,
      Client,
    ];
    for (const client of [one, two, three]) world.subscribe(client, MARKETS, prices(1));
    const firstData = ({ socket }: Client) => socket.calls.at(-1)?.[1];
    expect(firstData(two)).toBe(firstData(one));
    expect(firstData(three)).not.toEqual(firstData(one));
    world.quote(1, 200);
    world.flush();
    world.round();
    const late = world.connect(0);
    world.subscribe(late, MARKETS, prices(1));
    expect(late.messages.at(-1)).toMatchObject({ data: { best_bid: 1.99 } });
    world.restartProducer(() => world.list(1));
    const later = world.connect(0);
    world.subscribe(later, MARKETS, prices(1));
    expect(types(later)).toEqual(["Subscribed", "MarketSnapshot"]);
  });

  it("outbox - a broadcast is encoded once an encoding and shared by all that are open", () => {
    const clients = [0, 0, 1, 1].map((encoding) => world.connect(encoding)) as Client[];
    const closing = world.connect(0);
    closing.connection.close(CLOSE.restart);
    world.outbox.broadcast(
      world.clients.map(({ connection }) => connection),
      notice,
      notice,
    );
    const buffers = clients.map(({ socket }) => socket.calls.flat());
    expect(buffers.map(({ length }) => length)).toEqual([1, 1, 1, 1]);
    expect(buffers[1]?.[0]).toBe(buffers[0]?.[0]);
    expect(buffers[3]?.[0]).toBe(buffers[2]?.[0]);
    expect(clients[3]?.messages).toEqual([notice, notice]);
    expect(closing.messages).toEqual([]);
  });

  it("outbox - a restart sends each audience its message and all its first data, shared", () => {
    const [one, two] = [world.connect(0), world.connect(0)];
    for (const client of [one, two]) world.subscribe(client, prices(1, 3), market(3), MARKETS);
    const idle = world.connect(1);
    world.restartProducer(() => {
      world.list(3);
      world.quote(3, 100);
    });
    expect(types(one).slice(-5)).toEqual([
      "EpochChanged",
      "MarketSnapshot",
      "MarketSnapshot",
      "OrderBook",
      "PriceUpdate",
    ]);
    expect(one.socket.calls.at(-1)?.[1]).toBe(two.socket.calls.at(-1)?.[1]);
    expect(types(idle)).toEqual(["EpochChanged"]);
    expect(idle.model.epoch).toBe(world.memory.epoch);
  });
});
