import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  constants,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  statfsSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { HAS_PROC } from "../support/process-figures.js";
import { type Flags, JWT_SECRET } from "../support/server-process.js";
import { TestClient } from "../support/test-client.js";
import { QUIET_EXCHANGE } from "../support/trading.js";
import { until } from "../support/until.js";

const CLI = fileURLToPath(new URL("../../dist/cli/marketcast.js", import.meta.url));
const FORMATS = ["json", "pretty"] as const;
/** For a stop; a log that nobody reads is waited for a moment. */
const STOP_MS_MAX = 5000;

let folder: string;
let child: ChildProcess | undefined;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "marketcast-log-"));
});
afterEach(async () => {
  if (child?.exitCode === null && child.signalCode === null) {
    child.kill("SIGKILL");
    await once(child, "exit");
  }
  child = undefined;
  rmSync(folder, { recursive: true, force: true });
});

/** A port that is free; the log, which would tell the one that was chosen, cannot be read here. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}

interface Served {
  readonly port: number;
  /** Lines of the log that were dropped. */
  readonly dropped: () => Promise<number>;
  /** SIGTERM; the exit code. */
  readonly stop: () => Promise<number | null>;
}

/** A server whose log goes to a descriptor; resolves when it is ready. */
async function serve(log: number, flags: Flags = {}, attempts = 3): Promise<Served> {
  const [port, opsPort] = [await freePort(), await freePort()];
  const all = {
    port,
    "ops-port": opsPort,
    shards: 2,
    "drain-time": 200,
    feed: "synthetic",
    "jwt-secret": JWT_SECRET,
    ...flags,
  };
  const args = Object.entries(all).map(([flag, value]) => `--${flag}=${value}`);
  child = spawn(process.execPath, [CLI, "serve", ...args], { stdio: ["ignore", log, "inherit"] });
  const running = child;
  const exited = once(running, "exit");
  const get = async (path: string): Promise<string> =>
    (await fetch(`http://127.0.0.1:${opsPort}${path}`)).text();
  const found = await until<"ready" | "ended" | undefined>(
    "it is ready, or has ended",
    async () => {
      if (running.exitCode !== null) return "ended";
      const answer = await fetch(`http://127.0.0.1:${opsPort}/readyz`).catch(() => undefined);
      return answer?.ok === true ? "ready" : undefined;
    },
  );
  // Somebody else has taken a port that was free.
  if (found === "ended" && attempts > 1) return serve(log, flags, attempts - 1);
  return {
    port,
    dropped: async () =>
      Number(/^marketcast_log_dropped_total (\d+)$/m.exec(await get("/metrics"))?.[1]),
    stop: async () => {
      const askedAt = performance.now();
      running.kill("SIGTERM");
      const [code] = await exited;
      expect(performance.now() - askedAt).toBeLessThan(STOP_MS_MAX);
      return code as number | null;
    },
  };
}

async function expectServed(port: number): Promise<void> {
  const client = await TestClient.connect(port);
  expect((await client.request({ type: "Ping", data: { timestamp: 1 } })).type).toBe("Pong");
  await client.subscribe({ type: "PriceFeed", params: { market_ids: [1001] } });
  await client.take("PriceUpdate");
  await client.close();
}

describe.runIf(HAS_PROC)("a log that cannot be written", () => {
  it.each(FORMATS)(
    "unwritable log - on a full device a server starts, serves and stops (%s)",
    async (format) => {
      const full = openSync("/dev/full", "w");
      const server = await serve(full, { "log-format": format });
      closeSync(full);
      await expectServed(server.port);
      expect(await server.dropped()).toBeGreaterThan(0);
      expect(await server.stop()).toBe(0);
    },
  );

  it.each(FORMATS)(
    "unwritable log - a reader that reads nothing, of a pipe that is full, holds nothing up (%s)",
    async (format) => {
      const [reader, writer] = fullPipe();
      const server = await serve(writer, { "log-format": format });
      await expectServed(server.port);
      expect(await server.stop()).toBe(0);
      closeSync(writer);
      closeSync(reader);
    },
  );

  it("unwritable log - a reader that is gone is no end", async () => {
    const [reader, writer] = fullPipe();
    closeSync(reader);
    const server = await serve(writer);
    closeSync(writer);
    await expectServed(server.port);
    expect(await server.dropped()).toBeGreaterThan(0);
    expect(await server.stop()).toBe(0);
  });

  it("unwritable log - a reader that is late gets every line", async () => {
    const [reader, writer] = fullPipe();
    const server = await serve(writer, { "log-format": "json" });
    let text = "";
    const chunk = Buffer.alloc(65_536);
    const read = () => {
      try {
        text += chunk.toString("latin1", 0, readSync(reader, chunk));
      } catch {
        // Nothing there.
      }
    };
    await until("the first line", () => {
      read();
      return text.includes('"msg":"ready"');
    });
    expect(await server.stop()).toBe(0);
    read();
    expect(text).toContain('"msg":"stopped"');
    closeSync(writer);
    closeSync(reader);
  });

  it.runIf(mayMount())(
    "unwritable log - with log and data on a disk that is full the server goes on, drains, and stops with 0",
    async () => {
      const disk = join(folder, "disk");
      mkdirSync(disk);
      execFileSync("mount", ["-t", "tmpfs", "-o", "size=12m", "tmpfs", disk]);
      try {
        const log = openSync(join(disk, "log"), "a");
        const server = await serve(log, {
          ...QUIET_EXCHANGE,
          "data-dir": join(disk, "data"),
        });
        closeSync(log);
        const { bavail, bsize } = statfsSync(disk);
        writeFileSync(join(disk, "filler"), Buffer.alloc(bavail * bsize));
        const client = await TestClient.connect(server.port);
        const stopped = server.stop();
        await client.take("Notification");
        expect((await client.closed).code).toBe(1012);
        expect(await stopped).toBe(0);
        // The last page of the file may have taken a little.
        expect(readFileSync(join(disk, "log"), "utf8")).toContain('"msg":"ready"');
      } finally {
        child?.kill("SIGKILL");
        execFileSync("umount", ["-l", disk]);
      }
    },
  );
});

/** A pipe without room: its reading end, which does not wait, and its writing end, which does. */
function fullPipe(): [reader: number, writer: number] {
  const path = join(folder, "pipe");
  execFileSync("mkfifo", [path]);
  const { O_RDONLY, O_WRONLY, O_NONBLOCK } = constants;
  const reader = openSync(path, O_RDONLY | O_NONBLOCK);
  const filler = openSync(path, O_WRONLY | O_NONBLOCK);
  const writer = openSync(path, O_WRONLY);
  try {
    for (;;) writeSync(filler, Buffer.alloc(4096, " "));
  } catch {
    closeSync(filler);
  }
  return [reader, writer];
}

function mayMount(): boolean {
  const path = mkdtempSync(join(tmpdir(), "marketcast-mount-"));
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", path], { stdio: "ignore" });
    execFileSync("umount", [path]);
    return true;
  } catch {
    return false;
  } finally {
    rmSync(path, { recursive: true, force: true });
  }
}
