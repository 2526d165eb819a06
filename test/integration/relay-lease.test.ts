import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { HAS_REDIS, NO_REDIS, RedisServer } from "../support/redis-server.js";
import { MARKETS, RelayNodes, relayFigures, untilState } from "../support/relay-nodes.js";
import { RelayWatch } from "../support/relay-watch.js";
import type { ServerProcess } from "../support/server-process.js";
import {
  connectTrader,
  limitOrder,
  place,
  QUIET_EXCHANGE,
  walletState,
} from "../support/trading.js";
import { until } from "../support/until.js";

const LEASE_MS = 2000;
/** Longest from the end of a lease until there is the next origin, in ms. */
const TAKEOVER_MS_MAX = 2000;
const EXIT_FENCED_OUT = 3;
const SERVICE_RESTART = 1012;

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
    const startedAt = performance.now();
    const first = await nodes.origin({ feed: "exchange" });
    const startMs = performance.now() - startedAt;
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
    await second.logged(({ msg }) => msg === "this node is the origin");
    expect(performance.now() - killedAt).toBeLessThan(LEASE_MS + TAKEOVER_MS_MAX);
    // What it has to start takes as long as it does anywhere.
    await ready(second);
    expect(performance.now() - killedAt).toBeLessThan(LEASE_MS + TAKEOVER_MS_MAX + startMs);
    expect(await readiness(second)).toEqual([200, "ok"]);
    const after = await relayFigures(second);
    expect(after.role).toBe("origin");
    expect(after.origin).toBeGreaterThan(before.origin);
  });

  test("relay-lease - an origin that stops gives its lease back, and the standby takes over at once", async () => {
    const lease = { "relay-lease": 30_000 };
    const first = await nodes.origin(lease);
    const second = await nodes.standby(lease);
    expect(await first.stop()).toBe(0);
    const stoppedAt = performance.now();
    await second.logged(({ msg }) => msg === "this node is the origin");
    expect(performance.now() - stoppedAt).toBeLessThan(TAKEOVER_MS_MAX);
    await ready(second);
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

  test("relay-lease - an exchange that was suspended acknowledges and executes no order when it wakes", async () => {
    const first = await nodes.origin(QUIET_EXCHANGE);
    const second = await nodes.standby(QUIET_EXCHANGE);
    const client = await connectTrader(first.port);
    const before = await place(client, limitOrder("Buy", 0.4, 1));
    expect(before.status).toBe("Open");
    first.child.kill("SIGSTOP");
    const order = limitOrder("Buy", 0.5, 1, { client_order_id: "late" });
    client.send({ type: "PlaceOrder", id: 1, data: { order } });
    await ready(second);
    first.child.kill("SIGCONT");
    const { code } = await client.closed;
    expect(code).toBe(SERVICE_RESTART);
    expect(await first.exited).toBe(EXIT_FENCED_OUT);
    expect(client.inbox.map(({ type }) => type)).not.toContain("OrderUpdate");
    // Nor is it on its disk.
    const again = await nodes.origin({
      ...QUIET_EXCHANGE,
      "data-dir": first.dataDir,
      "relay-prefix": "apart",
    });
    const state = await walletState(again.port, "w1");
    expect(state.orders.map(({ order_id }) => order_id)).toEqual([before.order_id]);
  });

  test("relay-lease - one that was suspended goes on where nobody has taken its place", async () => {
    const first = await nodes.origin(QUIET_EXCHANGE);
    const client = await connectTrader(first.port);
    const { origin } = await relayFigures(first);
    first.child.kill("SIGSTOP");
    await until("the lease has ended", () => redis.cli("EXISTS", "marketcast:lease") === "0");
    first.child.kill("SIGCONT");
    expect((await place(client, limitOrder("Buy", 0.4, 1))).status).toBe("Open");
    expect(await relayFigures(first)).toMatchObject({ role: "origin", origin });
  });

  test("relay-lease - a Redis away for longer than the lease holds up no order, nor does it end the origin", async () => {
    const first = await nodes.origin(QUIET_EXCHANGE);
    const second = await nodes.standby(QUIET_EXCHANGE);
    const client = await connectTrader(first.port);
    const { origin } = await relayFigures(first);
    redis.signal("SIGSTOP");
    const end = performance.now() + 3 * LEASE_MS;
    let slowestMs = 0;
    while (performance.now() < end) {
      const placedAt = performance.now();
      await place(client, limitOrder("Buy", 0.4, 1));
      slowestMs = Math.max(slowestMs, performance.now() - placedAt);
      await sleep(20);
    }
    expect(slowestMs).toBeLessThan(LEASE_MS / 2);
    redis.signal("SIGCONT");
    await untilState(first, "ok");
    expect(await relayFigures(first)).toMatchObject({ role: "origin", origin });
    expect(await readiness(second)).toEqual([503, "standby"]);
  });

  test("relay-lease - Redis started again empty: the origin stays it, and the standby stands by", async () => {
    const first = await nodes.origin();
    const second = await nodes.standby();
    const { origin } = await relayFigures(first);
    const renewals = await first.metric("marketcast_relay_lease_renewals_total");
    await redis.kill();
    await untilState(first, "degraded");
    await redis.start();
    await until("it is renewed for longer than it lasts", async () => {
      return (await first.metric("marketcast_relay_lease_renewals_total")) > renewals + 8;
    });
    expect(await relayFigures(first)).toMatchObject({ role: "origin", origin });
    expect(await readiness(second)).toEqual([503, "standby"]);
    expect(redis.cli("GET", "marketcast:fence")).toBe(String(origin));
  });

  test("relay-lease - of three that start together one is the origin, and so of the two that are left", async () => {
    const all = await Promise.all([1, 2, 3].map(() => nodes.standby()));
    const isOrigin = async (node: ServerProcess): Promise<boolean> =>
      (await relayFigures(node)).role === "origin";
    const origins = async (nodes: readonly ServerProcess[]): Promise<ServerProcess[]> => {
      const are = await Promise.all(nodes.map(isOrigin));
      return nodes.filter((_, at) => are[at]);
    };
    const first = await until("an origin", async () => (await origins(all))[0]);
    await ready(first);
    expect(await origins(all)).toEqual([first]);
    const left = all.filter((node) => node !== first);
    first.child.kill("SIGKILL");
    const second = await until("the next one", async () => (await origins(left))[0]);
    await ready(second);
    expect(await origins(left)).toEqual([second]);
  });

  test("relay-lease - a thread that relays and is started again has the number of its process", async () => {
    const first = await nodes.origin({}, { threadEnds: true });
    const second = await nodes.standby();
    const edge = await nodes.edge();
    const watch = await RelayWatch.start(edge.port, MARKETS);
    await watch.moreTrades(5);
    const { origin } = await relayFigures(first);
    first.command({ restartRelay: true });
    await until("it is started again", async () => {
      return (await first.metric("marketcast_relay_starts_total")) === 2;
    });
    await watch.moreTrades(10);
    expect(await relayFigures(first)).toMatchObject({ role: "origin", origin });
    expect(redis.cli("GET", "marketcast:fence")).toBe(String(origin));
    // One that is over cannot take the prefix back that way.
    first.child.kill("SIGSTOP");
    await ready(second);
    const taken = redis.cli("GET", "marketcast:fence");
    first.command({ restartRelay: true });
    first.child.kill("SIGCONT");
    expect(await first.exited).toBe(EXIT_FENCED_OUT);
    expect(redis.cli("GET", "marketcast:fence")).toBe(taken);
    expect(watch.faults).toEqual([]);
  });

  test("relay-lease - a standby whose port another has says so at once", async () => {
    const first = await nodes.origin();
    const failed = await nodes.standby({ port: first.port }).catch((error: Error) => error);
    expect(String(failed)).toMatch(/ended with 1.*\n.*in use/s);
  });
});
