import { count } from "../../counters/counters.js";
import { EDGE_LEASE_MS } from "../../shared/edge-shards.js";
import type { RedisLink } from "../redis-link.js";
import { KnownEdge, type KnownEdgeOptions } from "./known-edge.js";
import { type Hello, isSame, packCall, readCall, readHello, type Serving } from "./link-entries.js";
import { LinkScripts } from "./link-scripts.js";
import {
  idOf,
  keepLink,
  lastEntry,
  numberOf,
  type OpenLink,
  readStreams,
  type StreamEntry,
} from "./link-streams.js";

/** How often it is looked what is due, in ms. A pause of the thread's own counts for no more than twice as much. */
const LOOK_MS = 100;
/** How long a read waits, in ms, how long while entries wait for the exchange, and how many of a link it brings. */
const READ_MS = 100;
const READ_HELD_MS = 5;
const READ_ENTRIES = 8;
/** Edges that are served at a time; what others ask for is not heard. */
const EDGES_MAX = 1000;
/** Requests of all edges that may be with the exchange. */
const ALL_OUTSTANDING_MAX = 4096;
/** Bytes that may wait for all edges together, in those of one. */
const ALL_QUEUED_FACTOR = 8;

export interface EdgesDeskOptions extends KnownEdgeOptions {
  readonly open: OpenLink;
  /** Tells this thread from all others. */
  readonly origin: string;
  /** The origin's number, which goes up with each that takes over. */
  readonly fence: number;
  /** How long an edge may say nothing before its sessions end, in ms. */
  readonly leaseMs?: number;
}

/**
 * The edges of an origin: who is there, by what link, and for how long nothing was heard of each. What an edge asks is
 * read in turns, some of each; an edge that is silent for the lease loses its sessions.
 *
 * Invariants: of an edge nothing is read but what it says on its link; all links are of one fence, which no call of
 * another origin has gone beyond, and of one epoch.
 */
export class EdgesDesk {
  readonly #options: EdgesDeskOptions;
  readonly #edges = new Map<string, KnownEdge>();
  /** Of the exchange, or the sessions, that there are; undefined while there are none. */
  #epoch: string | undefined;
  /** As whom links are served; undefined while none are. */
  #serving: Serving | undefined;
  /** The highest fence that was seen. */
  #fence = 0;
  #writing: LinkScripts | undefined;
  #writeFailed: ((error: unknown) => void) | undefined;
  #lookedAt = performance.now();
  #lastHello: string | undefined;
  #turn = 0;

  constructor(options: EdgesDeskOptions) {
    this.#options = options;
    const { counters, kind } = options;
    const { words } = kind;
    counters[words.links] = counters[words.linkWaitingBytes] = counters[words.linkOutstanding] = 0;
  }

  /** There is another producer, whose exchange, or sessions, edges have from now on. */
  changeEpoch(epoch: string): void {
    this.#epoch = epoch;
    this.#settle();
  }

  /** Brings what is served in line with the epoch, and with what is known of other origins. */
  #settle(): void {
    const { origin, fence } = this.#options;
    const epoch = this.#epoch;
    const outranked = fence < this.#fence;
    const serving = epoch === undefined || outranked ? undefined : { origin, fence, epoch };
    const before = this.#serving;
    if (serving === before || (serving && before && isSame(serving, before))) return;
    this.#serving = serving;
    this.#endLinks(
      outranked ? "another origin has taken over" : "the origin's exchange is starting again",
    );
    this.#call();
  }

  #endLinks(reason: string): void {
    for (const edge of this.#edges.values()) edge.end(reason);
    this.#countLinks();
  }

  /** Serves edges until the signal aborts. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const { open, log } = this.#options;
    const failed = (error: unknown): void =>
      log.debug({ err: error }, "orders of edges: Redis cannot be reached");
    const looks = setInterval(() => this.#look(), LOOK_MS);
    await Promise.all([
      keepLink(open, signal, (link, over) => this.#write(link, over), failed),
      keepLink(open, signal, (link, over) => this.#read(link, over), failed),
    ]);
    clearInterval(looks);
    this.#serving = undefined;
    for (const edge of this.#edges.values()) edge.close("the origin serves no links any more");
    this.#edges.clear();
    this.#countLinks();
  }

  // --- Writing ------------------------------------------------------------------------------------

  async #write(link: RedisLink, signal: AbortSignal): Promise<void> {
    const scripts = await LinkScripts.load(link, this.#options.keys);
    await new Promise<void>((resolve, reject) => {
      this.#writeFailed = reject;
      signal.addEventListener("abort", () => resolve(), { once: true });
      this.#writing = scripts;
      this.#call();
      for (const edge of this.#edges.values()) edge.connect(scripts);
    }).finally(() => {
      this.#writing = undefined;
      for (const edge of this.#edges.values()) edge.connect(undefined);
    });
  }

  /** Says to all edges that there is an exchange. */
  #call(): void {
    const writing = this.#writing;
    const serving = this.#serving;
    // What edges say to that is to be heard.
    if (writing === undefined || serving === undefined || this.#lastHello === undefined) return;
    writing.call(serving.fence, packCall(serving)).then(
      (written) => {
        if (typeof written === "object") this.#outranked(written.fence);
      },
      (error: unknown) => this.#fail(writing, error),
    );
  }

  #outranked(fence: number): void {
    this.#fence = Math.max(this.#fence, fence);
    this.#settle();
  }

  #fail(scripts: LinkScripts, error: unknown): void {
    if (this.#writing === scripts) this.#writeFailed?.(error);
  }

  // --- Reading ------------------------------------------------------------------------------------

  /**
   * Calls of other origins are read with what edges ask: what was written behind one that has a higher fence is not
   * taken up.
   */
  async #read(link: RedisLink, signal: AbortSignal): Promise<void> {
    const { keys } = this.#options;
    const [call, bytes] = await lastEntry(link, keys.calls);
    if (bytes !== undefined) this.#hearCalls([[call, bytes]]);
    let lastCall = call;
    await this.#seekHellos(link);
    while (!signal.aborted) {
      const linked = [...this.#edges.values()].filter(({ served }) => served !== undefined);
      const from = new Map([
        [keys.calls, lastCall],
        [keys.hellos, this.#lastHello ?? "0-0"],
      ]);
      for (const { link: name, served } of linked)
        if (served?.isHeld === false) from.set(keys.requests(name), idOf(served.read));
      const isHeld = linked.some(({ served }) => served?.isHeld);
      const found = await readStreams(link, from, READ_ENTRIES, isHeld ? READ_HELD_MS : READ_MS);
      const calls = found.get(keys.calls) ?? [];
      lastCall = calls.at(-1)?.[0] ?? lastCall;
      this.#hearCalls(calls);
      this.#settle();
      const hellos = found.get(keys.hellos) ?? [];
      this.#lastHello = hellos.at(-1)?.[0] ?? this.#lastHello;
      for (const edge of linked) this.#hear(edge, found.get(keys.requests(edge.link)) ?? []);
      this.#greetAll(hellos);
      this.#serve(linked);
    }
  }

  /**
   * Finds where hellos are read from: from when this thread began, as what was said before has been answered by a thread
   * that is no more, or is said again. A Redis that has lost what it had may give lower ids than before.
   */
  async #seekHellos(link: RedisLink): Promise<void> {
    const [newest] = await lastEntry(link, this.#options.keys.hellos);
    const before = this.#lastHello;
    if (before !== undefined && numberOf(newest) >= numberOf(before)) return;
    this.#lastHello = newest;
    this.#call();
  }

  #hearCalls(calls: readonly StreamEntry[]): void {
    for (const [, bytes] of calls) {
      try {
        this.#fence = Math.max(this.#fence, readCall(bytes).fence);
      } catch (error) {
        this.#options.log.warn({ err: error }, "a call of an origin is not understood");
      }
    }
  }

  #hear(edge: KnownEdge, entries: readonly StreamEntry[]): void {
    if (entries.length === 0) return;
    edge.silentMs = 0;
    const { served } = edge;
    for (const [id, bytes] of entries) served?.take(numberOf(id), bytes);
  }

  /** Gives the exchange what has come, an entry of each edge after the other, so that none holds up another. */
  #serve(linked: readonly KnownEdge[]): void {
    this.#turn++;
    const first = linked.length === 0 ? 0 : this.#turn % linked.length;
    let waiting = [...linked.slice(first), ...linked.slice(0, first)];
    while (waiting.length > 0 && this.#outstanding < ALL_OUTSTANDING_MAX)
      waiting = waiting.filter(({ served }) => served?.takeUp() === true);
  }

  get #outstanding(): number {
    let outstanding = 0;
    for (const edge of this.#edges.values()) outstanding += edge.outstanding;
    return outstanding;
  }

  #greetAll(entries: readonly StreamEntry[]): void {
    for (const [, bytes] of entries) {
      try {
        this.#greet(readHello(bytes));
      } catch (error) {
        this.#options.log.warn({ err: error }, "a hello of an edge is not understood");
      }
    }
    this.#begin();
  }

  #greet(hello: Hello): void {
    const { node, run } = hello;
    const name = JSON.stringify([node, run]);
    const known = this.#edges.get(name);
    if (known !== undefined) return known.greet(hello);
    if (this.#edges.size >= EDGES_MAX)
      return this.#options.log.warn({ node }, `an edge is not heard: there are ${EDGES_MAX}`);
    const edge = new KnownEdge(hello, this.#options, {
      failed: (scripts, error) => this.#fail(scripts, error),
      outranked: (fence) => this.#outranked(fence),
      exchangeGone: (epoch) => {
        if (this.#epoch !== epoch) return;
        this.#epoch = undefined;
        this.#settle();
      },
    });
    this.#edges.set(name, edge);
  }

  /** Begins the links that edges have asked for, where that is due. */
  #begin(): void {
    const serving = this.#serving;
    if (serving === undefined) return;
    for (const edge of this.#edges.values()) edge.begin(serving, this.#writing);
    this.#countLinks();
  }

  // --- Leases -------------------------------------------------------------------------------------

  #look(): void {
    const { counters, kind, maxQueuedBytes, leaseMs = EDGE_LEASE_MS, log } = this.#options;
    const { words } = kind;
    const now = performance.now();
    const passed = Math.min(now - this.#lookedAt, 2 * LOOK_MS);
    this.#lookedAt = now;
    this.#settle();
    let waitingBytes = 0;
    let largest: KnownEdge | undefined;
    for (const [name, edge] of this.#edges) {
      edge.look(passed);
      if (edge.silentMs > leaseMs) {
        log.warn({ node: edge.node }, "nothing is heard of an edge: its sessions end");
        count(counters, words.leasesEnded);
        edge.leave("nothing was heard of the edge");
        this.#edges.delete(name);
        continue;
      }
      const bytes = edge.served?.waitingBytes ?? 0;
      waitingBytes += bytes;
      if (bytes > (largest?.served?.waitingBytes ?? 0)) largest = edge;
    }
    if (waitingBytes > ALL_QUEUED_FACTOR * maxQueuedBytes)
      largest?.end("too much waits for the edges, and most for this one");
    this.#begin();
    counters[words.linkWaitingBytes] = waitingBytes;
    counters[words.linkOutstanding] = this.#outstanding;
  }

  #countLinks(): void {
    const linked = [...this.#edges.values()].filter(({ served }) => served !== undefined);
    const { counters, kind } = this.#options;
    counters[kind.words.links] = linked.length;
  }
}
