import { availableParallelism, loadavg } from "node:os";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { cpuSeconds } from "../../bench/support/process-figures.js";
import { MarketcastClient } from "../../src/client/node.js";
import type { Trade } from "../../src/contract/messages.js";
import { Link } from "../support/link.js";
import { HAS_PROC } from "../support/process-figures.js";
import { HAS_REDIS, NO_REDIS, RedisServer } from "../support/redis-server.js";
import { RelayNodes } from "../support/relay-nodes.js";
import { type ServerProcess, testToken } from "../support/server-process.js";
import { latestTrade, tradeIdsBetween } from "../support/trade-history.js";
import { walletState } from "../support/trading.js";
import { until } from "../support/until.js";

const CLIENTS = 1000;
/** Of them so many have an order each that is bound to their session, and half of those do not come back. */
const TRADERS = 40;
const BYSTANDERS = 20;
const MARKETS = Array.from({ length: 50 }, (_, at) => 1001 + at);
/** From the kill until all are back, connected, resumed and with their data, in ms. */
const BACK_MS_MAX = 5000;
/** The same where others use the machine: with more than so many at work for each core. */
const CROWDED_BACK_MS_MAX = 20_000;
const LOAD_MAX = 2;
/** How long a session waits, in ms, behind the lease of the edge that died. */
const WAIT_MS = 3000;
const LEASE_MS = 10_000;
const AT_A_TIME = 100;

/** A client of the library, and all that it was told of trades. */
interface Roamer {
  readonly client: MarketcastClient;
  readonly wallet: string;
  readonly market: number;
  readonly trades: Trade[];
  readonly gaps: unknown[];
  /** How long after the kill it was back, in ms. */
  backMs: number | undefined;
}

describe.skipIf(!HAS_REDIS)(`edge failover${NO_REDIS}`, () => {
  let redis: RedisServer;
  let nodes: RelayNodes;
  let origin: ServerProcess;
  let one: ServerProcess;
  let other: ServerProcess;
  /** One address in front of both edges. */
  let address: Link;
  let target: number;
  const roamers: Roamer[] = [];

  beforeAll(async () => {
    redis = await RedisServer.start();
    nodes = new RelayNodes(redis);
    origin = await nodes.origin({ feed: "exchange", "feed-rate": 400, "sim-traders": 20 });
    // All come from one address, as they would not.
    const many = { "max-connections-per-address": 3000, "max-waiting-sessions": 3000 };
    const edges = ["one", "other"].map((name) => nodes.edge({ ...many, "node-name": name }));
    [one, other] = (await Promise.all(edges)) as [ServerProcess, ServerProcess];
    target = one.port;
    address = await Link.start(
      () => target,
      (client, upstream) => {
        client.pipe(upstream);
        upstream.pipe(client);
      },
    );
  });
  afterAll(async () => {
    await Promise.all(roamers.map(({ client }) => client.close()));
    await address?.stop();
    await nodes?.dispose();
    await redis?.dispose();
  });

  function roam(port: number, at: number, autoReconnect: boolean): Roamer {
    const wallet = `w${at}`;
    const client = new MarketcastClient({
      url: `ws://127.0.0.1:${port}`,
      encoding: at % 2 === 0 ? "json" : "protobuf",
      token: testToken({ sub: `user ${at}`, wallet }),
      cancelOnDisconnect: WAIT_MS,
      autoReconnect,
    });
    const market = MARKETS[at % MARKETS.length] as number;
    const roamer: Roamer = {
      client,
      wallet,
      market,
      trades: [],
      gaps: [],
      backMs: undefined,
    };
    client.on("TradeExecution", ({ trade }) => roamer.trades.push(trade));
    client.on("gap", (gap) => roamer.gaps.push(gap));
    roamers.push(roamer);
    return roamer;
  }

  async function begin({ client, market }: Roamer): Promise<void> {
    await client.ready({ timeoutMs: 30_000 });
    await client.subscribe([{ type: "Trades", params: { market_id: market } }]);
  }

  /** It has every trade of its market from its first to the last that the origin's history has, once and in order. */
  async function checkComplete({ trades, gaps, market }: Roamer): Promise<void> {
    expect(gaps).toEqual([]);
    const latest = await latestTrade(origin.port, market);
    const has = () => trades.some(({ trade_id }) => trade_id === latest?.trade_id);
    await until(`trade ${latest?.trade_id} is told`, has, 30_000);
    const ids = trades.map(({ trade_id }) => trade_id);
    const upTo = ids.slice(0, ids.lastIndexOf(latest?.trade_id as string) + 1);
    const [first] = upTo as [string];
    expect(upTo).toEqual(await tradeIdsBetween(origin.port, market, first, latest as Trade));
  }

  const orderOf = { market_id: 1001, side: "Buy", order_type: "Limit", price: 0.01 } as const;

  test(`edge failover - ${CLIENTS} clients of a killed edge are back on the other, resumed, and miss no trade`, async () => {
    const leavers: Roamer[] = [];
    const stayers: Roamer[] = [];
    for (let at = 0; at < CLIENTS; at += AT_A_TIME) {
      const some = Array.from({ length: AT_A_TIME }, (_, n) => roam(address.port, at + n, true));
      stayers.push(...some);
      await Promise.all(some.map(begin));
    }
    for (let at = 0; at < TRADERS / 2; at++) leavers.push(roam(address.port, CLIENTS + at, false));
    const bystanders = Array.from({ length: BYSTANDERS }, (_, at) =>
      roam(other.port, CLIENTS + TRADERS + at, true),
    );
    await Promise.all([...leavers, ...bystanders].map(begin));
    const returning = stayers.slice(0, TRADERS / 2);
    await Promise.all(
      [...returning, ...leavers].map(({ client }) =>
        client.placeOrder({ ...orderOf, quantity: 1 }),
      ),
    );
    await until(
      "all have seen trades",
      () => roamers.every(({ trades }) => trades.length > 2),
      60_000,
    );

    const pids = { clients: process.pid, edge: other.pid, origin: origin.pid };
    const used = (): readonly number[] => (HAS_PROC ? Object.values(pids).map(cpuSeconds) : []);
    const usedBefore = used();
    const killedAt = performance.now();
    for (const roamer of stayers)
      roamer.client.once("resubscribed", () => {
        roamer.backMs = performance.now() - killedAt;
      });
    one.child.kill("SIGKILL");
    target = other.port;
    await until("all are back", () => stayers.every(({ backMs }) => backMs !== undefined), 60_000);
    const times = stayers.map(({ backMs }) => backMs as number).sort((a, b) => a - b);
    const [median, last] = [times[CLIENTS / 2], times.at(-1)] as [number, number];
    const processor = used().map((seconds, at) =>
      (seconds - (usedBefore[at] as number)).toFixed(2),
    );
    const load = (loadavg()[0] as number) / availableParallelism();
    process.stdout.write(
      `${CLIENTS} clients of a killed edge back on the other: half of them within ${Math.round(median)} ms, all within ${Math.round(last)} ms, at a load of ${load.toFixed(1)} a core; processor time of ${Object.keys(pids).join(", ")}: ${processor.join(", ")} s\n`,
    );
    expect(last).toBeLessThan(load < LOAD_MAX ? BACK_MS_MAX : CROWDED_BACK_MS_MAX);
    for (const { client } of stayers)
      expect(client.state).toMatchObject({ status: "open", resumed: true });

    // Those who do not come back lose their orders when the edge's lease and their session's wait have passed.
    const openOrders = async ({ wallet }: Roamer): Promise<number> =>
      (await walletState(other.port, wallet)).orders.length;
    expect(await Promise.all(returning.map(openOrders))).toEqual(returning.map(() => 1));
    await until(
      "the orders of those who left are cancelled",
      async () => (await Promise.all(leavers.map(openOrders))).every((open) => open === 0),
      2 * (LEASE_MS + WAIT_MS),
    );
    expect(performance.now() - killedAt).toBeGreaterThan(LEASE_MS);
    expect(await Promise.all(returning.map(openOrders))).toEqual(returning.map(() => 1));

    for (const roamer of [...stayers, ...bystanders]) await checkComplete(roamer);
    for (const { client } of bystanders) expect(client.stats.reconnects).toBe(0);
  });
});
