import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { type ServerProcess, startServerProcess, testToken } from "../support/server-process.js";
import {
  type Outcome,
  type RunningCommand,
  runMarketcast,
  startMarketcast,
} from "./run-marketcast.js";

const TOKEN = { MARKETCAST_TOKEN: testToken({ channels: ["desk-*"], publish: ["desk-*"] }) };

const cwd = mkdtempSync(join(tmpdir(), "marketcast-publish-"));
let server: ServerProcess;
let following: RunningCommand | undefined;
beforeAll(async () => {
  server = await startServerProcess({ feed: "synthetic", "feed-markets": 1, shards: 1 });
});
afterEach(async () => {
  following?.process.kill("SIGKILL");
  await following?.outcome;
});
afterAll(async () => {
  await server.stop();
  rmSync(cwd, { recursive: true, force: true });
});

const url = (): string => `ws://127.0.0.1:${server.port}`;
const publish = (...args: readonly string[]): Promise<Outcome> =>
  runMarketcast(["publish", "--url", url(), ...args], { cwd, env: TOKEN });

describe("publish", () => {
  it("publish - what is published is printed with its place, and by whoever tails the channel", async () => {
    following = startMarketcast(
      [
        "tail",
        "--url",
        url(),
        "--channel",
        "Private",
        "--name",
        "desk-1",
        "desk-2",
        "--all",
        "--count",
        "4",
      ],
      { cwd, env: TOKEN },
    );
    await following.printed(/"Subscribed"/);
    const published = await publish("desk-2", '{"text":"ünïcode"}');
    expect([published.code, published.stderr]).toEqual([0, ""]);
    const place = JSON.parse(published.stdout) as Record<string, unknown>;
    expect(place).toEqual({ channel: "desk-2", seq: place["ts"], ts: expect.any(Number) });
    const { stdout } = await following.outcome;
    expect(JSON.parse(stdout.trim().split("\n").at(-1) as string)).toEqual({
      type: "Publication",
      data: { ...place, data: { text: "ünïcode" }, user_id: "user-1" },
    });
  });

  it("publish - what is refused says why, and what is no JSON is a fault of the command line", async () => {
    const [forbidden, text, missing] = await Promise.all([
      publish("room-1", "1"),
      publish("desk-1", "no json"),
      publish("desk-1"),
    ]);
    expect(forbidden).toMatchObject({ code: 1, stdout: "" });
    expect(forbidden.stderr).toContain("the token's claim publish does not allow room-1");
    expect(text).toMatchObject({ code: 2, stdout: "" });
    expect(text.stderr).toContain("data: is no JSON");
    expect(missing).toMatchObject({ code: 2, stdout: "" });
  });
});
