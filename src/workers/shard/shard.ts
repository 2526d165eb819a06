import { type MessagePort, threadId } from "node:worker_threads";
import type { RawData, WebSocket } from "ws";
import type { ServerMessage } from "../../codec/server-messages.js";
import { CLOSE } from "../../codec/wire/close-codes.js";
import { ENCODING_INDEX } from "../../codec/wire/encodings.js";
import {
  beat,
  COUNTED_CLOSE_CODES,
  type CounterBlock,
  type CounterSection,
  count,
  counted,
  counterBlockOf,
  countListed,
  PRODUCER,
  SHARD,
  SHARD_GAUGES,
} from "../../ring/counters.js";
import type { MarketMemory } from "../../ring/market-memory.js";
import { systemStatus } from "../../ring/system-status.js";
import type { Logger } from "../../shared/log.js";
import type { TakeSocket } from "../../shared/socket-hand-off.js";
import type { SystemState } from "../../shared/system-state.js";
import { startThreadPulse } from "../../shared/thread-pulse.js";
import type { MainToShard, ShardTask, ShardToMain } from "../messages.js";
import { Authenticator, type Identity } from "./authenticator.js";
import { type ClientSocket, Connection, type ConnectionContext } from "./connection.js";
import { drainConnections } from "./drain.js";
import { FanOut } from "./fan-out.js";
import { FirstDataSender } from "./first-data-sender.js";
import { Handshake, type Upgraded } from "./handshake.js";
import { HealthMonitor } from "./health-monitor.js";
import { Intake } from "./intake.js";
import { callAt } from "./long-timer.js";
import { Mirror } from "./mirror.js";
import { Outbox } from "./outbox.js";
import { PageFiles } from "./page-files.js";
import { authenticated, RequestHandler } from "./request-handler.js";
import { RoundLoop } from "./round-loop.js";
import { Trading } from "./trading.js";

/** What `ws` closes a connection with, by the code of its error. */
const PROTOCOL_CLOSE_CODES = new Map<string | undefined, number>([
  ["WS_ERR_INVALID_UTF8", CLOSE.invalidPayload],
  ["WS_ERR_UNSUPPORTED_MESSAGE_LENGTH", CLOSE.messageTooBig],
]);

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
  readonly #handshake: Handshake;
  readonly #fanOut: FanOut;
  readonly #rounds: RoundLoop;
  readonly #outbox: Outbox;
  readonly #intake: Intake;
  readonly #firstData: FirstDataSender;
  readonly #trading: Trading;
  readonly #requests: RequestHandler;
  readonly #health: HealthMonitor;
  readonly #context: ConnectionContext;
  /** What ends with the shard. */
  readonly #stops: (() => void)[] = [];
  #system: SystemState;
  #subscribed = false;
  /** Connections that were taken and that have ended since main was told last. */
  #taken: number[] = [];
  #ended: number[] = [];

  constructor(task: ShardTask, takeSocket: TakeSocket, log: Logger) {
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
    this.#fanOut.setMirror(this.#mirrorOf(task.memory));
    this.#rounds = new RoundLoop(this.#fanOut, task.memory.doorbell);
    this.#outbox = new Outbox();
    this.#intake = new Intake((...message) => this.#handle(...message));
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
    const authenticator = new Authenticator(options.jwt);
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
        identified: (connection, identity) => this.#identify(connection, identity),
      },
    );
    this.#handshake = new Handshake(
      options,
      authenticator,
      new PageFiles(),
      this.#counters,
      (upgraded) => this.#open(upgraded),
    );
    this.#handshake.draining = task.system.state === "draining";
    this.#health = new HealthMonitor(options, this.#connections);
    this.#context = {
      counters: this.#counters,
      maxQueuedMessages: options.maxQueuedMessages,
      maxQueuedBytes: options.maxQueuedBytes,
      maxMessagesPerSecond: options.maxMessagesPerSecond,
      maxOrdersPerSecond: options.maxOrdersPerSecond,
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
    ];
    this.#stops.push(
      startThreadPulse((loopLagS) => beat(this.#counters, loopLagS)),
      () => timers.forEach(clearInterval),
      () => this.#health.stop(),
      () => this.#rounds.stop(),
      () => this.#trading.close(),
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
        return this.#accept(message);
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
        process.exit(1);
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
      this.#log.warn({ err: error, connection }, "a socket could not be taken");
      return this.#note(this.#ended, connection);
    }
    this.#note(this.#taken, connection);
    count(this.#counters, SHARD.sockets);
    socket.once("close", () => {
      count(this.#counters, SHARD.sockets, -1);
      this.#note(this.#ended, connection);
    });
    this.#handshake.accept({ number: connection, address, refusedBy }, socket);
  }

  /**
   * Tells main what has come and gone, once per turn. A socket taken in this turn is not read before
   * the next, so if the thread ends here, main still hands on an untouched connection.
   */
  #note(list: number[], connection: number): void {
    if (this.#taken.length + this.#ended.length === 0) setImmediate(() => this.#tellMoves());
    list.push(connection);
  }

  #tellMoves(): void {
    this.#tell({ type: "moves", taken: this.#taken, ended: this.#ended });
    this.#taken = [];
    this.#ended = [];
  }

  #open({ number, address, ws, socket, encoding, identity, cancelOnDisconnect }: Upgraded): void {
    const { pingIntervalMs } = this.#task.options;
    const connection = new Connection(
      number,
      address,
      ws,
      socket,
      ENCODING_INDEX[encoding],
      this.#context,
      performance.now(),
      cancelOnDisconnect,
    );
    ws.connection = connection;
    this.#connections.add(connection);
    count(this.#counters, SHARD.connections + connection.encoding);
    // Shared functions, which find the connection by their socket: ten thousand closures are memory.
    ws.on("message", this.#onClientMessage);
    ws.on("ping", onHeard);
    ws.on("pong", onHeard);
    ws.on("error", onProtocolError);
    ws.on("close", this.#onClientClose);
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
    this.#identify(connection, identity);
  }

  /** Takes over an identity and ends the connection when its token expires. */
  #identify(connection: Connection, identity: Identity): void {
    connection.identity = identity;
    clearTimeout(connection.expiryTimer);
    const expire = (): void => connection.close(CLOSE.tokenExpired, "the token has expired");
    callAt(identity.expiresAt, expire, (timer) => {
      connection.expiryTimer = timer;
    });
  }

  readonly #onClientMessage = ((shard: Shard) =>
    function (this: WebSocket, data: RawData, isBinary: boolean): void {
      // A Buffer: the only kind there is with the default binaryType.
      shard.#intake.take(connectionOf(this), data as Buffer, isBinary);
    })(this);

  readonly #onClientClose = ((shard: Shard) =>
    function (this: WebSocket, code: number): void {
      shard.#forget(connectionOf(this), code);
    })(this);

  #handle(connection: Connection, data: Buffer, isBinary: boolean): void {
    const now = performance.now();
    connection.heardAt = now;
    if (!connection.open) return;
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
    connection.close(CLOSE.internalError, "server fault");
  }

  #forget(connection: Connection, code: number): void {
    this.#connections.delete(connection);
    this.#firstData.forget(connection);
    connection.ended();
    this.#fanOut.leave(connection);
    this.#trading.forget(connection);
    clearTimeout(connection.expiryTimer);
    count(this.#counters, SHARD.connections + connection.encoding, -1);
    const { closeCode = code } = connection;
    countListed<number>(this.#counters, SHARD.closedByCode, COUNTED_CLOSE_CODES, closeCode);
  }

  // --- The whole shard ----------------------------------------------------------------------------

  #mirrorOf(memory: MarketMemory): Mirror {
    this.#counters[SHARD.ringRecordNumber] = counted(
      this.#block.producer,
      PRODUCER.ringRecordNumber,
    );
    return new Mirror(
      memory,
      this.#fanOut.interests,
      this.#counters,
      this.#fanOut,
      this.#fanOut.round,
    );
  }

  /** A new producer: everything starts again from its snapshots. */
  #changeEpoch(memory: MarketMemory): void {
    this.#fanOut.setMirror(this.#mirrorOf(memory));
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

function connectionOf(ws: WebSocket): Connection {
  return (ws as ClientSocket).connection;
}

function onHeard(this: WebSocket): void {
  connectionOf(this).heardAt = performance.now();
}

/** `ws` has sent the close frame by itself, but reports such an end as 1006. */
function onProtocolError(this: WebSocket, error: Error & { readonly code?: string }): void {
  connectionOf(this).closeCode ??= PROTOCOL_CLOSE_CODES.get(error.code);
}
