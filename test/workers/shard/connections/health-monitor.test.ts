import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { FRAME } from "../../../../src/codec/frame-writer.js";
import { Connection } from "../../../../src/workers/shard/connections/connection.js";
import { HealthMonitor } from "../../../../src/workers/shard/connections/health-monitor.js";
import type { Audience } from "../../../../src/workers/shard/fan-out/audience.js";
import { addressShare, fakeSockets, openNodeSink } from "../../../support/fake-socket.js";

const OPTIONS = {
  pingIntervalMs: 25_000,
  pongTimeoutMs: 10_000,
  idleTimeoutMs: 300_000,
  idleCheckIntervalMs: 60_000,
  messageTimeoutMs: 30_000,
};
/** The monitor looks at all connections this often at least. */
const SCAN_MS = 1000;

let connections: Set<Connection>;
let monitor: HealthMonitor;

function connect() {
  const sockets = fakeSockets();
  const context = {
    counters: new Float64Array(128),
    maxQueuedMessages: 1,
    maxQueuedBytes: 1,
    maxMessagesPerSecond: 1,
    maxBytesPerSecond: 1e12,
    maxOrdersPerSecond: 1,
    openSink: openNodeSink,
    drained: () => {},
    closing: () => {},
  };
  const { asWebSocket, asSocket } = sockets;
  const connection = new Connection(
    1,
    addressShare(),
    asWebSocket,
    asSocket,
    0,
    context,
    performance.now(),
    undefined,
  );
  connections.add(connection);
  return { ...sockets, connection };
}

beforeEach(() => {
  vi.useFakeTimers();
  vi.advanceTimersByTime(1);
  connections = new Set();
  monitor = new HealthMonitor(OPTIONS, connections);
});
afterEach(() => {
  monitor.stop();
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

describe("health-monitor", () => {
  it("health-monitor - each connection is pinged an interval after it came, and then every interval", () => {
    const first = connect();
    vi.advanceTimersByTime(10_500);
    const second = connect();
    const answer = ({ connection }: ReturnType<typeof connect>): void => {
      connection.heardAt = performance.now();
    };
    for (const { socket, connection } of [first, second]) {
      socket.onData = (bytes) => {
        expect([...bytes]).toEqual([FRAME.ping, 0]);
        setTimeout(() => answer({ connection } as never), 5);
      };
    }
    vi.advanceTimersByTime(OPTIONS.pingIntervalMs - 10_500 + SCAN_MS);
    expect([first.socket.calls.length, second.socket.calls.length]).toEqual([1, 0]);
    vi.advanceTimersByTime(10_500);
    expect([first.socket.calls.length, second.socket.calls.length]).toEqual([1, 1]);
    vi.advanceTimersByTime(10 * (OPTIONS.pingIntervalMs + SCAN_MS));
    expect(first.socket.calls.length).toBeGreaterThanOrEqual(10);
    expect(first.socket.calls.length).toBeLessThanOrEqual(12);
    expect(first.connection.open).toBe(true);
  });

  it("health-monitor - a connection that does not answer within the timeout is closed with 4002", () => {
    const { socket, ws, connection } = connect();
    vi.advanceTimersByTime(OPTIONS.pingIntervalMs + SCAN_MS);
    expect(socket.calls).toHaveLength(1);
    vi.advanceTimersByTime(OPTIONS.pongTimeoutMs - 2 * SCAN_MS);
    expect(connection.open).toBe(true);
    vi.advanceTimersByTime(3 * SCAN_MS);
    expect(ws.closed?.code).toBe(4002);
    // It is not pinged while it closes.
    vi.advanceTimersByTime(100_000);
    expect(socket.calls).toHaveLength(1);
  });

  it("health-monitor - a slow reader whose ping waits behind other bytes is alive while it takes them, and not longer", () => {
    const { socket, ws, connection } = connect();
    socket.congested = true;
    for (let frame = 0; frame < 100; frame++) connection.socket.write(Buffer.alloc(1000));
    vi.advanceTimersByTime(OPTIONS.pingIntervalMs + SCAN_MS);
    for (let second = 0; second < 90; second++) {
      socket.drain(1);
      vi.advanceTimersByTime(1000);
    }
    expect(connection.open).toBe(true);
    // It has stopped reading, with some of it left.
    vi.advanceTimersByTime(OPTIONS.pongTimeoutMs - 2 * SCAN_MS);
    expect(connection.open).toBe(true);
    vi.advanceTimersByTime(3 * SCAN_MS);
    expect(ws.closed?.code).toBe(4002);
  });

  it("health-monitor - who has taken everything has the whole timeout to answer", () => {
    const { socket, ws, connection } = connect();
    socket.congested = true;
    connection.socket.write(Buffer.alloc(1000));
    vi.advanceTimersByTime(OPTIONS.pingIntervalMs + SCAN_MS);
    vi.advanceTimersByTime(OPTIONS.pongTimeoutMs - 2 * SCAN_MS);
    socket.drain();
    vi.advanceTimersByTime(OPTIONS.pongTimeoutMs - SCAN_MS);
    expect(connection.open).toBe(true);
    // What an empty socket takes is no sign of anybody.
    for (let second = 0; second < 4; second++) {
      connection.writeAll([{ bytes: Buffer.alloc(10), messages: 1 }]);
      vi.advanceTimersByTime(1000);
    }
    expect(ws.closed?.code).toBe(4002);
  });

  it("health-monitor - a connection that waits for its turn is not closed for an answer that is not read", () => {
    const { connection, ws } = connect();
    connection.loading = true;
    vi.advanceTimersByTime(OPTIONS.pingIntervalMs + 3 * OPTIONS.pongTimeoutMs);
    expect(connection.open).toBe(true);
    connection.loading = false;
    vi.advanceTimersByTime(OPTIONS.pongTimeoutMs + SCAN_MS);
    expect(ws.closed?.code).toBe(4002);
  });

  it("health-monitor - anything that comes back is an answer", () => {
    const { connection } = connect();
    connection.messageAt = Number.POSITIVE_INFINITY;
    for (let ping = 0; ping < 5; ping++) {
      vi.advanceTimersByTime(OPTIONS.pingIntervalMs + SCAN_MS);
      connection.heardAt = performance.now();
    }
    vi.advanceTimersByTime(OPTIONS.pongTimeoutMs + SCAN_MS);
    expect(connection.open).toBe(true);
  });

  it("health-monitor - idle is who has neither a subscription nor sent a message for long enough", () => {
    const clients = [connect(), connect(), connect()];
    const [idle, subscribed, talking] = clients.map(({ connection }) => connection) as [
      Connection,
      Connection,
      Connection,
    ];
    subscribed.audience = {} as Audience;
    const elapse = (ms: number): void => {
      for (let spent = 0; spent < ms; spent += 5000) {
        vi.advanceTimersByTime(5000);
        for (const connection of connections) connection.heardAt = performance.now();
      }
    };
    elapse(OPTIONS.idleTimeoutMs - 20_000);
    talking.messageAt = performance.now();
    elapse(20_000 + OPTIONS.idleCheckIntervalMs);
    expect(clients.map(({ ws }) => ws.closed?.code)).toEqual([4000, undefined, undefined]);
    expect(idle.closeCode).toBe(4000);
    elapse(OPTIONS.idleTimeoutMs);
    expect(clients.map(({ ws }) => ws.closed?.code)).toEqual([4000, undefined, 4000]);
  });

  describe("tokens", () => {
    const HOUR_MS = 3_600_000;

    const identityFor = (ttlMs: number) => ({
      userId: "u",
      wallet: null,
      role: undefined,
      expiresAt: Date.now() + ttlMs,
    });

    /** A connection with a token for so long, that answers every ping. */
    function connectFor(ttlMs: number) {
      const client = connect();
      client.connection.messageAt = Number.POSITIVE_INFINITY;
      client.socket.onData = () => {
        client.connection.heardAt = performance.now();
      };
      client.connection.identity = identityFor(ttlMs);
      return client;
    }

    it("health-monitor - a token that expires ends its connection within a scan, and not before", () => {
      const { ws } = connectFor(10_000);
      const [forever, anonymous] = [connectFor(Number.POSITIVE_INFINITY), connect()];
      vi.advanceTimersByTime(9999);
      expect(ws.closed).toBeUndefined();
      vi.advanceTimersByTime(1 + SCAN_MS);
      expect(ws.closed?.code).toBe(4500);
      vi.advanceTimersByTime(HOUR_MS);
      expect(forever.ws.closed).toBeUndefined();
      expect(anonymous.ws.closed?.code).not.toBe(4500);
    });

    it("health-monitor - a clock that is set ahead ends it at once, one that is set back later", () => {
      const [early, late] = [connectFor(1000), connectFor(HOUR_MS)];
      vi.setSystemTime(Date.now() - HOUR_MS);
      vi.advanceTimersByTime(HOUR_MS);
      expect(early.ws.closed).toBeUndefined();
      vi.advanceTimersByTime(1000 + SCAN_MS);
      expect(early.ws.closed?.code).toBe(4500);
      expect(late.ws.closed).toBeUndefined();
      vi.setSystemTime(Date.now() + HOUR_MS);
      vi.advanceTimersByTime(SCAN_MS);
      expect(late.ws.closed?.code).toBe(4500);
    });

    it("health-monitor - a token that took its place in time is the one that counts", () => {
      const { connection, ws } = connectFor(1000);
      vi.advanceTimersByTime(900);
      connection.identity = identityFor(10_000);
      vi.advanceTimersByTime(9000);
      expect(ws.closed).toBeUndefined();
      vi.advanceTimersByTime(1000 + SCAN_MS);
      expect(ws.closed?.code).toBe(4500);
    });
  });

  it("health-monitor - short timeouts are looked at more often", () => {
    monitor.stop();
    monitor = new HealthMonitor(
      { ...OPTIONS, pingIntervalMs: 100, pongTimeoutMs: 40 },
      connections,
    );
    const { socket, ws } = connect();
    vi.advanceTimersByTime(110);
    expect(socket.calls).toHaveLength(1);
    vi.advanceTimersByTime(50);
    expect(ws.closed?.code).toBe(4002);
  });
});
