import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  closeStrayDuplicates,
  createSocketReceiver,
  cutConnections,
  descriptorOf,
  fileOf,
  findSocketHandOff,
  sendSocket,
} from "../../src/transport/socket-hand-off.js";
import { until } from "../support/until.js";

const THREAD = new URL("../support/duplicating-thread.mjs", import.meta.url);
const AT_LIMIT = fileURLToPath(new URL("../support/stray-at-limit.mjs", import.meta.url));
const way = await findSocketHandOff();

let server: Server;
let client: Socket;
let accepted: Socket;

beforeEach(async () => {
  server = createServer({ pauseOnConnect: true }).listen(0, "127.0.0.1");
  await once(server, "listening");
  client = connect((server.address() as AddressInfo).port, "127.0.0.1");
  [accepted] = (await once(server, "connection")) as [Socket];
});

afterEach(() => {
  client.destroy();
  accepted.destroy();
  server.close();
});

const descriptors = (): number => readdirSync("/dev/fd").length;

/** A thread that has duplicated the accepted socket's descriptor; resolves with the duplicate. */
async function duplicatingThread(owned: boolean) {
  const worker = new Worker(THREAD, { workerData: { fd: descriptorOf(accepted), owned } });
  const [duplicate] = (await once(worker, "message")) as [number];
  return { worker, duplicate };
}

async function expectAlive(): Promise<void> {
  accepted.write("still here");
  const [received] = (await once(client, "data")) as [Buffer];
  expect(received.toString()).toBe("still here");
}

describe("socket hand-off", () => {
  it("socket hand-off - transfers from Node 24.20 on, and duplicates descriptors before", () => {
    const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
    const transfers = (major === 24 && minor >= 20) || (major === 26 && minor >= 6) || major > 26;
    expect(way).toBe(transfers ? "transfer" : "duplicate");
  });

  it("socket hand-off - posts nothing for a socket that has ended", () => {
    accepted.destroy();
    const posted: unknown[] = [];
    const port = { postMessage: (message: unknown) => posted.push(message) };
    expect(sendSocket(way, port, accepted, (socket) => ({ socket }))).toBe(false);
    expect(posted).toEqual([]);
  });

  it.runIf(way === "duplicate")(
    "socket hand-off - a duplicate serves the client, whatever becomes of the original",
    async () => {
      const posted: { socket: number }[] = [];
      const port = {
        postMessage: (message: unknown) => posted.push(message as { socket: number }),
      };
      expect(sendSocket(way, port, accepted, (socket) => ({ socket }))).toBe(true);
      const takeSocket = await createSocketReceiver(way);
      const taken = takeSocket(posted[0]?.socket as number);
      accepted.destroy();
      client.write("ask");
      const [asked] = (await once(taken, "data")) as [Buffer];
      expect(asked.toString()).toBe("ask");
      taken.end("answer");
      const [answer] = (await once(client, "data")) as [Buffer];
      expect(answer.toString()).toBe("answer");
      await once(client, "close");
    },
  );

  it.runIf(way === "duplicate")(
    "socket hand-off - what a thread duplicated and never owned is closed after its death, and nothing else",
    async () => {
      const stranger = connect((server.address() as AddressInfo).port, "127.0.0.1");
      await once(server, "connection");
      const before = descriptors();
      const { worker } = await duplicatingThread(false);
      await worker.terminate();
      // The thread's own descriptors are gone; the duplicate belongs to nobody.
      await until("the thread has left one behind", () => descriptors() === before + 1);
      closeStrayDuplicates([accepted]);
      expect(descriptors()).toBe(before);
      await expectAlive();
      expect(stranger.readyState).toBe("open");
      stranger.destroy();
    },
  );

  it.runIf(way === "duplicate")(
    "socket hand-off - what a thread did own goes with it, and leaves nothing to close",
    async () => {
      const before = descriptors();
      const { worker } = await duplicatingThread(true);
      await worker.terminate();
      await until("the thread's descriptors are closed", () => descriptors() === before);
      closeStrayDuplicates([accepted]);
      expect(descriptors()).toBe(before);
      await expectAlive();
    },
  );

  it("socket hand-off - there is nothing to close for sockets that have ended", () => {
    const before = descriptors();
    accepted.destroy();
    closeStrayDuplicates([accepted]);
    closeStrayDuplicates([]);
    expect(descriptors()).toBeLessThanOrEqual(before);
  });

  it.runIf(way === "duplicate")(
    "socket hand-off - it closes them without a descriptor to spare",
    () => {
      const command = `ulimit -n 100; exec "${process.execPath}" "${AT_LIMIT}"`;
      const printed = execFileSync("sh", ["-c", command], { encoding: "utf8" });
      expect(JSON.parse(printed)).toEqual({
        limit: "EMFILE",
        opened: true,
        closed: 1,
        strayIsOpen: false,
        received: "still here",
      });
    },
  );

  it.runIf(way === "duplicate")(
    "socket hand-off - connections of a thread that has their descriptors can be cut, and no others",
    async () => {
      const other = connect((server.address() as AddressInfo).port, "127.0.0.1");
      const [kept] = (await once(server, "connection")) as [Socket];
      const file = fileOf(descriptorOf(accepted)) as string;
      const { worker } = await duplicatingThread(true);
      accepted.destroy();
      const ended = once(client.resume(), "end");
      expect(await cutConnections(new Set([file]))).toBe(1);
      await ended;
      expect(await cutConnections(new Set())).toBe(0);
      kept.write("still here");
      expect(String((await once(other, "data"))[0])).toBe("still here");
      other.destroy();
      kept.destroy();
      await worker.terminate();
    },
  );
});
