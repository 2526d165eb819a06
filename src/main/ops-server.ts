import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Registry } from "prom-client";
import { z } from "zod";
import { NOTIFICATION_LEVELS, type NotificationLevel } from "../workers/messages.js";

/** Largest body taken, in bytes. */
const BODY_BYTES_MAX = 16_384;

const notificationSchema = z.strictObject({
  level: z.enum(NOTIFICATION_LEVELS),
  message: z.string().min(1).max(4096),
});

export interface OpsHooks {
  /** Whether every part is up, with state and reasons. */
  readonly readiness: () => {
    readonly ready: boolean;
    readonly state: string;
    readonly reasons: readonly string[];
  };
  readonly status: () => unknown;
  readonly notify: (level: NotificationLevel, message: string) => void;
  readonly metrics: Registry;
}

/** The operations port: health, readiness, metrics, status and notices, over plain HTTP. */
export class OpsServer {
  readonly #hooks: OpsHooks;
  readonly #server: Server;
  #closed = false;

  constructor(hooks: OpsHooks) {
    this.#hooks = hooks;
    this.#server = createServer((request, response) => {
      this.#route(request, response).catch((error: Error) =>
        send(response, 500, { error: error.message }),
      );
    });
  }

  /** Listens; resolves with the port. Rejects with Node's error where it cannot. */
  async listen(host: string, port: number): Promise<number> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen({ host, port }, () => {
        this.#server.off("error", reject);
        // Closed while the host's address was looked up.
        if (this.#closed) this.#server.close();
        resolve();
      });
    });
    // A connection that could not be accepted; whoever asks will ask again.
    this.#server.on("error", () => {});
    const address = this.#server.address();
    return typeof address === "object" && address !== null ? address.port : port;
  }

  close(): void {
    this.#closed = true;
    this.#server.close();
    this.#server.closeAllConnections();
  }

  async #route(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = (request.url ?? "").split("?", 1)[0] ?? "";
    const endpoint = this.#endpoints[path];
    if (endpoint === undefined) {
      return send(response, 404, {
        error: `nothing at ${path}; see ${Object.keys(this.#endpoints).join(", ")}`,
      });
    }
    const head = request.method === "HEAD" && endpoint.method === "GET";
    if (request.method !== endpoint.method && !head) {
      response.setHeader("Allow", endpoint.method);
      return send(response, 405, {
        error: `${path} takes ${endpoint.method}, not ${request.method}`,
      });
    }
    await endpoint.answer(request, response);
  }

  readonly #endpoints: Readonly<
    Record<
      string,
      {
        readonly method: "GET" | "POST";
        readonly answer: (
          request: IncomingMessage,
          response: ServerResponse,
        ) => void | Promise<void>;
      }
    >
  > = {
    "/healthz": {
      method: "GET",
      answer: (_, response) => send(response, 200, { status: "alive" }),
    },
    "/readyz": {
      method: "GET",
      answer: (_, response) => {
        const { ready, state, reasons } = this.#hooks.readiness();
        send(response, ready ? 200 : 503, { state, reasons });
      },
    },
    "/status": {
      method: "GET",
      answer: (_, response) => send(response, 200, this.#hooks.status()),
    },
    "/metrics": {
      method: "GET",
      answer: async (_, response) => {
        const { metrics } = this.#hooks;
        const text = await metrics.metrics();
        response.writeHead(200, { "Content-Type": metrics.contentType });
        response.end(text);
      },
    },
    "/notify": {
      method: "POST",
      answer: async (request, response) => {
        // Browsers send it with every such request, so no page can speak through an operator's one.
        if (request.headers.origin !== undefined) {
          return send(response, 403, { error: "not for web pages" });
        }
        const body = await readBody(request);
        if (body === undefined)
          return send(response, 413, { error: `more than ${BODY_BYTES_MAX} bytes` });
        const notification = notificationSchema.safeParse(parseJson(body));
        if (!notification.success)
          return send(response, 400, { error: z.prettifyError(notification.error) });
        this.#hooks.notify(notification.data.level, notification.data.message);
        return send(response, 202, { status: "sent" });
      },
    },
  };
}

function send(response: ServerResponse, status: number, body: unknown): void {
  if (response.headersSent) return void response.destroy();
  response.writeHead(status, { "Content-Type": "application/json" });
  response.end(`${JSON.stringify(body)}\n`);
}

async function readBody(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request) {
    length += (chunk as Buffer).length;
    if (length > BODY_BYTES_MAX) return undefined;
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
