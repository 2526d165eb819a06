import { randomUUID } from "node:crypto";
import {
  packHello,
  packRequests,
  readAnswers,
  type Serving,
} from "../../../src/relay/orders/link-entries.js";
import { LinkScripts } from "../../../src/relay/orders/link-scripts.js";
import { readStreams } from "../../../src/relay/orders/link-streams.js";
import { ORDER_LINKS } from "../../../src/relay/orders/order-links.js";
import { openRedis, type RedisLink } from "../../../src/relay/redis-link.js";
import { machineMs } from "../../../src/shared/machine-clock.js";
import type { ExchangeRequest, ExchangeToShard } from "../../../src/workers/messages.js";
import type { RedisServer } from "../../support/redis-server.js";
import { until } from "../../support/until.js";
import { keys, targetOf } from "./orders-world.js";

/** Within it everything a test has asked is taken up. */
const PATIENCE_MS = 60_000;

/** What an edge writes to Redis and reads there, entry by entry in the test's hand. */
export class RawEdge {
  readonly #node: string;
  readonly #link: RedisLink;
  readonly #scripts: LinkScripts;

  private constructor(node: string, link: RedisLink, scripts: LinkScripts) {
    this.#node = node;
    this.#link = link;
    this.#scripts = scripts;
  }

  static async connect(redis: RedisServer, node: string): Promise<RawEdge> {
    const link = await openRedis(targetOf(redis.url));
    return new RawEdge(node, link, await LinkScripts.load(link, keys));
  }

  close(): void {
    this.#link.close();
  }

  /** Asks for a link, by default of another name. */
  async hello(link: string = randomUUID(), drawnAt = machineMs()): Promise<string> {
    const hello = packHello({ node: this.#node, run: "run", link, drawnAt });
    await this.#link.send(["XADD", keys.hellos, "*", "e", hello]);
    return link;
  }

  /** All that was told on a link. */
  async answers(link: string) {
    const from = new Map([[keys.answers(link), "0-0"]]);
    const found = await readStreams(this.#link, from, 100_000, 1);
    return (found.get(keys.answers(link)) ?? []).map(([, bytes]) =>
      readAnswers<ExchangeToShard>(bytes, ORDER_LINKS),
    );
  }

  /** Who has begun a link. */
  begun(link: string): Promise<Serving> {
    return until(`link ${link} begins`, async () => (await this.answers(link))[0]?.of);
  }

  /** Why a link has ended. */
  end(link: string): Promise<string> {
    return until("the link ends", async () => (await this.answers(link)).at(-1)?.end);
  }

  /** Has asked for a link, and it has begun. */
  async linked(): Promise<{ readonly link: string; readonly serving: Serving }> {
    const link = await this.hello();
    return { link, serving: await this.begun(link) };
  }

  /** Writes an entry of requests of shard 0. */
  ask(
    link: string,
    number: number,
    to: Serving,
    requests: readonly ExchangeRequest[],
    takeBy = machineMs() + PATIENCE_MS,
  ): Promise<unknown> {
    const entry = packRequests({ to, heard: 0, takeBy, requests: [[0, 1, requests]] });
    return this.write(link, number, to.fence, entry);
  }

  write(link: string, number: number, fence: number, entry: Buffer): Promise<unknown> {
    return this.#scripts.append(keys.requests(link), fence, number, entry, 0);
  }

  /** Says, as another origin, that it takes links. */
  call(fence: number, call: Buffer): Promise<unknown> {
    return this.#scripts.call(fence, call);
  }
}
