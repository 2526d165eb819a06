import type { RedisServer } from "./redis-server.js";
import {
  type Flags,
  type ServerProcess,
  type StartOptions,
  startServerProcess,
} from "./server-process.js";
import { until } from "./until.js";

/** Markets of the nodes that {@link RelayNodes} starts. */
export const MARKETS = [1001, 1002, 1003];
const FEED = { "relay-lease": 2000, shards: 1, "feed-rate": 400, "feed-markets": MARKETS.length };

/** What an edge or an origin says of its relay. */
export interface RelayFigures {
  readonly role: string;
  /** The number of the origin. */
  readonly origin: number;
  readonly connected: boolean;
  readonly batch: number;
  readonly gaps: number;
  readonly dropped: number;
  readonly reconnects: number;
  readonly trades_fetched: number;
  readonly trades_lost: number;
}

/** Nodes over one Redis. */
export class RelayNodes {
  readonly #url: string;
  readonly #servers: ServerProcess[] = [];

  constructor({ url }: Pick<RedisServer, "url">) {
    this.#url = url;
  }

  async origin(flags: Flags = {}, options: StartOptions = {}): Promise<ServerProcess> {
    const all = { ...FEED, ...flags };
    // As it may hold a password.
    const env = { ...options.env, MARKETCAST_RELAY: this.#url };
    const server = await startServerProcess(all, { ...options, env });
    this.#servers.push(server);
    return server;
  }

  /** Another origin, which waits for the first one to end. */
  standby(flags: Flags = {}): Promise<ServerProcess> {
    return this.origin(flags, { standby: true });
  }

  edge(flags: Flags = {}, options: StartOptions = {}): Promise<ServerProcess> {
    return this.origin({ feed: "relay", ...flags }, options);
  }

  async dispose(): Promise<void> {
    for (const { child } of this.#servers) child.kill("SIGCONT");
    await Promise.all(this.#servers.splice(0).map((server) => server.dispose()));
  }
}

/** Resolves with the reasons when a node says that it is in a state. */
export function untilState(node: ServerProcess, wanted: string): Promise<readonly string[]> {
  return until(`the node is ${wanted}`, async () => {
    const { state, reasons } = (await (await node.ops("/readyz")).json()) as {
      state: string;
      reasons: string[];
    };
    return state === wanted && reasons;
  });
}

export async function relayFigures(node: ServerProcess): Promise<RelayFigures> {
  return ((await (await node.ops("/status")).json()) as { relay: RelayFigures }).relay;
}
