import type { MessagePort } from "node:worker_threads";
import { type CounterSection, count } from "../../counters/counters.js";
import { EDGE_LEASE_MS, edgeShardNumber } from "../../shared/edge-shards.js";
import type { Logger } from "../../shared/log.js";
import type { RedisLink } from "../redis-link.js";
import { type Hello, packCall, readHello, type Said } from "./link-entries.js";
import type { LinkKeys } from "./link-keys.js";
import {
  idOf,
  keepLink,
  lastId,
  numberOf,
  type OpenLink,
  readStreams,
  type StreamEntry,
} from "./link-streams.js";
import { NumberedWriter } from "./numbered-writer.js";
import { ServedLink } from "./served-link.js";

/** How often it is looked what is due, in ms. A pause of the thread's own counts for no more than twice as much. */
const LOOK_MS = 100;
/** How long a read waits, in ms, how long while entries wait for the exchange, and how many of a link it brings. */
const READ_MS = 500;
const READ_HELD_MS = 5;
const READ_ENTRIES = 8;
/** Edges that are served at a time; what others ask for is not heard. */
const EDGES_MAX = 1000;
/** Requests of all edges that may be with the exchange. */
const ALL_OUTSTANDING_MAX = 4096;
/** Bytes that may wait for all edges together, in those of one. */
const ALL_QUEUED_FACTOR = 8;
/** How old hellos may be that are heard at the start, in ms. */
const HELLOS_MS = 3000;
const CALLS_KEPT = "100";

export interface EdgesDeskOptions {
  readonly open: OpenLink;
  readonly keys: LinkKeys;
  /** Tells this thread from all others. */
  readonly origin: string;
  /** The origin's number, which goes up with each that takes over; undefined while it has none. */
  readonly fence: () => number | undefined;
  /** The feed is the exchange. */
  readonly takesOrders: boolean;
  /** How long an edge may say nothing before its sessions end, in ms. */
  readonly leaseMs?: number;
  /** Bytes that may wait for an edge. */
  readonly maxQueuedBytes: number;
  /** Gives the exchange of an epoch a way to a shard, by its number there. */
  readonly openPort: (shard: number, epoch: string) => MessagePort;
  /** What is said there in the place of each shard of an edge that is gone. */
  readonly farewell: Said;
  readonly counters: CounterSection;
  readonly words: LinkWords;
  readonly log: Logger;
}

/** Where the counters have what is counted of links. */
interface LinkWords {
  readonly links: number;
  readonly linksEnded: number;
  readonly leasesEnded: number;
  readonly linkWaitingBytes: number;
  readonly linkOutstanding: number;
}

/** An edge: a run of another node's process. */
interface Edge {
  readonly node: string;
  readonly run: string;
  /** Since its last entry, in ms. */
  silentMs: number;
  link: string;
  served: ServedLink | undefined;
}

/**
 * The edges of an origin: who is there, by what link, and for how long nothing was heard of each. What an edge asks is
 * read in turns, some of each; an edge that is silent for the lease loses its sessions.
 *
 * Invariant: an edge has one link at a time, and nothing is read of any other.
 */
export class EdgesDesk {
  readonly #options: EdgesDeskOptions;
  readonly #edges = new Map<string, Edge>();
  /** Of the links that there are, by their names. */
  readonly #writers = new Map<string, NumberedWriter>();
  /** Of the exchange, or the sessions, that there are; undefined while there are none. */
  #epoch: string | undefined;
  #writing: RedisLink | undefined;
  #writeFailed: ((error: unknown) => void) | undefined;
  #lookedAt = performance.now();
  #lastHello: string | undefined;
  #turn = 0;

  constructor(options: EdgesDeskOptions) {
    this.#options = options;
    const { counters, words } = options;
    counters[words.links] = counters[words.linkWaitingBytes] = counters[words.linkOutstanding] = 0;
  }

  /** There is another producer, whose exchange, or sessions, edges have from now on. */
  changeEpoch(epoch: string): void {
    this.#endLinks("the origin's exchange has started again");
    this.#epoch = epoch;
    this.#call();
  }

  #endLinks(reason: string): void {
    for (const edge of this.#edges.values()) this.#endLink(edge, reason);
  }

  /** Serves edges until the signal aborts. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const { open, log } = this.#options;
    const failed = (error: unknown): void =>
      log.debug({ err: error }, "orders of edges: Redis cannot be reached");
    const looks = setInterval(() => this.#look(), LOOK_MS);
    await Promise.all([
      keepLink(open, signal, (link) => this.#write(link, signal), failed),
      keepLink(open, signal, (link) => this.#read(link, signal), failed),
    ]);
    clearInterval(looks);
  }

  // --- Writing ------------------------------------------------------------------------------------

  async #write(link: RedisLink, signal: AbortSignal): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#writeFailed = reject;
      signal.addEventListener("abort", () => resolve(), { once: true });
      this.#writing = link;
      this.#call();
      for (const writer of this.#writers.values()) writer.connect(link);
    }).finally(() => {
      this.#writing = undefined;
      for (const writer of this.#writers.values()) writer.connect(undefined);
    });
  }

  /** Says to all edges that there is an exchange. */
  #call(): void {
    const writing = this.#writing;
    const { keys, origin, fence } = this.#options;
    const number = fence();
    if (writing === undefined || this.#epoch === undefined || number === undefined) return;
    const call = packCall({ origin, fence: number, epoch: this.#epoch });
    writing
      .send(["XADD", keys.calls, "MAXLEN", "~", CALLS_KEPT, "*", "e", call])
      .catch((error: unknown) => this.#fail(writing, error));
  }

  #fail(link: RedisLink, error: unknown): void {
    if (this.#writing === link) this.#writeFailed?.(error);
  }

  // --- Reading ------------------------------------------------------------------------------------

  async #read(link: RedisLink, signal: AbortSignal): Promise<void> {
    const { keys } = this.#options;
    await this.#seekHellos(link);
    while (!signal.aborted) {
      const linked = [...this.#edges.values()].filter(({ served }) => served !== undefined);
      const from = new Map([[keys.hellos, this.#lastHello ?? "0-0"]]);
      for (const { link: name, served } of linked)
        if (served?.isHeld === false) from.set(keys.requests(name), idOf(served.read));
      const waitMs = from.size <= linked.length ? READ_HELD_MS : READ_MS;
      const found = await readStreams(link, from, READ_ENTRIES, waitMs);
      const hellos = found.get(keys.hellos) ?? [];
      this.#lastHello = hellos.at(-1)?.[0] ?? this.#lastHello;
      for (const edge of linked) this.#hear(edge, found.get(keys.requests(edge.link)) ?? []);
      this.#greetAll(hellos);
      this.#serve(linked);
    }
  }

  /**
   * Finds where hellos are read from: the first time with those of the last moments, as their edges wait. A Redis that
   * has lost what it had may give lower ids than before.
   */
  async #seekHellos(link: RedisLink): Promise<void> {
    const newest = await lastId(link, this.#options.keys.hellos);
    const before = this.#lastHello;
    if (before === undefined) this.#lastHello = idOf(Math.max(0, numberOf(newest) - HELLOS_MS));
    else if (numberOf(newest) < numberOf(before)) this.#lastHello = "0-0";
  }

  #hear(edge: Edge, entries: readonly StreamEntry[]): void {
    if (entries.length === 0) return;
    edge.silentMs = 0;
    const { served } = edge;
    for (const [id, bytes] of entries) served?.take(numberOf(id), bytes);
  }

  /** Gives the exchange what has come, an entry of each edge after the other, so that none holds up another. */
  #serve(linked: readonly Edge[]): void {
    this.#turn++;
    const first = linked.length === 0 ? 0 : this.#turn % linked.length;
    let waiting = [...linked.slice(first), ...linked.slice(0, first)];
    while (waiting.length > 0 && this.#outstanding < ALL_OUTSTANDING_MAX)
      waiting = waiting.filter(({ served }) => served?.takeUp() === true);
  }

  get #outstanding(): number {
    let outstanding = 0;
    for (const { served } of this.#edges.values()) outstanding += served?.outstanding ?? 0;
    return outstanding;
  }

  #greetAll(entries: readonly StreamEntry[]): void {
    // Of those that an edge has said meanwhile the last one counts.
    const hellos = new Map<string, Hello>();
    for (const [, bytes] of entries) {
      try {
        const hello = readHello(bytes);
        hellos.set(nameOf(hello), hello);
      } catch (error) {
        this.#options.log.warn({ err: error }, "a hello of an edge is not understood");
      }
    }
    for (const hello of hellos.values()) this.#greet(hello);
  }

  #greet(hello: Hello): void {
    const { log } = this.#options;
    const name = nameOf(hello);
    const { node, run, link } = hello;
    const known = this.#edges.get(name);
    if (known === undefined && this.#edges.size >= EDGES_MAX) {
      log.warn({ node }, `an edge is not heard: there are ${EDGES_MAX}`);
      return;
    }
    const edge = known ?? { node, run, silentMs: 0, link: "", served: undefined };
    this.#edges.set(name, edge);
    edge.silentMs = 0;
    if (edge.served !== undefined && edge.link === link) return;
    // The edge has given it up, and hears nothing by it.
    this.#endLink(edge, undefined);
    edge.link = link;
    this.#begin(edge);
  }

  #begin(edge: Edge): void {
    const { keys, origin, fence, takesOrders, maxQueuedBytes, openPort, farewell, log } =
      this.#options;
    const epoch = this.#epoch;
    const number = fence();
    if (epoch === undefined || number === undefined) return;
    const { node, run, link } = edge;
    const writer = new NumberedWriter(keys.answers(link), (failing, error) =>
      this.#fail(failing, error),
    );
    this.#writers.set(link, writer);
    writer.connect(this.#writing);
    edge.served = new ServedLink({
      beginning: { origin, fence: number, epoch, takesOrders },
      writer,
      openPort: (shard) => openPort(edgeShardNumber(node, run, shard), epoch),
      farewell,
      maxQueuedBytes,
      broken: (reason) => {
        if (edge.link !== link) return;
        this.#endLink(edge, reason);
        log.warn({ node, reason }, "the link of an edge has ended");
      },
      exchangeGone: () => {
        if (this.#epoch !== epoch) return;
        this.#epoch = undefined;
        this.#endLinks("the origin's exchange is starting again");
      },
    });
    log.info({ node }, "an edge has a link to the exchange");
    this.#countLinks();
  }

  /** @param reason told to the edge, where it still hears */
  #endLink(edge: Edge, reason: string | undefined): void {
    const { served, link } = edge;
    if (served === undefined) return;
    edge.served = undefined;
    served.end(reason);
    count(this.#options.counters, this.#options.words.linksEnded);
    this.#countLinks();
    // What is written is on its way; nothing is written again.
    this.#writers.get(link)?.connect(undefined);
    this.#writers.delete(link);
  }

  // --- Leases -------------------------------------------------------------------------------------

  #look(): void {
    const { counters, words, maxQueuedBytes, leaseMs = EDGE_LEASE_MS, log } = this.#options;
    const now = performance.now();
    const passed = Math.min(now - this.#lookedAt, 2 * LOOK_MS);
    this.#lookedAt = now;
    let waitingBytes = 0;
    let largest: Edge | undefined;
    for (const [name, edge] of this.#edges) {
      edge.silentMs += passed;
      edge.served?.look(passed);
      if (edge.silentMs > leaseMs) {
        log.warn({ node: edge.node }, "nothing is heard of an edge: its sessions end");
        count(counters, words.leasesEnded);
        edge.served?.leave();
        this.#endLink(edge, "nothing was heard of the edge");
        this.#edges.delete(name);
        continue;
      }
      const bytes = edge.served?.waitingBytes ?? 0;
      waitingBytes += bytes;
      if (bytes > (largest?.served?.waitingBytes ?? 0)) largest = edge;
    }
    if (largest !== undefined && waitingBytes > ALL_QUEUED_FACTOR * maxQueuedBytes)
      this.#endLink(largest, "too much waits for the edges, and most for this one");
    counters[words.linkWaitingBytes] = waitingBytes;
    counters[words.linkOutstanding] = this.#outstanding;
  }

  #countLinks(): void {
    const linked = [...this.#edges.values()].filter(({ served }) => served !== undefined);
    this.#options.counters[this.#options.words.links] = linked.length;
  }
}

function nameOf({ node, run }: Pick<Hello, "node" | "run">): string {
  return JSON.stringify([node, run]);
}
