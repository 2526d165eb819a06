import type { IncomingMessage, ServerResponse } from "node:http";
import type { Logger } from "../../../../shared/log.js";
import type { AddressShare } from "../../connections/address-shares.js";
import type { TurnQueue } from "../../connections/turn-queue.js";
import type { HttpRefusal } from "../http-refusal.js";
import type { RequestTarget } from "../request-target.js";
import { Answering } from "./answer.js";
import { ApiError, errorJson } from "./api-error.js";
import { corsHeaders, preflightHeaders } from "./cors.js";
import { type Description, descriptionRoutes } from "./descriptions.js";
import { type ApiSources, DATA_ROUTES, ID, type Route } from "./routes.js";

const PREFIX = "/v3/";
const METHODS = "GET, HEAD, OPTIONS";

/** A request below /v3/, and how it is answered. */
interface ApiRequest {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly target: RequestTarget;
  readonly share: AddressShare;
  /** Told when the client has taken a part of an answer. */
  readonly taken: () => void;
  /** Told when an answer has to wait for its address, once. */
  readonly delayed: () => void;
  /** Ends the connection: an answer cannot be brought to its end. */
  readonly cut: () => void;
}

interface Match {
  readonly route: Route;
  readonly id: string;
}

/** Public data and the server's descriptions over HTTP: what is below /v3/. */
export class HttpApi {
  readonly #sources: ApiSources;
  readonly #allowedOrigins: readonly string[];
  readonly #turns: TurnQueue;
  readonly #log: Logger;
  /** By path; of those with an id, with a placeholder in its place. */
  readonly #routes: ReadonlyMap<string, Route>;

  /** @param turns what bounds the time that answers may take of a turn of the loop */
  constructor(
    sources: ApiSources,
    description: Description,
    allowedOrigins: readonly string[],
    turns: TurnQueue,
    log: Logger,
  ) {
    this.#sources = sources;
    this.#allowedOrigins = allowedOrigins;
    this.#turns = turns;
    this.#log = log;
    const routes = [...DATA_ROUTES, ...descriptionRoutes(DATA_ROUTES, description)];
    this.#routes = new Map(routes.map((route) => [route.path, route]));
  }

  /** Whether what is at a path is answered here, if only by an error. */
  has(path: string): boolean {
    return path.startsWith(PREFIX);
  }

  /** Answers a request whose path is here; the answer may take turns. */
  answer(asked: ApiRequest): void {
    const { request, target } = asked;
    const { method } = request;
    const headers = this.#headers(request, target.authority ?? request.headers.host);
    try {
      const { route, id } = this.#match(target.path);
      if (method === "OPTIONS") return this.#options(asked, headers);
      if (method !== "GET" && method !== "HEAD")
        throw new ApiError("METHOD_NOT_ALLOWED", `${target.path} takes ${METHODS}, not ${method}`);
      const answer = route.answer(this.#sources, id, target.query);
      const head = method === "HEAD";
      const failed = (error: unknown): void => this.#fail(asked, headers, error);
      new Answering(answer, { ...asked, head, headers, failed }, this.#turns);
    } catch (error) {
      this.#fail(asked, headers, error);
    }
  }

  /** A refusal of a request that would be answered here, in the form of the API's errors. */
  refusal(request: IncomingMessage, { status, body, reason, headers }: HttpRefusal): HttpRefusal {
    return {
      status,
      body: errorJson(status === 503 ? "UNAVAILABLE" : "INVALID_MESSAGE", body),
      reason,
      headers: {
        ...headers,
        ...this.#headers(request, request.headers.host),
        "Content-Type": "application/json",
      },
    };
  }

  /** Throws an ApiError for a path that there is not. */
  #match(path: string): Match {
    const [, , collection, id = "", ...rest] = path.split("/");
    const inPlace = ["", "v3", collection, ID, ...rest].join("/");
    const route = this.#routes.get(path) ?? (id === "" ? undefined : this.#routes.get(inPlace));
    if (route !== undefined) return { route, id };
    throw new ApiError("NOT_FOUND", `there is nothing at ${path}; see ${PREFIX}openapi.json`);
  }

  #headers(request: IncomingMessage, host: string | undefined): Record<string, string> {
    return {
      ...corsHeaders(request, host, this.#allowedOrigins),
      "Cache-Control": "no-store",
      "X-Content-Type-Options": "nosniff",
    };
  }

  #options(
    { request: { headers: asked }, response }: ApiRequest,
    headers: Record<string, string>,
  ): void {
    const preflight =
      headers["Access-Control-Allow-Origin"] !== undefined &&
      asked["access-control-request-method"] !== undefined;
    response.writeHead(204, {
      ...headers,
      Allow: METHODS,
      ...(preflight && preflightHeaders(METHODS)),
    });
    response.end();
  }

  #fail(
    { request, response, cut }: ApiRequest,
    headers: Record<string, string>,
    error: unknown,
  ): void {
    if (!(error instanceof ApiError)) this.#log.error({ err: error }, "an HTTP answer failed");
    // Half an answer must not be taken for a whole one.
    if (response.headersSent) return cut();
    const known =
      error instanceof ApiError ? error : new ApiError("INTERNAL", "the answer could not be made");
    const body = errorJson(known.code, known.message, known.details);
    response.writeHead(known.status, {
      ...headers,
      ...(known.code === "METHOD_NOT_ALLOWED" && { Allow: METHODS }),
      "Content-Type": "application/json",
      "Content-Length": Buffer.byteLength(body),
    });
    response.end(request.method === "HEAD" ? undefined : body);
  }
}
