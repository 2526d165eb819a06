import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { HAS_NAMESPACES, NetworkNamespace, NO_NAMESPACES } from "../support/network-namespace.js";
import { HAS_REDIS, NO_REDIS, RedisServer } from "../support/redis-server.js";
import { MARKETS, RelayNodes, relayFigures, untilState } from "../support/relay-nodes.js";
import { differences, RelayWatch } from "../support/relay-watch.js";
import type { ServerProcess } from "../support/server-process.js";
import { until } from "../support/until.js";

/** The links of Redis to its nodes. */
const [TO_ORIGIN, TO_EDGE] = [0, 1] as const;
/** Shorter than anything that waits for a word, longer than an edge says nothing of it, longer than a lease. */
const CUTS_MS = [500, 4000, 12_000] as const;
const DEGRADED_MS_MAX = 3000;

describe.skipIf(!HAS_REDIS || !HAS_NAMESPACES)(
  `relay partition${NO_REDIS || NO_NAMESPACES}`,
  () => {
    let network: NetworkNamespace;
    let redis: RedisServer;
    let nodes: readonly RelayNodes[];
    let origin: ServerProcess;
    let edge: ServerProcess;

    beforeEach(async () => {
      network = NetworkNamespace.make(2);
      const open = { bind: "0.0.0.0", "protected-mode": "no" };
      redis = await RedisServer.start(open, network.command);
      const [near, far] = [TO_ORIGIN, TO_EDGE].map(
        (link) => new RelayNodes({ url: `redis://${network.address(link)}:${redis.port}` }),
      ) as [RelayNodes, RelayNodes];
      nodes = [near, far];
      origin = await near.origin({ feed: "exchange" });
      edge = await far.edge();
    });
    afterEach(async () => {
      await Promise.all(nodes.map((some) => some.dispose()));
      await redis?.dispose();
      network?.remove();
    });

    async function bothWatched(): Promise<[RelayWatch, RelayWatch]> {
      const near = await RelayWatch.start(origin.port, MARKETS);
      const far = await RelayWatch.start(edge.port, MARKETS);
      for (const watch of [near, far]) await watch.moreTrades(5);
      return [near, far];
    }

    /** Resolves when the edge has what the origin has relayed until now. */
    async function caughtUp(): Promise<void> {
      const { batch } = await relayFigures(origin);
      await until(
        "the edge has caught up",
        async () => (await relayFigures(edge)).batch >= batch,
        30_000,
      );
    }

    test.each([
      ["the edge", TO_EDGE],
      ["the origin", TO_ORIGIN],
    ] as const)(
      "relay partition - %s is cut off from Redis and comes back: nothing is missing, and nobody is held up",
      async (_, link) => {
        const [near, far] = await bothWatched();
        for (const ms of CUTS_MS) {
          const since = performance.now();
          network.cut(link);
          const before = near.tradeCount();
          if (ms > DEGRADED_MS_MAX) {
            await untilState(edge, "degraded");
            expect(performance.now() - since).toBeLessThan(DEGRADED_MS_MAX);
          }
          await sleep(ms - (performance.now() - since));
          expect(near.tradeCount()).toBeGreaterThan(before);
          network.heal(link);
          await until("both are well", async () => {
            const states = [await untilState(origin, "ok"), await untilState(edge, "ok")];
            return states.every((reasons) => reasons.length === 0);
          });
          await caughtUp();
          await far.moreTrades(10);
        }
        expect([near.faults, far.faults]).toEqual([[], []]);
        expect([near.closedWith, far.closedWith]).toEqual([undefined, undefined]);
        expect(differences(near, far).different).toEqual([]);
        expect(await relayFigures(edge)).toMatchObject({ trades_lost: 0 });
        await Promise.all([near.close(), far.close()]);
      },
      120_000,
    );
  },
);
