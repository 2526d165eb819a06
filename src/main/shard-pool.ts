import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { MessagePort, Worker } from "node:worker_threads";
import { Piscina } from "piscina";
import type { ShardOptions } from "../config/thread-options.js";
import type { CounterBlock, CounterSection } from "../counters/counters.js";
import { shardFigures } from "../counters/system-status.js";
import type { MarketMemory } from "../ring/market-memory.js";
import type { Logger, LogOptions } from "../shared/log.js";
import type { SocketHandOffWay } from "../transport/socket-hand-off.js";
import { portsOf, type WaysToProducer } from "../workers/hub/messages.js";
import type { MainToShard, ShardTask, ShardToMain, ThreadLoaded } from "../workers/messages.js";
import { type Rebalancing, type RebalancingOutcome, sharesOf } from "./rebalancing.js";
import { RestartDelay } from "./restart-delay.js";
import { ShardThread } from "./shard-thread.js";
import { endThread } from "./thread-end.js";

const WORKER = fileURLToPath(new URL("../workers/shard/shard-worker.js", import.meta.url));
/** The function in WORKER that piscina calls. */
const TASK_NAME = "runShard";

/** How long threads have at a stop to load their modules, which takes seconds on a busy machine, in ms. */
const LOADING_MS_MAX = 5000;
const LOADING_LOOK_MS = 10;

/** In messages of errors, of which not all have a code. */
const NO_DESCRIPTORS = /\bE[MN]FILE\b/;

interface ShardPoolOptions {
  readonly shards: number;
  readonly stallTimeoutMs: number;
  readonly shard: ShardOptions;
  readonly counters: SharedArrayBuffer;
  readonly handOff: SocketHandOffWay;
  readonly log: LogOptions;
}

interface ShardPoolHooks {
  /** What a shard is told about market data and system when it starts. */
  readonly current: (shard: number) => Pick<ShardTask, "memory" | "system"> & WaysToProducer;
  readonly message: (shard: number, message: ShardToMain) => void;
  /** The shard takes sockets. */
  readonly up: (shard: number) => void;
  /** The shard takes no more sockets: it has ended, or is to end because it shows no life. */
  readonly failing: (shard: number, stalled: boolean) => void;
  /** The shard's thread is gone, and every message that it sent has been delivered. */
  readonly down: (shard: number) => void;
  /** A thread could not be started for want of descriptors; it is tried again. */
  readonly wantsDescriptors: () => void;
  /** The shard's thread does not end, and another one will take its place. */
  readonly leftBehind: (shard: number) => void;
  /** How many former threads a shard has that do not end. */
  readonly left: (shard: number, threads: number) => void;
}

interface ShardSlot {
  readonly delay: RestartDelay;
  /** Undefined between two lives. */
  thread: ShardThread | undefined;
  /** Former threads that do not end. */
  left: number;
}

/**
 * The young generation of a shard's heap. What V8 takes by itself is three times as much, and stays taken
 * once a burst of connections has made it grow; the fan-out leaves so little to collect that it gains nothing.
 */
const YOUNG_GENERATION_MB = 12;

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
  /** Threads that have loaded their modules. */
  readonly #loaded = new WeakSet<Worker>();
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
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB },
    });
    this.#piscina.on("message", ({ threadId }: ThreadLoaded) => {
      const thread = this.#piscina.threads.find((other) => other.threadId === threadId);
      if (thread !== undefined) this.#loaded.add(thread);
    });
    this.#piscina.on("error", (error) => this.#threadFailed(error as Error));
    this.#slots = Array.from({ length: options.shards }, () => ({
      delay: new RestartDelay(),
      thread: undefined,
      left: 0,
    }));
  }

  start(): void {
    for (let shard = 0; shard < this.#slots.length; shard++) this.#start(shard);
  }

  /** Whether a shard takes sockets. */
  ready(shard: number): boolean {
    return this.#slot(shard).thread?.ready === true;
  }

  get allReady(): boolean {
    return this.#slots.every(({ thread }) => thread?.ready === true);
  }

  /** The port of a shard that is starting or up. */
  port(shard: number): MessagePort | undefined {
    return this.#slot(shard).thread?.port;
  }

  /** Has each shard close its share of some connections; see {@link sharesOf}. */
  rebalance({ close, per_second }: Rebalancing): RebalancingOutcome {
    const connections = this.#block.shards.map((section, shard) =>
      this.ready(shard) ? shardFigures(section).connections : 0,
    );
    const shares = sharesOf(close, connections);
    const closing = shares.reduce((sum, share) => sum + share, 0);
    const overMs = (closing / per_second) * 1000;
    for (const [shard, { thread }] of this.#slots.entries()) {
      const message: MainToShard = { type: "rebalance", close: shares[shard] as number, overMs };
      thread?.port?.postMessage(message);
    }
    return { closing, per_second, until_ts: Math.round((Date.now() + overMs) * 1000) };
  }

  broadcast(message: MainToShard): void {
    for (const { thread } of this.#slots) thread?.port?.postMessage(message);
  }

  /** Tells every shard of another producer, each with ways to it of its own. */
  changeMemory(memory: MarketMemory, waysFor: (shard: number) => WaysToProducer): void {
    for (const [shard, { thread }] of this.#slots.entries()) {
      const port = thread?.port;
      if (port === undefined) continue;
      const ways = waysFor(shard);
      const message: MainToShard = { type: "memory", memory, ...ways };
      port.postMessage(message, portsOf(ways));
    }
  }

  /** Ends all shards, within bounded time. */
  async stop(): Promise<void> {
    if (this.#stopping) return;
    this.#stopping = true;
    await this.#allLoaded();
    await Promise.all(this.#slots.map(({ thread }) => thread?.close()));
    const ask = (): void => {};
    await endThread({ ask, terminate: ask, exited: this.#piscina.destroy() });
  }

  /** Node aborts the whole process where a thread is terminated while it loads modules. */
  async #allLoaded(): Promise<void> {
    const deadline = performance.now() + LOADING_MS_MAX;
    while (!this.#piscina.threads.every((thread) => this.#loaded.has(thread))) {
      if (performance.now() > deadline) return;
      await sleep(LOADING_LOOK_MS);
    }
  }

  #slot(shard: number): ShardSlot {
    return this.#slots[shard] as ShardSlot;
  }

  #start(shard: number): void {
    const slot = this.#slot(shard);
    slot.delay.started();
    const { counters, handOff, log, shard: options, stallTimeoutMs } = this.#options;
    const task = { shard, counters, handOff, options, log, ...this.#hooks.current(shard) };
    const section = this.#block.shards[shard] as CounterSection;
    let left = false;
    slot.thread = new ShardThread(this.#piscina, task, section, stallTimeoutMs, {
      message: (message) => {
        if (message.type === "ready" && this.ready(shard)) this.#hooks.up(shard);
        this.#hooks.message(shard, message);
      },
      failing: (stalled) => {
        if (this.#stopping) return;
        if (stalled) this.#log.error({ shard }, "the shard shows no life and is restarted");
        this.#hooks.failing(shard, stalled);
      },
      error: (error) => {
        if (this.#stopping) return;
        this.#log.error({ err: error, shard }, "the shard ended");
        this.#checkDescriptors(error);
      },
      leftBehind: () => {
        left = true;
        this.#countLeft(shard, 1);
        if (this.#stopping) return;
        this.#hooks.leftBehind(shard);
        this.#restartLater(shard);
      },
      gone: () => {
        if (left) return this.#countLeft(shard, -1);
        if (this.#stopping) return;
        this.#hooks.down(shard);
        this.#restartLater(shard);
      },
    });
  }

  #countLeft(shard: number, more: number): void {
    const slot = this.#slot(shard);
    slot.left += more;
    if (!this.#stopping) this.#hooks.left(shard, slot.left);
  }

  #restartLater(shard: number): void {
    const slot = this.#slot(shard);
    slot.thread = undefined;
    setTimeout(() => {
      if (this.#stopping) return;
      try {
        this.#start(shard);
      } catch (error) {
        this.#log.error({ err: error, shard }, "the shard cannot be started");
        this.#restartLater(shard);
      }
    }, slot.delay.next());
  }

  /** A thread failed before it had a task, and the pool makes no other for those that wait for one. */
  #threadFailed(error: Error): void {
    if (this.#stopping) return;
    this.#log.error({ err: error }, "a thread could not be started");
    this.#checkDescriptors(error);
    for (const { thread } of this.#slots) if (thread?.ready === false) thread.end();
  }

  #checkDescriptors({ message }: Error): void {
    if (NO_DESCRIPTORS.test(message)) this.#hooks.wantsDescriptors();
  }
}
