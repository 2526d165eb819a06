import { lookup } from "node:dns/promises";
import {
  createServer as createHttpServer,
  type Server as HttpServer,
  type IncomingMessage,
  type ServerResponse,
  STATUS_CODES,
} from "node:http";
import { createServer, isIP, type Server } from "node:net";
import type { Duplex } from "node:stream";
import type { Registry } from "prom-client";
import { z } from "zod";
import { ConfigurationError } from "../config/configuration-error.js";
import { unguardedOps } from "../config/cross-key-rules.js";
import type { Config } from "../config/schema.js";
import {
  type CounterSection,
  countListedOrOther,
  MAIN,
  OPS_REFUSALS,
} from "../counters/counters.js";
import { isLoopback } from "../shared/loopback.js";
import { textSchema } from "../shared/text-schema.js";
import type { PublishOutcome } from "../workers/hub/messages.js";
import { NOTIFICATION_LEVELS, type NotificationLevel } from "../workers/messages.js";
import type { MarketAction, MarketOutcome } from "../workers/producer/messages.js";
import { OpsConnections } from "./ops-connections.js";
import { OpsGuard, type OpsRefusal, targetOf } from "./ops-guard.js";
import { MARKET_REQUESTS, marketRefusal, noticeOf } from "./ops-markets.js";
import type { OpsSocket } from "./ops-socket.js";
import { type OpsPublication, PUBLISH_BODY_BYTES_MAX, publishSchema } from "./publish-requests.js";
import { type Rebalancing, type RebalancingOutcome, rebalancingSchema } from "./rebalancing.js";

/** Largest body taken of most requests, in bytes. */
const BODY_BYTES_MAX = 16_384;
/** Connections the kernel completes ahead of their acceptance. */
const BACKLOG = 4096;
/** By the code of the parser's error; every other one is 400. */
const PARSER_REFUSALS: Readonly<Record<string, number>> = { HPE_HEADER_OVERFLOW: 431 };

const JSON_HEADERS = { "Content-Type": "application/json" };

const notificationSchema = z.strictObject({
  level: z.enum(NOTIFICATION_LEVELS),
  message: textSchema("text", { min: 1, max: 4096 }),
});

interface OpsHooks {
  /** Whether every part is up, with state and reasons. */
  readonly readiness: () => {
    readonly ready: boolean;
    readonly state: string;
    readonly reasons: readonly string[];
  };
  /** May be a promise. */
  readonly status: () => unknown;
  readonly notify: (level: NotificationLevel, message: string) => void;
  readonly rebalance: (asked: Rebalancing) => RebalancingOutcome;
  readonly administer: (action: MarketAction) => Promise<MarketOutcome>;
  readonly publish: (publication: OpsPublication) => Promise<PublishOutcome>;
  readonly metrics: Registry;
}

export interface OpsOptions
  extends Pick<Config, "opsAllowedHosts" | "opsMaxConnections" | "opsRequestTimeoutMs"> {
  /** Asked for where it is set; without one only loopback is listened on. */
  readonly token: string | undefined;
  readonly counters: CounterSection;
}

interface Endpoint {
  readonly method: "GET" | "POST";
  /** Answers without a token. */
  readonly open?: boolean;
  readonly answer: (request: IncomingMessage, response: ServerResponse) => void | Promise<void>;
}

/** A request that is refused by what its body says. */
class RequestRefused extends Error {
  readonly refusal: OpsRefusal;

  constructor(refusal: OpsRefusal) {
    super(refusal.message);
    this.refusal = refusal;
  }
}

/**
 * The operations port: health, readiness, metrics, status, notices and what is asked of connections and markets, over plain HTTP. An HTTP
 * server that never listens reads what {@link OpsConnections} lets in; {@link OpsGuard} says who may
 * ask for what.
 */
export class OpsServer {
  readonly #hooks: OpsHooks;
  readonly #options: OpsOptions;
  readonly #counters: CounterSection;
  readonly #connections: OpsConnections;
  readonly #http: HttpServer;
  readonly #server: Server;
  #guard: OpsGuard | undefined;
  /** The metrics' text, while it is made. */
  #rendering: Promise<string> | undefined;
  #closed = false;

  constructor(hooks: OpsHooks, options: OpsOptions) {
    this.#hooks = hooks;
    this.#options = options;
    this.#counters = options.counters;
    this.#connections = new OpsConnections(options);
    // A missing Host is refused with all others that are none of ours.
    this.#http = createHttpServer({ requireHostHeader: false, keepAliveTimeout: 0 });
    this.#http.on("request", (request, response) => this.#onRequest(request, response));
    this.#http.on("clientError", (error: NodeJS.ErrnoException, socket) =>
      this.#refuseUnparsed(socket, PARSER_REFUSALS[error.code ?? ""] ?? 400, error),
    );
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) =>
      this.#http.emit("connection", this.#connections.admit(socket)),
    );
  }

  /**
   * Listens; resolves with the port. Rejects with Node's error where it cannot, and with a
   * ConfigurationError where others could reach the port and no token is asked for.
   */
  async listen(host: string, port: number): Promise<number> {
    const { token, opsAllowedHosts: allowedHosts = [] } = this.#options;
    // Looked up once: what is judged is what is listened on.
    const { address } = await lookup(host);
    if (token === undefined && !isLoopback(address)) {
      throw new ConfigurationError([unguardedOps(host, address)]);
    }
    const names = isIP(host) === 0 ? [host.toLowerCase(), ...allowedHosts] : allowedHosts;
    this.#guard = new OpsGuard({ token, names, address });
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen({ host: address, port, backlog: BACKLOG }, () => {
        this.#server.off("error", reject);
        // Closed while the host's address was looked up.
        if (this.#closed) this.#server.close();
        resolve();
      });
    });
    // A connection that could not be accepted, for want of descriptors say.
    this.#server.on("error", () => {});
    const listening = this.#server.address();
    return typeof listening === "object" && listening !== null ? listening.port : port;
  }

  close(): void {
    this.#closed = true;
    this.#server.close();
    this.#connections.destroy();
  }

  #onRequest(request: IncomingMessage, response: ServerResponse): void {
    // What came in through the OpsConnections.
    const socket = request.socket as unknown as OpsSocket;
    this.#connections.asked(socket);
    response.once("close", () => this.#connections.answered(socket));
    this.#route(request, response, socket).catch((error: unknown) => {
      if (error instanceof RequestRefused) return this.#refuse(response, error.refusal);
      const { message } = error as Error;
      return sendError(response, { status: 500, code: "INTERNAL", message });
    });
  }

  async #route(
    request: IncomingMessage,
    response: ServerResponse,
    socket: OpsSocket,
  ): Promise<void> {
    // In the next microtask the parser has read on: a request without a body is complete, and a
    // client that asked for too much at once is cut.
    await undefined;
    if (socket.destroyed) return;
    const { path } = targetOf(request);
    const endpoint = Object.hasOwn(this.#endpoints, path) ? this.#endpoints[path] : undefined;
    const access = { open: endpoint?.open === true, change: endpoint?.method === "POST" };
    const refusal =
      this.#guard?.refusalOf(request, access, socket.localAddress) ??
      this.#wrongTarget(request, path, endpoint) ??
      (access.change ? this.#guard?.changeRefusalOf(request) : undefined);
    if (refusal !== undefined) return this.#refuse(response, refusal);
    await endpoint?.answer(request, response);
  }

  #wrongTarget(
    { method }: IncomingMessage,
    path: string,
    endpoint: Endpoint | undefined,
  ): OpsRefusal | undefined {
    if (endpoint === undefined) {
      const message = `nothing at ${path}; see ${Object.keys(this.#endpoints).join(", ")}`;
      return { status: 404, code: "NOT_FOUND", message };
    }
    if (method === endpoint.method || (method === "HEAD" && endpoint.method === "GET"))
      return undefined;
    return {
      status: 405,
      code: "METHOD_NOT_ALLOWED",
      message: `${path} takes ${endpoint.method}, not ${method}`,
      headers: { Allow: endpoint.method },
    };
  }

  #refuse(response: ServerResponse, refusal: OpsRefusal): void {
    countListedOrOther<number>(this.#counters, MAIN.opsRefused, OPS_REFUSALS, refusal.status);
    sendError(response, refusal);
  }

  /** Answers what the parser could not read as a request. */
  #refuseUnparsed(socket: Duplex, status: number, { message }: Error): void {
    countListedOrOther<number>(this.#counters, MAIN.opsRefused, OPS_REFUSALS, status);
    if (!socket.writable) return void socket.destroy();
    const body = errorBody({ code: "INVALID_MESSAGE", message });
    socket.end(
      `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\n` +
        `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    );
  }

  readonly #endpoints: Readonly<Record<string, Endpoint>> = {
    "/healthz": {
      method: "GET",
      open: true,
      answer: (_, response) => send(response, 200, { status: "alive" }),
    },
    "/readyz": {
      method: "GET",
      open: true,
      answer: (_, response) => {
        const { ready, state, reasons } = this.#hooks.readiness();
        send(response, ready ? 200 : 503, { state, reasons });
      },
    },
    "/status": {
      method: "GET",
      answer: async (_, response) => send(response, 200, await this.#hooks.status()),
    },
    "/metrics": {
      method: "GET",
      answer: async (_, response) => {
        const { metrics } = this.#hooks;
        // It takes a millisecond or two: those who ask at once share it.
        this.#rendering ??= metrics.metrics().finally(() => {
          this.#rendering = undefined;
        });
        respond(response, 200, { "Content-Type": metrics.contentType }, await this.#rendering);
      },
    },
    "/notify": {
      method: "POST",
      answer: async (request, response) => {
        const { level, message } = await readBody(request, notificationSchema);
        this.#hooks.notify(level, message);
        send(response, 202, { status: "sent" });
      },
    },
    "/publish": {
      method: "POST",
      answer: async (request, response) => {
        const publication = await readBody(request, publishSchema, PUBLISH_BODY_BYTES_MAX);
        const { refusal, ...place } = await this.#hooks.publish(publication);
        if (refusal !== undefined) throw new RequestRefused({ status: 503, ...refusal });
        send(response, 200, { channel: publication.channel, ...place });
      },
    },
    "/rebalance": {
      method: "POST",
      answer: async (request, response) => {
        send(response, 200, this.#hooks.rebalance(await readBody(request, rebalancingSchema)));
      },
    },
    ...Object.fromEntries(
      Object.entries(MARKET_REQUESTS).map(([path, schema]) => [path, this.#marketEndpoint(schema)]),
    ),
  };

  #marketEndpoint(schema: z.ZodType<MarketAction>): Endpoint {
    return {
      method: "POST",
      answer: async (request, response) => {
        const action = await readBody(request, schema);
        const outcome = await this.#hooks.administer(action);
        if ("refusal" in outcome) throw new RequestRefused(marketRefusal(outcome.refusal));
        const notice = noticeOf(action, outcome);
        if (notice !== undefined) this.#hooks.notify("info", notice);
        send(response, 200, outcome.change);
      },
    };
  }
}

/** Answers, once. Where the request has not come to its end, no more of it is read. */
function respond(
  response: ServerResponse,
  status: number,
  headers: Readonly<Record<string, string>>,
  body: string,
): void {
  if (response.headersSent) return void response.destroy();
  const close = response.req.complete ? {} : { Connection: "close" };
  const length = { "Content-Length": Buffer.byteLength(body) };
  response.writeHead(status, { "Cache-Control": "no-store", ...length, ...headers, ...close });
  response.end(body);
}

function send(response: ServerResponse, status: number, body: unknown): void {
  respond(response, status, JSON_HEADERS, `${JSON.stringify(body)}\n`);
}

function errorBody({ code, message }: Pick<OpsRefusal, "code" | "message">): string {
  return `${JSON.stringify({ error: { code, message } })}\n`;
}

function sendError(response: ServerResponse, refusal: OpsRefusal): void {
  const headers = { ...JSON_HEADERS, ...refusal.headers };
  respond(response, refusal.status, headers, errorBody(refusal));
}

async function readBytes(request: IncomingMessage, bytesMax: number): Promise<Buffer> {
  const tooLong = new RequestRefused({
    status: 413,
    code: "BODY_TOO_LARGE",
    message: `the body has more than ${bytesMax} bytes`,
  });
  if (Number(request.headers["content-length"]) > bytesMax) throw tooLong;
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request) {
    length += (chunk as Buffer).length;
    if (length > bytesMax) throw tooLong;
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks);
}

/** The body of a request as JSON that fits a schema. Throws RequestRefused. */
async function readBody<T>(
  request: IncomingMessage,
  schema: z.ZodType<T>,
  bytesMax = BODY_BYTES_MAX,
): Promise<T> {
  const invalid = (message: string): RequestRefused =>
    new RequestRefused({ status: 400, code: "INVALID_MESSAGE", message });
  const bytes = await readBytes(request, bytesMax);
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    throw invalid(`the body is no JSON in UTF-8: ${(error as Error).message}`);
  }
  const parsed = schema.safeParse(value);
  if (!parsed.success) throw invalid(z.prettifyError(parsed.error));
  return parsed.data;
}
