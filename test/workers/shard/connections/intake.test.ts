import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  type CounterSection,
  counted,
  counterBlockOf,
  createCounterBuffer,
  SHARD,
} from "../../../../src/counters/counters.js";
import { AddressShares } from "../../../../src/workers/shard/connections/address-shares.js";
import {
  type ClientSocket,
  Connection,
} from "../../../../src/workers/shard/connections/connection.js";
import { Intake } from "../../../../src/workers/shard/connections/intake.js";
import { openNodeSink } from "../../../support/fake-socket.js";
import { clientFrame, OPCODE } from "../../../support/raw-client.js";
import { until } from "../../../support/until.js";

const GENEROUS = {
  maxHttpRequestsPerSecondPerAddress: 1e9,
  maxMessagesPerSecondPerAddress: 1e9,
  maxBytesPerSecondPerAddress: 1e9,
};

let counters: CounterSection;
let server: Server;
let sockets: Socket[];
let intake: Intake;

beforeEach(async () => {
  counters = counterBlockOf(createCounterBuffer(1)).shards[0] as CounterSection;
  intake = new Intake(counters);
  sockets = [];
  server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
});

afterEach(() => {
  intake.stop();
  for (const socket of sockets) socket.destroy();
  server.close();
});

/** A client's socket, and the connection at its other end, whose bytes go to `delivered`. */
async function open(
  delivered: (bytes: Buffer) => void,
  limits: Partial<typeof GENEROUS & { maxBytesPerSecond: number }> = {},
  shares = new AddressShares({ ...GENEROUS, ...limits }),
) {
  const { port } = server.address() as { port: number };
  const client = connect(port, "127.0.0.1");
  const [socket] = (await once(server, "connection")) as [Socket];
  sockets.push(client, socket);
  socket.on("data", delivered);
  const context = {
    counters,
    maxQueuedMessages: 1e6,
    maxQueuedBytes: 1e9,
    maxMessagesPerSecond: 1e9,
    maxBytesPerSecond: limits.maxBytesPerSecond ?? 1e9,
    maxOrdersPerSecond: 1e9,
    openSink: openNodeSink,
    closing: () => {},
    drained: () => {},
  };
  const ws = { readyState: 1, close: () => {} } as unknown as ClientSocket;
  const share = shares.acquire("127.0.0.1", performance.now());
  const connection = new Connection(1, share, ws, socket, 0, context, performance.now(), undefined);
  intake.attach(connection);
  return { client, connection };
}

/** Keeps the thread busy, in ms. */
function busy(time: number): void {
  const end = performance.now() + time;
  while (performance.now() < end);
}

const frames = (count: number, bytes = 10) =>
  Buffer.concat(
    Array.from({ length: count }, () => clientFrame(OPCODE.text, Buffer.alloc(bytes, 97))),
  );

describe("intake", () => {
  it("intake - all bytes come, in their order, one frame or a piece of one at a time", async () => {
    const pieces: Buffer[] = [];
    const { client } = await open((bytes) => pieces.push(Buffer.from(bytes)));
    const sent = Buffer.concat([
      ...Array.from({ length: 500 }, (_, index) => clientFrame(OPCODE.text, `message ${index}`)),
      clientFrame(OPCODE.binary, Buffer.alloc(30_000, 7)),
      clientFrame(OPCODE.ping, "p"),
    ]);
    client.write(sent);
    await until("all has come", () => Buffer.concat(pieces).length === sent.length);
    expect(Buffer.concat(pieces).equals(sent)).toBe(true);
    expect(pieces[0]?.length).toBe(15);
    expect(Math.max(...pieces.map(({ length }) => length))).toBeLessThanOrEqual(1024);
  });

  it("intake - a small frame that comes byte by byte is delivered whole", async () => {
    const pieces: Buffer[] = [];
    const { client } = await open((bytes) => pieces.push(Buffer.from(bytes)));
    client.setNoDelay(true);
    const frame = clientFrame(OPCODE.text, "slowly");
    for (const byte of frame)
      await new Promise((resolve) => client.write(Buffer.of(byte), resolve));
    await until("it has come", () => pieces.length > 0);
    expect(pieces.map(String)).toEqual([String(frame)]);
  });

  it("intake - what ws keeps of an unfinished message lies in memory of its own size", async () => {
    const kept: Buffer[] = [];
    const { client } = await open((bytes) => kept.push(bytes));
    const fragment = clientFrame(OPCODE.text, "a", false);
    client.write(
      Buffer.concat([fragment, ...Array.from({ length: 100 }, () => clientFrame(OPCODE.pong, ""))]),
    );
    await until("the pongs have come", () => kept.length === 101);
    expect(kept[0]?.buffer.byteLength).toBe(fragment.length);
    kept.length = 0;
    client.write(clientFrame(OPCODE.binary, Buffer.alloc(5000)).subarray(0, 4000));
    await until("some has come", () => Buffer.concat(kept).length > 3000);
    for (const piece of kept) expect(piece.buffer.byteLength).toBeLessThanOrEqual(1024);
  });

  it("intake - a held connection is not served, and goes on where it stopped when it is released", async () => {
    const seen: string[] = [];
    const { client, connection } = await open((bytes) => {
      seen.push(String(bytes.subarray(6)));
      if (seen.length % 3 === 0) intake.hold(connection);
    });
    client.write(
      Buffer.concat(
        ["a", "b", "c", "d", "e", "f", "g"].map((text) => clientFrame(OPCODE.text, text)),
      ),
    );
    await until("three have come", () => seen.length === 3);
    client.write(clientFrame(OPCODE.text, "h"));
    await until("it is there", () => connection.socket.readableLength >= 5 * 7);
    expect(seen).toEqual(["a", "b", "c"]);
    intake.release(connection);
    await until("three more have come", () => seen.length === 6);
    intake.release(connection);
    await until("all have come", () => seen.length === 8);
    expect(seen.join("")).toBe("abcdefgh");
  });

  it("intake - a connection with little waiting goes before another's backlog", async () => {
    const order: string[] = [];
    const shares = new AddressShares(GENEROUS);
    const take = (name: string) => () => {
      busy(0.2);
      order.push(name);
    };
    const heavy = await open(take("heavy"), {}, shares);
    const light = await open(take("light"), {}, shares);
    heavy.client.write(frames(3000));
    await until("the backlog is under way", () => order.length > 100);
    light.client.write(clientFrame(OPCODE.text, "light"));
    await until("the light one was served", () => order.includes("light"));
    const before = order.indexOf("light");
    await until("all have come", () => order.length === 3001);
    expect(before).toBeLessThan(1500);
  });

  it("intake - a turn serves for a few milliseconds only, whatever waits", async () => {
    let served = 0;
    const clients: Socket[] = [];
    for (let count = 0; count < 20; count++) {
      const { client } = await open(() => {
        busy(0.5);
        served++;
      });
      clients.push(client);
    }
    for (const client of clients) client.write(frames(40));
    let [most, last] = [0, 0];
    while (served < 800) {
      await new Promise<void>((resolve) => setImmediate(resolve));
      [most, last] = [Math.max(most, served - last), served];
    }
    // As many as take 30 ms, of 800 in all; a clock would show what else the machine does.
    expect(most).toBeLessThan(60);
  });

  it("intake - what takes its time on another budget leaves a turn to the others", async () => {
    let served = 0;
    const { client } = await open(() => {
      const from = performance.now();
      busy(0.1);
      intake.exempt(performance.now() - from);
      served++;
    });
    client.write(frames(3000));
    await until("it is under way", () => served > 0);
    let turns = 0;
    for (; served < 3000; turns++) await new Promise<void>((resolve) => setImmediate(resolve));
    // A quantum alone takes longer than a turn, and there are twenty of them.
    expect(turns).toBeLessThan(12);
  });

  it("intake - over its bytes a connection waits, is counted, and refuses nothing", async () => {
    let bytes = 0;
    const { client } = await open((piece) => (bytes += piece.length), {
      maxBytesPerSecond: 20_000,
    });
    const sent = frames(2000);
    const from = performance.now();
    client.write(sent);
    await until("it waits", () => counted(counters, SHARD.requestsWaiting) === 1);
    await until("all have come", () => bytes === sent.length);
    expect(performance.now() - from).toBeGreaterThan(
      ((sent.length - 22_000) / 20_000) * 1000 * 0.9,
    );
    expect(counted(counters, SHARD.requestsDelayedByConnection)).toBeGreaterThan(0);
    expect(counted(counters, SHARD.requestsWaiting)).toBe(0);
  });

  it("intake - over its address's messages a heavy connection waits, and a light one does not", async () => {
    const shares = new AddressShares({ ...GENEROUS, maxMessagesPerSecondPerAddress: 1000 });
    let [heavy, light] = [0, 0];
    const one = await open(() => heavy++, {}, shares);
    const two = await open(() => light++, {}, shares);
    one.client.write(frames(2000));
    await until("it waits", () => counted(counters, SHARD.requestsDelayedByAddress) > 0);
    two.client.write(frames(3));
    await until("the light one is served", () => light === 3);
    expect(heavy).toBeLessThan(2000);
    await until("the other is as well", () => heavy === 2000);
  });

  it("intake - the end of a client is heard behind its last message, and drops what is not served", async () => {
    let pieces = 0;
    const { client, connection } = await open(() => pieces++);
    client.end(frames(100));
    await once(connection.socket, "end");
    expect(pieces).toBe(100);

    const other = await open(() => intake.end(other.connection));
    other.client.end(frames(100));
    await once(other.connection.socket, "end");
    expect(counted(counters, SHARD.requestsWaiting)).toBe(0);
  });

  it("intake - a message has begun from its first byte to its last, also in fragments", async () => {
    let pieces = 0;
    const { client, connection } = await open(() => pieces++);
    client.write(clientFrame(OPCODE.text, "a", false));
    await until("it has begun", () => connection.unfinishedSince > 0);
    const since = connection.unfinishedSince;
    client.write(clientFrame(OPCODE.ping, ""));
    await until("the ping has come", () => pieces === 2);
    expect(connection.unfinishedSince).toBe(since);
    client.write(clientFrame(OPCODE.continuation, "b"));
    await until("it has ended", () => connection.unfinishedSince === 0);
    client.write(clientFrame(OPCODE.text, "c").subarray(0, 3));
    await until("another has begun", () => connection.unfinishedSince > since);
  });
});
