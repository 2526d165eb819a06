import { randomUUID } from "node:crypto";
import { MessageChannel } from "node:worker_threads";
import { counterBlockOf, createCounterBuffer } from "../../../src/counters/counters.js";
import { EdgesDesk, type EdgesDeskOptions } from "../../../src/relay/orders/edges-desk.js";
import { linkKeys } from "../../../src/relay/orders/link-keys.js";
import { ORDER_LINKS } from "../../../src/relay/orders/order-links.js";
import { RelayedExchange } from "../../../src/relay/orders/relayed-exchange.js";
import { openRedis } from "../../../src/relay/redis-link.js";
import { createLogger } from "../../../src/shared/log.js";
import { parseRelayUrl, type RelayTarget } from "../../../src/shared/relay-url.js";
import type { ExchangeNews, SessionClaim } from "../../../src/workers/messages.js";
import type { ExchangeWorld } from "../../exchange/exchange-world.js";
import { ShardEnd } from "../../exchange/shard-end.js";
import type { RedisServer } from "../../support/redis-server.js";
import { until } from "../../support/until.js";

const log = createLogger({ level: "silent", format: "json" }, {});
export const keys = linkKeys("test");
/** Of edges, in place of ten seconds. */
export const TEST_LEASE_MS = 2000;

/** What is to be stopped, in turn. */
export class Stops {
  readonly #abort = new AbortController();
  readonly #running: Promise<void>[] = [];

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  add(running: Promise<void>): void {
    this.#running.push(running);
  }

  async stop(): Promise<void> {
    this.#abort.abort();
    await Promise.all(this.#running);
  }
}

export function targetOf(url: string): RelayTarget {
  const target = parseRelayUrl(url);
  if ("fault" in target) throw new Error(target.fault);
  return target;
}

/** The origin's end, which leads to the exchange of a world that may be another one later. */
export class Origin {
  readonly desk: EdgesDesk;
  readonly counters = counterBlockOf(createCounterBuffer(1)).relay;
  world: ExchangeWorld;
  epoch = "epoch-1";

  constructor(
    world: ExchangeWorld,
    redis: () => RedisServer,
    stops: Stops,
    options: Partial<
      Pick<EdgesDeskOptions, "maxQueuedBytes" | "takesOrders" | "fence" | "origin" | "leaseMs">
    > = {},
  ) {
    this.world = world;
    this.desk = new EdgesDesk({
      open: () => openRedis(targetOf(redis().url)),
      keys,
      leaseMs: TEST_LEASE_MS,
      origin: randomUUID(),
      fence: 1,
      takesOrders: true,
      maxQueuedBytes: 1 << 24,
      kind: ORDER_LINKS,
      ...options,
      openPort: (shard, epoch) => {
        const { port1, port2 } = new MessageChannel();
        if (epoch === this.epoch) this.world.exchange.attach(shard, port1);
        else port1.close();
        return port2;
      },
      counters: this.counters,
      log,
    });
    this.desk.changeEpoch(this.epoch);
    stops.add(this.desk.run(stops.signal));
  }
}

/** An edge, and ends of its shards in the test's hand. */
export class TestEdge {
  readonly exchange: RelayedExchange;
  readonly counters = counterBlockOf(createCounterBuffer(1)).producer;
  readonly relayCounters = counterBlockOf(createCounterBuffer(1)).relay;
  readonly #stops = new Stops();

  constructor(
    redis: () => RedisServer,
    node: string,
    stops: Stops,
    options: {
      readonly run?: string;
      readonly orderTimeoutMs?: number;
      readonly maxQueuedBytes?: number;
    } = {},
  ) {
    const { run = `run-of-${node}`, orderTimeoutMs = 2000, maxQueuedBytes = 1 << 24 } = options;
    this.exchange = new RelayedExchange({
      open: () => openRedis(targetOf(redis().url)),
      keys,
      node,
      run,
      log,
      orderTimeoutMs,
      maxQueuedBytes,
      counters: this.counters,
      relayCounters: this.relayCounters,
    });
    stops.add(this.exchange.run(this.#stops.signal));
    const { signal } = this.#stops;
    stops.signal.addEventListener("abort", () => void this.#stops.stop(), { signal });
  }

  /** Is there no more, as after kill -9. */
  die(): Promise<void> {
    return this.#stops.stop();
  }

  /** A shard that attaches as soon as the origin is there. */
  async shard(number = 0, claims: readonly SessionClaim[] = []): Promise<ShardEnd> {
    const end = new ShardEnd(number);
    this.exchange.attach(number, end.port);
    await told(end, "reachable");
    end.news.length = 0;
    end.send({ type: "attach", sessions: claims });
    return end;
  }
}

type Told<T extends ExchangeNews["type"]> = Extract<ExchangeNews, { readonly type: T }>;

/** Takes news of a type out of what a shard has been told, when there is some. */
export function told<T extends ExchangeNews["type"]>(
  end: ShardEnd,
  type: T,
  timeoutMs?: number,
): Promise<Told<T>> {
  return until(
    `news: ${type}`,
    () => {
      const at = end.news.findIndex((one) => one.type === type);
      return at < 0 ? undefined : (end.news.splice(at, 1)[0] as Told<T>);
    },
    timeoutMs,
    () => end.news.map((one) => one.type).join(),
  );
}
