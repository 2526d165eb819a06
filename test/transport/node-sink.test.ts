import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { NodeSink } from "../../src/transport/node-sink.js";
import { openNodeSink } from "../support/fake-socket.js";
import { SocketPair } from "../support/socket-pair.js";
import { until } from "../support/until.js";

let pair: SocketPair;
let sink: NodeSink;

beforeEach(async () => {
  pair = await SocketPair.open();
  sink = openNodeSink(pair.near);
});
afterEach(() => pair.close());

describe("node sink", () => {
  it("node sink - it tells what was not taken, and when it has been", async () => {
    const bytes = Buffer.alloc(1 << 16, 1);
    let sent = 0;
    pair.far.pause();
    while (sink.write(bytes)) sent += bytes.length;
    sent += bytes.length;
    let drained = false;
    sink.whenDrained(() => {
      drained = true;
    });
    expect(sink.hasTakenMore()).toBe(false);
    expect(drained).toBe(false);
    pair.far.resume();
    await until("it has drained", () => drained);
    expect(sink.hasTakenMore()).toBe(true);
    await until("all has arrived", () => pair.received.length === sent);
    expect(pair.near.writableLength).toBe(0);
  });

  it("node sink - several buffers are taken together, and told of once", async () => {
    const taken: number[] = [];
    expect(sink.writeAll([Buffer.from("a"), Buffer.from("bc")], () => taken.push(1))).toBe(true);
    await until("they have arrived", () => pair.received.toString() === "abc");
    expect(taken).toEqual([1]);
  });

  it("node sink - what is corked waits on purpose", async () => {
    pair.near.cork();
    expect(sink.write(Buffer.from("a"))).toBe(true);
    expect(pair.near.writableLength).toBe(1);
    pair.near.uncork();
    await until("it has arrived", () => pair.received.toString() === "a");
  });

  it("node sink - it is never told of as drained once its stream is destroyed", async () => {
    pair.far.pause();
    const bytes = Buffer.alloc(1 << 16);
    while (sink.write(bytes));
    let drained = false;
    sink.whenDrained(() => {
      drained = true;
    });
    pair.near.destroy();
    await until("it is closed", () => pair.near.closed);
    expect(drained).toBe(false);
  });
});
