import { once } from "node:events";
import { type MessagePort, Worker } from "node:worker_threads";
import { type CounterBlock, PRODUCER } from "../ring/counters.js";
import {
  createMarketMemory,
  type MarketMemory,
  type MarketMemorySizes,
} from "../ring/market-memory.js";
import type { Logger, LogOptions } from "../shared/log.js";
import type { MainToProducer, ProducerTask, ProducerToMain } from "../workers/messages.js";
import { RestartDelay } from "./restart-delay.js";
import { Watchdog } from "./watchdog.js";

/** How long a feed may take to end when the server stops; the exchange has orders to cancel. */
const STOP_MS_MAX = 500;
const STOP_EXCHANGE_MS_MAX = 10_000;
/** A thread that has not ended itself within this time, in ms, is terminated. */
const END_MS_MAX = 200;
const WORKER = new URL("../workers/producer/producer-worker.js", import.meta.url);

export interface ProducerOptions {
  readonly feed: ProducerTask["feed"];
  readonly run: string;
  readonly sizes: MarketMemorySizes;
  readonly stallTimeoutMs: number;
  readonly counters: SharedArrayBuffer;
  readonly log: LogOptions;
}

export interface ProducerHooks {
  /** A producer is up and its memory is the one to read from now on. */
  readonly ready: (memory: MarketMemory) => void;
  /** Why there is no producer or no feed, or undefined when both are there. */
  readonly health: (source: "producer" | "feed" | "store", reason: string | undefined) => void;
  /** The producer's thread is gone; another will take its place, except where that cannot be. */
  readonly down: () => void;
}

/** Options that make no feed, found out by the producer; the message says what is wrong. */
export class FeedConfigurationError extends Error {
  override readonly name = "FeedConfigurationError";
}

/** A store that the exchange cannot open, as its producer found out; begins with the error's code. */
export class FeedStoreError extends Error {
  override readonly name = "FeedStoreError";
}

/**
 * Keeps a producer thread running. Each one has fresh shared memory and an epoch of its own, so that
 * nothing a dead one left half-written is ever read.
 */
export class ProducerSupervisor {
  readonly #options: ProducerOptions;
  readonly #block: CounterBlock;
  readonly #hooks: ProducerHooks;
  readonly #log: Logger;
  readonly #delay = new RestartDelay();
  #worker: Worker | undefined;
  #ready = false;
  #everReady = false;
  #subscribed = false;
  #stopping = false;
  #epochs = 0;

  constructor(options: ProducerOptions, block: CounterBlock, hooks: ProducerHooks, log: Logger) {
    this.#options = options;
    this.#block = block;
    this.#hooks = hooks;
    this.#log = log;
  }

  /** Whether a producer runs and its feed has listed its markets. */
  get ready(): boolean {
    return this.#ready;
  }

  /** Starts the first producer. Rejects with FeedConfigurationError where its options make no feed. */
  start(): Promise<void> {
    return new Promise((resolve, reject) => this.#start(resolve, reject));
  }

  /** Tells the feed that somebody has subscribed to market data. */
  subscribed(): void {
    this.#subscribed = true;
    this.#tell({ type: "subscribed" });
  }

  /** Gives the exchange a way to a shard, whose other end that shard has. */
  attachShard(shard: number, port: MessagePort): void {
    this.#worker?.postMessage({ type: "shard", shard, port } satisfies MainToProducer, [port]);
  }

  /**
   * Ends the producer as the watchdog does: another one takes its place. Where its loop turns it ends
   * itself; else it is terminated, which is the last resort, as that can end the whole process when it
   * comes while LMDB opens a file.
   */
  restart(): void {
    const worker = this.#worker;
    if (worker === undefined) return;
    this.#tell({ type: "end" });
    const timer = setTimeout(() => worker.terminate(), END_MS_MAX);
    worker.once("exit", () => clearTimeout(timer));
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    const worker = this.#worker;
    if (worker === undefined) return;
    const exited = once(worker, "exit");
    this.#tell({ type: "stop" });
    const stopMsMax = this.#options.feed.feed === "exchange" ? STOP_EXCHANGE_MS_MAX : STOP_MS_MAX;
    const timer = setTimeout(() => worker.terminate(), stopMsMax);
    await exited;
    clearTimeout(timer);
  }

  #tell(message: MainToProducer): void {
    this.#worker?.postMessage(message);
  }

  #start(resolve?: () => void, reject?: (error: Error) => void): void {
    const { feed, run, sizes, stallTimeoutMs, counters, log } = this.#options;
    const memory = createMarketMemory(`${Date.now().toString(36)}-${++this.#epochs}`, sizes);
    const task: ProducerTask = { memory, counters, feed, run, log };
    const { producer } = this.#block;
    producer[PRODUCER.markets] = producer[PRODUCER.ringRecordNumber] = 0;
    // Standard input stays this process's own: a feed that reads it opens the descriptor itself.
    const worker = new Worker(WORKER, { workerData: task, name: "producer" });
    this.#worker = worker;
    this.#delay.started();
    const watchdog = new Watchdog(producer, stallTimeoutMs, () => {
      this.#log.error({ stallTimeoutMs }, "the producer shows no life and is restarted");
      this.restart();
    });
    worker.on("message", (message: ProducerToMain) => {
      if (message.type === "feed-invalid") {
        const { code } = message;
        reject?.(
          code === undefined
            ? new FeedConfigurationError(message.message)
            : new FeedStoreError(`${code}: ${message.message}`),
        );
        // It made a feed before, so what is missing may come back.
        if (this.#everReady) {
          this.#log.error({ code }, `the feed cannot be opened: ${message.message}`);
          this.#hooks.health("feed", message.message);
          void worker.terminate();
        }
      } else if (message.type === "feed-ended") {
        this.#hooks.health("feed", message.reason);
      } else if (message.type === "store") {
        this.#hooks.health("store", message.reason);
      } else {
        this.#ready = this.#everReady = true;
        this.#hooks.health("producer", undefined);
        this.#hooks.health("feed", undefined);
        this.#hooks.ready(memory);
        if (this.#subscribed) this.#tell({ type: "subscribed" });
        resolve?.();
      }
    });
    worker.on("error", (error) => this.#log.error({ err: error }, "the producer failed"));
    worker.on("exit", () => {
      watchdog.stop();
      this.#worker = undefined;
      const wasReady = this.#ready;
      this.#ready = false;
      if (this.#stopping) return;
      // Whether the store can be written, the next one finds out for itself.
      this.#hooks.health("store", undefined);
      if (wasReady) this.#hooks.down();
      this.#restartLater(resolve, reject);
    });
  }

  #restartLater(resolve?: () => void, reject?: (error: Error) => void): void {
    if (this.#options.feed.feed === "stdin") {
      // The descriptor went with the thread, and its number may be another file's by now.
      this.#hooks.health("producer", "the producer ended, and standard input cannot be read again");
      return;
    }
    const delay = this.#delay.next();
    this.#hooks.health("producer", "the producer ended and is being restarted");
    this.#log.warn({ delay }, "the producer is restarted");
    setTimeout(() => this.#stopping || this.#start(resolve, reject), delay).unref();
  }
}
