import { fileURLToPath } from "node:url";
import { MessageChannel, type MessagePort } from "node:worker_threads";
import { Piscina } from "piscina";
import type { CounterBlock, CounterSection } from "../ring/counters.js";
import type { MarketMemory } from "../ring/market-memory.js";
import type { Logger, LogOptions } from "../shared/log.js";
import type { SocketHandOffWay } from "../shared/socket-hand-off.js";
import type { MainToShard, ShardOptions, ShardTask, ShardToMain } from "../workers/messages.js";
import { RestartDelay } from "./restart-delay.js";
import { Watchdog } from "./watchdog.js";

const WORKER = fileURLToPath(new URL("../workers/shard/shard-worker.js", import.meta.url));
/** The function in WORKER that piscina calls. */
const TASK_NAME = "runShard";
/** A thread that has not ended itself within this time, in ms, is terminated. */
const END_MS_MAX = 200;

export interface ShardPoolOptions {
  readonly shards: number;
  readonly stallTimeoutMs: number;
  readonly shard: ShardOptions;
  readonly counters: SharedArrayBuffer;
  readonly handOff: SocketHandOffWay;
  readonly log: LogOptions;
}

export interface ShardPoolHooks {
  /** What a shard is told about market data and system when it starts. */
  readonly current: (shard: number) => Pick<ShardTask, "memory" | "exchange" | "system">;
  readonly message: (shard: number, message: ShardToMain) => void;
  /** The shard takes sockets. */
  readonly up: (shard: number) => void;
  /** The shard's thread is gone, and every message that it sent has been delivered. */
  readonly down: (shard: number) => void;
}

interface ShardSlot {
  readonly delay: RestartDelay;
  /** The live shard's port; undefined while there is none. */
  port: MessagePort | undefined;
  ready: boolean;
  abort: AbortController;
}

/**
 * Keeps the shards running: one long-running piscina task each, with a port of its own. A shard that
 * dies, or shows no life, is started again; the others notice nothing.
 */
export class ShardPool {
  readonly #options: ShardPoolOptions;
  readonly #block: CounterBlock;
  readonly #hooks: ShardPoolHooks;
  readonly #log: Logger;
  readonly #piscina: Piscina<ShardTask, void>;
  readonly #slots: readonly ShardSlot[];
  #stopping = false;

  constructor(options: ShardPoolOptions, block: CounterBlock, hooks: ShardPoolHooks, log: Logger) {
    this.#options = options;
    this.#block = block;
    this.#hooks = hooks;
    this.#log = log;
    this.#piscina = new Piscina<ShardTask, void>({
      filename: WORKER,
      name: TASK_NAME,
      minThreads: options.shards,
      maxThreads: options.shards,
      concurrentTasksPerWorker: 1,
      // With atomics, an idle piscina worker blocks its thread.
      atomics: "disabled",
      recordTiming: false,
    });
    this.#slots = Array.from({ length: options.shards }, () => ({
      delay: new RestartDelay(),
      port: undefined,
      ready: false,
      abort: new AbortController(),
    }));
  }

  start(): void {
    for (let shard = 0; shard < this.#slots.length; shard++) this.#start(shard);
  }

  /** Whether a shard takes sockets. */
  ready(shard: number): boolean {
    return this.#slot(shard).ready;
  }

  get allReady(): boolean {
    return this.#slots.every((slot) => slot.ready);
  }

  /** The port of a shard that is up. */
  port(shard: number): MessagePort | undefined {
    return this.#slot(shard).port;
  }

  broadcast(message: MainToShard): void {
    for (const { port } of this.#slots) port?.postMessage(message);
  }

  /** Tells every shard of another producer, each with a way to it of its own. */
  changeMemory(
    memory: MarketMemory,
    exchangeFor: (shard: number) => MessagePort | undefined,
  ): void {
    for (const [shard, { port }] of this.#slots.entries()) {
      if (port === undefined) continue;
      const exchange = exchangeFor(shard);
      const message: MainToShard = { type: "memory", memory, exchange };
      port.postMessage(message, exchange === undefined ? [] : [exchange]);
    }
  }

  /**
   * Ends a shard's thread as the watchdog does: its clients are cut and another one takes its place.
   * Where its loop turns it ends itself; else it is terminated, which is the last resort, as Node may
   * abort the whole process when that comes in the middle of its HTTP parser's work.
   */
  restart(shard: number): void {
    const { port, abort } = this.#slot(shard);
    port?.postMessage({ type: "end" } satisfies MainToShard);
    const timer = setTimeout(() => abort.abort(), END_MS_MAX);
    port?.once("close", () => clearTimeout(timer));
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    for (const { port } of this.#slots) port?.close();
    await this.#piscina.destroy();
  }

  #slot(shard: number): ShardSlot {
    return this.#slots[shard] as ShardSlot;
  }

  #start(shard: number): void {
    const { port1, port2 } = new MessageChannel();
    const slot = this.#slot(shard);
    slot.port = port1;
    slot.abort = new AbortController();
    slot.delay.started();
    const section = this.#block.shards[shard] as CounterSection;
    const watchdog = new Watchdog(section, this.#options.stallTimeoutMs, () => {
      this.#log.error({ shard }, "the shard shows no life and is restarted");
      this.restart(shard);
    });
    let exited: Promise<void> | undefined;
    port1.on("message", (message: ShardToMain) => {
      if (message.type === "ready") {
        slot.ready = true;
        exited = this.#exitOf(message.threadId);
        this.#hooks.up(shard);
      }
      this.#hooks.message(shard, message);
    });
    // The port closes with its thread, after the last message that the thread sent.
    port1.on("close", () => {
      watchdog.stop();
      slot.ready = false;
      slot.port = undefined;
      if (exited === undefined) this.#ended(shard);
      else void exited.then(() => this.#ended(shard));
    });
    const { counters, handOff, log, shard: options } = this.#options;
    const current = this.#hooks.current(shard);
    const task: ShardTask = { shard, port: port2, counters, handOff, options, log, ...current };
    const ports = [port2, ...(task.exchange === undefined ? [] : [task.exchange])];
    this.#piscina
      .run(task, { transferList: ports, signal: slot.abort.signal })
      .catch((error: Error) => {
        if (!this.#stopping) this.#log.error({ err: error, shard }, "the shard ended");
        // A task that failed early, or was aborted before it had a thread, closes no port. One that
        // was ready ends a little after it is aborted, and its last messages must not be lost.
        if (exited === undefined) port1.close();
      });
  }

  /** Resolves when a thread has exited and has closed all that it had open. */
  #exitOf(threadId: number): Promise<void> {
    const thread = this.#piscina.threads.find((worker) => worker.threadId === threadId);
    return new Promise((resolve) => {
      if (thread === undefined) resolve();
      else thread.once("exit", () => resolve());
    });
  }

  #ended(shard: number): void {
    if (this.#stopping) return;
    this.#hooks.down(shard);
    const delay = this.#slot(shard).delay.next();
    setTimeout(() => this.#stopping || this.#start(shard), delay);
  }
}
