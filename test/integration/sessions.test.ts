import { once } from "node:events";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { ENCODINGS } from "../../src/contract/encodings.js";
import { untilEmpty } from "../support/figures.js";
import { restartableExchange } from "../support/restartable-exchange.js";
import { type ServerProcess, startServerProcess, testToken } from "../support/server-process.js";
import { TestClient } from "../support/test-client.js";
import {
  connectTrader,
  limitOrder,
  place,
  QUIET_EXCHANGE,
  walletState,
} from "../support/trading.js";
import { until } from "../support/until.js";

const LONG_WAIT_MS = 120_000;

/** Of each test its own: what one leaves behind is nothing to the next. */
let wallet = "";
let wallets = 0;
const clients: TestClient[] = [];
beforeEach(() => {
  wallet = `w${++wallets}`;
});
afterEach(() => {
  for (const { ws } of clients.splice(0)) ws.terminate();
});

interface Joined {
  readonly client: TestClient;
  readonly session: string;
  readonly resumed: boolean;
}

/** Connects with a token in the query, and further parameters. */
async function enter(
  port: number,
  query = "",
  claims: Record<string, unknown> = {},
  encoding: (typeof ENCODINGS)[number] = "json",
): Promise<Joined> {
  const token = testToken({ sub: "u", wallet, ...claims });
  const client = await TestClient.connect(port, { encoding, query: `?token=${token}${query}` });
  clients.push(client);
  const { session, resumed } = (await client.take("Connected")).data;
  await client.take("Authenticated");
  return { client, session: session as string, resumed: resumed as boolean };
}

const openIds = async ({ port }: ServerProcess): Promise<readonly string[]> =>
  (await walletState(port, wallet)).orders.map(({ order_id }) => order_id);

const waitingOf = (running: ServerProcess) => running.metric("marketcast_sessions_waiting");
const waiting = (running: ServerProcess, count: number) =>
  until(`${count} sessions wait`, async () => (await waitingOf(running)) === count);

async function kill(running: ServerProcess): Promise<void> {
  const exited = once(running.child, "exit");
  running.child.kill("SIGKILL");
  await exited;
}

/** Connects as soon as there is a shard that takes it. */
async function joinAgain(port: number, query: string): Promise<Joined> {
  for (;;) {
    try {
      return await enter(port, query);
    } catch {
      // The connection was refused or cut.
    }
  }
}

describe("of one server", () => {
  let running: ServerProcess;
  beforeAll(async () => {
    const flags = { ...QUIET_EXCHANGE, shards: 2, "node-name": "node-7" };
    running = await startServerProcess(flags, { threadEnds: true });
  });
  // Which shard is next is known where nobody is left on any.
  afterEach(async () => {
    for (const { ws } of clients.splice(0)) ws.terminate();
    await untilEmpty(running, Number.POSITIVE_INFINITY);
  });
  afterAll(() => running.dispose());

  test("sessions - every connection with a token has one, in every encoding", async () => {
    const { port } = running;
    for (const encoding of ENCODINGS) {
      const { client, session, resumed } = await enter(port, "", {}, encoding);
      expect(session).toMatch(/^[A-Za-z0-9_-]{22,}$/);
      expect(resumed).toBe(false);
      const anonymous = await TestClient.connect(port, { encoding });
      clients.push(anonymous);
      const { data } = await anonymous.take("Connected");
      expect([data.node, data.session, data.resumed]).toEqual(["node-7", undefined, undefined]);
      const token = testToken({ sub: "u", wallet });
      const authenticate = { type: "Authenticate", data: { token, session } };
      const reply = await anonymous.request(authenticate);
      expect(reply.data).toEqual({ user_id: "u", wallet, session, resumed: true });
      expect(await client.closed).toMatchObject({ code: 4003 });
    }
  });

  test("sessions - one that waits is resumed on the other shard, its orders stay and end with it", async () => {
    const first = await enter(running.port, `&cancel_on_disconnect=${LONG_WAIT_MS}`);
    const { order_id } = await place(first.client, limitOrder("Buy", 0.2, 1));
    // The next connection goes to the other shard, which has none.
    const sockets = (shard: number) => running.metric(`marketcast_sockets{shard="${shard}"}`);
    const shard = (await sockets(0)) === 1 ? 0 : 1;
    const back = await enter(running.port, `&session=${first.session}&cancel_on_disconnect`);
    expect(await first.client.closed).toMatchObject({ code: 4003 });
    expect([back.session, back.resumed]).toEqual([first.session, true]);
    expect(await sockets(1 - shard)).toBe(1);
    expect(await openIds(running)).toEqual([order_id]);
    // It has asked for no wait, so the session ends with it, and what its first connection has bound.
    const watching = await connectTrader(running.port, { wallet });
    clients.push(watching);
    await watching.subscribe({ type: "Orders", params: { wallet } });
    await watching.take("OrderSnapshot");
    back.client.ws.terminate();
    const { order } = (await watching.take("OrderUpdate")).data;
    expect(order).toMatchObject({ order_id, status: "Cancelled" });
    const late = await enter(running.port, `&session=${first.session}`);
    expect(late.resumed).toBe(false);
    expect(late.session).not.toBe(first.session);
  });

  test("sessions - orders are kept within the wait, and cancelled when it has passed", async () => {
    const watching = await connectTrader(running.port, { wallet });
    clients.push(watching);
    await watching.subscribe({ type: "Orders", params: { wallet } });
    await watching.take("OrderSnapshot");
    const first = await enter(running.port, `&cancel_on_disconnect=${LONG_WAIT_MS}`);
    const { order_id } = await place(first.client, limitOrder("Buy", 0.2, 1));
    await watching.take("OrderUpdate");
    const before = await waitingOf(running);
    first.client.ws.terminate();
    await waiting(running, before + 1);
    const back = await enter(running.port, `&session=${first.session}&cancel_on_disconnect=1000`);
    expect(back.resumed).toBe(true);
    await waiting(running, before);
    expect(await openIds(running)).toEqual([order_id]);
    back.client.ws.terminate();
    const endedAt = performance.now();
    const { order } = (await watching.take("OrderUpdate")).data;
    expect(order).toMatchObject({ order_id, status: "Cancelled" });
    expect(order.reason).toBe("cancel on disconnect: the session did not come back within 1000 ms");
    expect(performance.now() - endedAt).toBeGreaterThan(950);
  });

  test("sessions - of another user or wallet, and what is none, are ignored", async () => {
    const first = await enter(running.port, `&cancel_on_disconnect=${LONG_WAIT_MS}`);
    await place(first.client, limitOrder("Buy", 0.2, 1));
    for (const claims of [{ sub: "v" }, { wallet: "another" }, { wallet: null }]) {
      const other = await enter(running.port, `&session=${first.session}`, claims);
      expect(other.resumed).toBe(false);
    }
    for (const session of ["", "x", "a".repeat(24), "%00"])
      expect((await enter(running.port, `&session=${session}`)).resumed).toBe(false);
    expect(first.client.ws.readyState).toBe(WebSocket.OPEN);
  });

  test("sessions - a shard that dies begins the wait, and another one takes the session over", async () => {
    const first = await enter(running.port, `&cancel_on_disconnect=${LONG_WAIT_MS}`);
    const { order_id } = await place(first.client, limitOrder("Buy", 0.2, 1));
    const on0 = (await running.metric('marketcast_sockets{shard="0"}')) === 1;
    running.command({ restartShard: on0 ? 0 : 1 });
    await first.client.closed;
    const back = await joinAgain(running.port, `&session=${first.session}`);
    expect(back.resumed).toBe(true);
    expect(await openIds(running)).toEqual([order_id]);
  });

  test("sessions - over a producer's death they go on, with their connections and without", async () => {
    const [stays, waits] = [
      await enter(running.port, "&cancel_on_disconnect"),
      await enter(running.port, `&cancel_on_disconnect=${LONG_WAIT_MS}`),
    ];
    const orders = [stays, waits].map(({ client }) => place(client, limitOrder("Buy", 0.2, 1)));
    const ids = (await Promise.all(orders)).map(({ order_id }) => order_id).sort();
    const before = await waitingOf(running);
    waits.client.ws.terminate();
    await waiting(running, before + 1);
    running.command({ restartProducer: true });
    await stays.client.take("EpochChanged");
    const back = await enter(running.port, `&session=${waits.session}`);
    expect(back.resumed).toBe(true);
    const taken = await enter(running.port, `&session=${stays.session}&cancel_on_disconnect`);
    expect(taken.resumed).toBe(true);
    expect(await stays.client.closed).toMatchObject({ code: 4003 });
    expect([...(await openIds(running))].sort()).toEqual(ids);
  });
});

describe("of servers that are started on the same data", () => {
  const { start } = restartableExchange({ shards: 2 });

  test("sessions - after kill -9 those with a wait are resumed, and what does not come back is cancelled", async () => {
    let running = await start();
    const first = await enter(running.port, `&cancel_on_disconnect=${LONG_WAIT_MS}`);
    const brief = await enter(running.port, "&cancel_on_disconnect=1000");
    const bound = await enter(running.port, "&cancel_on_disconnect=true");
    const { order_id } = await place(first.client, limitOrder("Buy", 0.2, 1));
    const lost = await place(brief.client, limitOrder("Buy", 0.3, 1));
    await place(bound.client, limitOrder("Buy", 0.4, 1));
    for (let round = 0; round < 3; round++) {
      await kill(running);
      running = await start();
      if (round === 0) {
        // The wait begins with the recovery, and has passed when the order is gone.
        await until("the order of the session that stays away is cancelled", async () => {
          const ids = await openIds(running);
          expect(ids).toContain(order_id);
          return !ids.includes(lost.order_id);
        });
      }
      const back = await enter(
        running.port,
        `&session=${first.session}&cancel_on_disconnect=${LONG_WAIT_MS}`,
      );
      expect(back.resumed).toBe(true);
      expect(await openIds(running)).toEqual([order_id]);
      // Once away from its connection, once with it.
      if (round === 1) back.client.ws.terminate();
    }
    expect((await enter(running.port, `&session=${brief.session}`)).resumed).toBe(false);
  });

  test("sessions - over an orderly restart those with a wait go on, those without end", async () => {
    const first = await start();
    const stays = await enter(first.port, `&cancel_on_disconnect=${LONG_WAIT_MS}`);
    const ends = await enter(first.port, "&cancel_on_disconnect");
    const { order_id } = await place(stays.client, limitOrder("Buy", 0.2, 1));
    await place(ends.client, limitOrder("Buy", 0.3, 1));
    expect(await first.stop()).toBe(0);
    const second = await start();
    expect(await openIds(second)).toEqual([order_id]);
    expect((await enter(second.port, `&session=${stays.session}`)).resumed).toBe(true);
  });

  test("sessions - of a wallet as many wait as --max-waiting-sessions says", async () => {
    const running = await start({ "max-waiting-sessions": 1 });
    const query = `&cancel_on_disconnect=${LONG_WAIT_MS}`;
    const [older, later] = [await enter(running.port, query), await enter(running.port, query)];
    await place(older.client, limitOrder("Buy", 0.2, 1));
    const { order_id } = await place(later.client, limitOrder("Buy", 0.3, 1));
    older.client.ws.terminate();
    await waiting(running, 1);
    later.client.ws.terminate();
    await until("the older one has ended", async () => {
      return (await running.metric("marketcast_sessions_crowded_out_total")) === 1;
    });
    await until("its order is cancelled", async () => (await openIds(running)).length === 1);
    expect(await openIds(running)).toEqual([order_id]);
  });

  test("sessions - they are there without an exchange as well", async () => {
    const { port } = await start({ feed: "synthetic" });
    const first = await enter(port, "&cancel_on_disconnect=5000");
    const taken = await enter(port, `&session=${first.session}&cancel_on_disconnect=5000`);
    expect(taken.resumed).toBe(true);
    expect(await first.client.closed).toMatchObject({ code: 4003 });
    taken.client.ws.terminate();
    expect((await enter(port, `&session=${first.session}`)).resumed).toBe(true);
  });
});
