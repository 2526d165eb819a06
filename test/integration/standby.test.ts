import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { HAS_REDIS, NO_REDIS, RedisServer } from "../support/redis-server.js";
import { RelayNodes, untilState } from "../support/relay-nodes.js";
import { drawSeed } from "../support/seeds.js";
import { type Flags, type ServerProcess, startServerProcess } from "../support/server-process.js";
import { mountDisk } from "../support/small-disk.js";
import { checkTold, readStoredState } from "../support/stored-state.js";
import { killProcess, runTakeovers, standbyFigures, untilHeirs } from "../support/takeover-run.js";
import type { TestClient } from "../support/test-client.js";
import { Told } from "../support/told.js";
import {
  connectTrader,
  limitOrder,
  place,
  QUIET_EXCHANGE,
  refusalOf,
  walletState,
} from "../support/trading.js";
import { until } from "../support/until.js";

const ALONE: Flags = { ...QUIET_EXCHANGE, shards: 1 };
const FLAGS: Flags = { ...ALONE, "relay-lease": 3000 };
const STRICT: Flags = { ...FLAGS, "relay-ack": "standby", "relay-ack-timeout": 500 };
const ROUNDS = 3;
const TAKEN_MS_MAX = 60_000;
const RUN_MS_MAX = 240_000;
const [SEED, SEED_OF_NONE] = ["takeovers, standby", "takeovers, none"].map(drawSeed);

function placeOrder(id: string) {
  return {
    type: "PlaceOrder",
    data: { order: limitOrder("Buy", 0.1, 1, { client_order_id: id }) },
  };
}

async function untilTaken(client: TestClient, id: string): Promise<string> {
  const reply = await until(
    "an order is taken",
    async () => {
      const answer = await client.request(placeOrder(id));
      return answer.type === "OrderUpdate" && answer;
    },
    TAKEN_MS_MAX,
  );
  return reply.data.order.order_id;
}

describe.skipIf(!HAS_REDIS)(`standby${NO_REDIS}`, () => {
  let redis: RedisServer;
  let nodes: RelayNodes;

  beforeEach(async () => {
    redis = await RedisServer.start();
    nodes = new RelayNodes(redis);
  });
  afterEach(async () => {
    await nodes?.dispose();
    await redis?.dispose();
  });

  const ready = (node: ServerProcess) => node.logged(({ msg }) => msg === "ready");

  test(
    "standby - takes over with the orders of an exchange that was killed",
    async () => {
      const first = await nodes.origin(FLAGS);
      const before = await connectTrader(first.port);
      const orders = [
        await place(before, limitOrder("Buy", 0.1, 1, { client_order_id: "copied" })),
      ];
      const second = await nodes.standby(FLAGS);
      await untilHeirs(first, 1);
      orders.push(await place(before, limitOrder("Buy", 0.2, 1, { client_order_id: "relayed" })));
      await until("all is relayed", async () => (await standbyFigures(second)).journal_records > 0);
      await killProcess(first);
      await ready(second);
      const after = await connectTrader(second.port);
      for (const { order_id, client_order_id, price } of orders) {
        const again = await place(
          after,
          limitOrder("Buy", price as number, 1, { client_order_id }),
        );
        expect(again.order_id).toBe(order_id);
      }
    },
    RUN_MS_MAX,
  );

  test(
    `standby - with --relay-ack standby no order that was told is lost with its exchange (seed ${SEED})`,
    async () => {
      await runTakeovers(redis, ROUNDS, SEED as number, "standby");
    },
    RUN_MS_MAX,
  );

  test(
    `standby - with --relay-ack none what is lost with an exchange is the end of its history (seed ${SEED_OF_NONE})`,
    async () => {
      await runTakeovers(redis, ROUNDS, SEED_OF_NONE as number, "none");
    },
    RUN_MS_MAX,
  );

  test(
    "standby - with --relay-ack standby orders are refused while no standby has what is stored, and one that was held back is told when it has",
    async () => {
      const first = await nodes.origin(STRICT);
      const client = await connectTrader(first.port);
      expect(await refusalOf(client, placeOrder("alone"))).toMatchObject({ code: "UNAVAILABLE" });
      expect(await untilState(first, "degraded")).toContainEqual(
        expect.stringContaining("no standby confirms"),
      );
      const second = await nodes.standby(STRICT);
      await untilTaken(client, "followed");
      second.child.kill("SIGSTOP");
      const params = { wallet: "w1" };
      await client.subscribe({ type: "Orders", params });
      await client.take("OrderSnapshot");
      const held = await refusalOf(client, placeOrder("held"));
      expect(held).toMatchObject({ code: "UNAVAILABLE" });
      expect(held.message).toContain("no standby has confirmed it yet");
      expect(await refusalOf(client, placeOrder("behind-it"))).toMatchObject({
        code: "UNAVAILABLE",
      });
      second.child.kill("SIGCONT");
      const told = await client.take("OrderUpdate");
      expect(told.data.order.client_order_id).toBe("held");
      expect(await untilTaken(client, "held")).toBe(told.data.order.order_id);
      const open = (await walletState(first.port, "w1")).orders.map((one) => one.client_order_id);
      expect(open.sort()).toEqual(["followed", "held"]);
    },
    RUN_MS_MAX,
  );

  test(
    "standby - one that was killed while it took a copy takes another one, and an origin that comes back does not take up what it has alone",
    async () => {
      const first = await nodes.origin(FLAGS);
      const client = await connectTrader(first.port);
      await place(client, limitOrder("Buy", 0.1, 1, { client_order_id: "first" }));
      const dataDir = join(first.dataDir, "standby");
      const cut = await nodes.standby({ ...FLAGS, "data-dir": dataDir });
      await cut.logged(({ msg }) => String(msg).includes("takes a copy"));
      await killProcess(cut);
      const second = await nodes.standby({ ...FLAGS, "data-dir": dataDir });
      await untilHeirs(first, 1);
      await killProcess(first);
      await ready(second);
      // Somebody lets the former exchange trade by itself.
      const lone = await startServerProcess({ ...ALONE, "data-dir": first.dataDir });
      const apart = await connectTrader(lone.port);
      const alone = await place(apart, limitOrder("Buy", 0.2, 1, { client_order_id: "alone" }));
      await killProcess(lone);
      const after = await connectTrader(second.port);
      const other = await place(after, limitOrder("Buy", 0.3, 1, { client_order_id: "other" }));
      expect(other.order_id).toBe(alone.order_id);
      const back = await nodes.standby({ ...FLAGS, "data-dir": first.dataDir });
      await back.logged(({ msg }) => String(msg).includes("does not have"));
      await untilHeirs(second, 1);
      await killProcess(second);
      await ready(back);
      const open = (await walletState(back.port, "w1")).orders.map((one) => one.client_order_id);
      expect(open.sort()).toEqual(["first", "other"]);
    },
    RUN_MS_MAX,
  );

  test(
    "standby - nothing is told that a standby with a full disk has not stored",
    async (context) => {
      const disk = await mountDisk();
      if (disk === undefined) return context.skip();
      try {
        const first = await nodes.origin(STRICT);
        const dataDir = join(disk.path, "data");
        const flags = { ...STRICT, "data-dir": dataDir, "relay-journal-bytes": 1 << 20 };
        const second = await nodes.standby(flags);
        const client = await connectTrader(first.port);
        await untilTaken(client, "first");
        await disk.fill();
        const told = new Told();
        let refused = false;
        for (let at = 0; !refused && at < 30_000; at++) {
          const order = limitOrder("Buy", 0.1, 1, { client_order_id: `${at}`.padEnd(30, "x") });
          const reply = await client.request({ type: "PlaceOrder", data: { order } });
          told.take(reply);
          refused = reply.type === "Error" && reply.data.code === "UNAVAILABLE";
        }
        expect(refused).toBe(true);
        expect(told.orders.size).toBeGreaterThan(0);
        await second.logged(({ msg, err }) => {
          const { code } = (err ?? {}) as { code?: string };
          return String(msg).includes("does not follow") && code === "STORE_WRITE_FAILED";
        });
        await killProcess(second);
        await disk.free();
        checkTold(told, await readStoredState(dataDir));
      } finally {
        await nodes.dispose();
        await disk.unmount();
      }
    },
    RUN_MS_MAX,
  );
});
