import type { MessagePort } from "node:worker_threads";
import { type CounterSection, count } from "../../counters/counters.js";
import { RELAY } from "../../counters/relay-counters.js";
import { edgeShardNumber } from "../../shared/edge-shards.js";
import type { Logger } from "../../shared/log.js";
import type { Hello, LinkKind, Serving } from "./link-entries.js";
import type { LinkKeys } from "./link-keys.js";
import type { LinkScripts, Written } from "./link-scripts.js";
import { NumberedWriter } from "./numbered-writer.js";
import { ServedLink } from "./served-link.js";

/** How long an edge's next link waits for the exchange to answer what was asked on the one before, in ms. */
const ENDING_MS_MAX = 3000;

export interface KnownEdgeOptions {
  /** Whom its shards ask: the exchange, or the hub. */
  readonly kind: LinkKind;
  readonly keys: LinkKeys;
  /** The feed is the exchange. */
  readonly takesOrders: boolean;
  /** Bytes that may wait for an edge. */
  readonly maxQueuedBytes: number;
  /** Gives the exchange of an epoch a way to a shard, by its number there. */
  readonly openPort: (shard: number, epoch: string) => MessagePort;
  readonly counters: CounterSection;
  readonly log: Logger;
}

interface KnownEdgeHooks {
  /** A connection to Redis is of no use. */
  readonly failed: (scripts: LinkScripts, error: unknown) => void;
  /** There is an origin with a higher fence. */
  readonly outranked: (fence: number) => void;
  /** The exchange of an epoch has gone away. */
  readonly exchangeGone: (epoch: string) => void;
}

/**
 * An edge, which is a run of another node's process, as its origin knows it, and its links, one after the other.
 *
 * Invariants: it has one link at a time; links are begun in the order in which the edge has drawn their names, none
 * twice, and each when the exchange has answered what was asked on the one before, or has had long enough for it.
 */
export class KnownEdge {
  readonly #options: KnownEdgeOptions;
  readonly #hooks: KnownEdgeHooks;
  /** What it asked for last, and whether that was begun. */
  #hello: Hello;
  #begun = false;
  #served: ServedLink | undefined;
  #writer: NumberedWriter | undefined;
  /** The link before, of which the exchange has not answered all, and for how long that is so, in ms. */
  #ending: ServedLink | undefined;
  #endingMs = 0;
  /** Since its last word, in ms. */
  silentMs = 0;

  constructor(hello: Hello, options: KnownEdgeOptions, hooks: KnownEdgeHooks) {
    this.#hello = hello;
    this.#options = options;
    this.#hooks = hooks;
  }

  get node(): string {
    return this.#hello.node;
  }

  /** The name of its link, or of the one that it has asked for. */
  get link(): string {
    return this.#hello.link;
  }

  /** Its link; undefined where it has none. */
  get served(): ServedLink | undefined {
    return this.#served;
  }

  /** Requests that the exchange has not answered, of the link and of the one before. */
  get outstanding(): number {
    return (this.#served?.outstanding ?? 0) + (this.#ending?.outstanding ?? 0);
  }

  /** It asks for a link, or asks again. */
  greet(hello: Hello): void {
    this.silentMs = 0;
    if (hello.drawnAt <= this.#hello.drawnAt) return;
    this.end("the edge has asked for another one");
    this.#hello = hello;
    this.#begun = false;
  }

  /** Begins the link that it has asked for, where that is due. */
  begin(serving: Serving, scripts: LinkScripts | undefined): void {
    if (this.#begun || this.#ending !== undefined) return;
    this.#begun = true;
    const { kind, keys, takesOrders, maxQueuedBytes, openPort, counters, log } = this.#options;
    const { failed, exchangeGone } = this.#hooks;
    const { node, run, link } = this.#hello;
    const { fence, epoch } = serving;
    const broken = (reason: string): void => {
      if (this.#writer !== writer) return;
      this.end(reason);
      log.warn({ node, reason }, "the link of an edge has ended");
    };
    const refused = (written: Exclude<Written, "there">): void => {
      if (written === "taken") broken("another thread has begun it");
      else this.#hooks.outranked(written.fence);
    };
    const writer = new NumberedWriter(keys.answers(link), fence, { failed, refused });
    writer.connect(scripts);
    this.#writer = writer;
    this.#served = new ServedLink({
      kind,
      serving,
      takesOrders,
      writer,
      openPort: (shard) => openPort(edgeShardNumber(node, run, shard), epoch),
      maxQueuedBytes,
      broken,
      exchangeGone: () => exchangeGone(epoch),
      dropped: (answers) => count(counters, RELAY.answersDropped, answers),
    });
    log.info({ node }, "an edge has a link to the exchange");
  }

  /**
   * Ends its link, if there is one.
   * @param reason told to the edge, where it still hears
   */
  end(reason: string): void {
    const served = this.#served;
    if (served === undefined) return;
    served.end(reason);
    // What is written is on its way; nothing is written again.
    this.#writer?.connect(undefined);
    this.#served = this.#writer = undefined;
    if (served.outstanding > 0) this.#ending = served;
    this.#endingMs = 0;
    count(this.#options.counters, this.#options.kind.words.linksEnded);
  }

  /** Its connections are gone: their sessions end, or wait. */
  leave(reason: string): void {
    this.#served?.leave();
    this.close(reason);
  }

  /** Ends its link, and waits for no answers any more: the exchange waits for its shards. */
  close(reason: string): void {
    this.end(reason);
    this.#ending?.close();
  }

  /** Writes by a connection from now on. */
  connect(scripts: LinkScripts | undefined): void {
    this.#writer?.connect(scripts);
  }

  /** @param passedMs since the last time */
  look(passedMs: number): void {
    this.#served?.look(passedMs);
    // Of one whose entries wait for the exchange nothing is read.
    if (this.#served?.isHeld !== true) this.silentMs += passedMs;
    this.#endingMs += passedMs;
    if (this.#endingMs > ENDING_MS_MAX) this.#ending?.close();
    if (this.#ending?.outstanding === 0) this.#ending = undefined;
  }
}
