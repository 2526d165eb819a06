import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { EntryWriter } from "../../src/relay/entry-form.js";
import { openRedis } from "../../src/relay/redis-link.js";
import { entryId } from "../../src/relay/relay-keys.js";
import { relayTargetOf } from "../../src/shared/relay-url.js";
import { HAS_REDIS, NO_REDIS, RedisServer } from "../support/redis-server.js";
import { MARKETS, RelayNodes, relayFigures, untilState } from "../support/relay-nodes.js";
import { differences, RelayWatch } from "../support/relay-watch.js";
import type { ServerProcess } from "../support/server-process.js";
import { until } from "../support/until.js";

/** More than an edge reads at a time. */
const REFUSED = 40;
/** What a Redis that is nearly full has left. */
const ROOM_BYTES = 128 * 1024;
const PASSWORD = "open-sesame";
/** What docs/relay.md says that the relay's user needs. */
const COMMANDS =
  "xadd xtrim xread xrange xrevrange get set hset hget hgetall hdel zadd zrem zcard zrangebyscore time del rpush blpop expire pexpire eval evalsha script";

/** Has Redis admit a user who may do just what the relay needs. */
function admit(redis: RedisServer): void {
  const commands = COMMANDS.split(" ").map((name) => `+${name}`);
  const keys = ["~marketcast:*", "~{another}.one:*"];
  redis.cli("ACL", "SETUSER", "relay", "on", `>${PASSWORD}`, ...keys, ...commands);
}

describe.skipIf(!HAS_REDIS)(`relay${NO_REDIS}`, () => {
  let redis: RedisServer;
  let nodes: RelayNodes;
  /** An origin and its edge, for all tests. */
  let first: ServerProcess;
  let second: ServerProcess;

  beforeAll(async () => {
    redis = await RedisServer.start();
    admit(redis);
    nodes = new RelayNodes({ url: redis.url.replace("//", `//relay:${PASSWORD}@`) });
    first = await nodes.origin({ feed: "exchange" });
    second = await nodes.edge({ shards: 2 });
  });
  afterAll(async () => {
    await nodes?.dispose();
    await redis?.dispose();
  });

  async function bothWatched(): Promise<[RelayWatch, RelayWatch]> {
    const near = await RelayWatch.start(first.port, MARKETS);
    const far = await RelayWatch.start(second.port, MARKETS);
    for (const watch of [near, far]) await watch.moreTrades(5);
    return [near, far];
  }

  test("relay - an edge tells what its origin tells, with epoch, seq and ts", async () => {
    const [near, far] = await bothWatched();
    await far.moreTrades(40);
    await until("both have the same", () => differences(near, far).states > 50);
    const { different, states, statesOfOneTs, trades } = differences(near, far);
    expect(different).toEqual([]);
    expect(states).toBeGreaterThan(50);
    expect(statesOfOneTs).toBeGreaterThan(0.8 * states);
    expect(trades).toBeGreaterThan(30);
    expect([near.faults, far.faults]).toEqual([[], []]);
    expect(far.epochs).toEqual(near.epochs);
    expect(await relayFigures(second)).toMatchObject({ connected: true, gaps: 0, trades_lost: 0 });
    expect(await second.metric("marketcast_relay_records_total")).toBeGreaterThan(100);
    await until("a list of both", async () => (await first.metric("marketcast_relay_nodes")) === 2);
    for (const { output } of [first, second]) expect(output.join()).not.toContain(PASSWORD);
    await Promise.all([near.close(), far.close()]);
  });

  test("relay - a Redis that stands still holds up no origin, and nothing is missing behind it", async () => {
    const [near, far] = await bothWatched();
    redis.signal("SIGSTOP");
    const degraded = await untilState(second, "degraded");
    expect(degraded.join()).toContain("the last state");
    await near.moreTrades(50);
    redis.signal("SIGCONT");
    await far.moreTrades(80);
    await Promise.all([untilState(first, "ok"), untilState(second, "ok")]);
    expect(differences(near, far).different).toEqual([]);
    expect([near.faults, far.faults]).toEqual([[], []]);
    expect([near.closedWith, far.closedWith]).toEqual([undefined, undefined]);
    expect(await relayFigures(second)).toMatchObject({ trades_lost: 0 });
    await Promise.all([near.close(), far.close()]);
  });

  test("relay - a Redis killed and started empty: what is missing comes from the archive", async () => {
    const [near, far] = await bothWatched();
    await redis.kill();
    await untilState(first, "degraded");
    await near.moreTrades(50);
    await redis.start();
    admit(redis);
    await far.moreTrades(80);
    await Promise.all([untilState(first, "ok"), untilState(second, "ok")]);
    expect(differences(near, far).different).toEqual([]);
    expect([near.faults, far.faults]).toEqual([[], []]);
    expect([near.closedWith, far.closedWith]).toEqual([undefined, undefined]);

    // A node that comes now finds a whole snapshot.
    const third = await nodes.edge();
    const late = await RelayWatch.start(third.port, MARKETS);
    await late.moreTrades(5);
    expect(late.epoch).toBe(near.epoch);
    expect(late.faults).toEqual([]);
    await Promise.all([near.close(), far.close(), late.close()]);
  });

  test("relay - a stream trimmed under an edge that was stopped: no trade is lost", async () => {
    const [near, far] = await bothWatched();
    const before = await relayFigures(second);
    second.child.kill("SIGSTOP");
    await near.moreTrades(100);
    redis.cli("XTRIM", "marketcast:stream", "MAXLEN", "1");
    second.child.kill("SIGCONT");
    await far.moreTrades(120);
    const figures = await relayFigures(second);
    expect(figures.gaps).toBeGreaterThan(before.gaps);
    expect(figures).toMatchObject({ trades_lost: 0 });
    expect(figures.trades_fetched).toBeGreaterThan(before.trades_fetched);
    expect(far.faults).toEqual([]);
    expect(far.closedWith).toBeUndefined();
    expect(differences(near, far).different).toEqual([]);
    await Promise.all([near.close(), far.close()]);
  });

  test("relay - entries of an origin that is over stand in no edge's way, however many they are", async () => {
    const [near, far] = await bothWatched();
    const { batch } = await relayFigures(first);
    second.child.kill("SIGSTOP");
    // Its origin goes on behind them, as behind whatever a Redis has that takes another's place.
    const writer = new EntryWriter();
    const link = await openRedis(relayTargetOf(redis.url));
    for (let ahead = batch + 1000; ahead < batch + 1000 + REFUSED; ahead++) {
      writer.begin(1);
      const head = { epoch: "another", fence: 1, batch: ahead, gap: false, begins: false };
      const entry = writer.finish(head);
      await link.send(["XADD", "marketcast:stream", entryId(ahead, 1), "e", entry]);
    }
    link.close();
    second.child.kill("SIGCONT");
    await far.moreTrades(60);
    await until("they were refused", async () => {
      return (await second.metric("marketcast_relay_refused_total")) >= REFUSED;
    });
    expect(differences(near, far).different).toEqual([]);
    expect([near.faults, far.faults]).toEqual([[], []]);
    expect([near.closedWith, far.closedWith]).toEqual([undefined, undefined]);
    await Promise.all([near.close(), far.close()]);
  });

  test("relay - a Redis that is full recovers as what is older than the window goes", async () => {
    const flags = { "relay-prefix": "marketcast:full", "relay-window": 5000, "feed-rate": 4000 };
    const full = await nodes.origin(flags);
    const other = await nodes.edge(flags);
    const far = await RelayWatch.start(other.port, MARKETS);
    const { origin } = await relayFigures(full);
    await until("there is much to remove", async () => {
      return (await full.metric("marketcast_relay_bytes_total")) > 500_000;
    });
    const used = Number(/used_memory:(\d+)/.exec(redis.cli("INFO", "memory"))?.[1]);
    // What is not the stream's may grow a little, too; the stream is there in some hundred milliseconds.
    redis.cli("CONFIG", "SET", "maxmemory", String(used + ROOM_BYTES));
    try {
      expect((await untilState(full, "degraded")).join()).toContain("cannot be written");
      await far.moreTrades(1000);
      expect((await relayFigures(full)).origin).toBe(origin);
    } finally {
      redis.cli("CONFIG", "SET", "maxmemory", "0");
    }
    expect(far.faults).toEqual([]);
    await far.close();
  });

  test("relay - an exchange killed and started again: the edge has every trade, in both epochs", async () => {
    const far = await RelayWatch.start(second.port, MARKETS);
    await far.moreTrades(10);
    const { epoch } = far;
    first.child.kill("SIGKILL");
    expect((await untilState(second, "degraded")).join()).toContain("nothing has come");
    first = await nodes.origin({ feed: "exchange", "data-dir": first.dataDir });
    await until("another epoch", () => far.epoch !== epoch);
    await far.moreTrades(30);
    await untilState(second, "ok");
    const near = await RelayWatch.start(first.port, MARKETS);
    await near.moreTrades(5);
    expect(near.epoch).toBe(far.epoch);
    expect(far.faults).toEqual([]);
    expect(far.closedWith).toBeUndefined();
    // It numbers its trades without holes, and a killed one has told some that it could not relay.
    const ids = [...far.trades.values()].flat().map(({ trade_id }) => Number(trade_id));
    ids.sort((a, b) => a - b);
    expect(ids).toEqual(ids.map((_, at) => (ids[0] as number) + at));
    await Promise.all([near.close(), far.close()]);
  });

  test("relay - trades that are beyond reach close their clients with 4001, never in silence", async () => {
    const apart = { "relay-prefix": "{another}.one" };
    const poor = await nodes.origin({ "archive-size": 0, ...apart });
    const other = await nodes.edge(apart);
    const near = await RelayWatch.start(poor.port, MARKETS);
    const far = await RelayWatch.start(other.port, MARKETS);
    await far.moreTrades(5);
    other.child.kill("SIGSTOP");
    await near.moreTrades(30);
    redis.cli("XTRIM", "{another}.one:stream", "MAXLEN", "1");
    other.child.kill("SIGCONT");
    await until("the end", () => far.closedWith !== undefined);
    expect(far.closedWith).toBe(4001);
    expect(far.faults).toEqual([]);
    expect((await relayFigures(other)).trades_lost).toBeGreaterThan(20);
    expect(await other.metric("marketcast_relay_gaps_total")).toBe(1);

    const again = await RelayWatch.start(other.port, MARKETS);
    await again.moreTrades(5);
    expect(again.faults).toEqual([]);
    await Promise.all([near.close(), again.close()]);
  });
});
