import { setTimeout as sleep } from "node:timers/promises";
import { type CounterSection, count } from "../counters/counters.js";
import { RELAY } from "../counters/relay-counters.js";
import type { LeaseTerm } from "../shared/lease-term.js";
import type { Logger } from "../shared/log.js";
import { machineMs } from "../shared/machine-clock.js";
import type { RelayTarget } from "../shared/relay-url.js";
import { type LeaseLook, type LeaseOwner, LeaseScripts } from "./lease-scripts.js";
import { ANSWER_MS_MAX, openRedis, type RedisLink } from "./redis-link.js";
import { relayKeys } from "./relay-keys.js";

/** A standby looks at the lease so often, in ms; who has it renews it so many times while it lasts. */
const LOOK_MS = 200;
const RENEWALS = 4;
/** Between two attempts to reach Redis, in ms. */
const RETRY_MS = 250;

const AWAY = "the relay's Redis cannot be reached, so that nobody knows which node is the origin";
const UNWATCHED =
  "the last origin's lease has gone while this node did not watch; it is this node's where no origin renews it";

interface OriginLeaseOptions {
  readonly target: RelayTarget;
  /** Of the keys. */
  readonly prefix: string;
  readonly leaseMs: number;
  readonly owner: LeaseOwner;
  /** Said to be certain for as long as it is. */
  readonly term: LeaseTerm;
  /** The relay's. */
  readonly counters: CounterSection;
  /** Takes why this node is none yet. */
  readonly waiting: (reason: string) => void;
  /** Another origin has taken over. Nothing is told after it. */
  readonly lost: () => void;
  readonly log: Logger;
}

/**
 * The lease by which this process is the one origin of a prefix, with the number that it was given out with. Both are the
 * process's, whatever becomes of its threads.
 *
 * The term says for how long it is certain: as long as Redis has promised, reckoned from when the renewal was sent, so
 * that it is over here before it is over there. While Redis does not answer, nobody else can take it there either, as
 * far as this node can tell; a process that has been awake and asking for half a lease goes on without. One that was
 * suspended, or held up, has not asked, so its term stays over until it has.
 *
 * Invariants: the number never changes; once lost, nothing is renewed or extended.
 */
export class OriginLease {
  readonly #options: OriginLeaseOptions;
  readonly #renewMs: number;
  readonly #ended = new AbortController();
  #fence = 0;
  #scripts: LeaseScripts | undefined;
  #kept: Promise<void> = Promise.resolve();
  /** Since when the process turns its loop, without a pause that counts, and when that was last seen. */
  #awakeSince = 0;
  #seenAt = 0;
  #link: RedisLink | undefined;

  constructor(options: OriginLeaseOptions) {
    this.#options = options;
    this.#renewMs = options.leaseMs / RENEWALS;
  }

  /** The number of this origin; 0 before it is one. */
  get fence(): number {
    return this.#fence;
  }

  /** Resolves when this process has the lease, and keeps it from then on; never where it is given back before. */
  async take(): Promise<void> {
    const { counters, log } = this.#options;
    let seen = 0;
    while (!this.#ended.signal.aborted) {
      try {
        const scripts = await this.#connect();
        this.#fence = await this.#watch(scripts, seen, (fence) => {
          seen = Math.max(seen, fence);
        });
        break;
      } catch (error) {
        this.#disconnect();
        if (this.#ended.signal.aborted) break;
        this.#options.waiting(AWAY);
        log.debug({ err: error }, AWAY);
        await this.#pause(RETRY_MS);
      }
    }
    if (this.#ended.signal.aborted) return new Promise(() => {});
    counters[RELAY.fence] = this.#fence;
    counters[RELAY.leaseHeld] = 1;
    log.info({ fence: this.#fence }, "this node is the origin");
    this.#kept = this.#keep();
  }

  /** Gives it back, so that another node may be the origin at once. Never rejects. */
  async giveBack(): Promise<void> {
    const isHeld = this.#fence > 0 && !this.#ended.signal.aborted;
    this.#ended.abort();
    await this.#kept;
    if (isHeld) await this.#scripts?.giveBack(this.#fence).catch(() => {});
    this.#disconnect();
  }

  /** Another origin has taken over, as somebody has found out. */
  lose(): void {
    if (this.#ended.signal.aborted) return;
    this.#ended.abort();
    this.#options.term.end();
    this.#options.counters[RELAY.leaseHeld] = 0;
    this.#options.lost();
  }

  // --- Waiting --------------------------------------------------------------------------------------

  /**
   * Looks at the lease until it can be had; resolves with the number. One that was given back can, and one that ran out
   * under the eyes of this connection. Where Redis was away, or has lost its memory, an origin that lives renews its own
   * when it reaches Redis again: so one that is gone for reasons that nobody has seen is left alone for its time.
   */
  async #watch(
    scripts: LeaseScripts,
    seenBefore: number,
    saw: (fence: number) => void,
  ): Promise<number> {
    let seen = seenBefore;
    let wasHeld = false;
    let unheldSince: number | undefined;
    let takes = false;
    for (;;) {
      const askedAt = machineMs();
      const look = await scripts.take(takes);
      if (look.outcome === "taken") {
        this.#options.term.extend(askedAt + this.#options.leaseMs);
        return look.fence;
      }
      if (look.outcome === "other") {
        wasHeld = true;
        unheldSince = undefined;
        takes = false;
        seen = Math.max(seen, look.fence);
        saw(look.fence);
      } else {
        unheldSince ??= askedAt;
        const isNew = look.fence === 0 && seen === 0;
        const hasRunOut = wasHeld && look.fence >= seen;
        takes = isNew || hasRunOut || askedAt - unheldSince >= this.#options.leaseMs;
        if (takes) continue;
      }
      this.#options.waiting(reasonOf(look));
      await this.#pause(LOOK_MS);
      this.#ended.signal.throwIfAborted();
    }
  }

  // --- Keeping --------------------------------------------------------------------------------------

  async #keep(): Promise<void> {
    const { counters, leaseMs, log } = this.#options;
    const looks = setInterval(() => this.#look(), this.#renewMs / RENEWALS);
    this.#awakeSince = this.#seenAt = machineMs();
    let told = false;
    while (!this.#ended.signal.aborted) {
      const askedAt = machineMs();
      try {
        const scripts = this.#scripts ?? (await this.#connect());
        if (!(await scripts.renew(this.#fence))) {
          this.lose();
          break;
        }
        this.#options.term.extend(askedAt + leaseMs);
        count(counters, RELAY.leaseRenewals);
        told = false;
        await this.#pause(this.#renewMs);
      } catch (error) {
        this.#disconnect();
        if (this.#ended.signal.aborted) break;
        count(counters, RELAY.leaseFailures);
        if (!told) log.warn({ err: error }, "the origin's lease cannot be renewed");
        told = true;
        await this.#pause(RETRY_MS);
      }
    }
    clearInterval(looks);
  }

  /** Where Redis does not answer, the term goes on for a process that has been awake for long enough to be answered. */
  #look(): void {
    const { leaseMs } = this.#options;
    const now = machineMs();
    if (now - this.#seenAt > this.#renewMs) this.#awakeSince = now;
    this.#seenAt = now;
    if (this.#ended.signal.aborted || this.#options.term.until - now > this.#renewMs) return;
    if (now - this.#awakeSince >= leaseMs / 2) this.#options.term.extend(now + leaseMs / 2);
  }

  // --- Redis ----------------------------------------------------------------------------------------

  async #connect(): Promise<LeaseScripts> {
    const { target, prefix, owner, leaseMs } = this.#options;
    const link = await openRedis(target);
    this.#link = link;
    // Shorter than a lease lasts behind its last renewal: what Redis does meanwhile is no sign of anybody's end.
    const answerMsMax = Math.min(ANSWER_MS_MAX, leaseMs / 2);
    this.#scripts = new LeaseScripts(link, relayKeys(prefix), owner, leaseMs, answerMsMax);
    return this.#scripts;
  }

  #disconnect(): void {
    this.#link?.close();
    this.#link = this.#scripts = undefined;
  }

  /** Sleeps, less where the lease is given back or lost meanwhile. */
  async #pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#ended.signal }).catch(() => {});
  }
}

function reasonOf(look: Exclude<LeaseLook, { outcome: "taken" }>): string {
  if (look.outcome === "unheld") return UNWATCHED;
  return `${look.node} is the origin; this node takes over when its lease ends`;
}
