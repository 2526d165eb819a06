import type { IncomingMessage } from "node:http";
import { type Encoding, negotiateEncoding, subprotocols } from "../../../contract/encodings.js";
import {
  AuthenticationError,
  type Authenticator,
  type Identity,
} from "../requests/authenticator.js";
import { type ConnectQuery, parseConnectQuery, QueryError } from "./connect-query.js";
import { acceptDeflate, type DeflateTerms } from "./deflate-offer.js";
import { badRequest, type HttpRefusal, upgradeRequired } from "./http-refusal.js";
import { isHost, parseRequestTarget, type RequestTarget } from "./request-target.js";

/** Header fields of a request; a browser behind several proxies sends some 40. */
const HEADER_FIELDS_MAX = 100;
/** The only version of the protocol that there is (RFC 6455, section 4.1). */
const WEBSOCKET_VERSION = "13";
/** 16 bytes in base64. */
const WEBSOCKET_KEY = /^[+/\dA-Za-z]{22}==$/;
/** What a token among the subprotocols begins with. */
const BEARER = "bearer.";
const TOKEN = /^[!#$%&'*+.^_`|~\dA-Za-z-]+$/;

/** What an upgrade request asks for, and may have. */
export interface UpgradeTerms {
  readonly encoding: Encoding;
  readonly identity: Identity | undefined;
  /** See {@link ConnectQuery}. */
  readonly cancelAfterMs: number | undefined;
  /** The order session that it names. */
  readonly session: string | undefined;
  readonly batch: boolean;
  /** What was agreed on where messages are compressed. */
  readonly deflate: DeflateTerms | undefined;
}

/** What has to be right in a request, whatever it asks for: its target, or the refusal. */
export function checkRequest(request: IncomingMessage): RequestTarget | HttpRefusal {
  const { method = "", url = "", httpVersionMajor, httpVersionMinor, rawHeaders } = request;
  if (httpVersionMajor !== 1) return badRequest("HTTP/1.1 is spoken here", 505);
  if (rawHeaders.length / 2 > HEADER_FIELDS_MAX)
    return badRequest(`a request has at most ${HEADER_FIELDS_MAX} header fields`, 431);
  const target = parseRequestTarget(method, url);
  if (target === undefined)
    return badRequest("the request target is no path, and no absolute http or ws URL");
  const [host, ...others] = valuesOf(request, "host");
  if (others.length > 0) return badRequest("the Host header is given twice");
  if (host === undefined ? httpVersionMinor >= 1 : !isHost(host))
    return badRequest(host === undefined ? "the Host header is missing" : "the Host is no host");
  return target;
}

/** Whether a request asks to become a WebSocket; an HTTP/1.0 one cannot (RFC 9110, section 7.8). */
export function asksForWebSocket({ headers, httpVersionMinor }: IncomingMessage): boolean {
  return httpVersionMinor >= 1 && listOf(headers.upgrade).some((one) => /^websocket$/i.test(one));
}

/** Whether a body follows a request's head. */
export function hasBody({ headers }: IncomingMessage): boolean {
  if (headers["transfer-encoding"] !== undefined) return true;
  const { "content-length": length } = headers;
  return length !== undefined && Number(length) !== 0;
}

/** Decides on an upgrade request: what the connection is to be, or the refusal. */
export function decideUpgrade(
  request: IncomingMessage,
  target: RequestTarget,
  allowedOrigins: readonly string[],
  compression: "on" | "off",
  authenticator: Authenticator,
): UpgradeTerms | HttpRefusal {
  const fault = handshakeFault(request);
  if (fault !== undefined) return fault;
  const { origin, host } = request.headers;
  if (origin !== undefined && !allowsOrigin(allowedOrigins, origin, target.authority ?? host))
    return { status: 403, body: `origin ${origin} is not allowed`, reason: "origin" };
  const encoding = encodingFor(request);
  if (typeof encoding !== "string") return encoding;
  try {
    const { token, ...terms } = parseConnectQuery(target.query);
    const deflate = compression === "on" ? deflateFor(request) : undefined;
    return { ...terms, encoding, deflate, identity: identify(request, token, authenticator) };
  } catch (error) {
    if (error instanceof SyntaxError)
      return badRequest(`Sec-WebSocket-Extensions is no list of extensions: ${error.message}`);
    if (error instanceof QueryError) return { status: 400, body: error.message, reason: "query" };
    if (!(error instanceof AuthenticationError)) throw error;
    const headers = { "WWW-Authenticate": "Bearer" };
    return { status: 401, body: error.message, reason: "auth", headers };
  }
}

/** What RFC 6455, section 4.2.1, asks of a handshake, beyond path, host, origin and subprotocols. */
function handshakeFault(request: IncomingMessage): HttpRefusal | undefined {
  const { method } = request;
  if (method !== "GET")
    return { ...badRequest(`an upgrade is a GET, not ${method}`, 405), headers: { Allow: "GET" } };
  if (hasBody(request)) return badRequest("a WebSocket handshake has no body");
  const versions = valuesOf(request, "sec-websocket-version");
  if (versions.length !== 1 || versions[0] !== WEBSOCKET_VERSION)
    return upgradeRequired(`Sec-WebSocket-Version must be ${WEBSOCKET_VERSION}`);
  const keys = valuesOf(request, "sec-websocket-key");
  if (keys.length !== 1 || !WEBSOCKET_KEY.test(keys[0] as string))
    return badRequest("Sec-WebSocket-Key must be there once, 16 bytes in base64");
  if (valuesOf(request, "origin").length > 1) return badRequest("the Origin header is given twice");
  return undefined;
}

/**
 * Whether a page of this origin may connect: a listed one, or one of this very server. The latter
 * is told by the host that the client asked for, as no header says under which names and behind
 * which proxies the server is known. Browsers bring no credentials of their own along, so a page
 * that a name server has pointed here gains no more than what anybody gets who connects.
 */
export function allowsOrigin(
  allowed: readonly string[],
  origin: string,
  host: string | undefined,
): boolean {
  if (allowed.includes("*") || allowed.includes(origin)) return true;
  return host !== undefined && /^https?:\/\/(.+)$/.exec(origin)?.[1] === host.toLowerCase();
}

function encodingFor({ headers }: IncomingMessage): Encoding | HttpRefusal {
  const { "sec-websocket-protocol": header } = headers;
  const offered = listOf(header);
  const reason = "subprotocol";
  if (!offered.every((name) => TOKEN.test(name)) || new Set(offered).size < offered.length) {
    const body = "Sec-WebSocket-Protocol must list names, each of them once";
    return { status: 400, body, reason };
  }
  const known = subprotocols().join(", ");
  // A token alone will not do, as it is not echoed and clients end a connection without any of their own.
  const body = `none of the subprotocols is known; known are ${known}`;
  return negotiateEncoding(offered) ?? { status: 400, body, reason };
}

/** What is agreed on of what a request offers for compression. Throws SyntaxError. */
function deflateFor(request: IncomingMessage): DeflateTerms | undefined {
  const offers = valuesOf(request, "sec-websocket-extensions");
  return offers.length === 0 ? undefined : acceptDeflate(offers.join(", "));
}

/**
 * The identity of who asks: by the header's token, else that among the subprotocols, else the query's.
 * Credentials of another scheme are a proxy's, and none. Throws AuthenticationError.
 */
function identify(
  request: IncomingMessage,
  inQuery: ConnectQuery["token"],
  authenticator: Authenticator,
): Identity | undefined {
  const inHeader = new Set(
    valuesOf(request, "authorization").flatMap((header) => bearerToken(header) ?? []),
  );
  if (inHeader.size > 1)
    throw new AuthenticationError("the Authorization header is given twice, with different tokens");
  const offered = listOf(request.headers["sec-websocket-protocol"]);
  const [inSubprotocols, ...others] = offered.filter((name) => name.startsWith(BEARER));
  if (others.length > 0)
    throw new AuthenticationError("the subprotocols have two tokens, and one is taken");
  const [token = inSubprotocols?.slice(BEARER.length) ?? inQuery] = inHeader;
  return token === undefined ? undefined : authenticator.verify(token);
}

/** The token of an Authorization header; undefined where its scheme is another than Bearer. */
function bearerToken(header: string): string | undefined {
  const [, scheme, credentials = ""] = /^([^\s]+) +(.*)$/.exec(header) ?? [];
  if (scheme !== undefined && TOKEN.test(scheme) && scheme.toLowerCase() !== "bearer")
    return undefined;
  if (scheme === undefined || !/^\S+$/.test(credentials))
    throw new AuthenticationError("the Authorization header is no `Bearer` token");
  return credentials;
}

/** The values of all lines of a header, each by itself. */
function valuesOf({ headersDistinct }: IncomingMessage, name: string): readonly string[] {
  return headersDistinct[name] ?? [];
}

function listOf(header: string | undefined): readonly string[] {
  return header?.split(",").map((one) => one.trim()) ?? [];
}
