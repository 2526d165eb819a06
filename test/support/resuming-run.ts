import { once } from "node:events";
import { join } from "node:path";
import { expect } from "vitest";
import { MarketcastClient } from "../../src/client/node.js";
import { ENCODINGS, type Encoding } from "../../src/contract/encodings.js";
import type { Fill, Trade } from "../../src/contract/messages.js";
import { Random } from "../../src/shared/random.js";
import { CuttingProxy } from "./cutting-proxy.js";
import { type ServerProcess, startServerProcess, testToken } from "./server-process.js";
import { latestTrade, tradeIdsBetween } from "./trade-history.js";
import { temporaryDirectory, writeMarkets } from "./trading.js";
import { until } from "./until.js";

const MARKETS = [1001, 1002, 1003];
/** A connection carries some dozens of messages before it is cut. */
const BYTES_MAX = 8_000;
/** Clients of each encoding that follow one market, and of those that follow all. */
const CLIENTS = 2;

/** A client of the library, and every trade that it was told. */
interface Follower {
  readonly client: MarketcastClient;
  readonly markets: readonly number[];
  readonly trades: Trade[];
  readonly gaps: unknown[];
}

/** A client that follows the orders of a simulated trader, and every fill that it was told. */
interface OrderFollower {
  readonly client: MarketcastClient;
  readonly wallet: string;
  readonly fills: Fill[];
  /** The server said that it cannot tell all, as no exchange answered it in time. */
  lost: boolean;
}

/** How often what happens. */
interface Disturbances {
  /** Connections that are cut before each blow. */
  readonly cuts: number;
  /** Each ends the process in turn by a kill, or one of its shards, or its producer. */
  readonly blows: number;
}

/**
 * Clients of the library follow trades of an exchange through a proxy that cuts their connections, while shards,
 * producer and server die; in the end each has every trade that history has, once and in order. So have others every
 * fill of a wallet.
 */
export async function runResuming({ cuts, blows }: Disturbances, seed: number): Promise<number> {
  const random = new Random(seed);
  const folder = await temporaryDirectory();
  const marketsFile = join(folder.path, "markets.json");
  await writeMarkets(marketsFile, ...MARKETS.map((market_id) => ({ market_id })));
  const start = (): Promise<ServerProcess> =>
    startServerProcess(
      {
        feed: "exchange",
        shards: 2,
        "data-dir": join(folder.path, "data"),
        "markets-file": marketsFile,
        "sim-traders": 20,
        "feed-rate": 600,
        // The window is soon left behind.
        "replay-window": 262_144,
      },
      { threadEnds: true },
    );
  const proxy = await CuttingProxy.start(random, BYTES_MAX);
  let server = await start();
  const followers: Follower[] = [];
  const orderFollowers: OrderFollower[] = [];
  try {
    proxy.target = server.port;
    for (let index = 0; index < CLIENTS * ENCODINGS.length; index++) {
      const encoding = ENCODINGS[index % ENCODINGS.length] as Encoding;
      followers.push(follow(proxy.port, encoding, [MARKETS[index % MARKETS.length] as number]));
      followers.push(follow(proxy.port, encoding, MARKETS));
    }
    for (const [index, encoding] of ENCODINGS.entries())
      orderFollowers.push(followOrders(proxy.port, encoding, `sim-${index + 1}`));
    for (let blow = 0; blow < blows; blow++) {
      const enough = proxy.cut + cuts;
      await until(`${cuts} connections are cut`, () => proxy.cut >= enough, 120_000);
      const { child } = server;
      if (blow % 3 === 1) server.command({ restartShard: blow % 2 });
      else if (blow % 3 === 2) server.command({ restartProducer: true });
      else {
        proxy.target = undefined;
        child.kill("SIGKILL");
        await once(child, "exit");
        server = await start();
        proxy.target = server.port;
      }
    }
    proxy.cuts = false;
    for (const follower of followers) await checkComplete(follower, server.port);
    for (const follower of orderFollowers) await checkAllFills(follower);
    return proxy.cut;
  } finally {
    await Promise.all([...followers, ...orderFollowers].map(({ client }) => client.close()));
    await server.dispose();
    await proxy.stop();
    await folder.remove();
  }
}

/** @param markets one, or all of them, which is one channel */
function follow(port: number, encoding: Encoding, markets: readonly number[]): Follower {
  const client = new MarketcastClient({
    url: `ws://127.0.0.1:${port}`,
    encoding,
    reconnectIntervalMs: 5,
    maxReconnectIntervalMs: 100,
  });
  const follower: Follower = { client, markets, trades: [], gaps: [] };
  client.on("TradeExecution", ({ trade }) => follower.trades.push(trade));
  client.on("gap", (gap) => follower.gaps.push(gap));
  const [market_id] = markets;
  const channel =
    markets.length === 1 ? { type: "Trades", params: { market_id } } : { type: "Trades" };
  client.subscribe([channel as { type: "Trades" }]).catch(() => {});
  return follower;
}

function followOrders(port: number, encoding: Encoding, wallet: string): OrderFollower {
  const client = new MarketcastClient({
    url: `ws://127.0.0.1:${port}`,
    encoding,
    token: testToken({ sub: "follower", role: "admin" }),
    reconnectIntervalMs: 5,
    maxReconnectIntervalMs: 100,
  });
  const follower: OrderFollower = { client, wallet, fills: [], lost: false };
  client.on("message", (message) => {
    if (message.type !== "Subscribed") return;
    if (message.data.channels.some(({ recovered }) => recovered === false)) follower.lost = true;
  });
  client.on("Fill", ({ fill }) => follower.fills.push(fill));
  client.subscribe([{ type: "Orders", params: { wallet }, since: 0 }]).catch(() => {});
  return follower;
}

async function checkAllFills(follower: OrderFollower): Promise<void> {
  const { client, wallet, fills } = follower;
  let latest: Fill | undefined;
  for await (const fill of client.history.fills({ wallet, limit: 1 })) latest = fill;
  const isTold = () => fills.some(({ trade_id }) => trade_id === latest?.trade_id);
  await until(`fill ${latest?.trade_id} of ${wallet} is told`, isTold, 30_000);
  const told = fills.map(({ trade_id }) => trade_id);
  const known: string[] = [];
  for await (const { trade_id } of client.history.fills({ wallet })) known.push(trade_id);
  known.reverse();
  const end = latest?.trade_id as string;
  const expected = known.slice(0, known.indexOf(end) + 1);
  const all = told.slice(0, told.lastIndexOf(end) + 1);
  // On a machine that is busy with other things the exchange may be away for longer than a client is kept waiting.
  expect(all).toEqual(follower.lost ? expected.filter((id) => all.includes(id)) : expected);
}

async function checkComplete({ trades, gaps, markets }: Follower, port: number): Promise<void> {
  expect(gaps).toEqual([]);
  for (const market of markets) {
    const ofMarket = () => trades.filter(({ market_id }) => market_id === market);
    const latest = await latestTrade(port, market);
    const isTold = () => trades.some(({ trade_id }) => trade_id === latest?.trade_id);
    await until(`trade ${latest?.trade_id} is told`, isTold, 30_000);
    const told = ofMarket().map(({ trade_id }) => trade_id);
    const upTo = told.slice(0, told.lastIndexOf(latest?.trade_id as string) + 1);
    const known = await tradeIdsBetween(port, market, upTo[0] as string, latest as Trade);
    expect(upTo).toEqual(known);
  }
}
