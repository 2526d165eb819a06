import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { Random } from "../../src/shared/random.js";
import { HAS_REDIS, NO_REDIS, RedisServer } from "../support/redis-server.js";
import { drawSeed } from "../support/seeds.js";
import { type Flags, type ServerProcess, startServerProcess } from "../support/server-process.js";
import { checkTold, readStoredState } from "../support/stored-state.js";
import { Told } from "../support/told.js";
import { temporaryDirectory } from "../support/trading.js";
import { FAST_EXCHANGE, TradingLoad } from "../support/trading-load.js";
import { until } from "../support/until.js";

const ROUNDS = 24;
/** How long a load trades before something happens, in ms. */
const LIFE_MS_MAX = 800;
/** Until orders are taken again, in ms; a producer that keeps dying waits some seconds before it starts. */
const BACK_MS_MAX = 40_000;
/** Longer than a link lives without a word, and than a lease. */
const STOPS_MS = [300, 2000, 5000, 11_500] as const;
const SEED = drawSeed("long relay order kills");

/** Nodes of one exchange, and what happens to them. */
class World {
  readonly #random: Random;
  readonly #redis: RedisServer;
  readonly #dataDir: string;
  origin: ServerProcess;
  edges: readonly [ServerProcess, ServerProcess];

  private constructor(
    random: Random,
    redis: RedisServer,
    dataDir: string,
    origin: ServerProcess,
    edges: readonly [ServerProcess, ServerProcess],
  ) {
    this.#random = random;
    this.#redis = redis;
    this.#dataDir = dataDir;
    this.origin = origin;
    this.edges = edges;
  }

  static async start(random: Random, redis: RedisServer, dataDir: string): Promise<World> {
    const origin = await startNode(redis, originFlags(dataDir));
    const edges = await Promise.all([startEdge(redis), startEdge(redis)]);
    return new World(random, redis, dataDir, origin, edges);
  }

  /** Each is told the edge at which a load trades; the load survives it where that says so. */
  readonly happenings: Readonly<Record<string, (at: number) => Promise<"lives" | "ends">>> = {
    "the edge is killed": async (at) => {
      await kill(this.edges[at] as ServerProcess);
      await this.#restartEdge(at);
      return "ends";
    },
    "the edge is stopped": async (at) => {
      await stopFor(this.edges[at] as ServerProcess, this.#draw([300, 2000, 5000]));
      return "lives";
    },
    "the edge's producer dies": async (at) => {
      this.edges[at]?.command({ restartProducer: true });
      return "lives";
    },
    "the origin is killed": async () => {
      await kill(this.origin);
      this.origin = await startNode(this.#redis, originFlags(this.#dataDir));
      return "lives";
    },
    "the origin is stopped": async () => {
      await stopFor(this.origin, this.#draw(STOPS_MS));
      return "lives";
    },
    "the origin's producer dies": async () => {
      this.origin.command({ restartProducer: true });
      return "lives";
    },
    "the origin's relay dies": async () => {
      this.origin.command({ restartRelay: true });
      return "lives";
    },
    "Redis is stopped": async () => {
      this.#redis.signal("SIGSTOP");
      await sleep(this.#draw(STOPS_MS));
      this.#redis.signal("SIGCONT");
      return "lives";
    },
    "Redis is killed": async () => {
      await this.#redis.kill();
      await sleep(this.#draw([0, 2000]));
      await this.#redis.start();
      return "lives";
    },
  };

  #draw<T>(from: readonly T[]): T {
    return from[this.#random.below(from.length)] as T;
  }

  async #restartEdge(at: number): Promise<void> {
    const started = await startEdge(this.#redis);
    const [one, other] = this.edges;
    await this.edges[at]?.dispose();
    this.edges = at === 0 ? [started, other] : [one, started];
  }

  async dispose(): Promise<void> {
    for (const { child } of [this.origin, ...this.edges]) child.kill("SIGCONT");
    await Promise.all([this.origin, ...this.edges].map((node) => node.dispose()));
  }
}

function originFlags(dataDir: string): Flags {
  return { ...FAST_EXCHANGE, "data-dir": dataDir, "sim-traders": 0 };
}

function startNode(redis: RedisServer, flags: Flags): Promise<ServerProcess> {
  const all = {
    shards: 1,
    relay: redis.url,
    "relay-lease": 2000,
    "stall-timeout": 60_000,
    ...flags,
  };
  return startServerProcess(all, { threadEnds: true });
}

function startEdge(redis: RedisServer): Promise<ServerProcess> {
  return startNode(redis, { ...FAST_EXCHANGE, feed: "relay" });
}

async function kill({ child }: ServerProcess): Promise<void> {
  const exited = once(child, "exit");
  child.kill("SIGKILL");
  await exited;
}

async function stopFor({ child }: ServerProcess, ms: number): Promise<void> {
  child.kill("SIGSTOP");
  await sleep(ms);
  child.kill("SIGCONT");
}

test.skipIf(!HAS_REDIS)(
  `relay order kills - whatever dies or stands still, each order of an edge gets an answer, what was acknowledged is there, and nothing twice (seed ${SEED})${NO_REDIS}`,
  async () => {
    const random = new Random(SEED);
    const told = new Told("several");
    const folder = await temporaryDirectory();
    const redis = await RedisServer.start();
    const world = await World.start(random, redis, folder.path);
    try {
      const names = Object.keys(world.happenings);
      for (let round = 0; round < ROUNDS; round++) {
        const at = random.below(2);
        const name = names[round < names.length ? round : random.below(names.length)] as string;
        const edge = world.edges[at] as ServerProcess;
        await until(
          "the edge has a link",
          async () => (await edge.metric("marketcast_relay_origin_linked")) === 1,
          BACK_MS_MAX,
        );
        const load = await TradingLoad.start(edge.port, random, told);
        await load.answered();
        await load.during(sleep(random.below(LIFE_MS_MAX)));
        const happening = (world.happenings[name] as (at: number) => Promise<string>)(at);
        if ((await happening) === "ends") {
          await load.ended();
          continue;
        }
        await Promise.race([
          load.answered(),
          sleep(BACK_MS_MAX).then(() => {
            throw new Error(`no order was taken again after: ${name}`);
          }),
        ]);
        await load.stop();
      }
      for (const edge of world.edges) expect(await edge.stop()).toBe(0);
      expect(await world.origin.stop()).toBe(0);
      checkTold(told, await readStoredState(folder.path));
      expect(told.orders.size).toBeGreaterThan(ROUNDS * 20);
    } finally {
      await world.dispose();
      await redis.dispose();
      await folder.remove();
    }
  },
);
