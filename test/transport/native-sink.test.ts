import { once } from "node:events";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { LentBytes } from "../../src/transport/byte-sink.js";
import { NativeSink, type SendAtOnce } from "../../src/transport/native-sink.js";
import { sendAtOnce } from "../../src/transport/native-sockets.js";
import { descriptorOf } from "../../src/transport/socket-hand-off.js";
import { SocketPair } from "../support/socket-pair.js";
import { until } from "../support/until.js";

let pair: SocketPair;
let sends: { native: number; ordinary: number };
/** What was asked of the kernel, in order. */
let asked: { readonly fd: number; readonly length: number; readonly sent: number }[];

const counts = {
  native: () => void sends.native++,
  ordinary: () => void sends.ordinary++,
};

/** A sink whose calls of the kernel are noted, or made as `send` says. */
function open(send: SendAtOnce = sendAtOnce, socket = pair.near): NativeSink {
  return new NativeSink(
    socket,
    descriptorOf(socket) as number,
    (fd, bytes, length) => {
      const sent = send(fd, bytes, length);
      asked.push({ fd, length, sent });
      return sent;
    },
    counts,
  );
}

/** Bytes that say where in a stream they belong. */
function numbered(from: number, length: number): Buffer {
  return Buffer.from(Array.from({ length }, (_, index) => (from + index) % 251));
}

/** A text at the beginning of a larger buffer. */
function lentBytes(text: string): LentBytes & { copies: number } {
  const buffer = Buffer.alloc(64, text);
  return {
    buffer,
    length: text.length,
    copies: 0,
    copy() {
      this.copies++;
      return Buffer.from(text);
    },
  };
}

beforeEach(async () => {
  pair = await SocketPair.open();
  sends = { native: 0, ordinary: 0 };
  asked = [];
});
afterEach(() => pair.close());

describe("native sink", () => {
  it("native sink - what the kernel takes never sees the stream, and is told of at once", async () => {
    const sink = open();
    let taken = 0;
    expect(sink.write(Buffer.from("ab"), () => taken++)).toBe(true);
    expect([taken, pair.near.bytesWritten, sends]).toEqual([1, 0, { native: 1, ordinary: 0 }]);
    await until("it has arrived", () => pair.received.toString() === "ab");
  });

  it("native sink - the rest of a partial send comes next, before what is written after it", async () => {
    const sink = open((fd, bytes) => sendAtOnce(fd, bytes, 3));
    const taken: string[] = [];
    sink.write(Buffer.from("abcdef"), () => taken.push("first"));
    sink.write(Buffer.from("ghi"), () => taken.push("second"));
    await until("all has arrived", () => pair.received.length === 9);
    expect(pair.received.toString()).toBe("abcdefghi");
    expect(sends.ordinary).toBeGreaterThanOrEqual(1);
    await until("both are told of", () => taken.length === 2);
  });

  it("native sink - of lent bytes that the kernel takes nothing is kept; of others the rest, in a copy", async () => {
    const lent = lentBytes("abcdef");
    const sink = open();
    expect(sink.writeLent(lent)).toBe(true);
    expect([lent.copies, sends]).toEqual([0, { native: 1, ordinary: 0 }]);
    const partial = open((fd, bytes) => sendAtOnce(fd, bytes, 2));
    partial.writeLent(lent);
    partial.writeLent(lent);
    // Lent to others meanwhile.
    lent.buffer.fill("-");
    expect(lent.copies).toBe(2);
    await until("all has arrived", () => pair.received.length === 18);
    expect(pair.received.toString()).toBe("abcdefabcdefabcdef");
  });

  it("native sink - several buffers are one send, however many bytes of them the kernel takes", async () => {
    const buffers = ["ab", "c", "def"].map((text) => Buffer.from(text));
    let taken = 0;
    for (let takes = 0; takes <= 6; takes++) {
      const sink = open((fd, bytes, length) =>
        takes === 0 ? -1 : sendAtOnce(fd, bytes, Math.min(takes, length)),
      );
      sink.writeAll(buffers, () => taken++);
      await until("it is told of", () => taken === takes + 1);
    }
    await until("all has arrived", () => pair.received.length === 42);
    expect(pair.received.toString()).toBe("abcdef".repeat(7));
    expect(asked.map(({ length }) => length)).toEqual(Array(7).fill(6));
    expect(sends).toEqual({ native: 1, ordinary: 6 });
  });

  it("native sink - what has no room in one buffer goes through the stream", async () => {
    const buffers = [numbered(0, 60_000), numbered(60_000, 10_000)];
    open().writeAll(buffers);
    expect([asked.length, sends.ordinary]).toEqual([0, 1]);
    await until("all has arrived", () => pair.received.length === 70_000);
    expect(pair.received.equals(Buffer.concat(buffers))).toBe(true);
  });

  it("native sink - a full kernel blocks it, all goes through the stream until it has drained, in order", async () => {
    const sink = open();
    pair.far.pause();
    let given = 0;
    const give = (): boolean => {
      const bytes = numbered(given, 50_000);
      given += bytes.length;
      return sink.write(bytes);
    };
    while (give());
    expect(sends.native).toBeGreaterThan(0);
    expect(sends.ordinary).toBe(1);
    const calls = asked.length;
    // The kernel is not asked again while the stream has something.
    expect([give(), give()]).toEqual([false, false]);
    expect(asked).toHaveLength(calls);
    let drained = false;
    sink.whenDrained(() => {
      drained = true;
    });
    pair.far.resume();
    await until("it has drained", () => drained);
    const { native } = sends;
    expect(give()).toBe(true);
    expect(sends.native).toBe(native + 1);
    await until("all has arrived", () => pair.received.length === given);
    expect(pair.received.equals(numbered(0, given))).toBe(true);
  });

  it("native sink - where the kernel takes nothing, everything goes through the stream", async () => {
    const sink = open(() => -1);
    expect(sink.write(Buffer.from("ab"))).toBe(true);
    await until("it has arrived", () => pair.received.toString() === "ab");
    expect(sends).toEqual({ native: 0, ordinary: 1 });
  });

  it("native sink - a frame that somebody else writes to the stream keeps its place", async () => {
    const sink = open();
    pair.far.pause();
    let given = "";
    const give = (text: string, write: (bytes: Buffer) => void): void => {
      given += text;
      write(Buffer.from(text));
    };
    for (let round = 0; round < 200; round++) {
      give(`batch ${round} `.repeat(5000), (bytes) => sink.write(bytes));
      give(`pong ${round} `, (bytes) => pair.near.write(bytes));
      give(`reply ${round} `, (bytes) => sink.writeAll([bytes.subarray(0, 2), bytes.subarray(2)]));
    }
    expect(pair.near.writableLength).toBeGreaterThan(0);
    pair.far.resume();
    await until("all has arrived", () => pair.received.length === given.length);
    expect(pair.received.toString() === given).toBe(true);
    expect(Math.min(sends.native, sends.ordinary)).toBeGreaterThan(0);
  });

  it("native sink - a corked stream is left to itself, and what it holds comes first", async () => {
    const sink = open();
    pair.near.cork();
    expect(sink.write(Buffer.from("b"))).toBe(true);
    pair.near.write("c");
    expect(asked).toEqual([]);
    pair.near.uncork();
    sink.write(Buffer.from("d"));
    await until("all has arrived", () => pair.received.length === 3);
    expect(pair.received.toString()).toBe("bcd");
    expect(sends.ordinary).toBe(1);
  });

  it("native sink - a connection that its peer reset ends as it does without", async () => {
    const sink = open();
    pair.far.resetAndDestroy();
    // One of the first sends meets the reset, or the stream hears of it by itself.
    while (!pair.near.destroyed) {
      sink.write(Buffer.from("x"));
      await new Promise(setImmediate);
    }
    await until("it has closed", () => pair.near.closed);
    const calls = asked.length;
    expect(sink.write(Buffer.from("x"))).toBe(true);
    expect(asked).toHaveLength(calls);
  });

  it("native sink - a reset that a send meets first destroys the stream, too", async () => {
    pair.far.resetAndDestroy();
    await until(
      "the kernel knows",
      () => sendAtOnce(descriptorOf(pair.near) ?? -1, Buffer.of(1), 1) < 0,
    );
    open(() => -1).write(Buffer.from("x"));
    await until("the stream is destroyed", () => pair.near.destroyed);
  });

  it("native sink - a stream that closes during a send is given the rest, and the descriptor nothing", async () => {
    const sink = open((fd, bytes) => {
      const sent = sendAtOnce(fd, bytes, 1);
      pair.near.destroy();
      return sent;
    });
    sink.write(Buffer.from("abc"));
    sink.write(Buffer.from("def"));
    expect(asked).toHaveLength(1);
    await once(pair.far, "close");
    expect(pair.received.toString()).toBe("a");
  });

  it("native sink - a descriptor's number that is used again is not written to", async () => {
    const sink = open();
    const fd = descriptorOf(pair.near);
    sink.write(Buffer.from("a"));
    await until("it has arrived", () => pair.received.length === 1);
    pair.near.destroy();
    const others: SocketPair[] = [];
    const heir = await until("the number is used again", async () => {
      const other = await SocketPair.open();
      others.push(other);
      return descriptorOf(other.near) === fd || descriptorOf(other.far) === fd ? other : undefined;
    });
    sink.write(Buffer.from("stray"));
    heir.near.end("own");
    await once(heir.far, "end");
    expect(heir.received.toString()).toBe("own");
    expect(asked).toHaveLength(1);
    for (const other of others) other.close();
  });

  it("native sink - after its end, and behind the stream's, nothing is sent past the stream", async () => {
    const sink = open();
    sink.end();
    sink.write(Buffer.from("a"));
    const other = open();
    pair.near.end("b");
    other.write(Buffer.from("c"));
    await once(pair.far, "end");
    expect([pair.received.toString(), asked]).toEqual(["ab", []]);
  });
});
