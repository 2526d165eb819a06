import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { HAS_REDIS, NO_REDIS, RedisServer } from "../support/redis-server.js";
import { MARKETS, RelayNodes, relayFigures, untilState } from "../support/relay-nodes.js";
import { RelayWatch } from "../support/relay-watch.js";
import type { ServerProcess } from "../support/server-process.js";
import { until } from "../support/until.js";

const LEASE_MS = 2000;
/** Longest from the end of a lease until the next origin serves, in ms. */
const TAKEOVER_MS_MAX = 2000;
const EXIT_FENCED_OUT = 3;

async function readiness(node: ServerProcess): Promise<[number, string]> {
  const response = await node.ops("/readyz");
  return [response.status, ((await response.json()) as { state: string }).state];
}

async function ready(node: ServerProcess): Promise<void> {
  await node.logged(({ msg }) => msg === "ready");
}

describe.skipIf(!HAS_REDIS)(`relay-lease${NO_REDIS}`, () => {
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

  test("relay-lease - a second origin stands by, and takes over when the first one is killed", async () => {
    const first = await nodes.origin({ feed: "exchange" });
    const second = await nodes.standby({ feed: "exchange" });
    expect(await readiness(second)).toEqual([503, "standby"]);
    expect((await second.ops("/healthz")).status).toBe(200);
    const { status } = (await (await second.ops("/status")).json()) as {
      status: { state: string };
    };
    expect(status.state).toBe("standby");
    const before = await relayFigures(first);
    expect([before.role, (await relayFigures(second)).role]).toEqual(["origin", "standby"]);
    expect(second.port).toBe(0);

    const killedAt = performance.now();
    first.child.kill("SIGKILL");
    await ready(second);
    expect(performance.now() - killedAt).toBeLessThan(LEASE_MS + TAKEOVER_MS_MAX);
    expect(await readiness(second)).toEqual([200, "ok"]);
    const after = await relayFigures(second);
    expect(after.role).toBe("origin");
    expect(after.origin).toBeGreaterThan(before.origin);
  });

  test("relay-lease - an origin that stops gives its lease back, and the standby takes over at once", async () => {
    const lease = { "relay-lease": 30_000 };
    const first = await nodes.origin(lease);
    const second = await nodes.standby(lease);
    const stoppedAt = performance.now();
    expect(await first.stop()).toBe(0);
    await ready(second);
    expect(performance.now() - stoppedAt).toBeLessThan(TAKEOVER_MS_MAX + 5000);
  });

  test("relay-lease - one that was suspended ends by itself when it wakes, and edges take nothing of it", async () => {
    const first = await nodes.origin();
    const second = await nodes.standby();
    const edge = await nodes.edge();
    const trades = await RelayWatch.start(edge.port, MARKETS);
    const prices = await RelayWatch.prices(edge.port, MARKETS);
    await trades.moreTrades(10);
    const { epoch } = prices;
    first.child.kill("SIGSTOP");
    await ready(second);
    await until("the next epoch", () => prices.epoch !== epoch);
    first.child.kill("SIGCONT");
    expect(await first.exited).toBe(EXIT_FENCED_OUT);
    expect(first.output.join()).toContain("another origin has taken over");
    await untilState(edge, "ok");
    expect([prices.faults, trades.faults]).toEqual([[], []]);
    // No archive has what it may have told before it was suspended.
    expect([prices.closedWith, trades.closedWith]).toEqual([undefined, 4001]);
    const later = await RelayWatch.start(edge.port, MARKETS);
    await later.moreTrades(10);
    expect([later.faults, later.epoch]).toEqual([[], prices.epoch]);
    expect((await relayFigures(second)).role).toBe("origin");
  });
});
