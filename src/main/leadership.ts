import { hostname } from "node:os";
import type { Config } from "../config/schema.js";
import { counterBlockOf } from "../counters/counters.js";
import type { RelayRole } from "../counters/system-status.js";
import type { OriginLease } from "../relay/origin-lease.js";
import { LeaseTerm } from "../shared/lease-term.js";
import type { Logger } from "../shared/log.js";
import { relayTargetOf } from "../shared/relay-url.js";

interface LeadershipOptions {
  readonly config: Config;
  /** Tells this run of the server from all others. */
  readonly run: string;
  readonly counters: SharedArrayBuffer;
}

interface LeadershipHooks {
  /** This node is not the origin, and waits until it is. */
  readonly standsBy: () => void;
  /** Another node is the origin now; this one is to do nothing more. */
  readonly lost: () => void;
}

/**
 * What this node is to the others of its relay. One that is meant as their origin is it while it has the lease, which is
 * this process's, and stands by until then. A node without others leads itself.
 */
export class Leadership {
  /** For the threads that do nothing without the lease; undefined where none is needed. */
  readonly term: LeaseTerm | undefined;
  readonly #options: LeadershipOptions;
  readonly #hooks: LeadershipHooks;
  readonly #log: Logger;
  #lease: OriginLease | undefined;
  #waitsFor: string | undefined;

  constructor(options: LeadershipOptions, hooks: LeadershipHooks, log: Logger) {
    this.#options = options;
    this.#hooks = hooks;
    this.#log = log;
    const { relay, feed } = options.config;
    if (relay !== undefined && feed !== "relay") this.term = new LeaseTerm();
  }

  get role(): RelayRole | undefined {
    if (this.#options.config.relay === undefined) return undefined;
    if (this.term === undefined) return "edge";
    return this.fence === 0 ? "standby" : "origin";
  }

  /** Why this node stands by; undefined where it does not. */
  get waitsFor(): string | undefined {
    return this.#waitsFor;
  }

  /** The number of this origin; 0 before it is one. */
  get fence(): number {
    return this.#lease?.fence ?? 0;
  }

  /** Resolves when this node is the origin, where it is meant as one. */
  async take(): Promise<void> {
    const { term } = this;
    if (term === undefined) return;
    const { config, run, counters } = this.#options;
    const { relay, relayPrefix: prefix, relayLeaseMs: leaseMs, nodeName = hostname() } = config;
    // Only here, as it brings the client of Redis along.
    const { OriginLease } = await import("../relay/origin-lease.js");
    this.#lease = new OriginLease({
      target: relayTargetOf(relay ?? ""),
      prefix,
      leaseMs,
      owner: { run, node: nodeName },
      term,
      counters: counterBlockOf(counters).relay,
      waiting: (reason) => this.#wait(reason),
      lost: this.#hooks.lost,
      log: this.#log,
    });
    await this.#lease.take();
    this.#waitsFor = undefined;
  }

  /** Another origin has taken over, as a thread has found out. */
  lose(): void {
    this.#lease?.lose();
  }

  /** Lets another node be the origin. Never rejects. */
  async giveBack(): Promise<void> {
    await this.#lease?.giveBack();
  }

  #wait(reason: string): void {
    const isFirst = this.#waitsFor === undefined;
    this.#waitsFor = reason;
    if (isFirst) this.#hooks.standsBy();
  }
}
