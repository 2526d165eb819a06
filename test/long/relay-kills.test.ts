import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Trade } from "../../src/contract/messages.js";
import { HAS_REDIS, NO_REDIS, RedisServer } from "../support/redis-server.js";
import { MARKETS, RelayNodes, relayFigures, untilState } from "../support/relay-nodes.js";
import { differences, RelayWatch } from "../support/relay-watch.js";
import type { ServerProcess } from "../support/server-process.js";
import { TestClient } from "../support/test-client.js";
import { until } from "../support/until.js";

const EXIT_FENCED_OUT = 3;

describe.skipIf(!HAS_REDIS)(`relay kills${NO_REDIS}`, () => {
  let redis: RedisServer;
  let nodes: RelayNodes;

  beforeEach(async () => {
    redis = await RedisServer.start();
    nodes = new RelayNodes(redis);
  });
  afterEach(async () => {
    await nodes.dispose();
    await redis.dispose();
  });

  async function watched({ port }: ServerProcess, since?: number): Promise<RelayWatch> {
    const watch = await RelayWatch.start(port, MARKETS, since);
    await watch.moreTrades(5);
    return watch;
  }

  test("relay kills - threads of the origin and of the edge die, and no client misses a trade", async () => {
    const origin = await nodes.origin({}, { threadEnds: true });
    const edge = await nodes.edge({}, { threadEnds: true });
    const near = await watched(origin);
    const far = await watched(edge);
    for (let round = 0; round < 3; round++) {
      origin.command({ restartRelay: true });
      await near.moreTrades(20);
      await until("the relay goes on", async () => {
        const [here, there] = [await relayFigures(origin), await relayFigures(edge)];
        return there.gaps > round && there.batch > here.batch - 100;
      });
      await far.moreTrades(20);
      edge.command({ restartProducer: true });
      await near.moreTrades(20);
      await far.moreTrades(20);
      const { epoch } = near;
      origin.command({ restartProducer: true });
      await until("the next epoch", () => near.epoch !== epoch && far.epoch === near.epoch);
      await far.moreTrades(20);
    }
    expect(near.faults).toEqual([]);
    expect(far.faults).toEqual([]);
    expect([near.closedWith, far.closedWith]).toEqual([undefined, undefined]);
    expect(differences(near, far).different).toEqual([]);
    // Of each epoch both have all trades from when both watched.
    for (const [key, trades] of far.trades) {
      const seqs = trades.map(({ seq }) => seq);
      expect(seqs, key).toEqual(seqs.map((_, at) => (seqs[0] as number) + at));
    }
    await Promise.all([near.close(), far.close()]);
  });

  test("relay kills - a client of an edge that dies resumes on another with since", async () => {
    await nodes.origin();
    const [one, other] = [await nodes.edge(), await nodes.edge()];
    const trades: Trade[] = [];
    const client = await TestClient.connect(one.port);
    await client.subscribe({ type: "Trades", params: { market_id: 1001 } });
    while (trades.length < 10) trades.push((await client.take("TradeExecution")).data.trade);
    one.child.kill("SIGKILL");
    await client.closed;
    const since = trades.at(-1)?.ts ?? 0;
    const channel = { type: "Trades", params: { market_id: 1001 }, since };
    const again = await TestClient.connect(other.port);
    again.send({ type: "Subscribe", data: { channels: [channel] } });
    const subscribed = await again.take("Subscribed");
    expect(subscribed.data.channels).toEqual([{ ...channel, recovered: true }]);
    const known = trades.length;
    while (trades.length < known + 20) {
      const { trade } = (await again.take("TradeExecution")).data;
      if (trade.seq > (trades.at(-1)?.seq ?? 0)) trades.push(trade);
    }
    const [first] = trades as [Trade];
    expect(trades.map(({ seq }) => seq)).toEqual(trades.map((_, at) => first.seq + at));
    await again.close();
  });

  test("relay kills - an edge killed and started again serves, and its archive knows what it lacks", async () => {
    await nodes.origin();
    const edge = await nodes.edge();
    await (await watched(edge)).close();
    edge.child.kill("SIGKILL");
    const flags = { "data-dir": edge.dataDir };
    const again = await nodes.edge(flags);
    const far = await watched(again);
    expect(far.faults).toEqual([]);
    const client = await TestClient.connect(again.port);
    client.send({ type: "Subscribe", data: { channels: [{ type: "Trades", since: 1 }] } });
    const [channel] = (await client.take("Subscribed")).data.channels;
    expect(channel).toMatchObject({ recovered: false });
    await Promise.all([client.close(), far.close()]);
  });

  test("relay kills - an exchange killed under load, a stream trimmed: every trade, by its number", async () => {
    const flags = { feed: "exchange", "feed-rate": 500 };
    let origin = await nodes.origin(flags);
    const { dataDir } = origin;
    const edge = await nodes.edge();
    const far = await watched(edge);
    for (let round = 0; round < 3; round++) {
      edge.child.kill("SIGSTOP");
      const near = await watched(origin);
      await near.moreTrades(60);
      redis.cli("XTRIM", "marketcast:stream", "MAXLEN", "1");
      edge.child.kill("SIGCONT");
      await far.moreTrades(80);
      await until("the edge has caught up", async () => {
        const [here, there] = [await relayFigures(origin), await relayFigures(edge)];
        // One that is killed before its archive knows of the epoch cannot tell what of it was told.
        const archived = await origin.metric("marketcast_archive_trades_total");
        return archived > 0 && there.batch > here.batch - 20;
      });
      const { epoch } = far;
      origin.child.kill("SIGKILL");
      origin = await nodes.origin({ ...flags, "data-dir": dataDir });
      await until(
        "the next epoch",
        () => far.epoch !== epoch,
        20_000,
        () => `closed with ${far.closedWith}\n${edge.output.join("\n")}`,
      );
      await far.moreTrades(30);
    }
    expect(far.faults).toEqual([]);
    expect(far.closedWith).toBeUndefined();
    expect(await relayFigures(edge)).toMatchObject({ trades_lost: 0 });
    const ids = [...far.trades.values()].flat().map(({ trade_id }) => Number(trade_id));
    ids.sort((a, b) => a - b);
    expect(ids).toEqual(ids.map((_, at) => (ids[0] as number) + at));
    await far.close();
  });

  test("relay kills - an origin that was suspended and comes back is refused, says so, and ends", async () => {
    const old = await nodes.origin();
    const edge = await nodes.edge();
    let far = await watched(edge);
    const { epoch } = far;
    old.child.kill("SIGSTOP");
    await untilState(edge, "degraded");
    const young = await nodes.origin();
    // What the old one has told and could not relay is in no archive that the young one has.
    await until("the end", () => far.closedWith !== undefined);
    expect(far.closedWith).toBe(4001);
    far = await until("the next epoch", async () => {
      const watch = await watched(edge);
      if (watch.epoch !== epoch) return watch;
      await watch.close();
      return undefined;
    });
    old.child.kill("SIGCONT");
    expect(await old.exited).toBe(EXIT_FENCED_OUT);
    expect(old.output.join()).toContain("another origin");
    const near = await watched(young);
    await far.moreTrades(20);
    expect(far.epoch).toBe(near.epoch);
    expect(far.faults).toEqual([]);
    expect(differences(near, far).different).toEqual([]);
    await Promise.all([near.close(), far.close()]);
  });
});
