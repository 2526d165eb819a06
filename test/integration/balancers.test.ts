import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, it } from "vitest";
import { statusOf } from "../support/figures.js";
import { type ServerProcess, startServerProcess } from "../support/server-process.js";
import { TestClient } from "../support/test-client.js";
import { until } from "../support/until.js";

/* The configurations in ops/ as they are, but for addresses and ports, with the programs that they are for. */

const CLIENTS = 8;

interface Balancer {
  readonly name: "haproxy" | "nginx";
  /** Whether it is there, with what the configuration needs. */
  readonly installed: boolean;
  readonly file: string;
  readonly args: (config: string, folder: string) => readonly string[];
}

const BALANCERS: readonly Balancer[] = [
  {
    name: "haproxy",
    installed: works("haproxy", "-v"),
    file: "ops/haproxy.cfg",
    args: (config) => ["-db", "-f", config],
  },
  {
    name: "nginx",
    installed: nginxWorks(),
    file: "ops/nginx.conf",
    args: (config, folder) => [
      ...["-c", config, "-e", "stderr"],
      ...["-g", `daemon off; pid ${folder}/nginx.pid;`],
    ],
  },
];

/** With its stream module, which a configuration that does nothing else is enough to see. */
function nginxWorks(): boolean {
  const path = join(tmpdir(), `marketcast-nginx-${process.pid}`);
  const load = "load_module modules/ngx_stream_module.so;";
  writeFileSync(path, `${load} pid ${path}.pid; events {} stream {}`);
  try {
    return works("nginx", "-t", "-e", "stderr", "-c", path);
  } finally {
    for (const file of [path, `${path}.pid`]) rmSync(file, { force: true });
  }
}

function works(program: string, ...args: readonly string[]): boolean {
  try {
    execFileSync(program, args, { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

let folder: string;
let nodes: ServerProcess[] = [];
let child: ChildProcess | undefined;
afterEach(async () => {
  if (child !== undefined && child.exitCode === null && child.signalCode === null) {
    child.kill("SIGTERM");
    await once(child, "exit");
  }
  await Promise.all(nodes.map((node) => node.dispose()));
  rmSync(folder, { recursive: true, force: true });
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}

/** Puts what is here in the place of what the file has, each of which must be there. */
function adapted(text: string, replacements: readonly (readonly [string, string])[]): string {
  return replacements.reduce((adaptedSoFar, [from, to]) => {
    if (!adaptedSoFar.includes(from)) throw new Error(`the configuration has no ${from}`);
    return adaptedSoFar.replaceAll(from, to);
  }, text);
}

/** Starts a balancer in front of the nodes; resolves with its port. */
async function start({ name, file, args }: Balancer): Promise<number> {
  const port = await freePort();
  const [one, two] = nodes as [ServerProcess, ServerProcess];
  const shared = [
    ["10.0.0.11:8081", `127.0.0.1:${one.port}`],
    ["10.0.0.12:8081", `127.0.0.1:${two.port}`],
  ] as const;
  const own =
    name === "nginx"
      ? ([
          ["listen 8081", `listen 127.0.0.1:${port}`],
          ["worker_rlimit_nofile 400000;", ""],
          ["worker_connections 100000", "worker_connections 1000"],
        ] as const)
      : ([
          ["bind :8081", `bind 127.0.0.1:${port}`],
          ["maxconn 200000", "maxconn 1000"],
          ["check port 9081", "check"],
          // The port of each is one by itself here.
          [`127.0.0.1:${one.port}`, `127.0.0.1:${one.port} port ${one.opsPort}`],
          [`127.0.0.1:${two.port}`, `127.0.0.1:${two.port} port ${two.opsPort}`],
        ] as const);
  const config = join(folder, "config");
  writeFileSync(config, adapted(readFileSync(file, "utf8"), [...shared, ...own]));
  child = spawn(name, args(config, folder), { stdio: ["ignore", "inherit", "inherit"] });
  await until("the balancer listens", () =>
    // Counted by a node, as it has answered.
    TestClient.connect(port).then(
      (client) => client.close().then(() => true),
      () => false,
    ),
  );
  await until(
    "that was all",
    async () => (await connectionsOf(one)) + (await connectionsOf(two)) === 0,
  );
  return port;
}

const connectionsOf = (node: ServerProcess): Promise<number> =>
  statusOf(node).then(({ status }) => status.connections);

for (const balancer of BALANCERS)
  it.runIf(balancer.installed)(
    `balancers - behind ${balancer.name} connections are spread, count by client, and leave a node that drains`,
    async () => {
      folder = mkdtempSync(join(tmpdir(), "marketcast-balancer-"));
      const flags = {
        "trusted-proxies": "127.0.0.1",
        "max-connections-per-address": CLIENTS + 1,
        "ops-allowed-hosts": "marketcast",
        "drain-time": 1500,
        shards: 1,
      };
      nodes = await Promise.all([startServerProcess(flags), startServerProcess(flags)]);
      const [one, two] = nodes as [ServerProcess, ServerProcess];
      const port = await start(balancer);
      const clients: TestClient[] = [];
      for (let at = 0; at < CLIENTS; at++) clients.push(await TestClient.connect(port));
      expect([await connectionsOf(one), await connectionsOf(two)]).toEqual([
        CLIENTS / 2,
        CLIENTS / 2,
      ]);

      const closed = clients.map((client) => client.closed.then(({ code }) => code));
      const exit = one.stop();
      await until("half of them are closed", async () => {
        const ended = clients.filter(({ ws }) => ws.readyState === ws.CLOSED).length;
        // Whoever comes meanwhile is served.
        if (ended > 0) await (await TestClient.connect(port)).close();
        return ended === CLIENTS / 2;
      });
      expect(await exit).toBe(0);
      for (const [at, { ws }] of clients.entries())
        if (ws.readyState === ws.CLOSED) {
          expect(await closed[at]).toBe(1012);
          clients[at] = await TestClient.connect(port);
        }
      await until("the other has all", async () => (await connectionsOf(two)) === CLIENTS);

      // Two more of their address are one too many, and one of another's is not.
      clients.push(await TestClient.connect(port));
      await expect(TestClient.connect(port)).rejects.toThrow(/503/);
      const other = await TestClient.connect(port, { localAddress: "127.0.0.5" });
      await Promise.all([other, ...clients].map((client) => client.close()));
    },
    40_000,
  );
