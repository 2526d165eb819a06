import { randomUUID } from "node:crypto";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Logger } from "../../shared/log.js";
import { machineMs } from "../../shared/machine-clock.js";
import type { ExchangeToShard, ShardToExchange } from "../../workers/messages.js";
import type { RedisLink } from "../redis-link.js";
import {
  isSame,
  type LinkKind,
  type NewsByShard,
  packHello,
  packRequests,
  type RequestsByShard,
  readAnswers,
  readCall,
  type Said,
  type Serving,
} from "./link-entries.js";
import type { LinkKeys } from "./link-keys.js";
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
import { NumberedWriter } from "./numbered-writer.js";
import { OriginClock } from "./origin-clock.js";

/** How often it is looked what is due, in ms. A pause of the thread's own counts for no more than twice as much. */
const LOOK_MS = 100;
/** Without a link, a hello goes out this often; after so many without an answer it is for another link. */
const HELLO_MS = 1000;
const HELLOS_MAX = 5;
/** With one, an entry goes out at least this often, and sooner where the origin may not write on before. */
const HEARTBEAT_MS = 500;
const HEARD_MAX = 64;
/** The origin says something twice a second. Without a word for so long nothing is begun, and then the link is over. */
const QUIET_MS = 1500;
const SILENT_MS = 3000;
/** How long a read waits, in ms, and how many entries it brings. Without a link it is to notice the next one soon. */
const READ_MS = 200;
const READ_UNLINKED_MS = 25;
const READ_ENTRIES = 64;
/** How long entries are heard in a turn, in ms: the thread has market data as well. */
const TURN_MS_MAX = 4;
/** Hellos that are kept: those of edges are said again anyhow. */
const HELLOS_KEPT = "1000";
const OUTRANKED = "another origin has taken over";

export interface EdgeLinkOptions {
  readonly open: OpenLink;
  readonly keys: LinkKeys;
  readonly node: string;
  /** Tells this run of the server from all others. */
  readonly run: string;
  /** The highest fence that market data have come with; 0 before the first. */
  readonly seenFence: () => number;
  readonly log: Logger;
}

interface EdgeLinkHooks<N extends Said> {
  readonly up: (begun: BegunLink) => void;
  /** What was not answered never will be. */
  readonly down: (reason: string) => void;
  readonly news: (news: NewsByShard<N>) => void;
}

/** A link that an origin has begun. */
interface BegunLink {
  readonly serving: Serving;
  /** The origin's feed is the exchange. */
  readonly takesOrders: boolean;
  readonly writer: NumberedWriter;
}

/** A link from its first hello to its end. */
interface Attempt {
  readonly link: string;
  readonly drawnAt: number;
  readonly clock: OriginClock;
  /** Undefined until an origin has begun it. */
  begun: BegunLink | undefined;
  hellos: number;
  helloMs: number;
  /** Number of the last entry that was heard, and up to where the origin knows. */
  heard: number;
  heardTold: number;
  /** Since the last word of the origin, and since the last entry of the own, in ms. */
  silentMs: number;
  unsaidMs: number;
}

/**
 * An edge's way to the exchange of its origin, over Redis. It has one link at a time, which ends with the first thing
 * that does not fit, such as a missing entry, another origin, another of its threads or exchanges, or silence; then it
 * asks for another of another name. So nothing that was said on one link is ever taken up on another, and nothing twice.
 *
 * Invariant: a link is one thread's of the origin, and that origin's fence is the highest that was seen.
 *
 * @typeParam R what shards ask at once, and N what they are told: of the exchange, or of what else the origin has
 */
export class EdgeLink<R extends Said = ShardToExchange, N extends Said = ExchangeToShard> {
  readonly #options: EdgeLinkOptions;
  readonly #kind: LinkKind;
  readonly #hooks: EdgeLinkHooks<N>;
  #attempt: Attempt;
  #writing: { readonly link: RedisLink; readonly scripts: LinkScripts } | undefined;
  #writeFailed: ((error: unknown) => void) | undefined;
  /** The highest fence that links have come with. */
  #linkFence = 0;
  #reason = "the origin has not been reached yet";
  #lookedAt = performance.now();

  constructor(options: EdgeLinkOptions, kind: LinkKind, hooks: EdgeLinkHooks<N>) {
    this.#options = options;
    this.#kind = kind;
    this.#hooks = hooks;
    this.#attempt = this.#newAttempt();
  }

  /** Keeps a link until the signal aborts. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const { open, log } = this.#options;
    const failed = (error: unknown): void =>
      log.debug({ err: error }, "orders: Redis cannot be reached");
    const looks = setInterval(() => this.#look(), LOOK_MS);
    await Promise.all([
      keepLink(open, signal, (link, over) => this.#write(link, over), failed),
      keepLink(open, signal, (link, over) => this.#read(link, over), failed),
    ]);
    clearInterval(looks);
  }

  /** The link that there is; undefined where there is none. */
  get begun(): BegunLink | undefined {
    return this.#attempt.begun;
  }

  /** Why nothing can be asked, where that is so. */
  get reason(): string | undefined {
    const { begun, silentMs } = this.#attempt;
    if (begun === undefined) return this.#reason;
    if (begun.serving.fence < this.#fence) return OUTRANKED;
    if (this.#writing === undefined) return "Redis cannot be reached";
    return silentMs > QUIET_MS ? "nothing is heard of the origin" : undefined;
  }

  get waitingBytes(): number {
    return this.#attempt.begun?.writer.waitingBytes ?? 0;
  }

  /** Whether Redis has all that was sent. */
  get isConfirmed(): boolean {
    return this.#attempt.begun?.writer.isConfirmed ?? true;
  }

  /**
   * Sends what shards ask; only while there is a link.
   * @param patienceMs how long its commands may take to be taken up; undefined where there are none
   */
  send(requests: RequestsByShard<R>, patienceMs: number | undefined): void {
    const { begun, clock, heard } = this.#attempt;
    if (begun === undefined) throw new Error("edge link: there is none to send by");
    const takeBy = patienceMs === undefined ? 0 : clock.now() + patienceMs;
    this.#attempt.unsaidMs = 0;
    this.#attempt.heardTold = heard;
    begun.writer.add(packRequests({ to: begun.serving, heard, takeBy, requests }));
  }

  /** Ends the link, and asks for another one. */
  renew(reason: string): void {
    const { begun } = this.#attempt;
    this.#reason = reason;
    this.#attempt = this.#newAttempt();
    if (begun === undefined) return;
    begun.writer.connect(undefined);
    this.#options.log.warn({ reason }, "the link to the origin's exchange has ended");
    this.#hooks.down(reason);
  }

  #newAttempt(): Attempt {
    return {
      link: randomUUID(),
      drawnAt: machineMs(),
      clock: new OriginClock(),
      begun: undefined,
      hellos: 0,
      helloMs: HELLO_MS,
      heard: 0,
      heardTold: 0,
      silentMs: 0,
      unsaidMs: 0,
    };
  }

  /** The highest fence that was seen: an origin with a lower one is none any more. */
  get #fence(): number {
    return Math.max(this.#linkFence, this.#options.seenFence());
  }

  // --- Writing ------------------------------------------------------------------------------------

  async #write(link: RedisLink, signal: AbortSignal): Promise<void> {
    const scripts = await LinkScripts.load(link, this.#options.keys);
    await new Promise<void>((resolve, reject) => {
      this.#writeFailed = reject;
      signal.addEventListener("abort", () => resolve(), { once: true });
      this.#writing = { link, scripts };
      this.#attempt.begun?.writer.connect(scripts);
    }).finally(() => {
      this.#writing = undefined;
      this.#attempt.begun?.writer.connect(undefined);
    });
  }

  #look(): void {
    const now = performance.now();
    const passed = Math.min(now - this.#lookedAt, 2 * LOOK_MS);
    this.#lookedAt = now;
    const attempt = this.#attempt;
    attempt.silentMs += passed;
    attempt.unsaidMs += passed;
    attempt.helloMs += passed;
    if (attempt.begun === undefined) {
      if (attempt.helloMs >= HELLO_MS) this.#hello(attempt);
    } else if (attempt.silentMs > SILENT_MS) this.renew("nothing is heard of the origin");
    else if (attempt.begun.serving.fence < this.#fence) this.renew(OUTRANKED);
    else if (
      attempt.unsaidMs >= HEARTBEAT_MS ||
      attempt.heard - attempt.heardTold >= HEARD_MAX ||
      // What is there already can be removed.
      (attempt.heard > attempt.heardTold && attempt.unsaidMs >= LOOK_MS)
    )
      this.send([], undefined);
  }

  #hello(attempt: Attempt): void {
    const writing = this.#writing;
    if (writing === undefined) return;
    if (attempt.hellos === HELLOS_MAX) return this.renew(this.#reason);
    attempt.helloMs = 0;
    attempt.hellos++;
    const { keys, node, run } = this.#options;
    const { link, drawnAt } = attempt;
    writing.link
      .send([
        "XADD",
        keys.hellos,
        "MAXLEN",
        "~",
        HELLOS_KEPT,
        "*",
        "e",
        packHello({ node, run, link, drawnAt }),
      ])
      .catch((error: unknown) => {
        if (this.#writing === writing) this.#writeFailed?.(error);
      });
  }

  // --- Reading ------------------------------------------------------------------------------------

  async #read(link: RedisLink, signal: AbortSignal): Promise<void> {
    const { keys } = this.#options;
    // What was called meanwhile has not been heard.
    const [called, bytes] = await lastEntry(link, keys.calls);
    if (bytes !== undefined) this.#called(bytes);
    let calledId = called;
    while (!signal.aborted) {
      const attempt = this.#attempt;
      const answers = keys.answers(attempt.link);
      const from = new Map([
        [keys.calls, calledId],
        [answers, idOf(attempt.heard)],
      ]);
      const waitMs = attempt.begun === undefined ? READ_UNLINKED_MS : READ_MS;
      const found = await readStreams(link, from, READ_ENTRIES, waitMs);
      const calls = found.get(keys.calls) ?? [];
      calledId = calls.at(-1)?.[0] ?? calledId;
      for (const [, call] of calls) this.#called(call);
      let endsAt = performance.now() + TURN_MS_MAX;
      for (const entry of found.get(answers) ?? []) {
        if (this.#attempt === attempt) this.#heard(attempt, entry);
        if (performance.now() < endsAt) continue;
        await nextTurn();
        endsAt = performance.now() + TURN_MS_MAX;
      }
    }
  }

  /** An origin says that it is there: one that is another than before, or has begun anew. */
  #called(bytes: Buffer): void {
    const attempt = this.#attempt;
    try {
      const call = readCall(bytes);
      if (call.fence < this.#fence) return;
      this.#linkFence = call.fence;
      // It takes links from now on.
      if (attempt.begun === undefined) attempt.helloMs = HELLO_MS;
      else if (!isSame(attempt.begun.serving, call))
        this.renew("the origin's exchange has started again");
    } catch (error) {
      this.#options.log.warn({ err: error }, "orders: a call of an origin is not understood");
    }
  }

  #heard(attempt: Attempt, [id, bytes]: StreamEntry): void {
    if (numberOf(id) !== attempt.heard + 1) return this.renew("an answer of the origin is missing");
    attempt.heard++;
    let entry: ReturnType<typeof readAnswers<N>>;
    try {
      entry = readAnswers<N>(bytes, this.#kind);
    } catch (error) {
      this.#options.log.error({ err: error }, "orders: an answer of the origin is not understood");
      return this.renew("an answer of the origin is not understood");
    }
    const { of, took, clock, takesOrders, end, news } = entry;
    const isFirst = attempt.begun === undefined;
    if (isFirst && takesOrders !== undefined) this.#begin(attempt, of, takesOrders);
    const { begun } = attempt;
    if (begun === undefined || !isSame(begun.serving, of) || of.fence < this.#fence)
      return this.renew("the origin is not the one that it was");
    attempt.silentMs = 0;
    attempt.clock.heard(clock);
    begun.writer.acknowledge(took);
    if (isFirst) this.#hooks.up(begun);
    if (news.length > 0) this.#hooks.news(news);
    if (end !== undefined) this.renew(end);
  }

  /** The link's first word has come; of an origin that another one has followed it is none. */
  #begin(attempt: Attempt, serving: Serving, takesOrders: boolean): void {
    const { origin, fence, epoch } = serving;
    if (fence < this.#fence) return;
    this.#linkFence = fence;
    const writer = new NumberedWriter(this.#options.keys.requests(attempt.link), fence, {
      failed: (failing, error) => {
        if (this.#writing?.scripts === failing) this.#writeFailed?.(error);
      },
      refused: (written) => {
        if (written !== "taken") this.#linkFence = Math.max(this.#linkFence, written.fence);
        if (this.#attempt === attempt) this.renew(OUTRANKED);
      },
    });
    attempt.begun = { serving, takesOrders, writer };
    writer.connect(this.#writing?.scripts);
    this.#options.log.info({ origin, epoch }, "there is a link to the origin's exchange");
  }
}
