import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { HAS_REDIS, NO_REDIS, RedisServer } from "../support/redis-server.js";
import { RelayNodes } from "../support/relay-nodes.js";
import type { Flags, ServerProcess } from "../support/server-process.js";
import { connectTrader, limitOrder, place, QUIET_EXCHANGE } from "../support/trading.js";
import { until } from "../support/until.js";

const FLAGS: Flags = { ...QUIET_EXCHANGE, shards: 1, "relay-lease": 2000 };

interface JournalFigures {
  readonly standbys: number;
  readonly heirs: number;
  readonly journal_lag: number;
}

async function journalFigures(node: ServerProcess): Promise<JournalFigures> {
  const { relay } = (await (await node.ops("/status")).json()) as { relay: JournalFigures };
  return relay;
}

/** Resolves when an origin says that so many standbys may take over. */
function untilHeirs(origin: ServerProcess, count: number): Promise<unknown> {
  return until(`${count} heirs`, async () => (await journalFigures(origin)).heirs === count);
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

  test("standby - takes over with the orders of an exchange that was killed", async () => {
    const first = await nodes.origin(FLAGS);
    const before = await connectTrader(first.port);
    const placed = await place(before, limitOrder("Buy", 0.1, 1, { client_order_id: "before" }));
    const second = await nodes.standby(FLAGS);
    await untilHeirs(first, 1);
    const later = await place(before, limitOrder("Buy", 0.2, 1, { client_order_id: "later" }));
    first.child.kill("SIGKILL");
    await second.logged(({ msg }) => msg === "ready");
    const after = await connectTrader(second.port);
    console.log(placed, later, second.output.slice(-12));
    for (const { order_id, client_order_id, price } of [placed, later]) {
      const again = await place(after, limitOrder("Buy", price as number, 1, { client_order_id }));
      expect(again.order_id).toBe(order_id);
    }
  });
});
