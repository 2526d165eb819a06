import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

/** Whether `redis-server` can be run here. */
export const HAS_REDIS = hasRedis();
/** What a test says that is skipped without it. */
export const NO_REDIS = HAS_REDIS ? "" : " (skipped: there is no redis-server here)";

function hasRedis(): boolean {
  try {
    execFileSync("redis-server", ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

export type RedisSettings = Readonly<Record<string, string | number>>;

/** A Redis of a test's own, which keeps nothing on disk. */
export class RedisServer {
  readonly port: number;
  readonly #settings: RedisSettings;
  readonly #within: readonly string[];
  readonly #dir: string;
  #child: ChildProcess | undefined;

  private constructor(port: number, settings: RedisSettings, within: readonly string[]) {
    this.port = port;
    this.#settings = settings;
    this.#within = within;
    this.#dir = mkdtempSync(join(tmpdir(), "marketcast-redis-"));
  }

  /**
   * Starts one on a free port, with further settings of its configuration.
   * @param within a command that starts what stands behind it, elsewhere
   */
  static async start(
    settings: RedisSettings = {},
    within: readonly string[] = [],
  ): Promise<RedisServer> {
    const server = new RedisServer(await freePort(), settings, within);
    await server.start();
    return server;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** Starts it, or after {@link kill} another one on the same port, empty. */
  async start(): Promise<void> {
    const all: RedisSettings = {
      port: this.port,
      bind: "127.0.0.1",
      dir: this.#dir,
      save: "",
      appendonly: "no",
      ...this.#settings,
    };
    const args = Object.entries(all).flatMap(([name, value]) => [`--${name}`, String(value)]);
    const [program, ...rest] = [...this.#within, "redis-server", ...args] as [string];
    const child = spawn(program, rest, { stdio: ["ignore", "pipe", "inherit"] });
    this.#child = child;
    const output: string[] = [];
    await new Promise<void>((resolve, reject) => {
      createInterface({ input: child.stdout }).on("line", (line) => {
        output.push(line);
        if (line.includes("Ready to accept connections")) resolve();
      });
      child.once("exit", () => reject(new Error(`redis-server ended:\n${output.join("\n")}`)));
    });
  }

  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  /** What `redis-cli` prints for a command. */
  cli(...command: readonly string[]): string {
    const args = ["redis-cli", "-p", String(this.port), ...command];
    const [program, ...rest] = [...this.#within, ...args] as [string];
    return execFileSync(program, rest, { encoding: "utf8" }).trim();
  }

  /** SIGKILL; resolves when it has ended. */
  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, "exit");
    child.kill("SIGKILL");
    await exited;
  }

  async dispose(): Promise<void> {
    await this.kill();
    rmSync(this.#dir, { recursive: true, force: true });
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}
