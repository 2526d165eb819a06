import { setTimeout as sleep } from "node:timers/promises";
import { MessageChannel, type MessagePort, type Worker } from "node:worker_threads";
import type { Piscina } from "piscina";
import type { CounterSection } from "../counters/counters.js";
import { portsOf } from "../workers/hub/messages.js";
import type { MainToShard, ShardTask, ShardToMain } from "../workers/messages.js";
import { endThread } from "./thread-end.js";
import { Watchdog } from "./watchdog.js";

/** How long a shard has to end in order, in ms. */
const CLOSE_MS_MAX = 1000;

interface ShardThreadHooks {
  readonly message: (message: ShardToMain) => void;
  /** The shard takes no more: it has ended, or is to end because it shows no life. Once. */
  readonly failing: (stalled: boolean) => void;
  /** What the shard died of. */
  readonly error: (error: Error) => void;
  /** The thread does not end, though it was terminated. */
  readonly leftBehind: () => void;
  /** The thread is gone, and every message that it sent has been delivered. Once, and the last. */
  readonly gone: () => void;
}

/**
 * One life of a shard: a piscina task that runs for as long as its thread, and a port of its own.
 *
 *   starting ──ready──► ready ──┐
 *      └────────────────────────┴──stalled, asked to end, or dead──► ending ──► gone
 *
 * A shard is sent messages before it is ready, but none from the moment it is ending: nobody may be
 * there to take them.
 */
export class ShardThread {
  readonly #hooks: ShardThreadHooks;
  readonly #pool: Piscina<ShardTask, void>;
  readonly #port: MessagePort;
  readonly #abort = new AbortController();
  readonly #watchdog: Watchdog;
  readonly #portClosed: Promise<void>;
  /** The task is over; its thread may be there still. Never rejects. */
  readonly #over: Promise<void>;
  readonly #gone: Promise<void>;
  #state: "starting" | "ready" | "ending" = "starting";
  /** Known once it has told its number, or was terminated. */
  #thread: Worker | undefined;

  constructor(
    pool: Piscina<ShardTask, void>,
    task: Omit<ShardTask, "port">,
    section: CounterSection,
    stallTimeoutMs: number,
    hooks: ShardThreadHooks,
  ) {
    const { port1, port2 } = new MessageChannel();
    this.#pool = pool;
    this.#port = port1;
    this.#hooks = hooks;
    this.#watchdog = new Watchdog(section, stallTimeoutMs, () => this.end({ stalled: true }));
    port1.on("message", (message: ShardToMain) => {
      if (message.type === "ready") this.#becomeReady(message.threadId);
      hooks.message(message);
    });
    this.#portClosed = new Promise((resolve) => port1.once("close", resolve));
    void this.#portClosed.then(() => this.end());
    this.#over = this.#run({ ...task, port: port2 });
    this.#gone = this.#over.then(() => this.#ended());
    void this.#gone.then(() => hooks.gone());
  }

  /** Whether the shard takes sockets. */
  get ready(): boolean {
    return this.#state === "ready";
  }

  /** Undefined where nothing may be posted any more. */
  get port(): MessagePort | undefined {
    return this.#state === "ending" ? undefined : this.#port;
  }

  /**
   * Ends the thread, its sockets with it. Where its loop turns it ends itself; else it is terminated,
   * which is the second resort, as Node may abort the whole process when that comes in the middle of
   * its HTTP parser's work.
   */
  end({ stalled = false } = {}): void {
    if (this.#state === "ending") return;
    this.#stopWatching();
    this.#hooks.failing(stalled);
    void endThread({
      ask: () => this.#port.postMessage({ type: "end" } satisfies MainToShard),
      terminate: () => this.#terminate(),
      exited: this.#gone,
    }).then((ended) => ended || this.#hooks.leftBehind());
  }

  /** Has the shard end in order; its pool ends the thread. Resolves, within bounded time, when it has. */
  async close(): Promise<void> {
    this.#stopWatching();
    this.#port.close();
    await Promise.race([this.#over, sleep(CLOSE_MS_MAX, undefined, { ref: false })]);
  }

  #stopWatching(): void {
    this.#state = "ending";
    this.#watchdog.stop();
  }

  #becomeReady(threadId: number): void {
    this.#thread = this.#pool.threads.find((thread) => thread.threadId === threadId);
    if (this.#state === "starting") this.#state = "ready";
  }

  #terminate(): void {
    const before = this.#pool.threads;
    this.#abort.abort();
    const left = new Set(this.#pool.threads);
    this.#thread ??= before.find((thread) => !left.has(thread));
  }

  async #run(task: ShardTask): Promise<void> {
    const transferList = [task.port, ...portsOf(task)];
    try {
      await this.#pool.run(task, { transferList, signal: this.#abort.signal });
    } catch (error) {
      this.#hooks.error(error as Error);
    }
  }

  /** Resolves when the thread of a task that is over has exited and its port is closed. */
  async #ended(): Promise<void> {
    this.end();
    const thread = this.#thread;
    // A task that failed early, or was aborted before it had a thread, closes no port. The port of one
    // that was ready is left alone, as its last messages must not be lost.
    if (thread === undefined) this.#port.close();
    else if (thread.threadId >= 0) await new Promise((resolve) => thread.once("exit", resolve));
    await this.#portClosed;
  }
}
