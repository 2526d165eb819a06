import { once } from "node:events";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { untilEmpty, untilReady } from "../support/figures.js";
import { HAS_PROC, openDescriptors } from "../support/process-figures.js";
import { type ServerProcess, startServerProcess } from "../support/server-process.js";
import { TestClient } from "../support/test-client.js";
import { until } from "../support/until.js";

const DESCRIPTORS = 150;
/** Far more connections than that. */
const ARRIVALS = 400;
const RESTARTS = 4;

let folder: string;
let server: ServerProcess | undefined;
const sockets: Socket[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "marketcast-limit-"));
});
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await server?.dispose();
  rmSync(folder, { recursive: true, force: true });
});

/** Node with few descriptors. */
function nodeWithFewDescriptors(): string {
  const path = join(folder, "node");
  writeFileSync(path, `#!/bin/sh\nulimit -n ${DESCRIPTORS}\nexec "${process.execPath}" "$@"\n`);
  chmodSync(path, 0o755);
  return path;
}

function arrive(port: number): void {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => {});
  socket.on("connect", () => socket.write("GET /ws/v3 HTTP/1.1\r\nHost: x\r\n"));
  sockets.push(socket.resume());
}

it.runIf(HAS_PROC)(
  "descriptor limit - with none left and shards that die the server lives, and is well when there are some again",
  async () => {
    server = await startServerProcess(
      { shards: 2, "handshake-timeout": 60_000 },
      { threadEnds: true, node: nodeWithFewDescriptors() },
    );
    const running = server;
    const { port, pid } = running;
    const first = await Promise.all([TestClient.connect(port), TestClient.connect(port)]);
    await Promise.all(first.map((client) => client.close()));
    const descriptors = openDescriptors(pid);
    // Where main has taken the last before a shard duplicates any, all of them are closed, and more come.
    await until("none is left", () => {
      for (let count = 0; count < ARRIVALS / 4; count++) arrive(port);
      return openDescriptors(pid) > DESCRIPTORS - 30;
    });
    for (let restart = 0; restart < RESTARTS; restart++) {
      const ended = running.log.length;
      for (let count = 0; count < ARRIVALS / 4; count++) arrive(port);
      // A thread that is starting, as it was ended before, does not hear it yet.
      await until("the shard has ended", () => {
        running.command({ restartShard: restart % 2 });
        return running.log.length > ended;
      });
    }
    for (const socket of sockets.splice(0)) socket.destroy();
    await untilReady(running, 20_000);
    await untilEmpty(running, descriptors + 4);
    await (await TestClient.connect(port)).close();
    running.child.kill("SIGTERM");
    expect((await once(running.child, "exit"))[0]).toBe(0);
  },
  60_000,
);
