import {
  createServer,
  type IncomingMessage,
  type Server,
  type ServerResponse,
  STATUS_CODES,
} from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { WebSocketServer } from "ws";
import { type Encoding, negotiateEncoding, SUBPROTOCOLS } from "../../codec/wire/encodings.js";
import {
  type CounterSection,
  countListed,
  REFUSALS,
  type Refusal,
  SHARD,
} from "../../ring/counters.js";
import type { RefusedBy } from "../messages.js";
import { AuthenticationError, type Authenticator, type Identity } from "./authenticator.js";
import { ClientSocket } from "./connection.js";
import type { PageFiles } from "./page-files.js";

export const WEBSOCKET_PATH = "/ws/v3";
/** What a refused client is asked to wait, in seconds. */
const RETRY_AFTER_S = 5;
/** How long a closing handshake may take before the socket is cut. */
const CLOSE_TIMEOUT_MS = 5000;

export interface HandshakeOptions {
  readonly handshakeTimeoutMs: number;
  readonly maxMessageSize: number;
  readonly maxFragments: number;
  readonly allowedOrigins: readonly string[];
}

/** A connection that has been upgraded. */
export interface Upgraded {
  readonly number: number;
  readonly address: string;
  readonly ws: ClientSocket;
  readonly socket: Socket;
  readonly encoding: Encoding;
  readonly identity: Identity | undefined;
  readonly cancelOnDisconnect: boolean;
}

/** An accepted socket, as main hands it over. */
export interface Accepted {
  readonly number: number;
  /** The client's IP address. */
  readonly address: string;
  readonly refusedBy: RefusedBy | undefined;
}

/** A socket that has not been upgraded yet. */
interface Candidate extends Accepted {
  readonly timer: NodeJS.Timeout;
  /** It has had a file of the page: its end by the timer is that of an idle HTTP connection. */
  served: boolean;
}

/** An answer other than an upgrade. */
interface HttpRefusal {
  readonly status: number;
  readonly body: string;
  readonly reason: Refusal;
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * Takes sockets from their first byte to the WebSocket upgrade, or refuses them; between them it
 * answers requests for the page.
 *
 * An HTTP server that never listens reads the requests; as such a server enforces no timeout of its
 * own, every socket has a timer until its upgrade. Each file of the page starts it again.
 */
export class Handshake {
  readonly #http: Server;
  readonly #upgrader: WebSocketServer;
  readonly #candidates = new Map<Duplex, Candidate>();
  readonly #options: HandshakeOptions;
  readonly #authenticator: Authenticator;
  readonly #page: PageFiles;
  readonly #counters: CounterSection;
  readonly #upgraded: (upgraded: Upgraded) => void;
  /** Every new connection is refused: the server stops. */
  draining = false;

  constructor(
    options: HandshakeOptions,
    authenticator: Authenticator,
    page: PageFiles,
    counters: CounterSection,
    upgraded: (upgraded: Upgraded) => void,
  ) {
    this.#options = options;
    this.#authenticator = authenticator;
    this.#page = page;
    this.#counters = counters;
    this.#upgraded = upgraded;
    this.#http = createServer({ keepAliveTimeout: options.handshakeTimeoutMs });
    this.#http.on("upgrade", (request, socket, head) => this.#onUpgrade(request, socket, head));
    this.#http.on("request", (request, response) => this.#onRequest(request, response));
    const upgraderOptions = {
      noServer: true,
      clientTracking: false,
      maxPayload: options.maxMessageSize,
      maxFragments: options.maxFragments,
      // Pings are answered by the shard.
      autoPong: false,
      perMessageDeflate: false,
      closeTimeout: CLOSE_TIMEOUT_MS,
      WebSocket: ClientSocket,
      handleProtocols: (offered: Set<string>) => {
        const encoding = negotiateEncoding(offered);
        return encoding === undefined ? (false as const) : SUBPROTOCOLS[encoding];
      },
    };
    this.#upgrader = new WebSocketServer(upgraderOptions);
    this.#upgrader.on("wsClientError", (error, socket) =>
      this.#refuse(socket, { status: 400, body: error.message, reason: "handshake" }),
    );
  }

  /** Sockets that are not upgraded yet. */
  get candidates(): Iterable<Duplex> {
    return this.#candidates.keys();
  }

  /** Starts reading a socket that was handed to this shard. */
  accept(accepted: Accepted, socket: Socket): void {
    const timer = this.#startTimer(socket);
    this.#candidates.set(socket, { ...accepted, timer, served: false });
    socket.once("close", () => this.#release(socket));
    this.#http.emit("connection", socket);
    socket.resume();
  }

  /** Takes a socket off the candidates and stops its timer. */
  #release(socket: Duplex): Candidate | undefined {
    const candidate = this.#candidates.get(socket);
    if (candidate === undefined) return undefined;
    clearTimeout(candidate.timer);
    this.#candidates.delete(socket);
    return candidate;
  }

  #startTimer(socket: Duplex): NodeJS.Timeout {
    return setTimeout(() => {
      if (this.#candidates.get(socket)?.served !== true) {
        countListed(this.#counters, SHARD.refusedByReason, REFUSALS, "timeout");
      }
      socket.destroy();
    }, this.#options.handshakeTimeoutMs);
  }

  #onRequest(request: IncomingMessage, response: ServerResponse): void {
    const candidate = this.#candidates.get(request.socket);
    if (candidate === undefined) return;
    const { path } = targetOf(request);
    const unavailable = this.#unavailable(candidate);
    if (unavailable === undefined && this.#page.has(path)) {
      candidate.served = true;
      candidate.timer.refresh();
      this.#page.answer(path, request, response);
      return;
    }
    const refusal = unavailable ??
      this.#wrongPath(path) ?? {
        status: 426,
        body: `this is a WebSocket: ask for an upgrade of ${WEBSOCKET_PATH}`,
        reason: "handshake",
        headers: { Upgrade: "websocket" },
      };
    countListed(this.#counters, SHARD.refusedByReason, REFUSALS, refusal.reason);
    const close = refusal.status === 503 ? { Connection: "close" } : {};
    response.writeHead(refusal.status, {
      "Content-Type": "text/plain",
      ...refusal.headers,
      ...close,
    });
    response.end(`${refusal.body}\n`);
  }

  #onUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const candidate = this.#candidates.get(socket);
    if (candidate === undefined) return;
    const outcome = this.#decide(request, candidate);
    if ("status" in outcome) return this.#refuse(socket, outcome);
    const { number, address } = candidate;
    // All of it happens in this turn, and the response and the first messages go out in one write.
    socket.cork();
    this.#upgrader.handleUpgrade(request, socket, head, (ws) => {
      this.#release(socket);
      // Duplex only in the types: what came in as a net.Socket comes out as one.
      const client = { number, address, ws: ws as ClientSocket, socket: socket as Socket };
      this.#upgraded({ ...client, ...outcome });
    });
    socket.uncork();
  }

  #decide(
    request: IncomingMessage,
    candidate: Candidate,
  ): HttpRefusal | Pick<Upgraded, "encoding" | "identity" | "cancelOnDisconnect"> {
    const refusal = this.#unavailable(candidate) ?? this.#wrongPath(targetOf(request).path);
    if (refusal !== undefined) return refusal;
    const { origin } = request.headers;
    if (origin !== undefined && !this.#allowsOrigin(origin, request.headers.host)) {
      return { status: 403, body: `origin ${origin} is not allowed`, reason: "origin" };
    }
    const encoding = negotiateEncoding(offeredSubprotocols(request));
    if (encoding === undefined) {
      const known = Object.values(SUBPROTOCOLS).join(", ");
      return {
        status: 400,
        body: `none of the subprotocols is known; known are ${known}`,
        reason: "subprotocol",
      };
    }
    try {
      const token = tokenOf(request);
      return {
        encoding,
        cancelOnDisconnect: targetOf(request).query.get("cancel_on_disconnect") === "true",
        identity: token === undefined ? undefined : this.#authenticator.verify(token),
      };
    } catch (error) {
      if (!(error instanceof AuthenticationError)) throw error;
      return {
        status: 401,
        body: error.message,
        reason: "auth",
        headers: { "WWW-Authenticate": "Bearer" },
      };
    }
  }

  /**
   * Whether a page of this origin may connect: a listed one, or one of this very server. The latter
   * is told by the host that the client asked for, as no header says under which names and behind
   * which proxies the server is known. Browsers bring no credentials of their own along, so a page
   * that a name server has pointed here gains no more than what anybody gets who connects.
   */
  #allowsOrigin(origin: string, host: string | undefined): boolean {
    const { allowedOrigins } = this.#options;
    if (allowedOrigins.includes("*") || allowedOrigins.includes(origin)) return true;
    return host !== undefined && /^https?:\/\/(.+)$/.exec(origin)?.[1] === host.toLowerCase();
  }

  #unavailable({ refusedBy }: Candidate): HttpRefusal | undefined {
    const headers = { "Retry-After": `${RETRY_AFTER_S}` };
    if (refusedBy !== undefined) {
      const limit = refusedBy === "total" ? "the server" : "this address";
      return {
        status: 503,
        body: `the connection limit of ${limit} is reached`,
        reason: refusedBy,
        headers,
      };
    }
    if (this.draining)
      return { status: 503, body: "the server is stopping", reason: "handshake", headers };
    return undefined;
  }

  #wrongPath(path: string): HttpRefusal | undefined {
    if (path === WEBSOCKET_PATH) return undefined;
    const missing = path === "/" ? "the page is not in this build" : "nothing here";
    return {
      status: 404,
      body: `${missing}; the WebSocket is at ${WEBSOCKET_PATH}`,
      reason: "path",
    };
  }

  #refuse(socket: Duplex, { status, body, reason, headers }: HttpRefusal): void {
    countListed(this.#counters, SHARD.refusedByReason, REFUSALS, reason);
    const lines = Object.entries({
      Connection: "close",
      "Content-Type": "text/plain",
      "Content-Length": `${Buffer.byteLength(body) + 1}`,
      ...headers,
    }).map(([name, value]) => `${name}: ${value}\r\n`);
    socket.on("error", () => socket.destroy());
    socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join("")}\r\n${body}\n`);
  }
}

/** Path and query of a request; its target is no URL yet, and `//x/ws/v3` is no host and a path. */
function targetOf(request: IncomingMessage): {
  readonly path: string;
  readonly query: URLSearchParams;
} {
  const [path = "", query = ""] = (request.url ?? "").split("?", 2);
  return { path, query: new URLSearchParams(query) };
}

function offeredSubprotocols(request: IncomingMessage): readonly string[] {
  const header = request.headers["sec-websocket-protocol"];
  return header === undefined ? [] : header.split(",").map((name) => name.trim());
}

/** The token of a request: the header's before the query's. Throws AuthenticationError. */
function tokenOf(request: IncomingMessage): string | undefined {
  const header = request.headers.authorization;
  if (header === undefined) return targetOf(request).query.get("token") ?? undefined;
  const token = /^Bearer +(\S+)$/i.exec(header)?.[1];
  if (token === undefined)
    throw new AuthenticationError("the Authorization header is no `Bearer` token");
  return token;
}
