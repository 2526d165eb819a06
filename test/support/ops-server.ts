import { connect, type Socket } from "node:net";
import { Registry } from "prom-client";
import { counterBlockOf, createCounterBuffer } from "../../src/counters/counters.js";
import { type OpsOptions, OpsServer } from "../../src/main/ops-server.js";
import type { MarketAction, MarketOutcome } from "../../src/workers/producer/messages.js";
import { loadConfig } from "./load-config.js";

export interface OpsPort {
  readonly server: OpsServer;
  readonly port: number;
  /** Messages of the notices that came through. */
  readonly notices: string[];
  close(): void;
}

/** The options of an operations port by default, which asks for no token; counters of its own. */
export function opsOptions(options: Partial<OpsOptions> = {}): OpsOptions {
  const counters = counterBlockOf(createCounterBuffer(0)).main;
  return { ...loadConfig({}), token: undefined, counters, ...options };
}

/** An operations port with nothing behind it. */
export async function openOpsPort(
  options: Partial<OpsOptions> = {},
  host = "127.0.0.1",
  administer: (action: MarketAction) => Promise<MarketOutcome> = () =>
    Promise.reject(new Error("there is no exchange")),
): Promise<OpsPort> {
  const notices: string[] = [];
  const metrics = new Registry();
  const server = new OpsServer(
    {
      readiness: () => ({ ready: true, state: "ok", reasons: [] }),
      status: () => ({ shards: 1 }),
      notify: (_, message) => notices.push(message),
      rebalance: () => ({ closing: 0, per_second: 1, until_ts: 0 }),
      administer,
      publish: () => Promise.reject(new Error("there is no hub")),
      metrics,
    },
    opsOptions(options),
  );
  const port = await server.listen(host, 0);
  return { server, port, notices, close: () => server.close() };
}

export interface RawAnswer {
  readonly status: number;
  readonly body: string;
}

function parse(text: string): RawAnswer {
  const status = Number(/^HTTP\/1\.1 ([0-9]{3})/.exec(text)?.[1]);
  return { status, body: text.slice(text.indexOf("\r\n\r\n") + 4) };
}

/** Writes bytes as they are, and resolves with the one answer to them when the server has ended it. */
export function rawRequest(
  port: number,
  bytes: string | Buffer,
  host = "127.0.0.1",
): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, host);
    let text = "";
    socket.setEncoding("latin1");
    socket.on("data", (chunk: string) => {
      text += chunk;
      // Without a length the end of the connection is the end of the answer.
      const [head = "", body] = text.split("\r\n\r\n", 2);
      const length = /content-length: ([0-9]+)/i.exec(head)?.[1];
      if (body === undefined || length === undefined || body.length < Number(length)) return;
      socket.destroy();
      resolve(parse(text));
    });
    socket.on("error", reject);
    socket.on("close", () => resolve(parse(text)));
    socket.write(bytes);
  });
}

/** A connection that has written these bytes, and nothing else. */
export function writing(port: number, bytes: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1", () => socket.write(bytes, () => resolve(socket)));
    socket.on("error", reject);
  });
}
