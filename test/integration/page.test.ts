import { once } from "node:events";
import { cp, mkdtemp, rm, symlink } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ServerProcess, startServerProcess } from "../support/server-process.js";
import { httpRequest, UPGRADE_HEADERS } from "../support/upgrade-request.js";

const HANDSHAKE_TIMEOUT_MS = 1000;

let server: ServerProcess;

beforeAll(async () => {
  server = await startServerProcess({
    feed: "synthetic",
    shards: 2,
    "handshake-timeout": HANDSHAKE_TIMEOUT_MS,
  });
});
afterAll(() => server.dispose());

/** Paths that the page names. */
async function assetsOfPage(): Promise<string[]> {
  const { body } = await httpRequest(server.port, { path: "/" });
  return [...body.matchAll(/(?:src|href)="(\/assets\/[^"]+)"/g)].map(([, path]) => path as string);
}

describe("the page on the public port", () => {
  it("page - every file that it names is there, and none is elsewhere", async () => {
    const { status, headers, body } = await httpRequest(server.port, { path: "/?from=a-link" });
    expect(status).toBe(200);
    expect(headers["content-type"]).toBe("text/html; charset=utf-8");
    expect(body).not.toMatch(/(?:src|href)="(?:https?:)?\/\/(?!www\.tradingview\.com)/);
    const assets = await assetsOfPage();
    expect(assets.map((path) => path.replace(/^.*\./, "")).sort()).toEqual(["css", "js", "svg"]);
    for (const path of assets) {
      const asset = await httpRequest(server.port, { path });
      expect(asset.status, path).toBe(200);
      expect(asset.headers["cache-control"]).toContain("immutable");
      expect(asset.headers["x-content-type-options"]).toBe("nosniff");
    }
  });

  it("page - its policy lets it load from and talk to its own server only", async () => {
    const { headers } = await httpRequest(server.port, { path: "/" });
    const policy = String(headers["content-security-policy"]);
    expect(policy.split("; ").sort()).toEqual([
      "base-uri 'none'",
      "connect-src 'self'",
      "default-src 'none'",
      "form-action 'none'",
      "frame-ancestors 'none'",
      "img-src 'self' data:",
      "script-src 'self'",
      "style-src 'self'",
    ]);
    expect(headers["referrer-policy"]).toBe("no-referrer");
  });

  it("page - reading it is no refusal, another method is 405, another path 404", async () => {
    const refused = async (): Promise<number> => {
      const text = await (await server.ops("/metrics")).text();
      const series = text.matchAll(/^marketcast_connections_rejected_total\{.*\} (\d+)$/gm);
      return [...series].reduce((sum, [, value]) => sum + Number(value), 0);
    };
    const before = await refused();
    expect((await httpRequest(server.port, { path: "/" })).status).toBe(200);
    expect(await refused()).toBe(before);
    expect((await httpRequest(server.port, { path: "/", method: "POST" })).status).toBe(405);
    for (const path of ["/assets/", "/assets/none.js", "/index.html", "//", "/%2e%2e/package.json"])
      expect((await httpRequest(server.port, { path })).status, path).toBe(404);
  });

  it("page - a connection may go on to the next file, and then to the WebSocket", async () => {
    const socket = connect(server.port, "127.0.0.1");
    expect(await ask(socket, "HEAD / HTTP/1.1")).toMatch(/^HTTP\/1\.1 200 /);
    for (const path of await assetsOfPage()) {
      expect(await ask(socket, `HEAD ${path} HTTP/1.1`)).toMatch(/^HTTP\/1\.1 200 /);
    }
    const headers = Object.entries(UPGRADE_HEADERS).map(([name, value]) => `${name}: ${value}`);
    const answer = await ask(socket, ["GET /ws/v3 HTTP/1.1", ...headers].join("\r\n"));
    expect(answer).toMatch(/^HTTP\/1\.1 101 /);
    socket.destroy();
  });

  it("page - an idle connection that has read it is closed, and is no refused handshake", async () => {
    const timeouts = 'marketcast_connections_rejected_total{reason="timeout"}';
    const before = await server.metric(timeouts);
    const socket = connect(server.port, "127.0.0.1");
    await ask(socket, "HEAD / HTTP/1.1");
    await once(socket, "close");
    expect(await server.metric(timeouts)).toBe(before);
  });
});

/** Sends a request without a body and returns what comes in next, which has no body either. */
async function ask(socket: Socket, head: string): Promise<string> {
  socket.write(`${head}\r\nHost: 127.0.0.1\r\n\r\n`);
  const [answer] = (await once(socket, "data")) as [Buffer];
  return answer.toString("latin1");
}

describe("a build without the page", () => {
  it("page - is served without it: 404 that says so", async () => {
    const root = fileURLToPath(new URL("../..", import.meta.url));
    const copy = await mkdtemp(join(tmpdir(), "marketcast-without-page-"));
    await cp(join(root, "dist"), join(copy, "dist"), {
      recursive: true,
      filter: (source) => source !== join(root, "dist", "web"),
    });
    await cp(join(root, "package.json"), join(copy, "package.json"));
    await symlink(join(root, "node_modules"), join(copy, "node_modules"));
    const bare = await startServerProcess(
      { feed: "synthetic", shards: 1 },
      { cli: join(copy, "dist", "cli", "marketcast.js") },
    );
    const { status, body } = await httpRequest(bare.port, { path: "/" });
    await bare.dispose();
    await rm(copy, { recursive: true });
    expect(status).toBe(404);
    expect(body).toContain("the page is not in this build");
  });
});
