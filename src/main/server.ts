import { randomUUID } from "node:crypto";
import { MessageChannel } from "node:worker_threads";
import type { Examined } from "../config/examine.js";
import type { Config } from "../config/schema.js";
import {
  hubOptionsOf,
  producerOptionsOf,
  type ShardOptions,
  windowSizesOf,
} from "../config/thread-options.js";
import { VERSION } from "../config/version.js";
import { beat, type CounterBlock, counterBlockOf } from "../counters/counters.js";
import { serverFigures } from "../counters/system-status.js";
import type { MarketMemory } from "../ring/market-memory.js";
import type { Logger, LogOptions } from "../shared/log.js";
import { startThreadPulse } from "../shared/thread-pulse.js";
import type { SocketHandOffWay } from "../transport/socket-hand-off.js";
import type { WaysToProducer } from "../workers/hub/messages.js";
import type { ShardToMain } from "../workers/messages.js";
import { Acceptor } from "./acceptor.js";
import { ExchangeStandbys } from "./exchange-standbys.js";
import { Leadership } from "./leadership.js";
import { startMessageRate } from "./message-rate.js";
import { createMetrics } from "./metrics.js";
import { Nodes } from "./nodes.js";
import {
  DRAIN_REASON,
  EXCHANGE_DOWN,
  FENCED_OUT,
  PRODUCER_DOWN,
  PRODUCER_LOST,
} from "./notices.js";
import { OpsServer } from "./ops-server.js";
import { tryPort } from "./port-trial.js";
import { ProducerSupervisor } from "./producer-supervisor.js";
import { RingReaders } from "./ring-readers.js";
import { EXIT_FENCED_OUT, type RunningServer } from "./running-server.js";
import { ShardPool } from "./shard-pool.js";
import { SystemHealth } from "./system-health.js";
import { threadsLeftBehind } from "./thread-end.js";

/** How much longer than the drain time the last connections may take to be gone. */
const DRAIN_GRACE_MS = 1000;
/** With more threads that do not end, the server ends itself. */
const THREADS_LEFT_MAX = 16;
/** Longest drain of a server that is not the origin any more, as its clients are told nothing new. */
const FENCED_DRAIN_MS_MAX = 1000;

/** Joins the parts of the main thread; the way of a connection is Acceptor → ShardPool → shard. */
export class Server implements RunningServer {
  port = 0;
  opsPort = 0;
  readonly closed: Promise<number>;
  readonly #config: Config;
  readonly #log: Logger;
  readonly #block: CounterBlock;
  readonly #health: SystemHealth;
  readonly #leadership: Leadership;
  /** Undefined where this node is no exchange, or is alone. */
  readonly #standbys: ExchangeStandbys | undefined;
  readonly #producer: ProducerSupervisor;
  readonly #readers: RingReaders;
  readonly #pool: ShardPool;
  readonly #acceptor: Acceptor;
  readonly #nodes: Nodes;
  readonly #ops: OpsServer;
  readonly #timers: (() => void)[] = [];
  readonly #markClosed: (code: number) => void;
  #memory: MarketMemory | undefined;
  #started = false;
  #stopping: Promise<void> | undefined;
  #exitCode = 0;
  #drainTimeMs: number;
  #failStart: ((error: Error) => void) | undefined;
  #allUp: (() => void) | undefined;

  constructor(
    config: Config,
    { opsToken }: Examined,
    shard: ShardOptions,
    handOff: SocketHandOffWay,
    counters: SharedArrayBuffer,
    log: LogOptions,
    logger: Logger,
  ) {
    this.#config = config;
    this.#drainTimeMs = config.drainTimeMs;
    this.#log = logger;
    let markClosed: (code: number) => void = () => {};
    this.closed = new Promise((resolve) => {
      markClosed = resolve;
    });
    this.#markClosed = markClosed;
    this.#block = counterBlockOf(counters);
    this.#health = new SystemHealth(VERSION, (system) =>
      this.#pool.broadcast({ type: "system", system }),
    );
    const run = randomUUID();
    this.#leadership = new Leadership(
      { config, run, counters },
      {
        standsBy: () => this.#standBy(),
        mayTake: () => this.#standbys?.standby.mayTakeOver ?? true,
        lost: () => this.#fencedOut(),
      },
      logger,
    );
    const fence = (): number => this.#leadership.fence;
    this.#standbys = ExchangeStandbys.of({ config, counters, fence, log }, logger);
    this.#producer = this.#createProducer(shard, run, counters, log);
    const journal = this.#standbys?.journal;
    this.#readers = new RingReaders(
      { config, archiveDir: shard.archiveDir, counters, fence, journal, log },
      {
        health: (source, reason) => this.#health.report(source, reason),
        left: (whose, threads) => this.#reportLeft(whose, threads),
        edgeShard: ({ type, shard, epoch, port }) => {
          if (this.#producer.ready && epoch === this.#memory?.epoch)
            this.#producer.attachEdgeShard(type, shard, port);
          else port.close();
        },
        fencedOut: () => this.#leadership.lose(),
      },
      logger,
    );
    this.#pool = this.#createPool(shard, handOff, counters, log);
    this.#acceptor = new Acceptor({ ...config, handOff }, this.#pool, this.#block.main, logger);
    const isNow = () => ({ role: this.#leadership.role, state: this.#readiness().state });
    this.#nodes = new Nodes(config, this.#block, isNow, logger);
    this.#ops = new OpsServer(
      {
        readiness: () => this.#readiness(),
        status: () => this.#status(),
        notify: (level, message) => this.#pool.broadcast({ type: "notify", level, message }),
        rebalance: (asked) => this.#pool.rebalance(asked),
        administer: (action) => this.#producer.administer(action),
        publish: (publication) => this.#producer.publications.ask(publication),
        metrics: createMetrics(this.#block),
      },
      { ...config, token: opsToken, counters: this.#block.main },
    );
  }

  #createProducer(
    { archiveDir }: ShardOptions,
    run: string,
    counters: SharedArrayBuffer,
    log: LogOptions,
  ) {
    const config = this.#config;
    return new ProducerSupervisor(
      {
        feed: producerOptionsOf(config),
        hub: hubOptionsOf(config),
        run,
        lease: this.#leadership.term?.memory,
        standbys: this.#standbys,
        sizes: { ...config, ...windowSizesOf(config) },
        stallTimeoutMs: config.stallTimeoutMs,
        maxOpsRequests: config.opsMaxConnections,
        counters,
        archiveDir,
        log,
      },
      this.#block,
      {
        ready: (memory) => this.#takeMemory(memory),
        health: (source, reason) => this.#health.report(source, reason),
        down: () =>
          this.#pool.broadcast({
            type: "notify",
            level: "warning",
            message: config.feed === "exchange" ? EXCHANGE_DOWN : PRODUCER_DOWN,
          }),
        left: (threads, replaceable) => {
          this.#reportLeft("the producer", threads);
          if (threads > 0 && !replaceable) this.#giveUp(PRODUCER_LOST);
        },
      },
      this.#log,
    );
  }

  #createPool(
    shard: ShardOptions,
    handOff: SocketHandOffWay,
    counters: SharedArrayBuffer,
    log: LogOptions,
  ): ShardPool {
    const { shards, stallTimeoutMs } = this.#config;
    return new ShardPool(
      { shards, stallTimeoutMs, shard, counters, handOff, log },
      this.#block,
      {
        current: (shard) => ({
          memory: this.#memory as MarketMemory,
          ...this.#connectProducer(shard),
          system: this.#health.system,
        }),
        message: (_, message) => this.#onShardMessage(message),
        up: (index) => this.#shardUp(index),
        failing: (index, stalled) =>
          this.#health.report(
            `shard ${index}`,
            `shard ${index} ${stalled ? "shows no life" : "ended"} and is being restarted`,
          ),
        down: (index) => this.#acceptor.shardDown(index),
        wantsDescriptors: () => this.#acceptor.relieve(),
        leftBehind: (index) => this.#acceptor.shardLeftBehind(index),
        left: (index, threads) => this.#reportLeft(`shard ${index}`, threads),
      },
      this.#log,
    );
  }

  /** @param aborted rejects when the start is to end; nothing more is begun then */
  async start(aborted: Promise<never>): Promise<void> {
    const gaveUp = new Promise<never>((_, reject) => {
      this.#failStart = reject;
    });
    const step = <T>(promise: Promise<T>): Promise<T> => Promise.race([promise, aborted, gaveUp]);
    const { host, port, opsHost, opsPort, shards } = this.#config;
    this.opsPort = await step(this.#ops.listen(opsHost, opsPort));
    this.#startTimers();
    this.#nodes.start();
    await step(this.#leadership.take());
    await step(this.#standbys?.standby.takeOver() ?? Promise.resolve());
    await step(this.#producer.start());
    const up = new Promise<void>((resolve) => {
      this.#allUp = resolve;
    });
    this.#pool.start();
    await step(Promise.all([up, this.#readers.opened()]));
    this.port = await step(this.#acceptor.listen(host, port));
    this.#started = true;
    this.#log.info(
      { port: this.port, ops_port: this.opsPort, host, shards, version: VERSION },
      "ready",
    );
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#drain();
    return this.#stopping;
  }

  /** Ends whatever a failed start has left running. */
  async abandon(): Promise<void> {
    for (const stop of this.#timers) stop();
    this.#ops.close();
    this.#acceptor.close();
    await Promise.all([
      this.#pool.stop(),
      this.#producer.stop(),
      this.#standbys?.standby.stop(),
      this.#nodes.stop(),
    ]);
    // Behind it, as they archive and relay what the producer has told.
    await this.#readers.stop();
    await this.#leadership.giveBack();
  }

  /** Never rejects: whatever happens, the server has stopped in the end. */
  async #drain(): Promise<void> {
    try {
      await this.#letGo();
      await this.abandon();
      this.#log.info("stopped");
    } catch (error) {
      this.#exitCode = 1;
      this.#log.error({ err: error }, "stopped, but not in order");
    }
    this.#markClosed(this.#exitCode);
  }

  /** Resolves when the last connection has ended, or is given up. */
  async #letGo(): Promise<void> {
    const drainTimeMs = this.#drainTimeMs;
    this.#log.info({ drainTimeMs, connections: this.#acceptor.ledger.connections }, "stopping");
    // Ahead of the state that is another one now.
    const deadlineTs = (Date.now() + drainTimeMs) * 1000;
    this.#pool.broadcast({ type: "drain", drainTimeMs, deadlineTs, reason: DRAIN_REASON });
    this.#health.drain();
    this.#acceptor.close();
    const deadline = setTimeout(() => this.#acceptor.giveUp(), drainTimeMs + DRAIN_GRACE_MS);
    await this.#acceptor.emptied();
    clearTimeout(deadline);
  }

  /** Stops, as nothing but a new process can help. */
  #giveUp(why: string): void {
    this.#log.fatal(`the server ends: ${why}`);
    this.#exitCode = 1;
    if (this.#started) void this.stop();
    else this.#failStart?.(new Error(why));
  }

  /** Clients find nobody here until this node is the origin, but that they will is known from now on. */
  #standBy(): void {
    const { host, port } = this.#config;
    tryPort(host, port).then(
      () => {
        this.#log.info({ ops_port: this.opsPort, host, version: VERSION }, "standing by");
        this.#standbys?.standby.start();
      },
      (error: Error) => this.#failStart?.(error),
    );
  }

  /** Another node is the origin: nothing more is done, and all that is known here may be out of date. */
  #fencedOut(): void {
    if (this.#stopping !== undefined) return;
    this.#log.fatal(FENCED_OUT);
    this.#exitCode = EXIT_FENCED_OUT;
    this.#drainTimeMs = Math.min(this.#drainTimeMs, FENCED_DRAIN_MS_MAX);
    void this.#producer.halt();
    if (this.#started) void this.stop();
    else this.#failStart?.(new Error(FENCED_OUT));
  }

  /** Says how many former threads of a part of the server do not end. */
  #reportLeft(whose: string, threads: number): void {
    const reason = `a former thread of ${whose} does not end: what it holds comes back when it does, or with a restart of the server`;
    this.#health.report(`threads of ${whose}`, threads > 0 ? reason : undefined);
    if (threads > 0) this.#log.error({ threads }, reason);
    else this.#log.warn(`the former thread of ${whose} has ended after all`);
    const all = threadsLeftBehind();
    if (all > THREADS_LEFT_MAX) this.#giveUp(`${all} threads do not end`);
  }

  #onShardMessage(message: ShardToMain): void {
    switch (message.type) {
      case "moves":
        for (const connection of message.taken) this.#acceptor.taken(connection);
        return this.#acceptor.ended(message.ended);
      case "client-named":
        return this.#acceptor.clientNamed(message.connection, message.address);
      case "subscribed":
        return this.#producer.subscribed();
      case "archive-damaged":
        return this.#readers.archiveDamaged(message.reason);
      case "ready":
        // The pool's.
        return;
      default:
        return message satisfies never;
    }
  }

  #takeMemory(memory: MarketMemory): void {
    const former = this.#memory;
    this.#memory = memory;
    this.#readers.take(memory);
    if (former === undefined) return;
    this.#pool.changeMemory(memory, (shard) => this.#connectProducer(shard));
  }

  /** A shard's ends of new ways to the producer. */
  #connectProducer(shard: number): WaysToProducer {
    if (!this.#producer.ready) return { exchange: undefined, hub: undefined };
    const exchange = new MessageChannel();
    const hub = new MessageChannel();
    this.#producer.attachShard(shard, exchange.port1, hub.port1);
    return { exchange: exchange.port2, hub: hub.port2 };
  }

  #shardUp(shard: number): void {
    this.#health.report(`shard ${shard}`, undefined);
    this.#acceptor.shardUp();
    if (this.#pool.allReady) this.#allUp?.();
  }

  #readiness() {
    const { waitsFor } = this.#leadership;
    if (waitsFor !== undefined) {
      const reasons = [waitsFor, this.#standbys?.standby.reason].filter((one) => one !== undefined);
      return { ready: false, state: "standby", reasons };
    }
    const { state, reasons } = this.#health.system;
    const ready =
      this.#started && state !== "draining" && this.#producer.ready && this.#pool.allReady;
    if (this.#started) return { ready, state, reasons };
    return { ready, state: "starting", reasons: ["not all threads are up yet", ...reasons] };
  }

  async #status() {
    const ready = (shard: number): boolean => this.#pool.ready(shard);
    const { role } = this.#leadership;
    const figures = serverFigures(this.#health.system, this.#block, { ready, role });
    return { ...figures, ...(await this.#nodes.figures()) };
  }

  #startTimers(): void {
    this.#timers.push(
      startMessageRate(this.#block),
      startThreadPulse((loopLagS) => beat(this.#block.main, loopLagS)),
    );
  }
}
