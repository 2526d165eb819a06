import type { RawData, WebSocket } from "ws";
import type { ShardOptions } from "../../../config/thread-options.js";
import { CLOSE } from "../../../contract/closings.js";
import { ENCODINGS } from "../../../contract/encodings.js";
import type { ServerMessage } from "../../../contract/messages.js";
import {
  COUNTED_CLOSE_CODES,
  count,
  countListedOrOther,
  SHARD,
} from "../../../counters/counters.js";
import type { Logger } from "../../../shared/log.js";
import type { Channels } from "../channels/channels.js";
import type { FanOut } from "../fan-out/fan-out.js";
import type { FirstDataSender } from "../fan-out/first-data-sender.js";
import type { Upgraded } from "../http/handshake.js";
import type { ShardPresence } from "../presence/shard-presence.js";
import { authenticated, type RequestHandler } from "../requests/request-handler.js";
import type { Trading } from "../trading/trading.js";
import type { AddressShares } from "./address-shares.js";
import { Connection, type ConnectionContext } from "./connection.js";
import type { CompressedMessage } from "./frame-scanner.js";
import type { Framings } from "./framing.js";
import { inflateMessage } from "./inflate.js";
import type { Intake } from "./intake.js";
import type { Outbox } from "./outbox.js";
import { connectionOf, onHeard, onPing, PROTOCOL_CLOSE_CODES } from "./socket-listeners.js";

/** What serves a connection, and forgets it when it has ended. */
interface ConnectionParts {
  readonly fanOut: FanOut;
  readonly outbox: Outbox;
  readonly intake: Intake;
  readonly firstData: FirstDataSender;
  readonly trading: Trading;
  readonly channels: Channels;
  readonly presence: ShardPresence;
  readonly requests: RequestHandler;
  readonly shares: AddressShares;
  readonly framings: Framings;
}

type OpenConnectionsOptions = Pick<ShardOptions, "pingIntervalMs" | "nodeName" | "maxMessageSize">;

/** The open connections of a shard, each from its upgrade to its end. */
export class OpenConnections {
  /** For all others, to look at only. */
  readonly all: ReadonlySet<Connection>;
  readonly #all = new Set<Connection>();
  readonly #parts: ConnectionParts;
  readonly #context: ConnectionContext;
  readonly #options: OpenConnectionsOptions;
  readonly #log: Logger;

  constructor(
    parts: ConnectionParts,
    context: ConnectionContext,
    options: OpenConnectionsOptions,
    log: Logger,
  ) {
    this.all = this.#all;
    this.#parts = parts;
    this.#context = context;
    this.#options = options;
    this.#log = log;
  }

  /** Serves an upgraded socket; the first that its client gets is `Connected`. */
  open(upgraded: Upgraded): void {
    const { number, address, ws, socket, encoding, identity, cancelAfterMs, granted } = upgraded;
    const { outbox, intake, shares, trading, framings } = this.#parts;
    const now = performance.now();
    const connection = new Connection(
      number,
      shares.acquire(address, now),
      ws,
      socket,
      ENCODINGS.indexOf(encoding),
      this.#context,
      now,
      cancelAfterMs,
      framings.of(upgraded.batch, upgraded.deflate?.windowBits),
    );
    ws.connection = connection;
    this.#all.add(connection);
    this.#countConnection(connection, 1);
    // Shared functions, which find the connection by their socket: ten thousand closures are memory.
    ws.on("message", this.#onClientMessage);
    ws.on("ping", onPing);
    ws.on("pong", onHeard);
    ws.on("error", this.#onProtocolError);
    ws.on("close", this.#onClientClose);
    intake.attach(connection);
    if (identity === undefined) return outbox.send(connection, this.#connected(connection));
    connection.identity = identity;
    trading.sessions.serve(connection);
    connection.session =
      granted ?? trading.sessions.open({ ...identity, number, waitMs: cancelAfterMs ?? 0 });
    outbox.send(connection, this.#connected(connection), authenticated(identity));
  }

  #connected({ number, session }: Connection): ServerMessage {
    return {
      type: "Connected",
      data: {
        connection_id: `${number}`,
        server_time: Date.now(),
        epoch: this.#parts.fanOut.mirror.epoch,
        ping_interval_ms: this.#options.pingIntervalMs,
        ...session,
        node: this.#options.nodeName,
      },
    };
  }

  /** A fault of the server's own, of which only the one connection is to suffer. */
  failed(connection: Connection, error: unknown): void {
    this.#log.error({ err: error, connection: connection.number }, "a request failed");
    connection.close(CLOSE.serverFault);
  }

  readonly #onClientMessage = ((connections: OpenConnections) =>
    function (this: WebSocket, data: RawData, isBinary: boolean): void {
      // A Buffer: the only kind there is with the default binaryType.
      connections.#handle(connectionOf(this), data as Buffer, isBinary);
    })(this);

  /** `ws` has sent the close frame by itself, but reports such an end as 1006. */
  readonly #onProtocolError = ((connections: OpenConnections) =>
    function (this: WebSocket, error: Error & { readonly code?: string }): void {
      const connection = connectionOf(this);
      connection.closeCode ??= PROTOCOL_CLOSE_CODES.get(error.code);
      connections.#parts.intake.end(connection);
    })(this);

  readonly #onClientClose = ((connections: OpenConnections) =>
    function (this: WebSocket, code: number): void {
      connections.#forget(connectionOf(this), code);
    })(this);

  #handle(connection: Connection, data: Buffer, isBinary: boolean): void {
    const now = performance.now();
    connection.heardAt = now;
    if (!connection.open || connection.closeExpired(Date.now())) return;
    const kind = this.#parts.intake.compressed(connection);
    const payload = kind === undefined ? data : this.#inflate(connection, data, kind, now);
    if (payload === undefined) return;
    try {
      this.#parts.requests.handle(connection, payload, isBinary && kind !== "text", now);
    } catch (error) {
      this.failed(connection, error);
    }
  }

  /** The payload of a compressed message, which is charged as if it had come so; undefined ends it. */
  #inflate(
    connection: Connection,
    compressed: Buffer,
    kind: CompressedMessage,
    now: number,
  ): Buffer | undefined {
    const { counters } = this.#context;
    const payload = inflateMessage(compressed, kind, this.#options.maxMessageSize);
    if (!Buffer.isBuffer(payload)) {
      count(counters, SHARD.inflationsRefused);
      connection.close(payload);
      return undefined;
    }
    count(counters, SHARD.inflations);
    count(counters, SHARD.inflatedBytesBefore, compressed.length);
    count(counters, SHARD.inflatedBytesAfter, payload.length);
    connection.charge(Math.max(0, payload.length - compressed.length), now);
    return payload;
  }

  #countConnection({ encoding, framing }: Connection, by: number): void {
    const { counters } = this.#context;
    count(counters, SHARD.connections + encoding, by);
    if (framing?.batched) count(counters, SHARD.batchedConnections, by);
    if (framing?.compressed) count(counters, SHARD.compressedConnections, by);
  }

  /** A connection will be sent nothing more, though its socket may take a while to end. */
  closing(connection: Connection): void {
    this.#parts.firstData.forget(connection);
    // Not in the middle of a round, which may be what closes it.
    setImmediate(() => this.#leave(connection));
  }

  /** It has no part in data any more. */
  #leave(connection: Connection): void {
    const { fanOut, channels, presence } = this.#parts;
    fanOut.leave(connection);
    channels.forget(connection);
    presence.forget(connection);
  }

  #forget(connection: Connection, code: number): void {
    const { intake, firstData, trading, shares } = this.#parts;
    const { counters } = this.#context;
    this.#all.delete(connection);
    intake.end(connection);
    shares.release(connection.share);
    firstData.forget(connection);
    connection.ended();
    this.#leave(connection);
    trading.forget(connection);
    this.#countConnection(connection, -1);
    const { closeCode = code } = connection;
    countListedOrOther<number>(counters, SHARD.closedByCode, COUNTED_CLOSE_CODES, closeCode);
  }
}
