import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
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

  it("serve - the first start makes the secret that tokens are signed with", async () => {
    await startServer([]);
    const { code } = await runMarketcast(["token", "--sub", "u", "--wallet", "w"], {
      cwd: directory,
    });
    expect(code).toBe(0);
  });
});
