import { type MessagePort, threadId } from "node:worker_threads";
import type { ServerMessage } from "../../contract/messages.js";
import {
  beat,
  type CounterBlock,
  type CounterSection,
  counted,
  counterBlockOf,
  PRODUCER,
  SHARD,
  SHARD_GAUGES,
} from "../../counters/counters.js";
import type { MarketMemory } from "../../ring/market-memory.js";
import type { Logger } from "../../shared/log.js";
import { startThreadPulse } from "../../shared/thread-pulse.js";
import type { OpenSink } from "../../transport/open-sink.js";
import type { TakeSocket } from "../../transport/socket-hand-off.js";
import { isPresenceWord, type WaysToProducer } from "../hub/messages.js";
import type { MainToShard, ShardTask, ShardToMain } from "../messages.js";
import { Channels } from "./channels/channels.js";
import { AddressShares } from "./connections/address-shares.js";
import { Compressor } from "./connections/compressor.js";
import type { Connection, ConnectionContext } from "./connections/connection.js";
import { drainConnections, rebalanceConnections } from "./connections/drain.js";
import { Framings } from "./connections/framing.js";
import { HealthMonitor } from "./connections/health-monitor.js";
import { Intake } from "./connections/intake.js";
import { Notices } from "./connections/notices.js";
import { OpenConnections } from "./connections/open-connections.js";
import { Outbox } from "./connections/outbox.js";
import { ProxiedSockets } from "./connections/proxied-sockets.js";
import { SocketTaker } from "./connections/socket-taker.js";
import { TurnQueue } from "./connections/turn-queue.js";
import { FanOut } from "./fan-out/fan-out.js";
import { FirstDataSender } from "./fan-out/first-data-sender.js";
import { Mirror } from "./fan-out/mirror.js";
import { RoundLoop } from "./fan-out/round-loop.js";
import { Handshake } from "./http/handshake.js";
import { PageFiles } from "./http/page-files.js";
import { HttpApi } from "./http/v3/http-api.js";
import { HubLink } from "./hub/hub-link.js";
import { ShardPresence } from "./presence/shard-presence.js";
import { ArchiveAccess } from "./requests/archive-access.js";
import { Authenticator } from "./requests/authenticator.js";
import { History } from "./requests/history.js";
import { RequestHandler } from "./requests/request-handler.js";
import { Trading } from "./trading/trading.js";

/** How often addresses without a connection are looked at, to be forgotten. */
const SWEEP_INTERVAL_MS = 1000;

/**
 * One shard. It only joins the parts, and hands main's orders to them: a connection's way is SocketTaker →
 * Handshake → OpenConnections, that of data RoundLoop → Mirror → FanOut → Connection.
 */
export class Shard {
  readonly #task: ShardTask;
  readonly #port: MessagePort;
  readonly #block: CounterBlock;
  readonly #counters: CounterSection;
  /** Sockets that main has handed over, and requests before their upgrades. */
  readonly #arrivals = new TurnQueue(() => this.#sockets.tellMoves());
  readonly #sockets: SocketTaker;
  readonly #proxied: ProxiedSockets;
  readonly #handshake: Handshake;
  readonly #connections: OpenConnections;
  readonly #notices: Notices;
  readonly #fanOut: FanOut;
  readonly #rounds: RoundLoop;
  readonly #outbox: Outbox;
  readonly #firstData: FirstDataSender;
  readonly #trading: Trading;
  readonly #hub: HubLink;
  readonly #channels: Channels;
  readonly #presence: ShardPresence;
  readonly #health: HealthMonitor;
  readonly #intake: Intake;
  readonly #shares: AddressShares;
  readonly #archive: ArchiveAccess;
  readonly #history: History;
  /** What ends with the shard. */
  readonly #stops: (() => void)[] = [];
  #subscribed = false;
  #stopRebalancing = (): void => {};

  constructor(task: ShardTask, takeSocket: TakeSocket, openSink: OpenSink, log: Logger) {
    const { options } = task;
    this.#task = task;
    this.#port = task.port;
    this.#block = counterBlockOf(task.counters);
    this.#counters = this.#block.shards[task.shard] as CounterSection;
    for (const [word, words] of SHARD_GAUGES) this.#counters.fill(0, word, word + words);

    this.#archive = new ArchiveAccess(options.archiveDir, this.#block.archivist, (reason) =>
      this.#tell({ type: "archive-damaged", reason }),
    );
    this.#history = new History(this.#archive, this.#counters);
    this.#fanOut = this.#createFanOut();
    this.#outbox = new Outbox();
    this.#intake = new Intake(this.#counters);
    this.#hub = this.#createHubLink();
    this.#channels = this.#createChannels();
    this.#presence = this.#createPresence();
    this.#takeMirror(task.memory, "tail");
    this.#rounds = new RoundLoop(this.#fanOut, task.memory.doorbell, this.#channels);
    this.#fanOut.heartbeats.whenDue(() => this.#rounds.wake());
    this.#fanOut.heartbeats.boundBy(() => this.#channels.position);
    this.#fanOut.candles.whenDue(() => this.#rounds.wake());
    this.#firstData = new FirstDataSender(
      this.#fanOut,
      this.#outbox,
      this.#intake,
      this.#counters,
      {
        systemStatus: () => this.#notices.status(),
        served: (connection) => this.#catchUp(connection),
        failed: (connection, error) => this.#connections.failed(connection, error),
      },
    );
    this.#trading = new Trading(this.#outbox, this.#counters, options);
    const authenticator = new Authenticator(options.jwt, options.maxTokenSize);
    this.#shares = new AddressShares(options);
    this.#handshake = new Handshake(
      options,
      authenticator,
      new PageFiles(),
      this.#createHttpApi(log),
      this.#counters,
      this.#shares,
      this.#arrivals,
      {
        upgraded: (upgraded) => this.#connections.open(upgraded),
        resume: (...asked) => this.#trading.sessions.resume(...asked),
        gone: (number) => this.#trading.sessions.end(number),
      },
    );
    this.#handshake.draining = task.system.state === "draining";
    this.#connections = this.#createConnections(authenticator, openSink, log);
    const { all } = this.#connections;
    this.#notices = new Notices(this.#block, this.#fanOut, this.#outbox, all, task.system);
    this.#health = new HealthMonitor(options, all);
    this.#proxied = this.#createProxied(log);
    this.#sockets = new SocketTaker(takeSocket, this.#counters, log, {
      taken: (accepted, socket) =>
        accepted.proxied
          ? this.#proxied.take(accepted, socket)
          : this.#handshake.accept(accepted, socket),
      tell: (message) => this.#tell(message),
    });
  }

  #createFanOut(): FanOut {
    const { archiveDir, maxDistinctFilters, maxCandleSeries, batchDelayMs } = this.#task.options;
    return new FanOut(this.#counters, maxDistinctFilters, {
      maxCandleSeries,
      batchDelayMs,
      archive: archiveDir === undefined ? undefined : this.#archive,
      membership: {
        entered: (...who) => this.#presence.counting.entered(...who),
        left: (...who) => this.#presence.counting.left(...who),
      },
    });
  }

  #createHubLink(): HubLink {
    return new HubLink({
      connected: () => {
        this.#channels.connected();
        this.#presence.connected();
      },
      news: (news) => {
        for (const word of news.filter(isPresenceWord)) this.#presence.take(word);
        this.#channels.take(news.filter((one) => !isPresenceWord(one)));
      },
      lost: () => {
        this.#channels.lost();
        this.#presence.lost();
      },
    });
  }

  #createChannels(): Channels {
    return new Channels({
      options: this.#task.options,
      outbox: this.#outbox,
      counters: this.#counters,
      hold: this.#intake,
      hub: this.#hub,
      members: {
        entered: (...who) => this.#presence.counting.enteredChannel(...who),
        left: (...who) => this.#presence.counting.leftChannel(...who),
      },
    });
  }

  #createProxied(log: Logger): ProxiedSockets {
    const { handshakeTimeoutMs } = this.#task.options;
    return new ProxiedSockets(handshakeTimeoutMs, this.#counters, log, {
      tell: (message) => this.#tell(message),
      taken: (accepted, socket) => this.#handshake.accept(accepted, socket),
    });
  }

  #createHttpApi(log: Logger): HttpApi {
    const { options, system } = this.#task;
    return new HttpApi(
      {
        mirror: () => this.#fanOut.mirror,
        status: () => this.#notices.status().data.status,
        history: this.#history,
      },
      { version: system.version, limits: options },
      options.allowedOrigins,
      this.#arrivals,
      log,
    );
  }

  #createConnections(
    authenticator: Authenticator,
    openSink: OpenSink,
    log: Logger,
  ): OpenConnections {
    const { options } = this.#task;
    const parts = {
      fanOut: this.#fanOut,
      outbox: this.#outbox,
      intake: this.#intake,
      firstData: this.#firstData,
      trading: this.#trading,
      channels: this.#channels,
      presence: this.#presence,
      requests: this.#createRequests(authenticator),
      shares: this.#shares,
      framings: new Framings(new Compressor(options.compressionThreshold, this.#counters)),
    };
    const context: ConnectionContext = {
      ...options,
      counters: this.#counters,
      openSink,
      closing: (connection) => this.#connections.closing(connection),
      drained: (connection) => {
        if (!this.#firstData.drained(connection)) this.#catchUp(connection);
      },
    };
    return new OpenConnections(parts, context, options, log);
  }

  #createPresence(): ShardPresence {
    return new ShardPresence(
      {
        fanOut: this.#fanOut,
        outbox: this.#outbox,
        counters: this.#counters,
        connections: () => this.#connections.all,
        inChannel: (channel) => this.#channels.inChannel(channel),
        restarting: () => this.#firstData.restarting,
        send: (request) => this.#hub.send(request),
      },
      this.#task.options.maxPresenceKeys,
    );
  }

  #createRequests(authenticator: Authenticator): RequestHandler {
    return new RequestHandler(
      this.#task.options,
      this.#fanOut,
      this.#outbox,
      this.#firstData,
      this.#trading,
      this.#channels,
      authenticator,
      this.#counters,
      {
        subscribed: () => this.#noteSubscribed(),
        identified: (connection, identity) => this.#presence.identify(connection, identity),
        hold: (connection) => this.#intake.hold(connection),
        release: (connection) => this.#intake.release(connection),
      },
      this.#history,
      this.#presence,
    );
  }

  /** Serves until main closes the port. */
  async run(): Promise<void> {
    const { marketIntervalMs, statusIntervalMs } = this.#task.options;
    const timers = [
      setInterval(() => this.#rounds.tellMarkets(), marketIntervalMs),
      setInterval(() => this.#notices.broadcastStatus(), statusIntervalMs),
      setInterval(() => this.#shares.sweep(performance.now()), SWEEP_INTERVAL_MS),
      setInterval(() => this.#fanOut.trades.noteReach(), SWEEP_INTERVAL_MS),
    ];
    this.#stops.push(
      startThreadPulse((loopLagS) => beat(this.#counters, loopLagS)),
      () => timers.forEach(clearInterval),
      () => this.#health.stop(),
      () => this.#stopRebalancing(),
      () => this.#intake.stop(),
      () => this.#rounds.stop(),
      () => this.#fanOut.flushHeld(),
      () => this.#trading.close(),
      () => this.#hub.close(),
      () => this.#presence.stop(),
      () => this.#fanOut.candles.stop(),
      () => this.#archive.stop(),
      // Main has closed the sockets that are still to be taken.
      () => this.#arrivals.clear(),
    );
    this.#connectProducer(this.#task);
    this.#rounds.wake();
    const closed = new Promise<void>((resolve) => this.#port.once("close", resolve));
    this.#port.on("message", (message: MainToShard) => this.#onMessage(message));
    this.#tell({ type: "ready", threadId });
    await closed;
    for (const stop of this.#stops) stop();
    for (const { ws } of this.#connections.all) ws.terminate();
    for (const socket of [...this.#proxied.sockets, ...this.#handshake.candidates])
      socket.destroy();
  }

  #tell(message: ShardToMain): void {
    this.#port.postMessage(message);
  }

  #onMessage(message: MainToShard): void {
    switch (message.type) {
      case "socket":
        return this.#arrivals.add({ serve: () => this.#sockets.take(message) });
      case "client-verdict":
        return this.#proxied.decided(message);
      case "memory":
        this.#changeEpoch(message.memory);
        return this.#connectProducer(message);
      case "system":
        return this.#notices.changeSystem(message.system);
      case "notify":
        return this.#notices.notify(message.level, message.message);
      case "drain":
        return this.#drain(message);
      case "rebalance":
        this.#stopRebalancing();
        this.#stopRebalancing = rebalanceConnections(
          this.#connections.all,
          message.close,
          message.overMs,
        );
        return;
      case "end":
        // Of a worker thread, exit() ends the thread.
        return process.exit(1);
      default:
        return message satisfies never;
    }
  }

  /** Has the next round send a connection what it missed. */
  #catchUp(connection: Connection): void {
    this.#fanOut.drained(connection);
    if (this.#fanOut.hasDrained) this.#rounds.wake();
  }

  #takeMirror(memory: MarketMemory, trades: "tail" | "start"): void {
    const { round } = this.#fanOut;
    const mirror = new Mirror(memory, this.#counters, this.#fanOut, round, trades);
    this.#fanOut.setMirror(mirror);
    this.#channels.setMemory(memory, mirror.lastTs);
    const { producer } = this.#block;
    this.#counters[SHARD.ringRecordNumber] = counted(producer, PRODUCER.ringRecordNumber);
  }

  /** A new producer: everything starts again from its snapshots. */
  #changeEpoch(memory: MarketMemory): void {
    this.#takeMirror(memory, "start");
    this.#rounds.setDoorbell(memory.doorbell);
    const changed: ServerMessage = { type: "EpochChanged", data: { epoch: memory.epoch } };
    this.#firstData.restart(this.#connections.all, changed);
  }

  #connectProducer({ exchange, hub }: WaysToProducer): void {
    this.#trading.connect(exchange);
    this.#hub.connect(hub);
  }

  #noteSubscribed(): void {
    if (this.#subscribed) return;
    this.#subscribed = true;
    this.#tell({ type: "subscribed" });
  }

  #drain({ drainTimeMs, deadlineTs, reason }: Extract<MainToShard, { type: "drain" }>): void {
    this.#handshake.draining = true;
    for (const socket of [...this.#proxied.sockets, ...this.#handshake.candidates])
      socket.destroy();
    this.#notices.shutdown(deadlineTs, reason);
    this.#stops.push(drainConnections(this.#connections.all, drainTimeMs));
  }
}
