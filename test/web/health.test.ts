import { describe, expect, it } from "vitest";
import { DisconnectedError } from "../../src/client/errors.js";
import type { ConnectionState } from "../../src/client/state.js";
import type { SystemStatus } from "../../src/contract/messages.js";
import { Health } from "../../web/src/model/health.js";

const OPEN: ConnectionState = {
  status: "open",
  connectionId: "c",
  encoding: "json",
  epoch: "e",
  userId: undefined,
  wallet: undefined,
};
const cause = new DisconnectedError("gone", 1006);
const RECONNECTING: ConnectionState = { status: "reconnecting", attempt: 1, attemptAt: 0, cause };

const system = (state: SystemStatus["state"], ...reasons: string[]): SystemStatus => ({
  state,
  reasons,
  connections: 1,
  shards: 1,
  markets: 1,
  messages_per_second: 0,
  uptime_s: 1,
  version: "1",
});

function open(status?: SystemStatus): Health {
  const health = new Health();
  health.setConnection(OPEN);
  if (status !== undefined) health.setSystem(status);
  return health;
}

describe("health", () => {
  it("health - only a server that says that it is well is live", () => {
    expect(open().standing).toMatchObject({ connected: true, kind: "waiting", word: "Connected" });
    expect(open(system("ok")).standing).toEqual({
      connected: true,
      kind: "ok",
      word: "Live",
      sentence: undefined,
    });
  });

  it("health - a feed that ended, and a server that ends, are said with their reasons", () => {
    const degraded = open(system("degraded", "feed replay ended", "shard 1 ended")).standing;
    expect(degraded).toMatchObject({ connected: true, kind: "warning", word: "Degraded" });
    expect(degraded.sentence).toBe("The server is degraded: feed replay ended; shard 1 ended.");
    expect(open(system("draining")).standing).toMatchObject({
      kind: "warning",
      word: "Shutting down",
    });
  });

  it("health - what the server said holds for its connection only", () => {
    const health = open(system("ok"));
    // Another identity on the same one.
    health.setConnection({ ...OPEN, userId: "u" });
    expect(health.standing.word).toBe("Live");
    health.setConnection(RECONNECTING);
    expect(health.standing).toMatchObject({
      connected: false,
      kind: "waiting",
      word: "Reconnecting",
    });
    health.setConnection(OPEN);
    expect(health.standing.word).toBe("Connected");
  });

  it("health - an end for good is said with its reason", () => {
    const health = open();
    health.setConnection({ status: "closed", code: 4501, reason: "flooding", cause });
    expect(health.standing).toMatchObject({ connected: false, kind: "down", word: "Disconnected" });
    expect(health.standing.sentence).toContain("flooding");
  });

  it("health - an open connection on which nothing comes is no connection, until something does", () => {
    const health = open(system("ok"));
    health.setStale("connection");
    expect(health.standing).toMatchObject({ connected: false, kind: "warning", word: "No answer" });
    health.setStale(undefined);
    expect(health.standing.word).toBe("Live");
    health.setStale("connection");
    health.setConnection(RECONNECTING);
    expect(health.standing.word).toBe("Reconnecting");
    health.setConnection(OPEN);
    health.setSystem(system("ok"));
    expect(health.standing.word).toBe("Live");
  });

  it("health - a feed that tells nothing is quiet, which is no fault", () => {
    const health = open(system("ok"));
    health.setStale("feed");
    expect(health.standing).toMatchObject({ connected: true, kind: "ok", word: "Quiet" });
    health.setSystem(system("degraded", "feed replay ended"));
    expect(health.standing.word).toBe("Degraded");
  });
});
