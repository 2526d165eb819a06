import { execFileSync } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { HAS_PROC } from "../support/process-figures.js";
import { until } from "../support/until.js";
import { type RunningCommand, runMarketcast, startMarketcast } from "./run-marketcast.js";

let directory: string;
let running: RunningCommand | undefined;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "marketcast-serve-"));
});
afterEach(async () => {
  running?.process.kill("SIGKILL");
  await running?.outcome;
  running = undefined;
  rmSync(directory, { recursive: true, force: true });
});

const ANY_PORTS = ["--port", "0", "--ops-port", "0", "--log-format", "json"];

/** Starts a server and resolves with its port once it is ready. */
async function startServer(args: readonly string[]): Promise<[RunningCommand, number]> {
  running = startMarketcast(["serve", ...ANY_PORTS, ...args], { cwd: directory });
  const [line] = await running.printed(/^.*"msg":"ready".*$/m);
  const { port } = JSON.parse(line) as { port: number };
  return [running, port];
}

/** Resolves with all that a socket has received once it contains `text`. */
function received(socket: Socket, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let all = "";
    socket.on("data", (chunk) => {
      all += chunk.toString("latin1");
      if (all.includes(text)) resolve(all);
    });
    socket.on("close", () => reject(new Error(`closed without ${text}`)));
  });
}

/** A client that is connected and answers nothing from then on, no close either. */
async function silentClient(port: number): Promise<Socket> {
  const socket = connect(port, "127.0.0.1");
  socket.write(
    "GET /ws/v3 HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
  );
  await received(socket, "Connected");
  return socket;
}

describe("serve", () => {
  it.each(["SIGTERM", "SIGINT"] as const)("serve - %s ends it with 0", async (signal) => {
    const [server] = await startServer([]);
    server.process.kill(signal);
    expect((await server.outcome).code).toBe(0);
  });

  it("serve - a second signal ends it at once with the signal's exit code", async () => {
    const [server, port] = await startServer(["--drain-time", "60000"]);
    const socket = await silentClient(port);
    const notified = received(socket, "Notification");
    server.process.kill("SIGTERM");
    await notified;
    socket.on("error", () => {});
    server.process.kill("SIGINT");
    expect((await server.outcome).code).toBe(130);
    socket.destroy();
  });

  it.each(["port", "ops-port"])("serve - names --%s when that is in use", async (flag) => {
    const occupant = createServer().listen(0, "127.0.0.1");
    await once(occupant, "listening");
    const { port } = occupant.address() as AddressInfo;
    const args = ["serve", ...ANY_PORTS, `--${flag}`, String(port)];
    const { code, stderr } = await runMarketcast(args, { cwd: directory });
    occupant.close();
    expect(stderr).toMatch(new RegExp(`port ${port} of 127.0.0.1 is in use.* --${flag}$`, "m"));
    expect(code).toBe(1);
  });

  it("serve - what is not safe is in the log, each once, and in production it does not start", async () => {
    const args = ["--jwt-secret", "a", "--ops-host", "127.0.0.1", "--allowed-origins", "*"];
    const [server] = await startServer(args);
    server.process.kill("SIGTERM");
    const { stdout } = await server.outcome;
    const lines = stdout.split("\n").filter((line) => line.includes("jwt-secret"));
    expect(lines.map((line) => JSON.parse(line))).toEqual([
      expect.objectContaining({
        level: 40,
        msg: expect.stringMatching(/^jwt-secret: the secret \(flag --jwt-secret\) has 1 bytes/),
      }),
    ]);
    const refused = await runMarketcast(["serve", ...ANY_PORTS, ...args], {
      cwd: directory,
      env: { NODE_ENV: "production" },
    });
    expect([refused.code, refused.stdout]).toEqual([2, ""]);
    expect(refused.stderr).toMatch(/^marketcast: jwt-secret: .* at least 32/);
  });

  it("serve - the operations port does not open to others without a token", async () => {
    for (const host of ["0.0.0.0", "::", "0"]) {
      const args = ["serve", ...ANY_PORTS, "--ops-host", host];
      const { code, stderr } = await runMarketcast(args, { cwd: directory });
      expect([host, code]).toEqual([host, 2]);
      expect(stderr).toMatch(/^marketcast: ops-host: .* set ops-token or ops-token-file/);
    }
  });

  it("serve - with a token in a file it opens to others, and asks them for it", async () => {
    const token = "an-operations-token-of-more-than-32-bytes";
    writeFileSync(join(directory, "token"), `${token}\n`, { mode: 0o600 });
    const args = ["--ops-host", "0.0.0.0", "--ops-token-file", "token"];
    const [server] = await startServer(args);
    const [line] = await server.printed(/^.*"msg":"ready".*$/m);
    const { ops_port: opsPort } = JSON.parse(line) as { ops_port: number };
    const ask = async (path: string, headers: Record<string, string> = {}) =>
      (await fetch(`http://127.0.0.1:${opsPort}${path}`, { headers })).status;
    expect(await ask("/readyz")).toBe(200);
    expect(await ask("/metrics")).toBe(401);
    expect(await ask("/metrics", { Authorization: `Bearer ${token}` })).toBe(200);
  });

  it("serve - the first start makes the secret that tokens are signed with", async () => {
    await startServer([]);
    const { code } = await runMarketcast(["token", "--sub", "u", "--wallet", "w"], {
      cwd: directory,
    });
    expect(code).toBe(0);
  });
});

const HELD_SHARDS = fileURLToPath(new URL("../support/held-shards.mjs", import.meta.url));
/** Longer than a stop takes, and shorter than what it would wait for. */
const STOP_MS_MAX = 8000;

/** Starts a server on a user's feed, which leaves the file `mark` when its `open` is called. */
function startWithFeed(open: string, env: Readonly<Record<string, string>> = {}): RunningCommand {
  const file = join(directory, "feed.mjs");
  writeFileSync(
    file,
    `import { writeFileSync } from "node:fs";
    export const createFeed = () => ({
      async open(sink) { writeFileSync("mark", ""); ${open} },
      async run(sink, { signal }) { await new Promise((end) => signal.addEventListener("abort", end)); },
    });`,
  );
  const args = ["serve", ...ANY_PORTS, "--feed", "module", "--feed-module", file];
  running = startMarketcast(args, { cwd: directory, env });
  return running;
}

const marked = () => until("the feed is opened", () => existsSync(join(directory, "mark")));

describe("serve: a stop is obeyed at every moment", () => {
  it.each([
    ["while the feed's open waits", "await new Promise((never) => setInterval(() => {}, 1000));"],
    ["while the feed's open never comes back", "for (;;);"],
    ["while a producer keeps failing to start", "setImmediate(() => process.exit(1)); await 0;"],
  ])("serve - %s: exit 0", async (_, open) => {
    const server = startWithFeed(open);
    await marked();
    if (open.includes("exit")) await server.printed(/(producer is restarted.*\n.*){3}/s);
    const askedAt = performance.now();
    server.process.kill("SIGTERM");
    expect((await server.outcome).code).toBe(0);
    expect(performance.now() - askedAt).toBeLessThan(STOP_MS_MAX);
  });

  it("serve - while shards do not come up: exit 0", async () => {
    const server = startWithFeed("", {
      NODE_OPTIONS: `--import ${HELD_SHARDS}`,
      HELD_SHARDS: directory,
    });
    await marked();
    server.process.kill("SIGINT");
    expect(await server.outcome).toMatchObject({ code: 0, stderr: "" });
  });

  it.runIf(HAS_PROC)("serve - while it waits for a file that does not open: exit 0", async () => {
    const dataDir = join(directory, "data");
    mkdirSync(dataDir);
    const secret = join(dataDir, "jwt-secret");
    execFileSync("mkfifo", ["-m", "600", secret]);
    running = startMarketcast(["serve", ...ANY_PORTS, "--data-dir", dataDir], { cwd: directory });
    // There is a reader, which will wait for as long as we say nothing.
    const { O_WRONLY, O_NONBLOCK } = constants;
    const writer = await until("it reads", () => {
      try {
        return openSync(secret, O_WRONLY | O_NONBLOCK);
      } catch {
        return undefined;
      }
    });
    running.process.kill("SIGTERM");
    expect(await running.outcome).toMatchObject({ code: 0, stderr: "" });
    closeSync(writer);
  });

  it("serve - a second signal during the start ends it at once", async () => {
    const server = startWithFeed("for (;;);");
    await marked();
    server.process.kill("SIGTERM");
    server.process.kill("SIGINT");
    // The one of the two that came second.
    expect([130, 143]).toContain((await server.outcome).code);
  });
});

describe("serve: a data directory that will not do", () => {
  const SECRET = ["--jwt-secret", "a secret for tests, of more than 32 bytes"];

  it.each([
    ["in /proc", () => "/proc/x", /ENOENT/],
    ["/proc itself", () => "/proc", /ENOENT/],
    ["a file", () => file("data"), /EEXIST/],
    ["below a file", () => join(file("data"), "x", "y"), /ENOTDIR/],
  ])(
    "serve - %s: one line that names it, the reason and the flag, and exit 2",
    async (_, path, reason) => {
      if (!HAS_PROC) return;
      const dataDir = path();
      for (const secret of [[], SECRET]) {
        const args = ["serve", ...ANY_PORTS, ...secret, "--data-dir", dataDir];
        running = startMarketcast(args, { cwd: directory });
        const { code, stderr, stdout } = await running.outcome;
        expect([code, stdout]).toEqual([2, ""]);
        expect(stderr.trimEnd().split("\n")).toHaveLength(1);
        expect(stderr).toMatch(/^marketcast: /);
        expect(stderr).toMatch(/data-dir/);
        expect(stderr).toMatch(reason);
        expect(stderr).toContain(dataDir);
      }
    },
  );

  it("serve - one that may not be written, or is on a disk that is not, the same", async () => {
    const readOnly = readOnlyDirectory();
    if (readOnly === undefined) return;
    try {
      for (const dataDir of [readOnly, join(readOnly, "x")]) {
        const args = ["serve", ...ANY_PORTS, ...SECRET, "--data-dir", dataDir];
        running = startMarketcast(args, { cwd: directory });
        const { code, stderr } = await running.outcome;
        expect(code).toBe(2);
        expect(stderr).toMatch(/^marketcast: data-dir: .*(EROFS|EACCES).*--data-dir\n$/);
      }
    } finally {
      releaseReadOnly(readOnly);
    }
  });

  it("serve - what needs no directory looks at none", async () => {
    const args = [...SECRET, "--feed", "synthetic", "--data-dir", file("data")];
    const [server] = await startServer(args);
    server.process.kill("SIGTERM");
    expect((await server.outcome).code).toBe(0);
  });

  function file(name: string): string {
    const path = join(directory, name);
    writeFileSync(path, "");
    return path;
  }

  /** By mode; root, whom modes do not stop, needs a mount. */
  function readOnlyDirectory(): string | undefined {
    const path = join(directory, "read-only");
    mkdirSync(path);
    chmodSync(path, 0o500);
    if (process.getuid?.() !== 0) return path;
    try {
      execFileSync("mount", ["-t", "tmpfs", "-o", "ro", "tmpfs", path], { stdio: "ignore" });
      return path;
    } catch {
      return undefined;
    }
  }

  function releaseReadOnly(path: string): void {
    if (process.getuid?.() === 0) execFileSync("umount", [path]);
  }
});
