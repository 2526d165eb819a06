import { type MessagePort, threadId } from "node:worker_threads";
import type { RawData, WebSocket } from "ws";
import { CLOSE } from "../../contract/closings.js";
import { ENCODINGS } from "../../contract/encodings.js";
import type { ServerMessage } from "../../contract/messages.js";
import {
  beat,
  COUNTED_CLOSE_CODES,
  type CounterBlock,
  type CounterSection,
  count,
  counted,
  counterBlockOf,
  countListedOrOther,
  PRODUCER,
  SHARD,
  SHARD_GAUGES,
} from "../../counters/counters.js";
import type { SystemState } from "../../counters/system-state.js";
import { systemStatus } from "../../counters/system-status.js";
import type { MarketMemory } from "../../ring/market-memory.js";
import type { Logger } from "../../shared/log.js";
import { startThreadPulse } from "../../shared/thread-pulse.js";
import type { OpenSink } from "../../transport/open-sink.js";
import type { TakeSocket } from "../../transport/socket-hand-off.js";
import type { MainToShard, ShardTask, ShardToMain } from "../messages.js";
import { AddressShares } from "./connections/address-shares.js";
import { Connection, type ConnectionContext } from "./connections/connection.js";
import { drainConnections } from "./connections/drain.js";
import { HealthMonitor } from "./connections/health-monitor.js";
import { Intake } from "./connections/intake.js";
import { Outbox } from "./connections/outbox.js";
import {
  connectionOf,
  onHeard,
  onPing,
  PROTOCOL_CLOSE_CODES,
} from "./connections/socket-listeners.js";
import { TurnQueue } from "./connections/turn-queue.js";
import { FanOut } from "./fan-out/fan-out.js";
import { FirstDataSender } from "./fan-out/first-data-sender.js";
import { Mirror } from "./fan-out/mirror.js";
import { RoundLoop } from "./fan-out/round-loop.js";
import { Handshake, type Upgraded } from "./http/handshake.js";
import { PageFiles } from "./http/page-files.js";
import { Authenticator } from "./requests/authenticator.js";
import { authenticated, RequestHandler } from "./requests/request-handler.js";
import { Trading } from "./trading/trading.js";

/** How often addresses without a connection are looked at, to be forgotten. */
const SWEEP_INTERVAL_MS = 1000;

const UNTAKEN_LOG_INTERVAL_MS = 1000;

/**
 * One shard: its connections, from the hand-off to their end, and the parts that serve them. This
 * class only joins the parts; the data's way is RoundLoop → Mirror → FanOut → Connection.
 */
export class Shard {
  readonly #task: ShardTask;
  readonly #port: MessagePort;
  readonly #log: Logger;
  readonly #takeSocket: TakeSocket;
  readonly #block: CounterBlock;
  readonly #counters: CounterSection;
  readonly #connections = new Set<Connection>();
  /** Sockets that main has handed over, and requests before their upgrades. */
  readonly #arrivals = new TurnQueue(() => this.#tellMoves());
  readonly #handshake: Handshake;
  readonly #fanOut: FanOut;
  readonly #rounds: RoundLoop;
  readonly #outbox: Outbox;
  readonly #firstData: FirstDataSender;
  readonly #trading: Trading;
  readonly #requests: RequestHandler;
  readonly #health: HealthMonitor;
  readonly #intake: Intake;
  readonly #shares: AddressShares;
  readonly #context: ConnectionContext;
  /** What ends with the shard. */
  readonly #stops: (() => void)[] = [];
  #system: SystemState;
  #subscribed = false;
  #untakenLoggedAt = Number.NEGATIVE_INFINITY;
  /** Connections that were taken and that have ended since main was told last. */
  #taken: number[] = [];
  #ended: number[] = [];

  constructor(task: ShardTask, takeSocket: TakeSocket, openSink: OpenSink, log: Logger) {
    const { options } = task;
    this.#task = task;
    this.#port = task.port;
    this.#log = log;
    this.#takeSocket = takeSocket;
    this.#system = task.system;
    this.#block = counterBlockOf(task.counters);
    this.#counters = this.#block.shards[task.shard] as CounterSection;
    for (const [word, words] of SHARD_GAUGES) this.#counters.fill(0, word, word + words);

    this.#fanOut = new FanOut(this.#counters, options.maxDistinctFilters);
    this.#takeMirror(task.memory, "tail");
    this.#rounds = new RoundLoop(this.#fanOut, task.memory.doorbell);
    this.#outbox = new Outbox();
    this.#intake = new Intake(this.#counters);
    this.#firstData = new FirstDataSender(
      this.#fanOut,
      this.#outbox,
      this.#intake,
      this.#counters,
      {
        systemStatus: () => this.#systemStatus(),
        served: (connection) => this.#catchUp(connection),
        failed: (connection, error) => this.#failed(connection, error),
      },
    );
    this.#trading = new Trading(this.#outbox, this.#counters, options.maxPendingOrders);
    const authenticator = new Authenticator(options.jwt, options.maxTokenSize);
    this.#requests = new RequestHandler(
      options,
      this.#fanOut,
      this.#outbox,
      this.#firstData,
      this.#trading,
      authenticator,
      this.#counters,
      {
        subscribed: () => this.#noteSubscribed(),
        identified: (connection, identity) => {
          connection.identity = identity;
        },
      },
    );
    this.#shares = new AddressShares(options);
    this.#handshake = new Handshake(
      options,
      authenticator,
      new PageFiles(),
      this.#counters,
      this.#shares,
      this.#arrivals,
      (upgraded) => this.#open(upgraded),
    );
    this.#handshake.draining = task.system.state === "draining";
    this.#health = new HealthMonitor(options, this.#connections);
    this.#context = {
      counters: this.#counters,
      maxQueuedMessages: options.maxQueuedMessages,
      maxQueuedBytes: options.maxQueuedBytes,
      maxMessagesPerSecond: options.maxMessagesPerSecond,
      maxBytesPerSecond: options.maxBytesPerSecond,
      maxOrdersPerSecond: options.maxOrdersPerSecond,
      openSink,
      closing: (connection) => this.#firstData.forget(connection),
      drained: (connection) => {
        if (!this.#firstData.drained(connection)) this.#catchUp(connection);
      },
    };
  }

  /** Serves until main closes the port. */
  async run(): Promise<void> {
    const { marketIntervalMs, statusIntervalMs } = this.#task.options;
    const timers = [
      setInterval(() => this.#rounds.tellMarkets(), marketIntervalMs),
      setInterval(() => this.#broadcastStatus(), statusIntervalMs),
      setInterval(() => this.#shares.sweep(performance.now()), SWEEP_INTERVAL_MS),
    ];
    this.#stops.push(
      startThreadPulse((loopLagS) => beat(this.#counters, loopLagS)),
      () => timers.forEach(clearInterval),
      () => this.#health.stop(),
      () => this.#intake.stop(),
      () => this.#rounds.stop(),
      () => this.#trading.close(),
      // Main has closed the sockets that are still to be taken.
      () => this.#arrivals.clear(),
    );
    this.#trading.connect(this.#task.exchange);
    this.#rounds.wake();
    const closed = new Promise<void>((resolve) => this.#port.once("close", resolve));
    this.#port.on("message", (message: MainToShard) => this.#onMessage(message));
    this.#tell({ type: "ready", threadId });
    await closed;
    for (const stop of this.#stops) stop();
    for (const connection of this.#connections) connection.ws.terminate();
    for (const socket of this.#handshake.candidates) socket.destroy();
  }

  #tell(message: ShardToMain): void {
    this.#port.postMessage(message);
  }

  #onMessage(message: MainToShard): void {
    switch (message.type) {
      case "socket":
        return this.#arrivals.add({ serve: () => this.#accept(message) });
      case "memory":
        this.#changeEpoch(message.memory);
        return this.#trading.connect(message.exchange);
      case "system":
        this.#system = message.system;
        return this.#broadcastStatus();
      case "notify":
        return this.#notify(message.level, message.message);
      case "drain":
        return this.#drain(message.drainTimeMs, message.message);
      case "end":
        // Of a worker thread, exit() ends the thread.
        return process.exit(1);
      default:
        return message satisfies never;
    }
  }

  // --- A connection's life ------------------------------------------------------------------------

  #accept({
    connection,
    address,
    socket: inTransit,
    refusedBy,
  }: Extract<MainToShard, { type: "socket" }>): void {
    let socket: ReturnType<TakeSocket>;
    try {
      socket = this.#takeSocket(inTransit);
    } catch (error) {
      this.#logUntaken(error as Error);
      return this.#noteEnded(connection);
    }
    this.#taken.push(connection);
    count(this.#counters, SHARD.sockets);
    socket.once("close", () => {
      count(this.#counters, SHARD.sockets, -1);
      this.#noteEnded(connection);
    });
    this.#handshake.accept({ number: connection, address, refusedBy }, socket);
  }

  #noteEnded(connection: number): void {
    if (this.#ended.length === 0) setImmediate(() => this.#tellMoves());
    this.#ended.push(connection);
  }

  /** Whatever keeps one socket from being taken may keep thousands. */
  #logUntaken(error: Error): void {
    const now = performance.now();
    if (now - this.#untakenLoggedAt < UNTAKEN_LOG_INTERVAL_MS) return;
    this.#untakenLoggedAt = now;
    this.#log.warn({ err: error }, "a socket could not be taken; told at most once a second");
  }

  /**
   * Tells main what has come and gone, once per turn. A socket taken in this turn is not read before
   * the next, so if the thread ends here, main still hands on an untouched connection.
   */
  #tellMoves(): void {
    if (this.#taken.length + this.#ended.length === 0) return;
    this.#tell({ type: "moves", taken: this.#taken, ended: this.#ended });
    this.#taken = [];
    this.#ended = [];
  }

  #open({ number, address, ws, socket, encoding, identity, cancelOnDisconnect }: Upgraded): void {
    const { pingIntervalMs } = this.#task.options;
    const now = performance.now();
    const connection = new Connection(
      number,
      this.#shares.acquire(address, now),
      ws,
      socket,
      ENCODINGS.indexOf(encoding),
      this.#context,
      now,
      cancelOnDisconnect,
    );
    ws.connection = connection;
    this.#connections.add(connection);
    count(this.#counters, SHARD.connections + connection.encoding);
    // Shared functions, which find the connection by their socket: ten thousand closures are memory.
    ws.on("message", this.#onClientMessage);
    ws.on("ping", onPing);
    ws.on("pong", onHeard);
    ws.on("error", this.#onProtocolError);
    ws.on("close", this.#onClientClose);
    this.#intake.attach(connection);
    const connected: ServerMessage = {
      type: "Connected",
      data: {
        connection_id: `${number}`,
        server_time: Date.now(),
        epoch: this.#fanOut.mirror.epoch,
        ping_interval_ms: pingIntervalMs,
      },
    };
    if (identity === undefined) return this.#outbox.send(connection, connected);
    this.#outbox.send(connection, connected, authenticated(identity));
    connection.identity = identity;
  }

  readonly #onClientMessage = ((shard: Shard) =>
    function (this: WebSocket, data: RawData, isBinary: boolean): void {
      // A Buffer: the only kind there is with the default binaryType.
      shard.#handle(connectionOf(this), data as Buffer, isBinary);
    })(this);

  /** `ws` has sent the close frame by itself, but reports such an end as 1006. */
  readonly #onProtocolError = ((shard: Shard) =>
    function (this: WebSocket, error: Error & { readonly code?: string }): void {
      const connection = connectionOf(this);
      connection.closeCode ??= PROTOCOL_CLOSE_CODES.get(error.code);
      shard.#intake.end(connection);
    })(this);

  readonly #onClientClose = ((shard: Shard) =>
    function (this: WebSocket, code: number): void {
      shard.#forget(connectionOf(this), code);
    })(this);

  #handle(connection: Connection, data: Buffer, isBinary: boolean): void {
    const now = performance.now();
    connection.heardAt = now;
    if (!connection.open || connection.closeExpired(Date.now())) return;
    try {
      this.#requests.handle(connection, data, isBinary, now);
    } catch (error) {
      this.#failed(connection, error);
    }
  }

  /** Has the next round send a connection what it missed. */
  #catchUp(connection: Connection): void {
    this.#fanOut.drained(connection);
    if (this.#fanOut.hasDrained) this.#rounds.wake();
  }

  #failed(connection: Connection, error: unknown): void {
    this.#log.error({ err: error, connection: connection.number }, "a request failed");
    connection.close(CLOSE.serverFault);
  }

  #forget(connection: Connection, code: number): void {
    this.#connections.delete(connection);
    this.#intake.end(connection);
    this.#shares.release(connection.share);
    this.#firstData.forget(connection);
    connection.ended();
    this.#fanOut.leave(connection);
    this.#trading.forget(connection);
    count(this.#counters, SHARD.connections + connection.encoding, -1);
    const { closeCode = code } = connection;
    countListedOrOther<number>(this.#counters, SHARD.closedByCode, COUNTED_CLOSE_CODES, closeCode);
  }

  // --- The whole shard ----------------------------------------------------------------------------

  #takeMirror(memory: MarketMemory, trades: "tail" | "start"): void {
    const { round } = this.#fanOut;
    const mirror = new Mirror(memory, this.#counters, this.#fanOut, round, trades);
    this.#fanOut.setMirror(mirror);
    const { producer } = this.#block;
    this.#counters[SHARD.ringRecordNumber] = counted(producer, PRODUCER.ringRecordNumber);
  }

  /** A new producer: everything starts again from its snapshots. */
  #changeEpoch(memory: MarketMemory): void {
    this.#takeMirror(memory, "start");
    this.#rounds.setDoorbell(memory.doorbell);
    const changed: ServerMessage = { type: "EpochChanged", data: { epoch: memory.epoch } };
    this.#firstData.restart(this.#connections, changed);
  }

  #systemStatus(): ServerMessage {
    return { type: "SystemStatus", data: { status: systemStatus(this.#system, this.#block) } };
  }

  #broadcastStatus(): void {
    const message = this.#systemStatus();
    for (const audience of this.#fanOut.audiences) {
      if (audience.subscriptions.systemStatus) this.#outbox.broadcast(audience.members, message);
    }
  }

  #notify(level: "info" | "warning" | "error", message: string): void {
    this.#outbox.broadcast(this.#connections, { type: "Notification", data: { level, message } });
  }

  #noteSubscribed(): void {
    if (this.#subscribed) return;
    this.#subscribed = true;
    this.#tell({ type: "subscribed" });
  }

  #drain(drainTimeMs: number, message: string): void {
    this.#handshake.draining = true;
    for (const socket of this.#handshake.candidates) socket.destroy();
    this.#notify("warning", message);
    this.#stops.push(drainConnections(this.#connections, drainTimeMs));
  }
}
