import { once } from "node:events";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { EDGE_LEASE_MS } from "../../src/shared/edge-shards.js";
import { HAS_REDIS, NO_REDIS, RedisServer } from "../support/redis-server.js";
import {
  type Flags,
  type ServerProcess,
  startServerProcess,
  testToken,
} from "../support/server-process.js";
import { TestClient } from "../support/test-client.js";
import {
  limitOrder,
  place,
  QUIET_EXCHANGE,
  temporaryDirectory,
  walletState,
} from "../support/trading.js";
import { until } from "../support/until.js";

/** Times that the origin's relay thread dies under load; the last ones are seconds apart. */
const DEATHS = 6;
const CLIENTS = 2;
/** Orders that a client has under way. */
const IN_FLIGHT = 3;
/** Orders that are taken between two deaths, in turn: of a link that has just begun all is still in Redis. */
const TAKEN_BETWEEN = [1, 100] as const;
/** A session's end behind an edge's, at the latest. */
const ENDED_MS_MAX = EDGE_LEASE_MS + 2000;

/** What became of an order, by its quantity, which no other one has. */
interface Outcomes {
  readonly taken: Set<number>;
  readonly unknown: Set<number>;
  /** Answers that were none to a request under way. */
  stray: number;
}

describe.skipIf(!HAS_REDIS)(`orders from edges, deaths${NO_REDIS}`, () => {
  let redis: RedisServer;
  let data: Awaited<ReturnType<typeof temporaryDirectory>>;
  let origin: ServerProcess;
  const edges: ServerProcess[] = [];
  const clients: TestClient[] = [];

  async function start(flags: Flags): Promise<ServerProcess> {
    const server = await startServerProcess(
      {
        shards: 1,
        relay: redis.url,
        "max-orders-per-second": 10_000,
        "max-messages-per-second": 10_000,
        ...flags,
      },
      { threadEnds: true },
    );
    return server;
  }
  async function startEdge(name: string): Promise<ServerProcess> {
    const edge = await start({ feed: "relay", "node-name": name });
    edges.push(edge);
    await until("a link", async () => (await edge.metric("marketcast_relay_origin_linked")) === 1);
    return edge;
  }

  beforeAll(async () => {
    redis = await RedisServer.start();
    data = await temporaryDirectory();
    origin = await start({ ...QUIET_EXCHANGE, "data-dir": data.path });
  }, 60_000);
  afterAll(async () => {
    await Promise.all([origin, ...edges].map((server) => server.dispose()));
    await data.remove();
    await redis.dispose();
  });
  afterEach(() => {
    for (const { ws } of clients.splice(0)) ws.terminate();
  });

  async function enter(server: ServerProcess, wallet: string, query = "") {
    const token = testToken({ sub: `user of ${wallet}`, wallet });
    const client = await TestClient.connect(server.port, { query: `?token=${token}${query}` });
    clients.push(client);
    const { session, resumed } = (await client.take("Connected")).data;
    await client.take("Authenticated");
    return Object.assign(client, { session: session as string, resumed: resumed as boolean });
  }

  const openOrders = async (wallet: string) => (await walletState(origin.port, wallet)).orders;
  const openIds = async (wallet: string) =>
    (await openOrders(wallet)).map(({ order_id }) => order_id);

  /** Places orders without client_order_ids until it is told to stop and all are answered. */
  async function placeMany(
    client: TestClient,
    quantities: Iterator<number>,
    outcomes: Outcomes,
    stopped: () => boolean,
  ): Promise<void> {
    const underWay = new Map<string, number>();
    const send = (): void => {
      const quantity = quantities.next().value as number;
      underWay.set(`q${quantity}`, quantity);
      const order = limitOrder("Buy", 0.01, quantity);
      client.send({ type: "PlaceOrder", data: { order }, id: `q${quantity}` });
    };
    for (let at = 0; at < IN_FLIGHT; at++) send();
    while (underWay.size > 0) {
      const message = await client.next();
      if (message.id === undefined) continue;
      const quantity = underWay.get(String(message.id));
      if (quantity === undefined) outcomes.stray++;
      else if (message.type === "OrderUpdate") outcomes.taken.add(quantity);
      else if (message.type === "Error" && message.data.code === "UNAVAILABLE")
        outcomes.unknown.add(quantity);
      else throw new Error(`not expected: ${JSON.stringify(message)}`);
      underWay.delete(String(message.id));
      if (!stopped()) send();
    }
  }

  function* counting(): Generator<number, never> {
    for (let at = 1; ; at++) yield at;
  }

  async function kill(server: ServerProcess): Promise<void> {
    const exited = once(server.child, "exit");
    server.child.kill("SIGKILL");
    await exited;
  }

  for (const [what, command] of [
    ["the origin's relay thread", { restartRelay: true }],
    ["the edge's producer thread", { restartProducer: true }],
  ] as const)
    test(`orders from edges, deaths - ${what} dies again and again under load: no order is lost or placed twice, each request ends once, sessions live on`, async () => {
      const isOrigin = what.includes("origin");
      const wallet = isOrigin ? "relay" : "producer";
      const edge = await startEdge(`edge-${wallet}`);
      const dying = isOrigin ? origin : edge;
      const links = (): number =>
        edge.log.filter(({ msg }) => msg === "there is a link to the origin's exchange").length;
      const bound = await enter(edge, `${wallet}-bound`, "&cancel_on_disconnect=true");
      const kept = await place(bound, limitOrder("Buy", 0.02, 1));
      const outcomes: Outcomes = { taken: new Set(), unknown: new Set(), stray: 0 };
      const quantities = counting();
      let stop = false;
      const load = Array.from({ length: CLIENTS }, async () =>
        placeMany(await enter(edge, wallet), quantities, outcomes, () => stop),
      );
      for (let death = 0; death < DEATHS; death++) {
        const before = links();
        const taken = outcomes.taken.size;
        const more = TAKEN_BETWEEN[death % TAKEN_BETWEEN.length] as number;
        dying.command(command);
        await until("another link", () => links() > before, 20_000);
        await until("orders are taken again", () => outcomes.taken.size >= taken + more, 20_000);
      }
      stop = true;
      await Promise.all(load);
      const found = (await openOrders(wallet)).map(({ quantity }) => quantity);
      expect(new Set(found).size, "none is there twice").toBe(found.length);
      const lost = [...outcomes.taken].filter((quantity) => !found.includes(quantity));
      expect(lost, "all that were acknowledged are there").toEqual([]);
      const sent = outcomes.taken.size + outcomes.unknown.size;
      expect(sent, "each is answered").toBe((quantities.next().value as number) - 1);
      expect(outcomes.stray, "none is answered twice").toBe(0);
      // What is bound to a connection that lives is there still, and goes with it.
      expect(await openIds(`${wallet}-bound`)).toEqual([kept.order_id]);
      bound.ws.terminate();
      await until("it is cancelled", async () => (await openIds(`${wallet}-bound`)).length === 0);
    }, 120_000);

  test("orders from edges, deaths - edges killed: orders of those who resume elsewhere in time stand, those of others are cancelled within 12 s", async () => {
    const [one, other] = await Promise.all([startEdge("killed"), startEdge("stays")]);
    const sessions = await Promise.all([
      enter(one, "plain", "&cancel_on_disconnect=true"),
      enter(one, "back", "&cancel_on_disconnect=60000"),
      enter(one, "late", "&cancel_on_disconnect=1000"),
    ]);
    const wallets = ["plain", "back", "late"];
    for (const session of sessions) await place(session, limitOrder("Buy", 0.02, 1));
    const killedAt = performance.now();
    await kill(one);
    const back = await enter(
      other,
      "back",
      `&session=${sessions[1]?.session}&cancel_on_disconnect=60000`,
    );
    expect(back.resumed).toBe(true);
    const next = await place(back, limitOrder("Buy", 0.03, 1));
    for (const wallet of ["plain", "late"]) expect(await openIds(wallet)).toHaveLength(1);
    await until(
      "what was bound is cancelled",
      async () => (await openIds("plain")).length === 0,
      ENDED_MS_MAX,
    );
    expect(performance.now() - killedAt).toBeLessThan(ENDED_MS_MAX);
    await until("its wait has passed", async () => (await openIds("late")).length === 0, 5000);
    expect(await openIds("back")).toHaveLength(2);
    expect(wallets).toContain(next.wallet);
    // Its session is the other edge's connection's now, and ends where that does not come back.
    back.ws.terminate();
    const again = await enter(
      origin,
      "back",
      `&session=${sessions[1]?.session}&cancel_on_disconnect=true`,
    );
    expect(again.resumed).toBe(true);
    again.ws.terminate();
    await until("it is cancelled", async () => (await openIds("back")).length === 0);
  }, 60_000);
});
