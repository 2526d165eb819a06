import { closeSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { counted, counterBlockOf, createCounterBuffer, MAIN } from "../../src/counters/counters.js";
import { Acceptor, type AcceptorOptions } from "../../src/main/acceptor.js";
import type { ShardPool } from "../../src/main/shard-pool.js";
import { duplicateDescriptor } from "../../src/transport/native-sockets.js";
import { descriptorOf, fileOf } from "../../src/transport/socket-hand-off.js";
import type { MainToShard } from "../../src/workers/messages.js";
import { until } from "../support/until.js";

type SocketMessage = Extract<MainToShard, { type: "socket" }>;

/** Shards that keep what they are posted, and are up or not as the test says. */
class FakePool {
  readonly up: boolean[];
  readonly posted: SocketMessage[][];

  constructor(shards: number) {
    this.up = Array(shards).fill(true);
    this.posted = Array.from({ length: shards }, () => []);
  }

  ready(shard: number): boolean {
    return this.up[shard] === true;
  }

  port(shard: number) {
    return { postMessage: (message: SocketMessage) => this.posted[shard]?.push(message) };
  }

  /** Numbers of the connections that each shard was given. */
  get given(): number[][] {
    return this.posted.map((messages) => messages.map(({ connection }) => connection));
  }

  get count(): number {
    return this.posted.flat().length;
  }
}

const OPTIONS: AcceptorOptions = {
  shards: 2,
  maxConnections: 100,
  maxConnectionsPerAddress: 100,
  maxRefusals: 2,
  trustedProxies: undefined,
  sendBufferSize: 0,
  receiveBufferSize: 0,
  handOff: "duplicate",
};

let pool: FakePool;
let acceptor: Acceptor;
let counters: Float64Array;
let port: number;
let clients: Socket[];

async function start(options: Partial<AcceptorOptions> = {}): Promise<void> {
  const all = { ...OPTIONS, ...options };
  pool = new FakePool(all.shards);
  counters = counterBlockOf(createCounterBuffer(all.shards)).main;
  const log = pino({ level: "silent" });
  acceptor = new Acceptor(all, pool as unknown as ShardPool, counters, log);
  port = await acceptor.listen("127.0.0.1", 0);
}

/** Connects from an address of the loopback network and waits until that is in the ledger. */
async function connectFrom(localAddress = "127.0.0.1"): Promise<Socket> {
  const accepted = counted(counters, MAIN.accepted) + counted(counters, MAIN.destroyed);
  const socket = connect({ port, host: "127.0.0.1", localAddress });
  socket.on("error", () => {});
  socket.resume();
  clients.push(socket);
  await until(
    "accepted",
    () => counted(counters, MAIN.accepted) + counted(counters, MAIN.destroyed) > accepted,
  );
  return socket;
}

const closed = (socket: Socket): Promise<unknown> =>
  new Promise((resolve) => (socket.closed ? resolve(true) : socket.once("close", resolve)));

beforeEach(async () => {
  clients = [];
  await start();
});
afterEach(() => {
  acceptor.giveUp();
  acceptor.close();
  for (const socket of clients) socket.destroy();
});

describe("acceptor", () => {
  it("acceptor - each connection goes to the shard with the fewest, and counts until it ends", async () => {
    for (let count = 0; count < 4; count++) await connectFrom();
    expect(pool.given).toEqual([
      [1, 3],
      [2, 4],
    ]);
    for (const messages of pool.posted)
      for (const { socket } of messages) expect(socket).toBeTypeOf("number");
    acceptor.ended([1, 3]);
    expect(counted(counters, MAIN.connections)).toBe(2);
    await connectFrom();
    await connectFrom();
    expect(pool.given[0]).toEqual([1, 3, 5, 6]);
    expect(counted(counters, MAIN.accepted)).toBe(6);
  });

  it("acceptor - main keeps the original until the shard has taken it", async () => {
    const client = await connectFrom();
    const entry = acceptor.ledger.get(1);
    expect(descriptorOf(entry?.socket as Socket)).toBe(pool.posted[0]?.[0]?.socket);
    acceptor.taken(1);
    expect(acceptor.ledger.get(1)?.socket).toBeUndefined();
    // Nobody has duplicated it, so that was its end.
    await closed(client);
    acceptor.taken(1);
    acceptor.taken(99);
    expect(acceptor.ledger.connections).toBe(1);
  });

  it("acceptor - of a proxy no address is counted until its client is known, and then that one", async () => {
    acceptor.close();
    await start({ maxConnectionsPerAddress: 2, trustedProxies: ["127.0.0.9", "127.1.0.0/16"] });
    for (let count = 0; count < 4; count++) await connectFrom("127.0.0.9");
    await connectFrom("127.1.2.3");
    await connectFrom("127.2.2.3");
    const messages = pool.posted.flat();
    const flags = messages.map(({ connection, proxied, refusedBy }) => [
      connection,
      proxied,
      refusedBy,
    ]);
    expect(flags.sort(([a], [b]) => Number(a) - Number(b))).toEqual([
      [1, true, undefined],
      [2, true, undefined],
      [3, true, undefined],
      [4, true, undefined],
      [5, true, undefined],
      [6, undefined, undefined],
    ]);
    for (const number of [1, 2, 3]) acceptor.clientNamed(number, "192.0.2.1");
    acceptor.clientNamed(4, "192.0.2.2");
    acceptor.clientNamed(99, "192.0.2.2");
    const verdicts = (pool.posted.flat() as unknown as MainToShard[]).flatMap((message) =>
      message.type === "client-verdict" ? [[message.connection, message.refusedBy]] : [],
    );
    expect(verdicts.sort(([a], [b]) => Number(a) - Number(b))).toEqual([
      [1, undefined],
      [2, undefined],
      [3, "address"],
      [4, undefined],
    ]);
    const { ledger } = acceptor;
    expect([ledger.from("192.0.2.1"), ledger.from("127.0.0.9"), ledger.refused]).toEqual([2, 0, 1]);
    // The proxy's own connections are one more address's.
    for (let count = 0; count < 3; count++) {
      await connectFrom("127.0.0.9");
      acceptor.clientNamed(7 + count, "127.0.0.9");
    }
    expect([ledger.from("127.0.0.9"), ledger.refused]).toEqual([2, 2]);
    expect(counted(counters, MAIN.connections)).toBe(7);
    // With so many refused the next is cut, as it would have been at its accept.
    await connectFrom("127.0.0.9");
    acceptor.clientNamed(10, "192.0.2.1");
    const cut = (pool.posted.flat() as unknown as MainToShard[]).filter(
      (message) => message.type === "client-verdict" && message.cut,
    );
    expect(cut).toMatchObject([{ connection: 10, refusedBy: "address" }]);
    expect(counted(counters, MAIN.destroyed)).toBe(1);
  });

  it("acceptor - beyond a limit a few are handed on as refused, the others destroyed", async () => {
    await start({ maxConnections: 3, maxConnectionsPerAddress: 2, maxRefusals: 2 });
    for (let count = 0; count < 3; count++) await connectFrom("127.0.0.1");
    await connectFrom("127.0.0.2");
    const refusals = () => pool.posted.flat().map(({ refusedBy }) => refusedBy);
    expect(new Set(refusals())).toEqual(new Set([undefined, "address"]));
    await connectFrom("127.0.0.3");
    expect(refusals().filter((reason) => reason === "total")).toHaveLength(1);
    expect([acceptor.ledger.connections, acceptor.ledger.refused]).toEqual([3, 2]);
    const destroyed = await connectFrom("127.0.0.4");
    await closed(destroyed);
    expect(counted(counters, MAIN.destroyed)).toBe(1);
    expect(pool.count).toBe(5);
    // With one that ends there is room again.
    const [ended] = pool.posted.flat().filter(({ refusedBy }) => refusedBy === undefined);
    acceptor.ended([ended?.connection as number]);
    await connectFrom("127.0.0.5");
    expect(refusals().filter((reason) => reason === undefined)).toHaveLength(4);
  });

  it("acceptor - a shard that died hands what it had not taken to another; the rest ended with it", async () => {
    for (let count = 0; count < 4; count++) await connectFrom();
    acceptor.taken(1);
    pool.up[0] = false;
    acceptor.shardDown(0);
    expect(pool.given[1]).toEqual([2, 4, 3]);
    expect([acceptor.ledger.on(0), acceptor.ledger.on(1), acceptor.ledger.size]).toEqual([0, 3, 3]);
    await connectFrom();
    expect(pool.given[1]).toEqual([2, 4, 3, 5]);
  });

  it("acceptor - without a shard connections wait, and go to the first that is up, each once", async () => {
    pool.up.fill(false);
    const gone = await connectFrom();
    await connectFrom();
    await connectFrom();
    expect(pool.count).toBe(0);
    // The shard they were meant for dies again before it was up, more than once.
    for (let death = 0; death < 3; death++) {
      acceptor.shardDown(0);
      acceptor.shardDown(1);
    }
    pool.up[1] = true;
    acceptor.shardUp();
    expect(pool.given).toEqual([[], expect.any(Array)]);
    expect([...(pool.given[1] as number[])].sort()).toEqual([1, 2, 3]);
    pool.up[0] = true;
    acceptor.shardUp();
    expect(pool.count).toBe(3);
    gone.destroy();
  });

  it("acceptor - while a shard wants descriptors to start, none is kept waiting nor taken", async () => {
    pool.up.fill(false);
    const waiting = [await connectFrom(), await connectFrom()];
    acceptor.relieve();
    await Promise.all(waiting.map(closed));
    expect(acceptor.ledger.size).toBe(0);
    const refused = await connectFrom();
    await closed(refused);
    expect(counted(counters, MAIN.destroyed)).toBe(1);
    pool.up[0] = true;
    acceptor.shardUp();
    await connectFrom();
    expect(pool.given[0]).toEqual([3]);
  });

  it("acceptor - the connections of a shard that does not end are cut, and no others", async () => {
    const clients = [];
    for (let count = 0; count < 4; count++) clients.push(await connectFrom());
    // What the shard has of one that it has acknowledged.
    const file = acceptor.ledger.get(1)?.file;
    expect(file).toBe(fileOf(descriptorOf(acceptor.ledger.get(1)?.socket as Socket)));
    const taken = duplicateDescriptor(pool.posted[0]?.[0]?.socket as number);
    acceptor.taken(1);
    pool.up[0] = false;
    acceptor.shardLeftBehind(0);
    await Promise.all([clients[0], clients[2]].map((client) => closed(client as Socket)));
    closeSync(taken);
    expect([clients[1]?.readyState, clients[3]?.readyState]).toEqual(["open", "open"]);
    expect([acceptor.ledger.on(0), acceptor.ledger.on(1)]).toEqual([0, 2]);
  });

  it("acceptor - a socket that cannot be sent is destroyed, and the next one is taken", async () => {
    const failing = vi.spyOn(pool, "port").mockReturnValue({
      postMessage: () => {
        throw new Error("cannot be transferred");
      },
    });
    await closed(await connectFrom());
    expect(acceptor.ledger.size).toBe(0);
    failing.mockRestore();
    await connectFrom();
    expect(pool.given[0]).toEqual([2]);
  });

  it("acceptor - one that ended while it waited is not handed on", async () => {
    pool.up.fill(false);
    await connectFrom();
    await connectFrom();
    acceptor.ended([1]);
    pool.up.fill(true);
    acceptor.shardUp();
    expect(pool.given.flat()).toEqual([2]);
    expect(acceptor.ledger.size).toBe(1);
  });

  it("acceptor - it is empty when the last connection has ended, or was given up", async () => {
    await acceptor.emptied();
    await connectFrom();
    await connectFrom();
    let empty = false;
    const emptied = acceptor.emptied().then(() => {
      empty = true;
    });
    acceptor.ended([1]);
    await Promise.resolve();
    expect(empty).toBe(false);
    acceptor.giveUp();
    await emptied;
    expect(acceptor.ledger.size).toBe(0);
    await Promise.all(clients.map(closed));
  });

  it("acceptor - closed, it takes no more, and a port that is taken is Node's error", async () => {
    const other = new Acceptor(
      OPTIONS,
      pool as unknown as ShardPool,
      counters,
      pino({ level: "silent" }),
    );
    await expect(other.listen("127.0.0.1", port)).rejects.toMatchObject({ code: "EADDRINUSE" });
    acceptor.close();
    const late = connect(port, "127.0.0.1");
    const error = await new Promise<NodeJS.ErrnoException>((resolve) =>
      late.once("error", resolve),
    );
    expect(error.code).toBe("ECONNREFUSED");
  });
});
