import { Socket } from "node:net";
import { beforeEach, expect, it, vi } from "vitest";
import type { CounterSection } from "../../../../src/counters/counters.js";
import {
  counted,
  counterBlockOf,
  createCounterBuffer,
  SHARD,
} from "../../../../src/counters/counters.js";
import type { Logger } from "../../../../src/shared/log.js";
import type { TakeSocket } from "../../../../src/transport/socket-hand-off.js";
import type { MainToShard, ShardToMain } from "../../../../src/workers/messages.js";
import { SocketTaker } from "../../../../src/workers/shard/connections/socket-taker.js";

type HandedOver = Extract<MainToShard, { type: "socket" }>;

let counters: CounterSection;
let told: ShardToMain[];
let served: number[];
const warn = vi.fn();

beforeEach(() => {
  counters = counterBlockOf(createCounterBuffer(1)).shards[0] as CounterSection;
  told = [];
  served = [];
  warn.mockClear();
});

function taker(takeSocket: () => Socket): SocketTaker {
  return new SocketTaker(takeSocket as TakeSocket, counters, { warn } as unknown as Logger, {
    taken: ({ number }) => served.push(number),
    tell: (message) => told.push(message),
  });
}

function handedOver(connection: number): HandedOver {
  return { type: "socket", connection, address: "::1", socket: {} } as unknown as HandedOver;
}

it("socket taker - tells main once per turn what was taken, and that it has ended", async () => {
  const socket = new Socket();
  const sockets = taker(() => socket);
  sockets.take(handedOver(7));
  expect(served).toEqual([7]);
  expect(counted(counters, SHARD.sockets)).toBe(1);
  expect(told).toEqual([]);
  sockets.tellMoves();
  sockets.tellMoves();
  expect(told).toEqual([{ type: "moves", taken: [7], ended: [] }]);

  socket.destroy();
  await vi.waitFor(() => expect(told).toHaveLength(2));
  expect(told[1]).toEqual({ type: "moves", taken: [], ended: [7] });
  expect(counted(counters, SHARD.sockets)).toBe(0);
});

it("socket taker - sockets that cannot be taken have ended, and are logged at most once a second", async () => {
  const sockets = taker(() => {
    throw new Error("no descriptor");
  });
  sockets.take(handedOver(1));
  sockets.take(handedOver(2));
  await vi.waitFor(() => expect(told).toHaveLength(1));
  expect(told).toEqual([{ type: "moves", taken: [], ended: [1, 2] }]);
  expect(served).toEqual([]);
  expect(warn).toHaveBeenCalledTimes(1);
});
