import { randomUUID } from "node:crypto";
import { MessageChannel } from "node:worker_threads";
import { archiveDirectoryOf, requireDataDirectory } from "../config/data-directory.js";
import { type Examined, examineConfig } from "../config/examine.js";
import { type JwtKeys, resolveJwtKeys } from "../config/jwt-keys.js";
import { type LoadedConfig, loadConfigWithSources } from "../config/load.js";
import type { Config } from "../config/schema.js";
import type { ServerOptions } from "../config/server-options.js";
import {
  hubOptionsOf,
  producerOptionsOf,
  type ShardOptions,
  shardOptionsOf,
  windowSizesOf,
} from "../config/thread-options.js";
import { VERSION } from "../config/version.js";
import {
  beat,
  type CounterBlock,
  count,
  counterBlockOf,
  createCounterBuffer,
  THREAD,
} from "../counters/counters.js";
import { serverFigures } from "../counters/system-status.js";
import type { MarketMemory } from "../ring/market-memory.js";
import { createLogger, type Logger, type LogOptions } from "../shared/log.js";
import { startThreadPulse } from "../shared/thread-pulse.js";
import { findSocketHandOff, type SocketHandOffWay } from "../transport/socket-hand-off.js";
import type { WaysToProducer } from "../workers/hub/messages.js";
import type { ShardToMain } from "../workers/messages.js";
import { abortion } from "./abortion.js";
import { Acceptor } from "./acceptor.js";
import { logOptionsOf } from "./log-options.js";
import { startMessageRate } from "./message-rate.js";
import { createMetrics } from "./metrics.js";
import { sendsNatively } from "./native-send.js";
import { DRAIN_REASON, EXCHANGE_DOWN, PRODUCER_DOWN, PRODUCER_LOST } from "./notices.js";
import { OpsServer } from "./ops-server.js";
import { ProducerSupervisor } from "./producer-supervisor.js";
import { RingReaders } from "./ring-readers.js";
import type { RunningServer } from "./running-server.js";
import { ShardPool } from "./shard-pool.js";
import { SystemHealth } from "./system-health.js";
import { threadsLeftBehind } from "./thread-end.js";

/** How much longer than the drain time the last connections may take to be gone. */
const DRAIN_GRACE_MS = 1000;
/** With more threads that do not end, the server ends itself. */
const THREADS_LEFT_MAX = 16;
interface StartOptions {
  /** Stops the server: while it starts, at once, and later as {@link RunningServer.stop} does. */
  readonly signal?: AbortSignal;
}

/**
 * Starts a server in this process; resolves when it takes connections. Without options it is that of
 * `marketcast serve` without flags; the environment is not read, but for NODE_ENV.
 * Rejects with a ConfigurationError or ProducerStartError, with Node's error where
 * a port cannot be opened, and with the signal's reason where that aborts before the start is
 * complete; nothing keeps running then.
 */
export async function startServer(
  options: ServerOptions = {},
  start: StartOptions = {},
): Promise<RunningServer> {
  const { NODE_ENV } = process.env;
  return runServer(loadConfigWithSources({ options, env: { NODE_ENV } }), start);
}

/** As {@link startServer}, with a configuration that is loaded already. */
export async function runServer(
  loaded: LoadedConfig,
  { signal }: StartOptions = {},
): Promise<RunningServer> {
  const { config } = loaded;
  const aborted = abortion(signal);
  const counters = createCounterBuffer(config.shards);
  const { main } = counterBlockOf(counters);
  const log = logOptionsOf(config);
  const logger = createLogger(log, { thread: "main" }, (lines) =>
    count(main, THREAD.logDropped, lines),
  );
  const [examined, jwt, handOff] = await Promise.race([prepare(loaded), aborted]);
  for (const { level, message } of examined.remarks) logger[level](message);
  const nativeSend = await Promise.race([sendsNatively(config.nativeSend, logger), aborted]);
  const shard = shardOptionsOf(config, jwt, nativeSend, archiveDirectoryOf(loaded));
  const server = new Server(config, examined, shard, handOff, counters, log, logger);
  try {
    await server.start(aborted);
  } catch (error) {
    await server.abandon();
    throw error;
  }
  const stop = (): void => void server.stop();
  if (signal?.aborted === true) stop();
  else signal?.addEventListener("abort", stop, { once: true });
  return server;
}

/** What has to be there before anything can start. */
async function prepare(loaded: LoadedConfig): Promise<[Examined, JwtKeys, SocketHandOffWay]> {
  const { config } = loaded;
  const examined = await examineConfig(loaded);
  if (config.feed === "exchange") await requireDataDirectory(config.dataDir);
  return [examined, await resolveJwtKeys(config), await findSocketHandOff()];
}

/** Joins the parts of the main thread; the way of a connection is Acceptor → ShardPool → shard. */
class Server implements RunningServer {
  port = 0;
  opsPort = 0;
  readonly closed: Promise<number>;
  readonly #config: Config;
  readonly #log: Logger;
  readonly #block: CounterBlock;
  readonly #health: SystemHealth;
  readonly #producer: ProducerSupervisor;
  readonly #readers: RingReaders;
  readonly #pool: ShardPool;
  readonly #acceptor: Acceptor;
  readonly #ops: OpsServer;
  readonly #timers: (() => void)[] = [];
  readonly #markClosed: (code: number) => void;
  #memory: MarketMemory | undefined;
  #started = false;
  #stopping: Promise<void> | undefined;
  #exitCode = 0;
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
    this.#producer = this.#createProducer(shard, counters, log);
    this.#readers = new RingReaders(
      { config, archiveDir: shard.archiveDir, counters, log },
      {
        health: (source, reason) => this.#health.report(source, reason),
        left: (whose, threads) => this.#reportLeft(whose, threads),
        edgeShard: ({ type, shard, epoch, port }) => {
          if (this.#producer.ready && epoch === this.#memory?.epoch)
            this.#producer.attachEdgeShard(type, shard, port);
          else port.close();
        },
      },
      logger,
    );
    this.#pool = this.#createPool(shard, handOff, counters, log);
    this.#acceptor = new Acceptor({ ...config, handOff }, this.#pool, this.#block.main, logger);
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

  #createProducer({ archiveDir }: ShardOptions, counters: SharedArrayBuffer, log: LogOptions) {
    const config = this.#config;
    return new ProducerSupervisor(
      {
        feed: producerOptionsOf(config),
        hub: hubOptionsOf(config),
        run: randomUUID(),
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
    await Promise.all([this.#pool.stop(), this.#producer.stop()]);
    // The last, as they archive and relay what the producer has told.
    await this.#readers.stop();
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
    const { drainTimeMs } = this.#config;
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
    const { state, reasons } = this.#health.system;
    const ready =
      this.#started && state !== "draining" && this.#producer.ready && this.#pool.allReady;
    if (this.#started) return { ready, state, reasons };
    return { ready, state: "starting", reasons: ["not all threads are up yet", ...reasons] };
  }

  #status() {
    const ready = (shard: number): boolean => this.#pool.ready(shard);
    const relays = this.#config.relay !== undefined;
    return serverFigures(this.#health.system, this.#block, { ready, relays });
  }

  #startTimers(): void {
    this.#timers.push(
      startMessageRate(this.#block),
      startThreadPulse((loopLagS) => beat(this.#block.main, loopLagS)),
    );
  }
}
