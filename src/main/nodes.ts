import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import type { Config } from "../config/schema.js";
import { type CounterBlock, counted } from "../counters/counters.js";
import { RELAY } from "../counters/relay-counters.js";
import { connectionsOfAll, type RelayRole } from "../counters/system-status.js";
import type { NodeList, NodeRecord } from "../relay/node-list.js";
import type { Logger } from "../shared/log.js";
import { relayTargetOf } from "../shared/relay-url.js";

/** An origin says something this often, in ms; an edge that hears nothing for two of these falls behind. */
const ENTRY_INTERVAL_MS_MAX = 500;
/** How long leaving the list may take, in ms; a node that does not is off it with its lease. */
const LEAVE_MS_MAX = 500;
/** Longest name that is listed, in characters. */
const NAME_LENGTH_MAX = 128;

/** What this node is, and its state as `/readyz` has it. */
interface IsNow {
  readonly role: RelayRole | undefined;
  readonly state: string;
}

/** All nodes of the relay, as `/status` lists them; of a server that is alone there is nothing to list. */
export class Nodes {
  readonly #config: Config;
  readonly #block: CounterBlock;
  readonly #isNow: () => IsNow;
  readonly #log: Logger;
  readonly #stop = new AbortController();
  #list: NodeList | undefined;
  #running: Promise<void> = Promise.resolve();
  /** The last state, and since when, in ms since the Unix epoch. */
  #stateSince: readonly [state: string, since: number] = ["", 0];
  /** The last entry, and since when by the monotonic clock, in ms. */
  #entrySince: readonly [batch: number, since: number] = [0, 0];

  constructor(config: Config, block: CounterBlock, isNow: () => IsNow, log: Logger) {
    this.#config = config;
    this.#block = block;
    this.#isNow = isNow;
    this.#log = log;
  }

  /** Has this node listed from now on. */
  start(): void {
    if (this.#config.relay !== undefined) this.#running = this.#run(this.#config.relay);
  }

  /** Takes this node off the list, within bounded time. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await Promise.race([this.#running, sleep(LEAVE_MS_MAX, undefined, { ref: false })]);
  }

  /** The part of `/status` that is about nodes. */
  async figures() {
    const list = await this.#list?.list();
    return list === undefined ? {} : { nodes: { age_ms: list.age_ms, list: list.nodes } };
  }

  async #run(relay: string): Promise<void> {
    // Redis's client is loaded where there is one.
    const [{ NodeList }, { relayKeys }] = await Promise.all([
      import("../relay/node-list.js"),
      import("../relay/relay-keys.js"),
    ]);
    const { nodeName = hostname(), relayPrefix } = this.#config;
    this.#list = new NodeList({
      target: relayTargetOf(relay),
      keys: relayKeys(relayPrefix),
      name: nodeName.slice(0, NAME_LENGTH_MAX),
      id: randomUUID(),
      record: () => this.#record(),
      counters: this.#block.relay,
      log: this.#log,
    });
    await this.#list.run(this.#stop.signal);
  }

  #record(): NodeRecord {
    const { role = "origin", state } = this.#isNow();
    if (state !== this.#stateSince[0]) this.#stateSince = [state, Date.now()];
    return {
      role,
      connections: connectionsOfAll(this.#block),
      lag_ms: role === "origin" ? 0 : this.#lagMs(),
      state,
      since_ts: this.#stateSince[1] * 1000,
    };
  }

  /** How old the last entry was when it came, and how long another one has been due. */
  #lagMs(): number | null {
    const { relay } = this.#block;
    const now = performance.now();
    const batch = counted(relay, RELAY.batch);
    if (batch === 0) return null;
    if (batch !== this.#entrySince[0]) this.#entrySince = [batch, now];
    const dueMs = Math.max(0, now - this.#entrySince[1] - 2 * ENTRY_INTERVAL_MS_MAX);
    return Math.round(counted(relay, RELAY.lagS) * 1000 + dueMs);
  }
}
