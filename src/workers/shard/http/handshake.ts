import { createServer, type IncomingMessage, type Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { WebSocketServer } from "ws";
import type { ShardOptions } from "../../../config/thread-options.js";
import { negotiateEncoding, subprotocolOf } from "../../../contract/encodings.js";
import {
  type CounterSection,
  count,
  countListed,
  REFUSALS,
  type Refusal,
  SHARD,
} from "../../../counters/counters.js";
import type { GrantedSession } from "../../../shared/session.js";
import type { AddressShares } from "../connections/address-shares.js";
import { ClientSocket } from "../connections/connection.js";
import { TokenBucket } from "../connections/token-bucket.js";
import type { TurnQueue } from "../connections/turn-queue.js";
import type { Authenticator } from "../requests/authenticator.js";
import type { ShardSessions } from "../trading/shard-sessions.js";
import type { Accepted, Candidate } from "./candidate.js";
import { HEAD_BYTES_MAX, type HeadFault, HttpGate } from "./http-gate.js";
import {
  badRequest,
  type HttpRefusal,
  lastAnswer,
  respond,
  upgradeRequired,
} from "./http-refusal.js";
import type { PageFiles } from "./page-files.js";
import type { RequestStream } from "./request-stream.js";
import type { RequestTarget } from "./request-target.js";
import {
  asksForWebSocket,
  checkRequest,
  decideUpgrade,
  hasBody,
  type UpgradeTerms,
} from "./upgrade-request.js";
import type { HttpApi } from "./v3/http-api.js";

const WEBSOCKET_PATH = "/ws/v3";
/** What a refused client is asked to wait, in seconds. */
const RETRY_AFTER_S = 5;
/** How long a closing handshake may take before the socket is cut. */
const CLOSE_TIMEOUT_MS = 5000;

export type HandshakeOptions = Pick<
  ShardOptions,
  | "handshakeTimeoutMs"
  | "maxMessageSize"
  | "maxFragments"
  | "maxHttpRequestsPerSecond"
  | "allowedOrigins"
  | "compression"
>;

interface HandshakeHooks {
  readonly upgraded: (upgraded: Upgraded) => void;
  /** See {@link ShardSessions.resume}. */
  readonly resume: ShardSessions["resume"];
  /** A connection that was to resume a session has ended before. */
  readonly gone: (number: number) => void;
}

/** A connection that has been upgraded. */
export interface Upgraded extends UpgradeTerms {
  readonly number: number;
  readonly address: string;
  readonly ws: ClientSocket;
  readonly socket: Socket;
  /** The session that it has got by its name. */
  readonly granted: GrantedSession | undefined;
}

const HEAD_FAULTS: Readonly<Record<HeadFault, HttpRefusal>> = {
  "line-too-long": badRequest(`a request line has at most ${HEAD_BYTES_MAX} bytes`, 414),
  "head-too-long": badRequest(`a request's head has at most ${HEAD_BYTES_MAX} bytes`, 431),
  "no-request": badRequest("this is no HTTP/1.1 request"),
};

/**
 * Takes sockets from their first byte to the WebSocket upgrade, or refuses them; between them it
 * answers requests for the page and for what is below /v3/.
 *
 * An HTTP server that never listens reads the requests, each of them alone: a gate before it bounds
 * what a socket may ask. As such a server enforces no timeout of its own, every socket has a timer
 * until its upgrade. Each file of the page starts it again, and each part of data that the client takes.
 */
export class Handshake {
  readonly #http: Server;
  readonly #upgrader: WebSocketServer;
  readonly #candidates = new Map<Socket, Candidate>();
  readonly #turns: TurnQueue;
  readonly #shares: AddressShares;
  readonly #options: HandshakeOptions;
  readonly #authenticator: Authenticator;
  readonly #page: PageFiles;
  readonly #api: HttpApi;
  readonly #counters: CounterSection;
  readonly #hooks: HandshakeHooks;
  /** What the upgrade that is under way answers of extensions. */
  #extensions: string | undefined;
  /** Every new connection is refused: the server stops. */
  draining = false;

  /** @param turns what bounds the time that requests may take of a turn of the loop */
  constructor(
    options: HandshakeOptions,
    authenticator: Authenticator,
    page: PageFiles,
    api: HttpApi,
    counters: CounterSection,
    shares: AddressShares,
    turns: TurnQueue,
    hooks: HandshakeHooks,
  ) {
    this.#options = options;
    this.#authenticator = authenticator;
    this.#page = page;
    this.#api = api;
    this.#counters = counters;
    this.#turns = turns;
    this.#hooks = hooks;
    this.#shares = shares;
    this.#http = this.#createHttpServer();
    const upgraderOptions = {
      noServer: true,
      clientTracking: false,
      maxPayload: options.maxMessageSize,
      maxFragments: options.maxFragments,
      // Pings are answered by the shard.
      autoPong: false,
      // Compression is negotiated here, and done by who sends and takes messages.
      perMessageDeflate: false,
      closeTimeout: CLOSE_TIMEOUT_MS,
      WebSocket: ClientSocket,
      handleProtocols: (offered: Set<string>) => {
        const encoding = negotiateEncoding(offered);
        return encoding === undefined ? (false as const) : subprotocolOf(encoding);
      },
    };
    this.#upgrader = new WebSocketServer(upgraderOptions);
    this.#upgrader.on("headers", (lines) => {
      if (this.#extensions !== undefined)
        lines.push(`Sec-WebSocket-Extensions: ${this.#extensions}`);
    });
  }

  /** Sockets that are not upgraded yet. */
  get candidates(): Iterable<Socket> {
    return this.#candidates.keys();
  }

  /** Starts reading a socket that was handed to this shard. */
  accept(accepted: Accepted, socket: Socket): void {
    const gate = new HttpGate(socket, this.#turns, {
      delayMs: () => this.#delayMs(candidate),
      begin: (stream) => void this.#http.emit("connection", stream),
      faulty: (fault) => this.#close(candidate, HEAD_FAULTS[fault]),
    });
    const now = performance.now();
    const candidate: Candidate = {
      ...accepted,
      gate,
      // A proxy's header has taken some of the time.
      timer: this.#startTimer(socket, accepted.takenAt - now),
      share: this.#shares.acquire(accepted.address, now),
      httpRequests: new TokenBucket(now, this.#options.maxHttpRequestsPerSecond),
      requests: 0,
      nextAt: 0,
      served: false,
      resumes: false,
    };
    this.#candidates.set(socket, candidate);
    socket.once("close", this.#onClose);
  }

  /** Takes a socket off the candidates and stops its timer. */
  #release(socket: Socket): void {
    const candidate = this.#candidates.get(socket);
    if (candidate === undefined) return;
    clearTimeout(candidate.timer);
    this.#candidates.delete(socket);
    if (candidate.resumes) this.#hooks.gone(candidate.number);
    // What it had reserved and will not ask is its address's again.
    if (performance.now() < candidate.nextAt) candidate.share.httpRequests.giveBack();
    this.#shares.release(candidate.share);
  }

  readonly #onClose = ((handshake: Handshake) =>
    function (this: Socket): void {
      handshake.#release(this);
    })(this);

  #startTimer(socket: Socket, moreMs = 0): NodeJS.Timeout {
    return setTimeout(
      () => {
        if (this.#candidates.get(socket)?.served !== true) this.#countRefusal("timeout");
        socket.destroy();
      },
      Math.max(1, this.#options.handshakeTimeoutMs + moreMs),
    );
  }

  #restartTimer(candidate: Candidate): void {
    clearTimeout(candidate.timer);
    candidate.timer = this.#startTimer(candidate.gate.socket);
  }

  #createHttpServer(): Server {
    const http = createServer({
      keepAliveTimeout: this.#options.handshakeTimeoutMs,
      // The gate bounds heads as a whole, and the Host header is looked at with all others.
      maxHeaderSize: 2 * HEAD_BYTES_MAX,
      requireHostHeader: false,
    });
    // None is dropped unseen: heads are bounded.
    http.maxHeadersCount = 0;
    // No request's body is read, so whoever waits for a 100 gets the final answer instead.
    for (const event of ["request", "checkContinue", "checkExpectation"])
      http.on(event, (request, response) => this.#onRequest(request, response));
    http.on("upgrade", (request, stream) => this.#onUpgrade(request, stream));
    http.on("connect", (_request, stream) => {
      const allow = { Allow: "GET, HEAD" };
      this.#understood(stream, (candidate) =>
        this.#close(candidate, { ...badRequest("this is no proxy", 405), headers: allow }),
      );
    });
    http.on("clientError", ({ message }, stream) => {
      this.#understood(stream, (candidate) =>
        this.#close(candidate, badRequest(`this is no HTTP/1.1 request: ${message}`)),
      );
    });
    return http;
  }

  /** How long a candidate's next request has to wait. The first is free: an upgrade has no other. */
  #delayMs(candidate: Candidate): number {
    if (candidate.requests++ === 0) return 0;
    const now = performance.now();
    const { httpRequests, share } = candidate;
    const delayMs = Math.max(httpRequests.reserve(now), share.httpRequests.reserve(now));
    candidate.nextAt = now + delayMs;
    if (delayMs > 0) count(this.#counters, SHARD.httpRequestsDelayed);
    return delayMs;
  }

  /** Calls `answer` with the candidate whose request, or fault, the HTTP server has understood. */
  #understood(stream: Duplex, answer: (candidate: Candidate) => void): void {
    const requestStream = stream as RequestStream;
    const candidate = this.#candidates.get(requestStream.socket);
    // A fault behind a head that is being answered, in a body: that answer is the last one.
    if (candidate === undefined || requestStream.understood) return;
    requestStream.understood = true;
    count(this.#counters, SHARD.httpRequests);
    answer(candidate);
  }

  #onRequest(request: IncomingMessage, response: ServerResponse): void {
    this.#understood(request.socket, (candidate) => this.#answer(request, response, candidate));
  }

  #onUpgrade(request: IncomingMessage, stream: Duplex): void {
    this.#understood(stream, (candidate) => {
      if (asksForWebSocket(request)) return this.#upgrade(request, candidate);
      // Another protocol is not offered, and the request stands as if it had not asked for one.
      const response = new ServerResponse(request);
      response.shouldKeepAlive = false;
      response.assignSocket(stream as Socket);
      this.#answer(request, response, candidate);
    });
  }

  #answer(request: IncomingMessage, response: ServerResponse, candidate: Candidate): void {
    const outcome = this.#unavailable(candidate) ?? checkRequest(request);
    const sound = !("status" in outcome);
    response.shouldKeepAlive &&= sound && !hasBody(request);
    response.on("finish", () => candidate.gate.answered(response.shouldKeepAlive));
    if (!response.shouldKeepAlive) candidate.served = true;
    const inApi = this.#api.has(sound ? outcome.path : (request.url ?? ""));
    if (sound && (inApi || this.#page.has(outcome.path))) {
      candidate.served = true;
      this.#restartTimer(candidate);
      if (inApi) this.#askApi(request, response, outcome, candidate);
      else this.#page.answer(outcome.path, request, response);
      return;
    }
    const refusal = sound ? this.#noPage(outcome) : outcome;
    this.#countRefusal(refusal.reason);
    respond(response, inApi ? this.#api.refusal(request, refusal) : refusal);
  }

  #askApi(
    request: IncomingMessage,
    response: ServerResponse,
    target: RequestTarget,
    candidate: Candidate,
  ): void {
    const { socket } = candidate.gate;
    this.#api.answer({
      request,
      response,
      target,
      share: candidate.share,
      taken: () => {
        if (this.#candidates.has(socket)) this.#restartTimer(candidate);
      },
      delayed: () => count(this.#counters, SHARD.httpRequestsDelayed),
      cut: () => void socket.destroy(),
    });
  }

  #upgrade(request: IncomingMessage, candidate: Candidate): void {
    const outcome = this.#decide(request, candidate);
    if ("status" in outcome) return this.#close(candidate, outcome);
    const { identity, session, cancelAfterMs: waitMs = 0 } = outcome;
    if (identity === undefined || session === undefined)
      return this.#open(request, candidate, outcome, undefined);
    candidate.resumes = true;
    this.#hooks.resume({ ...identity, number: candidate.number, waitMs }, session, (granted) =>
      this.#open(request, candidate, outcome, granted),
    );
  }

  #open(
    request: IncomingMessage,
    candidate: Candidate,
    terms: UpgradeTerms,
    granted: GrantedSession | undefined,
  ): void {
    const { gate, number, address } = candidate;
    const { socket } = gate;
    // What a list holds, for the library to find.
    request.headers.upgrade = "websocket";
    // All of it happens in this turn, and the response and the first messages go out in one write.
    socket.cork();
    this.#extensions = terms.deflate?.header;
    this.#upgrader.handleUpgrade(request, socket, gate.rest, (ws) => {
      gate.release();
      candidate.resumes = false;
      this.#release(socket);
      socket.off("close", this.#onClose);
      this.#hooks.upgraded({ number, address, ws: ws as ClientSocket, socket, granted, ...terms });
    });
    socket.uncork();
  }

  #decide(request: IncomingMessage, candidate: Candidate): UpgradeTerms | HttpRefusal {
    const target = this.#unavailable(candidate) ?? checkRequest(request);
    if ("status" in target) return target;
    if (target.path !== WEBSOCKET_PATH) return this.#wrongPath(target.path);
    const { allowedOrigins, compression } = this.#options;
    return decideUpgrade(request, target, allowedOrigins, compression, this.#authenticator);
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

  #noPage({ path }: RequestTarget): HttpRefusal {
    return path === WEBSOCKET_PATH
      ? upgradeRequired(`this is a WebSocket: ask for an upgrade of ${WEBSOCKET_PATH}`)
      : this.#wrongPath(path);
  }

  #wrongPath(path: string): HttpRefusal {
    const missing = path === "/" ? "the page is not in this build" : "nothing here";
    return {
      status: 404,
      body: `${missing}; the WebSocket is at ${WEBSOCKET_PATH}`,
      reason: "path",
    };
  }

  /** Refuses a candidate and ends its connection. */
  #close(candidate: Candidate, refusal: HttpRefusal): void {
    this.#countRefusal(refusal.reason);
    candidate.served = true;
    candidate.gate.close(lastAnswer(refusal));
  }

  #countRefusal(reason: Refusal): void {
    countListed(this.#counters, SHARD.refusedByReason, REFUSALS, reason);
  }
}
