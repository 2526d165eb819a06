import { once } from "node:events";
import type { Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import {
  type CounterSection,
  counted,
  counterBlockOf,
  createCounterBuffer,
  REFUSALS,
  SHARD,
} from "../../../../src/counters/counters.js";
import type { Logger } from "../../../../src/shared/log.js";
import type { ShardToMain } from "../../../../src/workers/messages.js";
import { ProxiedSockets } from "../../../../src/workers/shard/connections/proxied-sockets.js";
import type { Accepted } from "../../../../src/workers/shard/http/candidate.js";
import { SocketPair } from "../../../support/socket-pair.js";
import { until } from "../../../support/until.js";

const HEADER = "PROXY TCP4 192.0.2.7 192.0.2.1 50000 443\r\n";
const SHORT_MS = 300;

let counters: CounterSection;
let told: ShardToMain[];
let taken: [Accepted, Socket][];
let proxied: ProxiedSockets;
let pair: SocketPair;
const warn = vi.fn();
beforeEach(async () => {
  counters = counterBlockOf(createCounterBuffer(1)).shards[0] as CounterSection;
  told = [];
  taken = [];
  warn.mockClear();
  proxied = create(10_000);
  pair = await SocketPair.open();
});
afterEach(() => pair.close());

function create(handshakeTimeoutMs: number): ProxiedSockets {
  return new ProxiedSockets(handshakeTimeoutMs, counters, { warn } as unknown as Logger, {
    tell: (message) => told.push(message),
    taken: (...accepted) => taken.push(accepted),
  });
}

const refused = (reason: (typeof REFUSALS)[number]): number =>
  counted(counters, SHARD.refusedByReason + REFUSALS.indexOf(reason));
const waiting = (): number => [...proxied.sockets].length;
const listeners = (): number =>
  ["readable", "close"].reduce((sum, event) => sum + pair.near.listenerCount(event), 0);

function take(): void {
  const accepted = { number: 7, address: "127.0.0.9", refusedBy: undefined } as const;
  proxied.take({ ...accepted, takenAt: performance.now(), proxied: true }, pair.near);
}

/** Writes a piece, and waits until the shard has read it. */
async function write(text: string): Promise<void> {
  const read = pair.near.bytesRead + text.length;
  pair.far.write(text, "latin1");
  await until("it is read", () => pair.near.bytesRead >= read);
  await new Promise(setImmediate);
}

async function named(): Promise<void> {
  await until("main is told", () => told.length > 0);
  expect(told).toEqual([{ type: "client-named", connection: 7, address: "192.0.2.7" }]);
}

const admit = (): void =>
  proxied.decided({ type: "client-verdict", connection: 7, refusedBy: undefined, cut: false });

describe("proxied sockets", () => {
  it("proxied sockets - a header that comes byte by byte is one, and what follows it is the client's", async () => {
    take();
    for (const byte of HEADER) await write(byte);
    await named();
    admit();
    expect(taken).toMatchObject([[{ number: 7, address: "192.0.2.7" }, {}]]);
    expect([waiting(), listeners()]).toEqual([0, 0]);
    const heard = once(pair.near, "data");
    pair.far.write("hello");
    expect(String((await heard)[0])).toBe("hello");
  });

  it("proxied sockets - much that comes behind the header is all the client's, in order", async () => {
    take();
    const rest = Array.from({ length: 40_000 }, (_, at) =>
      String.fromCharCode(97 + (at % 26)),
    ).join("");
    pair.far.write(HEADER + rest);
    await named();
    admit();
    let text = "";
    pair.near.on("data", (chunk: Buffer) => {
      text += String(chunk);
    });
    await until("all has come", () => text.length >= rest.length);
    expect(text).toBe(rest);
  });

  it("proxied sockets - nothing is left of one that ends, before or while main is asked", async () => {
    take();
    await write(HEADER.slice(0, 9));
    pair.far.end();
    await once(pair.near, "close");
    expect([waiting(), listeners(), told]).toEqual([0, 0, []]);
    pair = await SocketPair.open();
    take();
    pair.far.write(HEADER);
    await named();
    pair.near.destroy();
    await once(pair.near, "close");
    admit();
    expect([waiting(), taken]).toEqual([0, []]);
  });

  it("proxied sockets - main may refuse the client, or have it cut; an answer for nobody is none", async () => {
    proxied.decided({ type: "client-verdict", connection: 8, refusedBy: undefined, cut: false });
    take();
    // Nothing is known of it yet.
    admit();
    expect(taken).toEqual([]);
    pair.far.write(HEADER);
    await named();
    proxied.decided({ type: "client-verdict", connection: 7, refusedBy: "address", cut: false });
    expect(taken).toMatchObject([[{ refusedBy: "address" }, {}]]);
    pair = await SocketPair.open();
    told.length = taken.length = 0;
    take();
    pair.far.write(HEADER);
    await named();
    proxied.decided({ type: "client-verdict", connection: 7, refusedBy: "address", cut: true });
    expect([pair.near.destroyed, taken, waiting()]).toEqual([true, [], 0]);
  });

  it("proxied sockets - one that says nothing in time is cut, and so is one that waits for main", async () => {
    proxied = create(SHORT_MS);
    take();
    await once(pair.near, "close");
    expect([refused("timeout"), waiting()]).toEqual([1, 0]);
    pair = await SocketPair.open();
    take();
    pair.far.write(HEADER);
    await named();
    await once(pair.near, "close");
    expect([refused("timeout"), waiting()]).toEqual([2, 0]);
  });

  it("proxied sockets - what is no header is cut, counted, and logged once a second", async () => {
    for (let at = 0; at < 2; at++) {
      take();
      pair.far.write("GET / HTTP/1.1\r\n");
      await once(pair.near, "close");
      pair = await SocketPair.open();
    }
    expect([refused("proxy-header"), waiting(), warn.mock.calls.length]).toEqual([2, 0, 1]);
  });
});
