import { type MessagePort, Worker } from "node:worker_threads";
import { type CounterBlock, counted, PRODUCER } from "../counters/counters.js";
import {
  createMarketMemory,
  type MarketMemory,
  type MarketMemorySizes,
} from "../ring/market-memory.js";
import { publishedMark } from "../ring/published-mark.js";
import { CodedError } from "../shared/coded-error.js";
import type { Logger, LogOptions } from "../shared/log.js";
import type {
  MainToProducer,
  ProducerFault,
  ProducerTask,
  ProducerToMain,
} from "../workers/messages.js";
import type { MarketAction, MarketOutcome } from "../workers/producer/messages.js";
import type { ExchangeStandbys } from "./exchange-standbys.js";
import { MarketRequests } from "./market-requests.js";
import { createPublishRequests, type PublishRequests } from "./publish-requests.js";
import { RestartDelay } from "./restart-delay.js";
import { endThread } from "./thread-end.js";
import { Watchdog } from "./watchdog.js";

/** How long a feed may take to end when the server stops; the exchange has orders to cancel. */
const STOP_MS_MAX = 500;
/** The same for one that may be loading its modules: Node may abort the process where that is cut short. */
const STOP_STARTING_MS_MAX = 5000;
const STOP_EXCHANGE_MS_MAX = 10_000;
const RESTARTING = "the producer ended and is being restarted";
const WORKER = new URL("../workers/producer/producer-worker.js", import.meta.url);

interface ProducerOptions {
  readonly feed: ProducerTask["feed"];
  readonly hub: ProducerTask["hub"];
  readonly run: string;
  /** The memory of the lease's term; undefined where none is needed. */
  readonly lease: SharedArrayBuffer | undefined;
  /** What an exchange has to do with its standbys; undefined where nobody stands by. */
  readonly standbys: Pick<ExchangeStandbys, "producer"> | undefined;
  readonly sizes: MarketMemorySizes;
  readonly stallTimeoutMs: number;
  /** Changes of markets that may be under way, and publications. */
  readonly maxOpsRequests: number;
  readonly counters: SharedArrayBuffer;
  /** Undefined where nothing is archived. */
  readonly archiveDir: string | undefined;
  readonly log: LogOptions;
}

interface ProducerHooks {
  /** A producer is up and its memory is the one to read from now on. */
  readonly ready: (memory: MarketMemory) => void;
  /** Why there is no producer or no feed, or undefined when both are there. */
  readonly health: (
    source: "producer" | "feed" | "store" | "relay",
    reason: string | undefined,
  ) => void;
  /** The producer publishes no more; another will take its place, except where that cannot be. */
  readonly down: () => void;
  /**
   * How many former threads there are that do not end. With `replaceable` another one takes their
   * place; the exchange's store belongs to its thread.
   */
  readonly left: (threads: number, replaceable: boolean) => void;
}

/** Options that make no feed, or a store that the exchange cannot open, as the producer found out. */
export class ProducerStartError extends CodedError<ProducerFault["code"]> {}

/** One producer, from the start of its thread to its end. */
interface ProducerLife {
  readonly worker: Worker;
  readonly memory: MarketMemory;
  readonly watchdog: Watchdog;
  readonly exited: Promise<void>;
  state: "starting" | "ready" | "ending";
  /** It was ready once, so its memory was read from. */
  served: boolean;
  leftBehind: boolean;
  /** It ends because the epoch of the node that it follows has: another one begins at once. */
  epochEnded: boolean;
}

/** What the first start tells its caller. */
interface FirstStart {
  readonly ready: () => void;
  readonly invalid: (error: Error) => void;
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
  readonly #marketRequests: MarketRequests;
  /** What operators publish. */
  readonly publications: PublishRequests;
  #life: ProducerLife | undefined;
  #firstStart: FirstStart | undefined;
  #everReady = false;
  #subscribed = false;
  #stopping = false;
  #epochs = 0;
  /** Former threads that do not end. */
  #left = 0;
  /** The last trade that a producer whose memory was read from has published, by its number. */
  #lastTrade: number | undefined;

  constructor(options: ProducerOptions, block: CounterBlock, hooks: ProducerHooks, log: Logger) {
    this.#options = options;
    this.#block = block;
    this.#hooks = hooks;
    this.#log = log;
    this.#marketRequests = new MarketRequests({
      isExchange: options.feed.feed === "exchange",
      most: options.maxOpsRequests,
      send: (request, action) => this.#ask({ type: "administer", request, action }),
    });
    this.publications = createPublishRequests(options.maxOpsRequests, (request, publication) =>
      this.#ask({ type: "publish", request, ...publication }),
    );
  }

  /** Whether a producer runs and its feed has listed its markets. */
  get ready(): boolean {
    return this.#life?.state === "ready";
  }

  /**
   * Starts the first producer; resolves when one is ready. Rejects with ProducerStartError where its
   * options make no feed, and where the store cannot be opened.
   */
  start(): Promise<void> {
    return new Promise((ready, invalid) => {
      this.#firstStart = { ready, invalid };
      this.#start();
    });
  }

  /** Tells the feed that somebody has subscribed to market data. */
  subscribed(): void {
    this.#subscribed = true;
    this.#tell({ type: "subscribed" });
  }

  /** Gives exchange and hub ways to a shard, whose other ends that shard has. */
  attachShard(shard: number, port: MessagePort, hub: MessagePort): void {
    const message: MainToProducer = { type: "shard", shard, port, hub };
    this.#life?.worker.postMessage(message, [port, hub]);
  }

  /** Gives the exchange, or the sessions, a way to a shard of another node; or the hub. */
  attachEdgeShard(type: "edge-shard" | "edge-hub", shard: number, port: MessagePort): void {
    const message: MainToProducer = { type, shard, port };
    this.#life?.worker.postMessage(message, [port]);
  }

  /** Resolves when a change of a market is on disk and has been told, or with why it is not. */
  administer(action: MarketAction): Promise<MarketOutcome> {
    return this.#marketRequests.ask(action);
  }

  /** Ends the producer in order, within bounded time. */
  async stop(): Promise<void> {
    this.#stopping = true;
    const life = this.#life;
    if (life === undefined) return;
    life.watchdog.stop();
    const { worker, exited, state } = life;
    const patience =
      state === "starting"
        ? STOP_STARTING_MS_MAX
        : state === "ready" && this.#options.feed.feed === "exchange"
          ? STOP_EXCHANGE_MS_MAX
          : STOP_MS_MAX;
    await endThread(
      { ask: () => this.#tell({ type: "stop" }), terminate: () => worker.terminate(), exited },
      patience,
    );
  }

  /** Has the producer end here and now: nothing more is told, stored or answered. */
  async halt(): Promise<void> {
    this.#stopping = true;
    const life = this.#life;
    if (life === undefined) return;
    life.watchdog.stop();
    const { worker, exited } = life;
    await endThread({
      ask: () => this.#tell({ type: "end" }),
      terminate: () => worker.terminate(),
      exited,
    });
  }

  /** Tells a producer that is ready; returns whether one is. */
  #ask(message: MainToProducer): boolean {
    if (this.ready) this.#tell(message);
    return this.ready;
  }

  #tell(message: MainToProducer): void {
    this.#life?.worker.postMessage(message);
  }

  #start(): void {
    const { feed, hub, run, lease, standbys, sizes, stallTimeoutMs, counters, archiveDir, log } =
      this.#options;
    const memory = createMarketMemory(`${Date.now().toString(36)}-${++this.#epochs}`, sizes);
    const lastTrade = this.#lastTrade;
    const { producer } = this.#block;
    const latestTs = counted(producer, PRODUCER.latestTs);
    const task: ProducerTask = {
      memory,
      counters,
      feed,
      hub,
      run,
      lease,
      followed: standbys?.producer(!this.#everReady),
      lastTrade,
      latestTs,
      archiveDir,
      log,
    };
    producer[PRODUCER.markets] = producer[PRODUCER.ringRecordNumber] = 0;
    // Standard input stays this process's own: a feed that reads it opens the descriptor itself.
    const worker = new Worker(WORKER, { workerData: task, name: "producer" });
    this.#delay.started();
    const watchdog = new Watchdog(producer, stallTimeoutMs, () => {
      this.#log.error({ stallTimeoutMs }, "the producer shows no life and is restarted");
      this.#end(life, "the producer shows no life and is being restarted");
    });
    const exited = new Promise<void>((resolve) => worker.once("exit", () => resolve()));
    const life: ProducerLife = {
      worker,
      memory,
      watchdog,
      exited,
      state: "starting",
      served: false,
      leftBehind: false,
      epochEnded: false,
    };
    this.#life = life;
    worker.on("message", (message: ProducerToMain) => this.#onMessage(life, message));
    worker.on("error", (error) => this.#log.error({ err: error }, "the producer failed"));
    void exited.then(() => this.#onExit(life));
  }

  #onMessage(life: ProducerLife, message: ProducerToMain): void {
    if (life.state === "ending") return;
    switch (message.type) {
      case "feed-invalid":
        return this.#onInvalid(life, message);
      case "feed-ended":
        return this.#hooks.health("feed", message.reason);
      case "administered":
        return this.#marketRequests.answered(message.request, message.outcome);
      case "published":
        return this.publications.answered(message.request, message.outcome);
      case "store":
        return this.#hooks.health("store", message.reason);
      case "relay":
        return this.#hooks.health("relay", message.reason);
      case "epoch-ended":
        life.epochEnded = true;
        return;
      case "ready":
        life.state = "ready";
        life.served = this.#everReady = true;
        this.#hooks.health("producer", undefined);
        this.#hooks.health("feed", undefined);
        this.#hooks.ready(
          message.epoch === undefined ? life.memory : { ...life.memory, epoch: message.epoch },
        );
        if (this.#subscribed) this.#tell({ type: "subscribed" });
        return this.#firstStart?.ready();
      default:
        return message satisfies never;
    }
  }

  #onInvalid(life: ProducerLife, { code, message }: ProducerFault): void {
    // Of options, the message says it all.
    const text = code === "FEED_INVALID" ? message : `${code}: ${message}`;
    this.#firstStart?.invalid(new ProducerStartError(code, text));
    if (!this.#everReady) return;
    // It made a feed before, so what is missing may come back.
    this.#log.error({ code }, `the feed cannot be opened: ${message}`);
    this.#hooks.health("feed", message);
    this.#end(life, RESTARTING);
  }

  /**
   * Has a thread end, whose producer counts for nothing from now on. Where its loop turns it ends
   * itself; else it is terminated, which is the second resort, as that can end the whole process when
   * it comes while LMDB opens a file.
   */
  #end(life: ProducerLife, reason: string): void {
    if (life.state === "ending" || this.#stopping) return;
    this.#retire(life, reason);
    const { worker, exited } = life;
    void endThread({
      ask: () => worker.postMessage({ type: "end" } satisfies MainToProducer),
      terminate: () => worker.terminate(),
      exited,
    }).then((ended) => ended || this.#leaveBehind(life));
  }

  #retire(life: ProducerLife, reason: string): void {
    const { watchdog, state, epochEnded } = life;
    watchdog.stop();
    life.state = "ending";
    this.#marketRequests.ended();
    this.publications.ended();
    if (state === "ending" || this.#stopping || epochEnded) return;
    this.#hooks.health("producer", reason);
    // Whether the store can be written, the next one finds out for itself.
    this.#hooks.health("store", undefined);
    if (state === "ready") this.#hooks.down();
  }

  #onExit(life: ProducerLife): void {
    this.#retire(life, RESTARTING);
    if (life.served) this.#lastTrade = publishedMark(life.memory.tradeRing);
    if (life.leftBehind) this.#hooks.left(--this.#left, true);
    else if (life.epochEnded && !this.#stopping) this.#start();
    else this.#restartLater();
  }

  #leaveBehind(life: ProducerLife): void {
    life.leftBehind = true;
    const replaceable = this.#options.feed.feed !== "exchange";
    this.#hooks.left(++this.#left, replaceable);
    if (replaceable) this.#restartLater();
  }

  #restartLater(): void {
    this.#life = undefined;
    if (this.#stopping) return;
    if (this.#options.feed.feed === "stdin") {
      // The descriptor went with the thread, and its number may be another file's by now.
      this.#hooks.health("producer", "the producer ended, and standard input cannot be read again");
      return;
    }
    const delay = this.#delay.next();
    this.#hooks.health("producer", RESTARTING);
    this.#log.warn({ delay }, "the producer is restarted");
    setTimeout(() => {
      if (this.#stopping) return;
      try {
        this.#start();
      } catch (error) {
        // There is no memory for its rings, say.
        this.#log.error({ err: error }, "the producer cannot be started");
        this.#restartLater();
      }
    }, delay).unref();
  }
}
