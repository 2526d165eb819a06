import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { Random } from "../../src/shared/random.js";
import { tradeFaults } from "../support/history-checker.js";
import { Link } from "../support/link.js";
import { HAS_REDIS, NO_REDIS } from "../support/redis-server.js";
import { RoamingClient } from "../support/roaming-clients.js";
import { drawSeed } from "../support/seeds.js";
import { SOAK_MARKETS, SoakWorld } from "../support/soak-world.js";
import { checkTold, readStoredState, type StoredState } from "../support/stored-state.js";
import { Told } from "../support/told.js";
import { temporaryDirectory } from "../support/trading.js";
import { TradingLoad } from "../support/trading-load.js";
import { until } from "../support/until.js";

const SECONDS = Number(process.env["SOAK_SECONDS"]);
const SEED = drawSeed("relay soak");
/** How long a load trades before something happens, in ms. */
const LIFE_MS_MAX = 800;
/** Until all nodes are well again, and orders are taken, in ms; what keeps dying waits some seconds before it starts. */
const BACK_MS_MAX = 60_000;
/** Until every client has the last trade, or was told that it is missing, in ms. */
const TAIL_MS_MAX = 60_000;
/** Clients that follow a market each, and those that follow all. */
const CLIENTS_OF_ONE = 9;
const CLIENTS_OF_ALL = 3;
const FOLLOWED_WALLETS = ["w1", "w3", "sim-1"];

/** Trades of each market by their ids, in their order. */
function tradesByMarket({ trades }: StoredState): Map<string, string[]> {
  const all = new Map<string, string[]>();
  for (const { marketId, tradeId } of trades) {
    const market = String(marketId);
    const some = all.get(market) ?? [];
    some.push(String(tradeId));
    all.set(market, some);
  }
  return all;
}

/**
 * What followers of orders were told, as what followers of trades are: of each wallet the fills in their order, up to
 * the last one that was told, as what is private ends with the origin.
 */
function fillFaults(followers: readonly RoamingClient[], stored: StoredState): string[] {
  const idOf = (fill: { trade_id: string; order_id: string }) =>
    `${fill.trade_id} ${fill.order_id}`;
  return followers.flatMap(({ client, fills, losses }, at) => {
    const wallet = FOLLOWED_WALLETS[at] as string;
    const ids = stored.fillsOf(wallet).map(idOf).reverse();
    const [last] = fills.slice(-1).map(idOf);
    const all = new Map([[wallet, ids.slice(0, ids.indexOf(last as string) + 1)]]);
    const trades = fills.map((fill) => ({
      trade_id: idOf(fill),
      market_id: wallet as unknown as number,
    }));
    return tradeFaults([{ client, trades, losses }], all);
  });
}

/** Trades at a node while something happens; resolves when orders are taken again, or the node has ended. */
async function tradeThrough(
  world: SoakWorld,
  random: Random,
  told: Told,
  happening: string,
): Promise<void> {
  const port = world.ports[random.below(world.ports.length)] as number;
  const load = await TradingLoad.start(port, random, told);
  const ended = load.ended().then(() => true);
  await Promise.race([load.answered(), ended]);
  await Promise.race([load.during(sleep(random.below(LIFE_MS_MAX))), ended]);
  await world.happenings[happening]?.();
  const isOver = await Promise.race([
    ended,
    load.answered().then(() => false),
    sleep(BACK_MS_MAX).then(() => {
      throw new Error(`no order was taken again after: ${happening}`);
    }),
  ]);
  if (!isOver) await load.stop();
}

test.skipIf(!HAS_REDIS)(
  `relay soak - ${SECONDS} s of kills, stops, cuts and failovers: no trade is lost or doubled in silence, no order executed twice, no acknowledged one lost, no seq goes back (seed ${SEED})${NO_REDIS}`,
  async () => {
    const random = new Random(SEED);
    const told = new Told("several");
    const folder = await temporaryDirectory();
    const world = await SoakWorld.start(random, folder.path);
    const chance = new Random(SEED + 1);
    const address = await Link.start(
      () => world.ports[chance.below(world.ports.length)],
      (client, upstream) => {
        client.pipe(upstream);
        upstream.pipe(client);
      },
    );
    const marketsOf = (at: number): readonly number[] =>
      at < CLIENTS_OF_ONE ? [SOAK_MARKETS[at % SOAK_MARKETS.length] as number] : SOAK_MARKETS;
    const clients = Array.from({ length: CLIENTS_OF_ONE + CLIENTS_OF_ALL }, (_, at) =>
      RoamingClient.trades(address.port, at, marketsOf(at)),
    );
    const followers = FOLLOWED_WALLETS.map((wallet) => RoamingClient.orders(address.port, wallet));
    const log: string[] = [];
    try {
      const due: string[] = [];
      const endsAt = performance.now() + SECONDS * 1000;
      for (let round = 0; performance.now() < endsAt; round++) {
        await world.settled(BACK_MS_MAX);
        // Each once, in an order that is drawn, and then again.
        if (due.length === 0) due.push(...Object.keys(world.happenings));
        const [name] = due.splice(random.below(due.length), 1) as [string];
        log.push(name);
        await tradeThrough(world, random, told, name);
        // Clients go to other nodes from time to time without need.
        if (round % 4 === 3) address.cut();
      }
      await world.settled(BACK_MS_MAX);
      // Its last trades are told by the edges, who stay.
      expect(await world.origin.node.stop()).toBe(0);
      const stored = await readStoredState(world.origin.flags["data-dir"] as string);
      const all = tradesByMarket(stored);
      await until(
        "every client has the last trades",
        () => tradeFaults(clients, all).every((fault) => !fault.includes("missing behind")),
        TAIL_MS_MAX,
      ).catch(() => {});
      const losses = clients.reduce((sum, one) => sum + one.losses.length, 0);
      const trades = clients.reduce((sum, one) => sum + one.trades.length, 0);
      process.stdout.write(
        `relay soak: ${log.length} happenings, ${stored.trades.length} trades told ${trades} times, ${losses} losses told, ${told.orders.size} orders acknowledged\n`,
      );
      expect([...tradeFaults(clients, all), ...fillFaults(followers, stored)]).toEqual([]);
      expect([...clients, ...followers].flatMap(({ seqs }) => seqs.faults)).toEqual([]);
      checkTold(told, stored);
      expect(trades).toBeGreaterThan(stored.trades.length);
      expect(told.orders.size).toBeGreaterThan(log.length);
    } catch (error) {
      throw new Error(`after ${log.join("; ")}`, { cause: error });
    } finally {
      await Promise.all([...clients, ...followers].map(({ connection }) => connection.close()));
      await address.stop();
      await world.dispose();
      await folder.remove();
    }
  },
  (SECONDS + 300) * 1000,
);
