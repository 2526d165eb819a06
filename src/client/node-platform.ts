import type { IncomingMessage } from "node:http";
import { WebSocket } from "ws";
import { HandshakeError } from "./errors.js";
import type { Platform, Target, Transport, TransportEvents } from "./platform.js";

/** What is read of a refusal's body, for the error's message. */
const REFUSAL_BODY_BYTES_MAX = 1024;

/** Neither side keeps what a connection has sent: the server would not. */
const DEFLATE = { clientNoContextTakeover: true, serverNoContextTakeover: true };

/** WebSockets of the `ws` package. */
export const nodePlatform: Platform = {
  tokenInHeader: true,

  connect({ url, subprotocol, token, compression }: Target, events: TransportEvents): Transport {
    const ws = new WebSocket(url, subprotocol, {
      perMessageDeflate: compression && DEFLATE,
      headers: token === undefined ? {} : { Authorization: `Bearer ${token}` },
    });
    let cause: Error | undefined;
    ws.on("open", () => events.opened());
    ws.on("message", (data: Buffer, isBinary: boolean) =>
      events.received(isBinary ? data : data.toString("utf8")),
    );
    ws.on("unexpected-response", (_request, response) => {
      void readRefusal(response).then((refusal) => {
        cause = refusal;
        ws.terminate();
      });
    });
    ws.on("error", (error) => {
      cause ??= error;
    });
    ws.on("close", (code, reason) => events.ended(code, reason.toString("utf8"), cause));
    return {
      send: (payload) => ws.send(payload),
      close: (code) => ws.close(code),
      terminate: () => ws.terminate(),
    };
  },
};

/** The error that an HTTP answer other than an upgrade stands for; never rejects. */
async function readRefusal(response: IncomingMessage): Promise<HandshakeError> {
  let body = "";
  response.setEncoding("utf8");
  try {
    for await (const text of response) {
      body += text;
      if (body.length >= REFUSAL_BODY_BYTES_MAX) break;
    }
  } catch {
    // The status says enough without its body.
  }
  const status = response.statusCode ?? 0;
  const explanation = body.trim().slice(0, REFUSAL_BODY_BYTES_MAX) || response.statusMessage;
  return new HandshakeError(
    `the server answered ${status}: ${explanation}`,
    status,
    parseRetryAfter(response.headers["retry-after"]),
  );
}

/** `Retry-After` in milliseconds: seconds, or an HTTP date. */
function parseRetryAfter(header: string | undefined): number | undefined {
  if (header === undefined) return undefined;
  const ms = /^\d+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - Date.now();
  return Number.isNaN(ms) ? undefined : Math.max(0, ms);
}
