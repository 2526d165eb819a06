import { beforeEach, describe, expect, it } from "vitest";
import { CLOSE } from "../../../../src/contract/closings.js";
import {
  type CounterSection,
  counted,
  counterBlockOf,
  createCounterBuffer,
  SHARD,
} from "../../../../src/counters/counters.js";
import { Connection } from "../../../../src/workers/shard/connections/connection.js";
import type { FrameBatch } from "../../../../src/workers/shard/connections/frame-batch.js";
import { addressShare, fakeSockets, openNodeSink } from "../../../support/fake-socket.js";

const MAX_MESSAGES = 4;
const MAX_BYTES = 100;
const batch = (length: number, messages = 1): FrameBatch => ({
  bytes: Buffer.alloc(length, 1),
  messages,
});

let counters: CounterSection;
let sockets: ReturnType<typeof fakeSockets>;
let connection: Connection;
let drained: Connection[];
let closing: Connection[];

beforeEach(() => {
  counters = counterBlockOf(createCounterBuffer(1)).shards[0] as CounterSection;
  sockets = fakeSockets();
  drained = [];
  closing = [];
  const context = {
    counters,
    maxQueuedMessages: MAX_MESSAGES,
    maxQueuedBytes: MAX_BYTES,
    maxMessagesPerSecond: 10,
    maxBytesPerSecond: 1e12,
    maxOrdersPerSecond: 10,
    openSink: openNodeSink,
    drained: (one: Connection) => drained.push(one),
    closing: (one: Connection) => closing.push(one),
  };
  const { asWebSocket, asSocket } = sockets;
  connection = new Connection(1, addressShare(), asWebSocket, asSocket, 1, context, 0, undefined);
});

const written = (): number[] => sockets.socket.calls.flat().map(({ length }) => length);

describe("connection", () => {
  it("connection - several batches are one call; an empty batch is none", () => {
    const [one, two] = [batch(3, 2), batch(4)];
    connection.writeAll([one, batch(0, 0), two]);
    connection.writeAll([]);
    expect(sockets.socket.calls).toHaveLength(1);
    expect(sockets.socket.calls[0]?.[0]).toBe(one.bytes);
    expect(sockets.socket.calls[0]?.[1]).toBe(two.bytes);
    expect(counted(counters, SHARD.messagesSent + 1)).toBe(3);
    expect(counted(counters, SHARD.messagesSent)).toBe(0);
    expect(counted(counters, SHARD.bytesSent)).toBe(7);
    expect(connection.current).toBe(true);
  });

  it("connection - what a socket does not take at once blocks it, until it has taken everything", () => {
    sockets.socket.congested = true;
    connection.writeAll([batch(5)]);
    expect([connection.blocked, connection.current]).toEqual([true, false]);
    // A reply is written all the same, and is waited for as well.
    connection.reply([batch(6)]);
    sockets.socket.drain(2);
    expect([connection.blocked, drained.length]).toEqual([true, 0]);
    sockets.socket.drain();
    expect(connection.blocked).toBe(false);
    expect(drained).toEqual([connection]);
    expect(written()).toEqual([5, 6]);
    sockets.socket.congested = true;
    connection.writeAll([batch(7)]);
    expect(connection.blocked).toBe(true);
    sockets.socket.drain();
    expect(drained).toHaveLength(2);
  });

  it("connection - a socket that was destroyed, or closes, is not told of as drained", () => {
    sockets.socket.congested = true;
    connection.writeAll([batch(5)]);
    sockets.socket.destroyed = true;
    sockets.socket.drain();
    expect([connection.blocked, drained.length]).toEqual([true, 0]);
    expect(counted(counters, SHARD.blockedConnections)).toBe(1);
    connection.ended();
    expect(counted(counters, SHARD.blockedConnections)).toBe(0);
  });

  it("connection - one that closes is told of once, and not as drained", () => {
    sockets.socket.congested = true;
    connection.writeAll([batch(5)]);
    connection.close(CLOSE.restart);
    connection.close(CLOSE.restart);
    sockets.socket.drain();
    expect([drained, closing]).toEqual([[], [connection]]);
    expect(counted(counters, SHARD.blockedConnections)).toBe(0);
  });

  it("connection - what is corked from outside waits on purpose and does not block", () => {
    sockets.socket.cork();
    connection.writeAll([batch(5)]);
    connection.reply([batch(6)]);
    expect(connection.blocked).toBe(false);
    sockets.socket.uncork();
    expect(sockets.socket.calls).toHaveLength(1);
  });

  it("connection - the queue holds up to its bound of messages, and is counted in bytes", () => {
    connection.enqueue(batch(10, MAX_MESSAGES - 1));
    connection.enqueue(batch(20));
    expect([connection.hasQueue, connection.current, connection.open]).toEqual([true, false, true]);
    expect(counted(counters, SHARD.queuedBytes)).toBe(30);
    expect(connection.takeQueue().map(({ bytes }) => bytes.length)).toEqual([10, 20]);
    expect([connection.hasQueue, connection.current]).toEqual([false, true]);
    expect(counted(counters, SHARD.queuedBytes)).toBe(0);
    expect(connection.takeQueue()).toEqual([]);
    // What was taken counts no more.
    connection.enqueue(batch(10, MAX_MESSAGES));
    expect(connection.open).toBe(true);
    connection.enqueue(batch(1));
    expect(sockets.ws.closed?.code).toBe(4001);
    expect(counted(counters, SHARD.queuedBytes)).toBe(0);
    expect(counted(counters, SHARD.slowConsumersClosed)).toBe(1);
    connection.enqueue(batch(10));
    expect(connection.hasQueue).toBe(false);
  });

  it("connection - the queue holds up to its bound of bytes", () => {
    connection.enqueue(batch(MAX_BYTES));
    expect(connection.open).toBe(true);
    connection.enqueue(batch(1));
    expect(sockets.ws.closed?.code).toBe(4001);
  });

  it("connection - a client that asks and does not read is closed when its replies pass the bound", () => {
    sockets.socket.congested = true;
    connection.reply([batch(MAX_BYTES)]);
    connection.reply([batch(1)]);
    expect(connection.open).toBe(true);
    connection.reply([batch(1)]);
    expect(sockets.ws.closed?.code).toBe(4001);
    expect(written()).toEqual([MAX_BYTES, 1]);
  });

  it("connection - a client that reads what it asked for is not closed, however full its socket is", () => {
    sockets.socket.congested = true;
    connection.writeAll([batch(1)]);
    for (let question = 0; question < 20; question++) {
      connection.reply([batch(MAX_BYTES - 1)]);
      const untilAnswer = sockets.socket.waiting;
      // There is always something in the socket, but never two answers.
      connection.reply([batch(1)]);
      sockets.socket.drain(untilAnswer);
    }
    expect(connection.open).toBe(true);
    expect(connection.blocked).toBe(true);
  });

  it("connection - what was asked for does not count towards the bound, what comes behind it does", () => {
    sockets.socket.congested = true;
    connection.deliver([batch(1)]);
    connection.deliver([{ ...batch(50 * MAX_BYTES), asked: true }, batch(MAX_BYTES)]);
    expect(connection.open).toBe(true);
    expect(counted(counters, SHARD.queuedBytes)).toBe(51 * MAX_BYTES);
    connection.deliver([batch(1)]);
    expect(sockets.ws.closed?.code).toBe(4001);
    expect(counted(counters, SHARD.queuedBytes)).toBe(0);
  });

  it("connection - while it loads it takes no market data, but private messages", () => {
    connection.loading = true;
    expect([connection.current, connection.blocked, connection.waiting]).toEqual([
      false,
      false,
      true,
    ]);
    connection.deliver([batch(3)]);
    expect(written()).toEqual([3]);
  });

  it("connection - its state goes by what holds it up, and says whether something is due", () => {
    const { socket } = sockets;
    const states = [connection.state];
    const note = () => states.push(connection.state);
    socket.congested = true;
    connection.writeAll([batch(1)]);
    note();
    connection.loading = true;
    note();
    connection.miss(1, 1);
    socket.drain();
    note();
    connection.loading = false;
    note();
    connection.caughtUp();
    note();
    connection.enqueue(batch(1));
    note();
    connection.takeQueue();
    note();
    connection.close(CLOSE.restart);
    note();
    expect(states).toEqual([
      "current",
      "blocked",
      "stalled",
      "loading",
      "due",
      "current",
      "due",
      "current",
      "closing",
    ]);
  });

  it("connection - progress is what is taken of what waited, not what an empty socket takes at once", () => {
    expect(connection.hasTakenMore()).toBe(false);
    connection.writeAll([batch(5)]);
    expect(connection.hasTakenMore()).toBe(false);
    sockets.socket.congested = true;
    connection.writeAll([batch(5)]);
    expect(connection.hasTakenMore()).toBe(false);
    connection.writeAll([batch(5)]);
    expect(connection.hasTakenMore()).toBe(false);
    sockets.socket.drain(1);
    expect(connection.hasTakenMore()).toBe(true);
    expect(connection.hasTakenMore()).toBe(false);
    sockets.socket.drain();
    expect(connection.hasTakenMore()).toBe(true);
    connection.writeAll([batch(5)]);
    expect(connection.hasTakenMore()).toBe(false);
  });

  it("connection - nothing is written once it closes, and the first code it closes with stands", () => {
    connection.enqueue(batch(5));
    connection.close(CLOSE.idle(1));
    expect(connection.hasQueue).toBe(false);
    connection.writeAll([batch(1)]);
    connection.writeAll([batch(1)]);
    connection.reply([batch(1)]);
    connection.close(CLOSE.tradesLost);
    connection.close(CLOSE.restart);
    expect(written()).toEqual([]);
    expect([connection.closeCode, sockets.ws.closed?.code]).toEqual([4000, 4000]);
    expect(counted(counters, SHARD.slowConsumersClosed)).toBe(0);
  });

  it("connection - it closes with 4500 from the ms on at which its token expires", () => {
    expect(connection.closeExpired(Number.POSITIVE_INFINITY)).toBe(false);
    connection.identity = { userId: "u", wallet: null, role: undefined, expiresAt: 1000 };
    expect(connection.closeExpired(999.9)).toBe(false);
    expect(connection.open).toBe(true);
    expect(connection.closeExpired(1000)).toBe(true);
    expect(sockets.ws.closed?.code).toBe(4500);
  });

  it("connection - a control frame is written at once, blocked or not", () => {
    sockets.socket.congested = true;
    connection.writeAll([batch(5)]);
    connection.control(Buffer.alloc(2));
    expect(written()).toEqual([5, 2]);
    expect(counted(counters, SHARD.messagesSent + 1)).toBe(1);
  });

  it("connection - it remembers the first round that it missed, until it has caught up", () => {
    expect(connection.behind).toBe(false);
    connection.miss(0, 7);
    connection.miss(5, 9);
    expect([connection.behind, connection.current]).toEqual([true, false]);
    expect([connection.missedSince, connection.offeredAtMiss]).toEqual([0, 7]);
    connection.caughtUp();
    expect([connection.behind, connection.current]).toEqual([false, true]);
  });

  it("connection - private messages are one write while nothing waits, and wait in order once it does", () => {
    const [first, second] = [batch(3), batch(4)];
    connection.deliver([first, second]);
    expect(sockets.socket.calls.map((call) => [...call])).toEqual([[first.bytes, second.bytes]]);
    sockets.socket.congested = true;
    connection.deliver([batch(5)]);
    connection.deliver([batch(6), batch(7)]);
    // A reply does not wait.
    connection.reply([batch(8)]);
    expect(written()).toEqual([3, 4, 5, 8]);
    expect(counted(counters, SHARD.queuedBytes)).toBe(13);
    sockets.socket.drain();
    // Not blocked, but what waits has not been written yet.
    connection.deliver([batch(9)]);
    expect(connection.takeQueue().map(({ bytes }) => bytes.length)).toEqual([6, 7, 9]);
    connection.deliver([batch(10)]);
    expect(written()).toEqual([3, 4, 5, 8, 10]);
  });

  it("connection - private messages over the bound of what waits close it with 4001", () => {
    sockets.socket.congested = true;
    connection.deliver([batch(1)]);
    connection.deliver(Array.from({ length: MAX_MESSAGES }, () => batch(1)));
    expect(connection.open).toBe(true);
    connection.deliver([batch(1), batch(1)]);
    expect(sockets.ws.closed?.code).toBe(4001);
    connection.deliver([batch(1)]);
    expect([connection.hasQueue, written()]).toEqual([false, [1]]);
    expect(counted(counters, SHARD.slowConsumersClosed)).toBe(1);
  });

  it("connection - a control frame that its socket does not take blocks it, and is counted as sent", () => {
    sockets.socket.congested = true;
    const before = counted(counters, SHARD.bytesSent);
    connection.pong(Buffer.alloc(8));
    expect([connection.blocked, connection.current]).toEqual([true, false]);
    expect(counted(counters, SHARD.bytesSent) - before).toBe(10);
    expect(counted(counters, SHARD.blockedConnections)).toBe(1);
  });

  it("connection - a pong is not slow for the size of what was asked for before it; unread pongs are bounded", () => {
    sockets.socket.congested = true;
    connection.deliver([{ ...batch(MAX_BYTES + 1), asked: true }]);
    connection.pong(Buffer.alloc(0));
    expect(connection.open).toBe(true);
    for (let sent = 0; connection.open && sent < MAX_BYTES; sent++)
      connection.pong(Buffer.alloc(8));
    expect(connection.closeCode).toBe(4001);
    expect(sockets.socket.writableLength).toBeLessThan(3 * MAX_BYTES);
  });
});
