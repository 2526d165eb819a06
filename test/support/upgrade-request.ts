import { type IncomingHttpHeaders, type RequestOptions, request } from "node:http";

export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** Headers of a WebSocket handshake that is sound. */
export const UPGRADE_HEADERS = {
  Connection: "Upgrade",
  Upgrade: "websocket",
  "Sec-WebSocket-Version": "13",
  "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
} as const;

/** The answer to any HTTP request; an upgrade answers 101 with no body, and is cut. */
export function httpRequest(port: number, options: RequestOptions): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: "127.0.0.1", port, agent: false, ...options });
    sent.on("upgrade", ({ statusCode = 0, headers }, socket) => {
      socket.destroy();
      resolve({ status: statusCode, headers, body: "" });
    });
    sent.on("response", (response) => {
      const { statusCode = 0, headers } = response;
      let body = "";
      response.setEncoding("utf8");
      response.on("data", (text: string) => {
        body += text;
      });
      response.on("end", () => resolve({ status: statusCode, headers, body }));
      response.on("error", reject);
    });
    sent.on("error", reject);
    sent.end();
  });
}

/** The answer to a WebSocket handshake at `path`, with further headers. */
export function upgradeRequest(
  port: number,
  { path = "/ws/v3", headers = {} }: { path?: string; headers?: RequestOptions["headers"] } = {},
): Promise<HttpAnswer> {
  return httpRequest(port, { path, headers: { ...UPGRADE_HEADERS, ...headers } });
}
