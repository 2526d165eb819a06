import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { openRedis } from "../../src/relay/redis-link.js";
import { relayTargetOf } from "../../src/shared/relay-url.js";
import { HAS_REDIS, NO_REDIS, RedisServer } from "../support/redis-server.js";
import { until } from "../support/until.js";

const open = (url: string) => openRedis(relayTargetOf(url));

describe.skipIf(!HAS_REDIS)(`redis link${NO_REDIS}`, () => {
  const ends: (() => unknown)[] = [];
  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end();
  });

  async function redis(settings = {}): Promise<RedisServer> {
    const server = await RedisServer.start(settings);
    ends.push(() => server.dispose());
    return server;
  }

  function folder(): string {
    const dir = mkdtempSync(join(tmpdir(), "marketcast-link-"));
    ends.push(() => rmSync(dir, { recursive: true, force: true }));
    return dir;
  }

  it("redis link - a user and a password of the URL are those that Redis asks for", async () => {
    const server = await redis();
    server.cli("ACL", "SETUSER", "relay", "on", ">p@ss", "~*", "+@all");
    server.cli("ACL", "SETUSER", "default", "off");
    const { port } = server;
    const link = await open(`redis://relay:p%40ss@127.0.0.1:${port}/2`);
    expect(String(await link.send(["ACL", "WHOAMI"]))).toBe("relay");
    expect(String(await link.send(["CLIENT", "INFO"]))).toContain("db=2");
    link.close();
    await expect(open(`redis://relay:wrong@127.0.0.1:${port}`)).rejects.toMatchObject({
      code: "REDIS_UNREACHABLE",
      message: expect.stringContaining("WRONGPASS"),
    });
  });

  it("redis link - a refused command leaves the connection as it is, silence ends it", async () => {
    const server = await redis();
    const link = await open(server.url);
    await expect(link.send(["NOSUCH"])).rejects.toMatchObject({ code: "REDIS_REFUSED" });
    expect(link.fault).toBeUndefined();
    server.signal("SIGSTOP");
    await expect(link.send(["PING"], 100)).rejects.toMatchObject({ code: "REDIS_SILENT" });
    expect(link.fault).toBeDefined();
    server.signal("SIGCONT");
    await expect(link.send(["PING"])).rejects.toMatchObject({ code: "REDIS_UNREACHABLE" });
    await expect(open(server.url.replace(/\d+$/, "1"))).rejects.toMatchObject({
      code: "REDIS_UNREACHABLE",
      message: expect.stringContaining("127.0.0.1:1"),
    });
  });

  it("redis link - a connection that breaks rejects what waits, and repeats nothing", async () => {
    const server = await redis();
    const link = await open(server.url);
    await link.send(["SET", "n", "0"]);
    const rejected = (error: unknown) => error;
    const waiting = link.send(["BLPOP", "none", "0"], 60_000).catch(rejected);
    const counted = link.send(["INCR", "n"]).catch(rejected);
    const other = await open(server.url);
    await other.send(["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
    expect(await waiting).toMatchObject({ code: "REDIS_UNREACHABLE" });
    expect(await counted).toMatchObject({ code: "REDIS_UNREACHABLE" });
    expect(String(await other.send(["GET", "n"]))).toBe("0");
    other.close();
  });

  it("redis link - rediss with the files and the name of its URL", async () => {
    const dir = folder();
    const [key, cert] = [join(dir, "key.pem"), join(dir, "cert.pem")];
    const subject = ["-subj", "/CN=relay.test", "-addext", "subjectAltName=DNS:relay.test"];
    execFileSync(
      "openssl",
      [
        ..."req -x509 -newkey rsa:2048 -nodes -days 2".split(" "),
        ...["-keyout", key, "-out", cert],
        ...subject,
      ],
      { stdio: "ignore" },
    );
    const plain = await redis({
      "tls-port": 0,
      "tls-cert-file": cert,
      "tls-key-file": key,
      "tls-ca-cert-file": cert,
    });
    const port = plain.port + 1;
    plain.cli("CONFIG", "SET", "tls-port", String(port));
    const query = `ca=${encodeURIComponent(cert)}&cert=${encodeURIComponent(cert)}&key=${encodeURIComponent(key)}`;
    const link = await open(`rediss://127.0.0.1:${port}?${query}&servername=relay.test`);
    expect(await link.send(["PING"])).toBe("PONG");
    link.close();
    await expect(
      open(`rediss://127.0.0.1:${port}?${query}&servername=else.test`),
    ).rejects.toMatchObject({ code: "REDIS_UNREACHABLE" });
    await expect(open(`rediss://127.0.0.1:${port}?ca=%2Fnowhere`)).rejects.toMatchObject({
      message: expect.stringContaining("a file of its TLS cannot be read"),
    });
  });

  it("redis link - sentinels lead to the Redis that takes writes, also after a failover", async () => {
    const [first, second] = [await redis(), await redis()];
    second.cli("REPLICAOF", "127.0.0.1", String(first.port));
    const dir = folder();
    const file = join(dir, "sentinel.conf");
    const port = first.port + 7;
    writeFileSync(
      file,
      `port ${port}\ndir ${dir}\nsentinel monitor relay 127.0.0.1 ${first.port} 1\nsentinel down-after-milliseconds relay 500\nsentinel failover-timeout relay 3000\n`,
    );
    const sentinel = spawn("redis-server", [file, "--sentinel"], { stdio: "ignore" });
    ends.push(async () => {
      const exited = once(sentinel, "exit");
      sentinel.kill("SIGKILL");
      await exited;
    });
    const url = `redis+sentinel://127.0.0.1:${port}/relay`;
    const link = await until("the sentinel", () => open(url).catch(() => undefined));
    expect(String(await link.send(["CONFIG", "GET", "port"]))).toContain(String(first.port));
    const sees = () =>
      execFileSync("redis-cli", ["-p", String(port), "INFO", "sentinel"], { encoding: "utf8" });
    await until("the sentinel sees the replica", () => sees().includes("slaves=1"), 20_000);
    link.close();
    await first.kill();
    const next = await until(
      "the replica is promoted",
      async () => {
        const to = await open(url).catch(() => undefined);
        const config = to === undefined ? "" : String(await to.send(["CONFIG", "GET", "port"]));
        if (config.includes(String(second.port))) return to;
        to?.close();
        return undefined;
      },
      25_000,
    );
    expect(await next.send(["SET", "is", "writable"])).toBe("OK");
    next.close();
    await expect(open(`${url}else`)).rejects.toMatchObject({
      message: expect.stringContaining("its sentinels do not lead to it"),
    });
  });
});
