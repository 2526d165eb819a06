import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";

/** What Redis takes of writes that are each on disk before they are answered. */
export interface RedisFigures {
  readonly setsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** SETs that a peer is expected to take in a second, to ask for as many as fill the time. */
const SETS_PER_SECOND = 40_000;

/**
 * Measures a fresh Redis with `appendfsync always`, by its own benchmark, for about so many seconds; undefined where
 * it is not installed and cannot be.
 */
export async function measureRedis(
  clients: number,
  seconds: number,
): Promise<RedisFigures | undefined> {
  const redis = await startRedis({ appendonly: "yes", appendfsync: "always" });
  if (redis === undefined) return undefined;
  try {
    const requests = SETS_PER_SECOND * seconds;
    const flags = ["-p", redis.port, "-c", clients, "-n", requests, "-t", "set", "-d", 64, "--csv"];
    const benchmark = spawn("redis-benchmark", flags.map(String), {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let text = "";
    for await (const chunk of benchmark.stdout) text += chunk;
    return figuresOf(text);
  } finally {
    await redis.stop();
  }
}

/** A Redis of a bench's own. */
export interface RunningRedis {
  readonly port: number;
  readonly pid: number;
  stop(): Promise<void>;
}

/** Starts a fresh Redis on a free port; undefined where it is not installed and cannot be. */
export async function startRedis(
  settings: Readonly<Record<string, string>>,
): Promise<RunningRedis | undefined> {
  if (!isInstalled() && !install()) return undefined;
  const dir = mkdtempSync(join(tmpdir(), "marketcast-redis-"));
  const port = await freePort();
  const all = { port, bind: "127.0.0.1", dir, save: "", ...settings };
  const server = spawn(
    "redis-server",
    Object.entries(all).flatMap(([name, value]) => [`--${name}`, String(value)]),
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  const stop = async (): Promise<void> => {
    const exit = once(server, "exit");
    server.kill("SIGTERM");
    await exit;
    rmSync(dir, { recursive: true, force: true });
  };
  await saysReady(server.stdout);
  return { port, pid: server.pid as number, stop };
}

function isInstalled(): boolean {
  try {
    for (const program of ["redis-server", "redis-benchmark"])
      execFileSync(program, ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

/** Installs it from the system's packages, where that can be done; returns whether it is there then. */
function install(): boolean {
  if (process.getuid?.() !== 0) return false;
  try {
    const flags = ["install", "-qy", "--no-install-recommends", "redis-server"];
    execFileSync("apt-get", flags, { stdio: "ignore" });
    return isInstalled();
  } catch {
    return false;
  }
}

/** Resolves when the server takes connections; what it says from then on is let pass. */
function saysReady(output: Readable): Promise<void> {
  return new Promise((resolve, reject) => {
    let text = "";
    output.on("data", (chunk: Buffer) => {
      text += chunk;
      if (text.includes("Ready to accept connections")) resolve();
    });
    output.on("end", () => reject(new Error(`redis-server ended before it was ready: ${text}`)));
  });
}

/** The row of a table like `"SET","46511.63","1.1","0.4","1.3","2.0","2.2","7.4"` below its header. */
function figuresOf(csv: string): RedisFigures {
  const [header = "", row = ""] = csv.trim().split("\n");
  const cells = (line: string): string[] => line.split(",").map((cell) => cell.replaceAll('"', ""));
  const names = cells(header);
  const figure = (name: string): number => {
    const value = Number(cells(row)[names.indexOf(name)]);
    if (!Number.isFinite(value)) throw new Error(`redis-benchmark printed no ${name}: ${csv}`);
    return value;
  };
  return {
    setsPerSecond: figure("rps"),
    p50Ms: figure("p50_latency_ms"),
    p99Ms: figure("p99_latency_ms"),
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  return port;
}
