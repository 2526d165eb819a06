import { beforeEach, describe, expect, it } from "vitest";
import { count, SHARD } from "../../src/counters/counters.js";
import type { Connection } from "../../src/workers/shard/connections/connection.js";
import type { Audience } from "../../src/workers/shard/fan-out/audience.js";
import { checkFanOutInvariants } from "./fan-out-invariants.js";
import { type Client, ShardWorld } from "./shard-world.js";

let world: ShardWorld;
let client: Client;
let connection: Connection;
let audience: Audience;

beforeEach(() => {
  world = new ShardWorld();
  world.list(1);
  world.flush();
  world.round();
  client = world.connect(0);
  world.subscribe(
    client,
    { type: "Markets", params: { filter: { status: "Active" } } },
    { type: "PriceFeed", params: { market_ids: [1] } },
  );
  ({ connection } = client);
  audience = connection.audience as Audience;
});

function check(): void {
  const connections = world.clients.map((one) => one.connection);
  checkFanOutInvariants(world.fanOut, world.counters, connections);
}

const PRICES = { sizes: false, intervalMs: 0 } as const;

/** What may go wrong, and what is said then. */
const FAULTS: readonly (readonly [said: string, doIt: () => void])[] = [
  ["an audience is dirty between rounds", () => audience.begin(1)],
  ["an audience without members", () => audience.members.clear()],
  ["an audience under another's key", () => audience.subscriptions.prices.set(2, PRICES)],
  ["a member of two audiences", () => connection.moveTo(undefined)],
  ["filters not registered", () => world.fanOut.markets.filters.release(filterKey())],
  ["a filter's users", () => acquire()],
  ["a filter ahead", () => filter().evaluate([], world.fanOut.round + 1)],
  ["a filter is wrong", () => filter().clear()],
  ["counted otherwise", () => count(world.counters, SHARD.audiences)],
  ["counted otherwise", () => count(world.counters, SHARD.subscriptionsByChannel, -1)],
  ["a member that is none", () => stray().moveTo(audience)],
  ["behind nothing", () => connection.miss(world.fanOut.round, 0)],
  ["told of rounds to come", () => connection.toldMarkets(world.fanOut.round + 1)],
  ["nobody will catch it up", () => missTelling()],
];

const filterKey = (): string => [...audience.subscriptions.filters.keys()][0] as string;
const filter = () => audience.filters[0] as (typeof audience.filters)[number];
const stray = (): Connection => world.connect(0).connection;

function acquire(): void {
  const { markets, mirror, round } = world.fanOut;
  const { holder } = connection;
  markets.filters.acquire(filterKey(), filter().filter, holder, mirror.markets, round);
}

/** The channel is told, and one who could take it is left out. */
function missTelling(): void {
  world.quote(1, 100);
  world.settle();
  connection.toldMarkets(0);
}

describe("fan-out-invariants", () => {
  it("fan-out-invariants - of a shard that works nothing is said, whatever waits", () => {
    check();
    client.socket.congested = client.model.conflated = true;
    for (let middle = 100; middle < 103; middle++) {
      world.quote(1, middle);
      world.flush();
      world.round({ tell: true });
      check();
    }
    expect(connection.behind).toBe(true);
    client.socket.drain();
    check();
    world.settle();
    check();
  });

  it.each(FAULTS)("fan-out-invariants - %s", (said, doIt) => {
    check();
    doIt();
    expect(check).toThrow(said);
  });
});
