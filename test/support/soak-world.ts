import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Random } from "../../src/shared/random.js";
import { RedisServer } from "./redis-server.js";
import { RedisWay } from "./redis-way.js";
import { relayFigures } from "./relay-nodes.js";
import { type Flags, type ServerProcess, startServerProcess } from "./server-process.js";
import { writeMarkets } from "./trading.js";
import { FAST_EXCHANGE } from "./trading-load.js";
import { until } from "./until.js";

export const SOAK_MARKETS = [1001, 1002, 1003] as const;
/** Longer than an edge waits with saying that it is degraded, than a link lives without a word, than a lease. */
const STOPS_MS = [300, 2000, 3500, 11_500] as const;
const EDGES = 2;

/** A node, how it is started, and its way to Redis. */
interface Place {
  readonly name: string;
  readonly flags: Flags;
  readonly way: RedisWay;
  node: ServerProcess;
}

/**
 * An exchange and two edges over a Redis with a replica, and what may happen to them. Each node has a way of its own
 * to Redis, by one address, whichever of the two that is.
 */
export class SoakWorld {
  readonly origin: Place;
  readonly edges: readonly Place[];
  readonly #random: Random;
  #primary: RedisServer;
  #replica: RedisServer;

  private constructor(
    random: Random,
    redis: { primary: RedisServer; replica: RedisServer },
    origin: Place,
    edges: readonly Place[],
  ) {
    this.#random = random;
    this.#primary = redis.primary;
    this.#replica = redis.replica;
    this.origin = origin;
    this.edges = edges;
  }

  /** @param dir of what the nodes keep */
  static async start(random: Random, dir: string): Promise<SoakWorld> {
    const redis = { primary: await RedisServer.start(), replica: await RedisServer.start() };
    let world: SoakWorld | undefined;
    const target = (): number => (world === undefined ? redis.primary : world.#primary).port;
    const markets = join(dir, "markets.json");
    await writeMarkets(markets, ...SOAK_MARKETS.map((market_id) => ({ market_id })));
    const place = async (name: string, own: Flags): Promise<Place> => {
      const flags = { "data-dir": join(dir, name), "node-name": name, ...own };
      const way = await RedisWay.start(target);
      return { name, flags, way, node: await startNode(flags, way) };
    };
    const origin = await place("origin", {
      "markets-file": markets,
      "sim-traders": 10,
      "feed-rate": 100,
    });
    const edges = await Promise.all(
      Array.from({ length: EDGES }, (_, at) => place(`edge-${at + 1}`, { feed: "relay" })),
    );
    world = new SoakWorld(random, redis, origin, edges);
    world.#follow();
    return world;
  }

  /** Ports of all nodes, be they there or not. */
  get ports(): readonly number[] {
    return this.#places.map(({ node }) => node.port);
  }

  get #places(): readonly Place[] {
    return [this.origin, ...this.edges];
  }

  /** Each resolves when it is over; what was killed is there again then. */
  readonly happenings: Readonly<Record<string, () => Promise<unknown>>> = {
    "an edge is killed": () => this.#restart(this.#anEdge(), "SIGKILL"),
    "an edge is ended": () => this.#restart(this.#anEdge(), "SIGTERM"),
    "an edge is stopped": () => suspend(this.#anEdge().node, this.#draw([300, 2000, 5000])),
    "an edge's producer dies": async () => this.#anEdge().node.command({ restartProducer: true }),
    "the origin is killed": () => this.#restart(this.origin, "SIGKILL"),
    "the origin is stopped": () => suspend(this.origin.node, this.#draw([300, 2000])),
    "the origin's producer dies": async () => this.origin.node.command({ restartProducer: true }),
    "Redis is stopped": async () => {
      this.#primary.signal("SIGSTOP");
      await sleep(this.#draw(STOPS_MS));
      this.#primary.signal("SIGCONT");
    },
    "Redis is killed and started empty": async () => {
      await this.#primary.kill();
      await sleep(this.#draw([0, 2000]));
      await this.#primary.start();
    },
    "the replica is promoted": () => this.#promote(),
    "the network is cut between a node and Redis": async () => {
      const { way } = this.#draw(this.#places);
      way.cut();
      await sleep(this.#draw(STOPS_MS));
      way.heal();
    },
    "the stream is trimmed under an edge that is stopped": async () => {
      const { node } = this.#anEdge();
      node.child.kill("SIGSTOP");
      await sleep(this.#draw([300, 1000]));
      this.#primary.cli("XTRIM", "marketcast:stream", "MAXLEN", "1");
      node.child.kill("SIGCONT");
    },
  };

  /** Resolves when every node is well and every edge has caught up and has a link to the exchange. */
  async settled(timeoutMs: number): Promise<void> {
    const seen = new Map<string, unknown>();
    let told: number | undefined;
    await until(
      "all nodes are well",
      async () => {
        const wells = await Promise.all(
          this.#places.map(async ({ name, node }) => {
            const { state, reasons } = (await (await node.ops("/readyz")).json()) as {
              state: string;
              reasons: readonly string[];
            };
            seen.set(name, reasons);
            return state === "ok";
          }),
        );
        if (wells.includes(false)) return false;
        told ??= (await relayFigures(this.origin.node)).batch;
        for (const { name, node } of this.edges) {
          const linked = await node.metric("marketcast_relay_origin_linked");
          const behind = told - (await relayFigures(node)).batch;
          seen.set(name, { linked, behind });
          if (linked !== 1 || behind > 0) return false;
        }
        return true;
      },
      timeoutMs,
      () => JSON.stringify([...seen]),
    );
  }

  async dispose(): Promise<void> {
    for (const { node } of this.#places) node.child.kill("SIGCONT");
    await Promise.all(this.#places.map(({ node }) => node.dispose()));
    await Promise.all(this.#places.map(({ way }) => way.stop()));
    await Promise.all([this.#primary.dispose(), this.#replica.dispose()]);
  }

  #draw<T>(from: readonly T[]): T {
    return from[this.#random.below(from.length)] as T;
  }

  #anEdge(): Place {
    return this.#draw(this.edges);
  }

  async #restart(place: Place, signal: NodeJS.Signals): Promise<void> {
    const { child } = place.node;
    const exited = once(child, "exit");
    child.kill(signal);
    await exited;
    place.node = await startNode(place.flags, place.way);
  }

  #follow(): void {
    this.#replica.cli("REPLICAOF", "127.0.0.1", String(this.#primary.port));
  }

  /** What the replica has not read of the last moments is lost. */
  async #promote(): Promise<void> {
    await until("the replica is one", () =>
      this.#replica.cli("INFO", "replication").includes("master_link_status:up"),
    );
    this.#replica.signal("SIGSTOP");
    await sleep(this.#draw([0, 100, 500]));
    await this.#primary.kill();
    this.#replica.signal("SIGCONT");
    this.#replica.cli("REPLICAOF", "NO", "ONE");
    [this.#primary, this.#replica] = [this.#replica, this.#primary];
    for (const { way } of this.#places) way.reset();
    await this.#replica.start();
    this.#follow();
  }
}

function startNode(flags: Flags, { url }: RedisWay): Promise<ServerProcess> {
  const all = { ...FAST_EXCHANGE, shards: 1, "stall-timeout": 60_000, relay: url, ...flags };
  return startServerProcess(all, { threadEnds: true });
}

async function suspend({ child }: ServerProcess, ms: number): Promise<void> {
  child.kill("SIGSTOP");
  await sleep(ms);
  child.kill("SIGCONT");
}
