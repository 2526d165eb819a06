import { type ServerResponse, STATUS_CODES } from "node:http";
import type { Refusal } from "../../../counters/counters.js";

/** An answer other than a file of the page or an upgrade. */
export interface HttpRefusal {
  readonly status: number;
  /** One line for people, which names what is wrong and the rule. */
  readonly body: string;
  /** What it counts as. */
  readonly reason: Refusal;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A refusal of a request that is no handshake of a WebSocket, or a wrong one. */
export function badRequest(body: string, status = 400): HttpRefusal {
  return { status, body, reason: "handshake" };
}

/** What a client is told that has to ask for the upgrade first (RFC 9110, section 15.5.22). */
export function upgradeRequired(body: string): HttpRefusal {
  return {
    status: 426,
    body,
    reason: "handshake",
    headers: { Upgrade: "websocket", "Sec-WebSocket-Version": "13" },
  };
}

/** Answers a request; the connection goes on where `response.shouldKeepAlive` says so. */
export function respond(response: ServerResponse, refusal: HttpRefusal): void {
  const { status, body } = refusal;
  response.writeHead(status, headersOf(refusal, response.shouldKeepAlive));
  response.end(`${body}\n`);
}

/** The whole of a last answer, for a connection that no HTTP server has any more. */
export function lastAnswer(refusal: HttpRefusal): string {
  const { status, body } = refusal;
  const lines = Object.entries(headersOf(refusal, false)).map(
    ([name, value]) => `${name}: ${value}\r\n`,
  );
  return `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join("")}\r\n${body}\n`;
}

function headersOf({ body, headers }: HttpRefusal, keepAlive: boolean): Record<string, string> {
  // Upgrade is a hop's own header, and Connection has to list it.
  const connection = [
    ...(headers?.["Upgrade"] === undefined ? [] : ["Upgrade"]),
    ...(keepAlive ? [] : ["close"]),
  ];
  return {
    ...(connection.length > 0 && { Connection: connection.join(", ") }),
    "Content-Type": "text/plain; charset=utf-8",
    "Content-Length": `${Buffer.byteLength(body) + 1}`,
    ...headers,
  };
}
