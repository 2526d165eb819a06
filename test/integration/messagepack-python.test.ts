import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, it } from "vitest";
import {
  expectPythonReadsEveryMessage,
  PYTHON,
  startServerOfEveryMessage,
} from "../support/every-message.js";
import { type ServerProcess, testToken } from "../support/server-process.js";
import { temporaryDirectory } from "../support/trading.js";

const CLIENT = fileURLToPath(new URL("../support/messagepack-client.py", import.meta.url));
const MISSING = `${PYTHON} has no websockets and msgpack (Debian: python3-websockets python3-msgpack)`;

describe("a MessagePack client in Python", () => {
  const available = spawnSync(PYTHON, ["-c", "import msgpack, websockets"]).status === 0;
  let server: ServerProcess | undefined;
  let folder: Awaited<ReturnType<typeof temporaryDirectory>>;

  beforeAll(async () => {
    folder = await temporaryDirectory();
    if (available) server = await startServerOfEveryMessage(folder.path);
  });
  afterAll(async () => {
    await server?.dispose();
    await folder.remove();
  });

  it("messagepack - every message type decodes, with integers where they belong", async (test) => {
    if (server === undefined) return test.skip(MISSING);
    const token = testToken({ channels: ["*"], publish: ["*"] });
    const uri = `ws://127.0.0.1:${server.port}/ws/v3?token=${token}`;
    await expectPythonReadsEveryMessage(server, [CLIENT, uri]);
  });
});
