import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Connection } from "../../../../src/workers/shard/connections/connection.js";
import {
  drainConnections,
  rebalanceConnections,
} from "../../../../src/workers/shard/connections/drain.js";
import { addressShare, fakeSockets, openNodeSink } from "../../../support/fake-socket.js";

const DRAIN_MS = 10_000;

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
  const connection = new Connection(
    1,
    addressShare(),
    sockets.asWebSocket,
    sockets.asSocket,
    0,
    context,
    0,
    undefined,
  );
  return { ...sockets, connection };
}

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

describe("drain", () => {
  it("drain - closes are spread evenly over most of the drain time, each with 1012", () => {
    const clients = Array.from({ length: 100 }, connect);
    const closed = () => clients.filter(({ ws }) => ws.closed !== undefined).length;
    drainConnections(
      clients.map(({ connection }) => connection),
      DRAIN_MS,
    );
    expect(closed()).toBe(0);
    for (let tenth = 1; tenth <= 8; tenth++) {
      vi.advanceTimersByTime(DRAIN_MS / 10);
      // One more or less, by the jitter.
      expect(Math.abs(closed() - 12.5 * tenth)).toBeLessThanOrEqual(2);
    }
    vi.advanceTimersByTime(20);
    expect(clients.map(({ ws }) => ws.closed?.code)).toEqual(Array(100).fill(1012));
    expect(clients.some(({ ws }) => ws.terminated)).toBe(false);
    vi.advanceTimersByTime(DRAIN_MS);
    expect(clients.every(({ ws }) => ws.terminated)).toBe(true);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("drain - two servers' clients do not come at the same moments", () => {
    const moments = () => {
      const { connection, ws } = connect();
      drainConnections([connection], DRAIN_MS);
      let elapsed = 0;
      for (; ws.closed === undefined; elapsed += 10) vi.advanceTimersByTime(10);
      expect(elapsed).toBeLessThanOrEqual(DRAIN_MS * 0.8 + 10);
      return elapsed;
    };
    expect(new Set(Array.from({ length: 20 }, moments)).size).toBeGreaterThan(1);
  });

  it("drain - no time closes and cuts at once; no connection is no work; stopped, nothing more comes", () => {
    const one = connect();
    drainConnections([one.connection], 0);
    vi.advanceTimersByTime(10);
    expect([one.ws.closed?.code, one.ws.terminated]).toEqual([1012, true]);
    drainConnections([], DRAIN_MS);
    vi.advanceTimersByTime(DRAIN_MS + 10);
    expect(vi.getTimerCount()).toBe(0);
    const other = connect();
    drainConnections([other.connection], DRAIN_MS)();
    vi.advanceTimersByTime(2 * DRAIN_MS);
    expect(other.ws.closed).toBeUndefined();
  });

  it("drain - some are closed one by one, whichever chance picks, and the others stay", () => {
    const picks = Array.from({ length: 8 }, () => {
      const clients = Array.from({ length: 40 }, connect);
      const all = clients.map(({ connection }) => connection);
      const closed = () => clients.flatMap(({ ws }, at) => (ws.closed === undefined ? [] : at));
      rebalanceConnections(all, 10, DRAIN_MS);
      for (let tenth = 1; tenth <= 10; tenth++) {
        vi.advanceTimersByTime(DRAIN_MS / 10);
        expect(Math.abs(closed().length - tenth)).toBeLessThanOrEqual(1);
      }
      vi.advanceTimersByTime(DRAIN_MS);
      expect(clients[closed()[0] as number]?.ws.closed?.code).toBe(1012);
      expect(clients.some(({ ws }) => ws.terminated)).toBe(false);
      return closed();
    });
    expect(picks.map(({ length }) => length)).toEqual(Array(8).fill(10));
    expect(new Set(picks.map(String)).size).toBeGreaterThan(1);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("drain - more than there are is all of them; what is stopped closes no more", () => {
    const clients = Array.from({ length: 3 }, connect);
    const closed = () => clients.filter(({ ws }) => ws.closed !== undefined).length;
    const all = clients.map(({ connection }) => connection);
    rebalanceConnections(all, 5, DRAIN_MS)();
    vi.advanceTimersByTime(2 * DRAIN_MS);
    expect(closed()).toBe(0);
    rebalanceConnections(all, 5, DRAIN_MS);
    vi.advanceTimersByTime(DRAIN_MS + 10);
    expect(closed()).toBe(3);
  });
});
