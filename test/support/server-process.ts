import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import jwt from "jsonwebtoken";

const CLI = fileURLToPath(new URL("../../dist/cli/marketcast.js", import.meta.url));
/** Ends single threads of a server; see there. */
const THREAD_ENDS = fileURLToPath(new URL("./thread-ends.mjs", import.meta.url));

export const JWT_SECRET = "a secret for tests, of more than 32 bytes";

export type Flags = Readonly<Record<string, string | number | boolean>>;

export interface ServerProcess {
  readonly child: ChildProcess;
  readonly pid: number;
  /** Of a standby 0, until it is the origin. */
  readonly port: number;
  readonly opsPort: number;
  readonly dataDir: string;
  /** Every log line so far, parsed. */
  readonly log: readonly Record<string, unknown>[];
  /** Every line so far, of standard output and standard error, as it was printed. */
  readonly output: readonly string[];
  /** The first log line, past or future, for which `matches` holds. */
  logged(matches: (line: Record<string, unknown>) => boolean): Promise<Record<string, unknown>>;
  /** Body of a GET on the operations port. */
  ops(path: string): Promise<Response>;
  /** Value of a metric, its labels written as Prometheus writes them, such as `x{shard="0"}`. */
  metric(series: string): Promise<number>;
  /** Writes NDJSON to standard input, in one chunk. Only with `stdin: "pipe"`. */
  feed(...messages: readonly Readonly<Record<string, unknown>>[]): void;
  /** Has a shard's or the producer's thread end as if it had died. Only with `threadEnds: true`. */
  command(
    command:
      | { readonly restartShard: number }
      | { readonly restartProducer: true }
      | { readonly restartArchivist: true }
      | { readonly restartRelay: true }
      | { readonly stallArchivist: true },
  ): void;
  /** The exit code, once it has ended; null after a signal. */
  readonly exited: Promise<number | null>;
  /** SIGTERM; resolves with the exit code. */
  stop(): Promise<number | null>;
  /** SIGKILL where it still runs, and the data directory is removed. */
  dispose(): Promise<void>;
}

export interface StartOptions {
  /** Its threads can be ended by `command`. */
  readonly threadEnds?: boolean;
  readonly node?: string;
  /** Another build's command line; default this one's. */
  readonly cli?: string;
  readonly nodeFlags?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: "pipe" | "ignore";
  /** It is there when it stands by, too; default only when it is ready. */
  readonly standby?: boolean;
  /** Whether it has the test secret; default true. */
  readonly secret?: boolean;
}

/** Longest start of a server, in ms. */
const START_MS_MAX = 120_000;

/** Starts the built server on free ports with a test secret; rejects with its output if it ends. */
export async function startServerProcess(
  flags: Flags = {},
  options: StartOptions = {},
): Promise<ServerProcess> {
  const dataDir = await mkdtemp(join(tmpdir(), "marketcast-test-"));
  const all: Flags = {
    port: 0,
    "ops-port": 0,
    "log-format": "json",
    ...(options.secret === false ? {} : { "jwt-secret": JWT_SECRET }),
    "data-dir": dataDir,
    "drain-time": 200,
    feed: "synthetic",
    ...flags,
  };
  const args = Object.entries(all).map(([flag, value]) => `--${flag}=${value}`);
  const {
    threadEnds = false,
    node = process.execPath,
    cli = CLI,
    nodeFlags = [],
    env = {},
    stdin = "ignore",
  } = options;
  const preloaded = threadEnds ? ["--import", THREAD_ENDS] : [];
  const child = spawn(node, [...nodeFlags, ...preloaded, cli, "serve", ...args], {
    stdio: [stdin, "pipe", "pipe", ...(threadEnds ? (["ipc"] as const) : [])],
    env: { ...process.env, ...env },
  });
  const log: Record<string, unknown>[] = [];
  const output: string[] = [];
  const listeners = new Set<() => void>();
  const onLine = (line: string): void => {
    output.push(line);
    if (line.startsWith("{")) log.push(JSON.parse(line) as Record<string, unknown>);
    for (const listener of listeners) listener();
  };
  for (const stream of [child.stdout, child.stderr]) {
    if (stream !== null) createInterface({ input: stream }).on("line", onLine);
  }
  const exited = once(child, "exit").then(([code]) => code as number | null);
  const logged = (
    matches: (line: Record<string, unknown>) => boolean,
  ): Promise<Record<string, unknown>> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        const line = log.find(matches);
        if (line === undefined) return;
        listeners.delete(look);
        resolve(line);
      };
      listeners.add(look);
      look();
      void exited.then((code) =>
        reject(new Error(`the server ended with ${code}:\n${output.join("\n")}`)),
      );
    });
  const isReady = (line: Record<string, unknown>): boolean => line["msg"] === "ready";
  const isThere = (line: Record<string, unknown>): boolean =>
    isReady(line) || (options.standby === true && line["msg"] === "standing by");
  // One that never is would outlive the test that waits for it.
  const overdue = setTimeout(() => child.kill("SIGKILL"), START_MS_MAX);
  const started = await logged(isThere)
    .catch(async (error: Error) => {
      await rm(dataDir, { recursive: true, force: true });
      throw error;
    })
    .finally(() => clearTimeout(overdue));
  const opsPort = started["ops_port"] as number;
  const ops = (path: string): Promise<Response> => fetch(`http://127.0.0.1:${opsPort}${path}`);
  return {
    child,
    pid: child.pid as number,
    get port() {
      return (log.find(isReady)?.["port"] ?? 0) as number;
    },
    opsPort,
    dataDir,
    log,
    output,
    logged,
    ops,
    metric: async (series) => {
      const text = await (await ops("/metrics")).text();
      const line = text.split("\n").find((one) => one.startsWith(`${series} `));
      if (line === undefined) throw new Error(`no metric ${series}`);
      return Number(line.slice(series.length + 1));
    },
    feed: (...messages) => {
      const lines = messages.map((message) => `${JSON.stringify(message)}\n`);
      (child.stdin as Writable).write(lines.join(""));
    },
    command: (command) => void child.send(command),
    exited,
    stop: () => {
      child.kill("SIGTERM");
      return exited;
    },
    dispose: async () => {
      if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
      await exited;
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

/** A token signed with the test secret; `ttlS` may be negative. */
export function testToken(claims: Readonly<Record<string, unknown>> = {}, ttlS = 3600): string {
  const exp = Math.floor(Date.now() / 1000) + ttlS;
  return jwt.sign({ sub: "user-1", wallet: "wallet-1", exp, ...claims }, JWT_SECRET, {
    algorithm: "HS256",
  });
}
