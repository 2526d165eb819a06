import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { HAS_REDIS, NO_REDIS, RedisServer } from "../support/redis-server.js";
import { RelayNodes } from "../support/relay-nodes.js";
import { drawSeed } from "../support/seeds.js";
import type { Flags } from "../support/server-process.js";
import { killProcess, runTakeovers, untilHeirs } from "../support/takeover-run.js";
import { connectTrader, limitOrder, place, QUIET_EXCHANGE } from "../support/trading.js";

const FLAGS: Flags = { ...QUIET_EXCHANGE, shards: 1, "relay-lease": 1000 };
const ROUNDS = 3;

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

  test("standby - takes over with the orders of an exchange that was killed", async () => {
    const first = await nodes.origin(FLAGS);
    const before = await connectTrader(first.port);
    const orders = [await place(before, limitOrder("Buy", 0.1, 1, { client_order_id: "copied" }))];
    const second = await nodes.standby(FLAGS);
    await untilHeirs(first, 1);
    orders.push(await place(before, limitOrder("Buy", 0.2, 1, { client_order_id: "relayed" })));
    await killProcess(first);
    await second.logged(({ msg }) => msg === "ready");
    const after = await connectTrader(second.port);
    for (const { order_id, client_order_id, price } of orders) {
      const again = await place(after, limitOrder("Buy", price as number, 1, { client_order_id }));
      expect(again.order_id).toBe(order_id);
    }
  });

  test("standby - with --relay-ack standby no order that was told is lost with its exchange", async () => {
    const seed = drawSeed("takeovers, standby");
    console.log(`takeovers, standby: seed ${seed}`);
    await runTakeovers(redis, ROUNDS, seed, "standby");
  }, 60_000);

  test("standby - with --relay-ack none what is lost with an exchange is the end of its history", async () => {
    const seed = drawSeed("takeovers, none");
    console.log(`takeovers, none: seed ${seed}`);
    const { orders, told } = await runTakeovers(redis, ROUNDS, seed, "none");
    console.log(`orders lost by takeover: ${orders.join(", ")} of ${told}`);
  }, 60_000);
});
