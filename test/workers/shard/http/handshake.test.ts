import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import jwt from "jsonwebtoken";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { REFUSALS, type Refusal, SHARD } from "../../../../src/counters/counters.js";
import { createLogger } from "../../../../src/shared/log.js";
import { AddressShares } from "../../../../src/workers/shard/connections/address-shares.js";
import { TurnQueue } from "../../../../src/workers/shard/connections/turn-queue.js";
import type { Mirror } from "../../../../src/workers/shard/fan-out/mirror.js";
import type { MirrorMarket } from "../../../../src/workers/shard/fan-out/mirror-market.js";
import type { Accepted } from "../../../../src/workers/shard/http/candidate.js";
import {
  Handshake,
  type HandshakeOptions,
  type Upgraded,
} from "../../../../src/workers/shard/http/handshake.js";
import { PageFiles } from "../../../../src/workers/shard/http/page-files.js";
import type { Description } from "../../../../src/workers/shard/http/v3/descriptions.js";
import { HttpApi } from "../../../../src/workers/shard/http/v3/http-api.js";
import { Authenticator } from "../../../../src/workers/shard/requests/authenticator.js";
import { History } from "../../../../src/workers/shard/requests/history.js";
import type { ShardSessions } from "../../../../src/workers/shard/trading/shard-sessions.js";
import { maskedFrame } from "../../../support/client-frames.js";
import { fakeMarkets, fakeMirror } from "../../../support/fake-member.js";
import { handshakeText, RawConnection, requestText } from "../../../support/raw-connection.js";
import { until } from "../../../support/until.js";

const SECRET = "a secret for tests, of more than 32 bytes";
const HANDSHAKE_TIMEOUT_MS = 20_000;
/** More than socket and kernel take of an answer that nobody reads. */
const LARGE_BYTES = 16 * 1024 * 1024;
const LARGE = "/large.js";

const mirror: Mirror = Object.assign(fakeMirror(fakeMarkets(1000)), { epoch: "e", lastTs: 1 });

let folder: string;
let page: PageFiles;
let server: Server;
let handshake: Handshake;
let counters: Float64Array;
let upgraded: Upgraded[];
let resumed: Parameters<ShardSessions["resume"]>[];
let gone: number[];
/** The server's ends of all connections. */
let sockets: Socket[];
let clients: RawConnection[];
let accepted: Pick<Accepted, "address" | "refusedBy">;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "marketcast-handshake-"));
  await writeFile(join(folder, "index.html"), "the page");
  await writeFile(join(folder, LARGE), Buffer.alloc(LARGE_BYTES, "x"));
  page = new PageFiles(pathToFileURL(`${folder}/`));
});
afterAll(() => rm(folder, { recursive: true }));

beforeEach(() => start());
afterEach(() => stop());

/** Answers of a mirror that the tests give; the status is one that cannot be made. */
function api(turns: TurnQueue): HttpApi {
  const status = (): never => {
    throw new Error("there is no status");
  };
  const limits = {} as Description["limits"];
  const log = createLogger({ level: "silent", format: "json" }, {});
  const sources = {
    mirror: () => mirror,
    status,
    history: new History({ reader: undefined, noteFault: () => {} }, counters),
  };
  return new HttpApi(sources, { version: "1", limits }, ["*"], turns, log);
}

async function start(
  options: Partial<HandshakeOptions> = {},
  maxHttpRequestsPerSecondPerAddress = 1000,
): Promise<void> {
  counters = new Float64Array(256);
  upgraded = [];
  resumed = [];
  gone = [];
  sockets = [];
  clients = [];
  accepted = { address: "192.0.2.1", refusedBy: undefined };
  const jwt = {
    key: { secret: SECRET },
    algorithms: ["HS256"] as const,
    issuer: undefined,
    audience: undefined,
  };
  const turns = new TurnQueue();
  handshake = new Handshake(
    {
      handshakeTimeoutMs: HANDSHAKE_TIMEOUT_MS,
      maxMessageSize: 65_536,
      maxFragments: 64,
      maxHttpRequestsPerSecond: 1000,
      allowedOrigins: ["*"],
      compression: "off",
      ...options,
    },
    new Authenticator(jwt, 8192),
    page,
    api(turns),
    counters,
    new AddressShares({
      maxHttpRequestsPerSecondPerAddress,
      maxMessagesPerSecondPerAddress: 1000,
      maxBytesPerSecondPerAddress: 16 * 1024 * 1024,
    }),
    turns,
    {
      upgraded: (one) => {
        one.ws.on("message", (data: Buffer) => one.ws.send(`heard ${data}`));
        upgraded.push(one);
      },
      resume: (...asked) => resumed.push(asked),
      gone: (number) => gone.push(number),
    },
  );
  server = createServer({ pauseOnConnect: true }, (socket) => {
    sockets.push(socket);
    handshake.accept(
      { number: sockets.length, takenAt: performance.now(), proxied: false, ...accepted },
      socket,
    );
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
}

async function stop(): Promise<void> {
  for (const client of clients) client.destroy();
  for (const socket of sockets) socket.destroy();
  server.close();
  await once(server, "close");
}

async function restart(...given: Parameters<typeof start>): Promise<void> {
  await stop();
  await start(...given);
}

async function open(): Promise<RawConnection> {
  const client = await RawConnection.connect((server.address() as AddressInfo).port);
  clients.push(client);
  return client;
}

const get = (path: string, ...lines: readonly string[]): string =>
  requestText(`GET ${path} HTTP/1.1`, "Host: localhost", ...lines);
const requests = (): number => counters[SHARD.httpRequests] as number;
const delayed = (): number => counters[SHARD.httpRequestsDelayed] as number;
const refused = (reason: Refusal): number =>
  counters[SHARD.refusedByReason + REFUSALS.indexOf(reason)] as number;
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** The payload of the next frame of the server, which is short and not masked. */
async function nextText(client: RawConnection): Promise<string> {
  const [, length = 0] = await client.take(2);
  return (await client.take(length)).toString();
}

describe("the way to the upgrade", () => {
  it("handshake - one that comes byte by byte is one", async () => {
    const client = await open();
    for (const byte of handshakeText()) {
      client.send(byte);
      await turn();
    }
    expect((await client.answer()).status).toBe(101);
    client.send(maskedFrame(1, "a"));
    expect(await nextText(client)).toBe("heard a");
  });

  describe("with a session that the client names", () => {
    const named = "n".repeat(24);
    const naming = async (): Promise<RawConnection> => {
      const exp = Math.floor(Date.now() / 1000) + 60;
      const token = jwt.sign({ sub: "u", wallet: "w", exp }, SECRET);
      const query = `?token=${token}&cancel_on_disconnect=5000&session=${named}`;
      const client = await open();
      client.send(handshakeText(`/ws/v3${query}`));
      await until("it is asked for", () => resumed.length === 1);
      return client;
    };

    it("handshake - the upgrade waits for the answer, which its connection is given", async () => {
      const client = await naming();
      const [asker, resume, granted] = resumed[0] as Parameters<ShardSessions["resume"]>;
      expect(asker).toMatchObject({ number: 1, userId: "u", wallet: "w", waitMs: 5000 });
      expect([resume, upgraded]).toEqual([named, []]);
      granted({ session: named, resumed: true });
      expect((await client.answer()).status).toBe(101);
      expect(upgraded[0]?.granted).toEqual({ session: named, resumed: true });
      expect(gone).toEqual([]);
    });

    it("handshake - one that ends before the answer is told of, and so is one that the answer finds ended", async () => {
      for (const late of [false, true]) {
        await restart();
        await naming();
        const granted = resumed[0]?.[2];
        sockets[0]?.destroy();
        if (late) granted?.({ session: named, resumed: true });
        await until("it is told of", () => gone.length > 0);
        expect([gone, upgraded]).toEqual([[1], []]);
      }
    });
  });

  it("handshake - a head that drips without end costs few reads", async () => {
    const client = await open();
    client.send("GET / HTTP/1.1\r\nX: ");
    const [socket] = await until("the server's end is there", () => sockets.length > 0 && sockets);
    let reads = 0;
    const read = (socket as Socket).read.bind(socket);
    (socket as Socket).read = (size) => {
      const taken: Buffer | null = read(size);
      if (taken !== null) reads++;
      return taken;
    };
    const startedAt = performance.now();
    await until("it has dripped for a while", async () => {
      for (let bytes = 0; bytes < 5; bytes++) {
        client.send("x");
        await turn();
      }
      return performance.now() - startedAt > 500;
    });
    // Four at once, six with growing pauses, and one each 64 ms.
    expect(reads).toBeLessThan(20);
    client.send("\r\nHost: a\r\n\r\n");
    expect((await client.answer()).status).toBe(200);
  });

  it("handshake - wherever the bytes are cut, what comes behind reaches the WebSocket", async () => {
    const whole = Buffer.concat([
      Buffer.from(`\r\n${handshakeText()}`),
      maskedFrame(1, "first"),
      maskedFrame(1, "second"),
    ]);
    for (let cut = 0; cut < whole.length; cut++) {
      const client = await open();
      client.send(whole.subarray(0, cut));
      await turn();
      client.send(whole.subarray(cut));
      expect((await client.answer()).status, `cut at ${cut}`).toBe(101);
      expect(await nextText(client)).toBe("heard first");
      expect(await nextText(client)).toBe("heard second");
      client.destroy();
    }
  });

  it("handshake - large messages right behind it arrive whole", async () => {
    const client = await open();
    const texts = Array.from({ length: 10 }, (_, index) => `${index}`.repeat(60_000));
    const frames = texts.map((text) => maskedFrame(1, text));
    client.send(Buffer.concat([Buffer.from(handshakeText()), ...frames]));
    expect((await client.answer()).status).toBe(101);
    for (const text of texts) {
      // A frame with a length of 16 bits.
      expect((await client.take(4)).readUInt16BE(2)).toBe(text.length + "heard ".length);
      expect((await client.take(text.length + 6)).toString()).toBe(`heard ${text}`);
    }
  });

  it("handshake - requests in one chunk are answered in their order, the upgrade last", async () => {
    const client = await open();
    client.send(
      Buffer.concat([
        Buffer.from(
          get("/") + get("/none") + requestText("HEAD / HTTP/1.1", "Host: a") + get("/ws/v3"),
        ),
        Buffer.from(handshakeText()),
        maskedFrame(1, "a"),
      ]),
    );
    expect(await client.answer()).toMatchObject({ status: 200, body: "the page" });
    expect(await client.answer()).toMatchObject({ status: 404 });
    expect(await client.answer(false)).toMatchObject({ status: 200, body: "" });
    expect(await client.answer()).toMatchObject({ status: 426 });
    expect(await client.answer()).toMatchObject({ status: 101 });
    expect(await nextText(client)).toBe("heard a");
    expect(requests()).toBe(5);
  });

  it("handshake - an upgraded socket has nothing of it left", async () => {
    const client = await open();
    client.send(handshakeText());
    await client.answer();
    const [socket] = sockets as [Socket];
    expect(upgraded[0]?.socket).toBe(socket);
    expect(socket.listenerCount("readable")).toBe(0);
    expect(socket.readableFlowing).toBe(true);
    // Those of ws alone.
    expect(socket.listeners("data")).toHaveLength(1);
    expect(socket.listeners("error")).toHaveLength(1);
    expect([...handshake.candidates]).toEqual([]);
  });

  it("handshake - a client that has sent its last byte is answered", async () => {
    const client = await open();
    client.socket.end(get("/"));
    expect((await client.answer()).body).toBe("the page");
    await client.closed;
  });
});

describe("one request at a time", () => {
  it("handshake - a socket is served once in a turn of the loop, whatever it has sent", async () => {
    const client = await open();
    client.send(get("/none").repeat(400));
    let most = 0;
    while (requests() < 100) {
      const before = requests();
      await turn();
      most = Math.max(most, requests() - before);
    }
    expect(most).toBe(1);
  });

  it("handshake - who does not read an answer gets no other, who reads gets them all", async () => {
    const client = await open();
    client.socket.pause();
    client.send(get(LARGE).repeat(3));
    const [socket] = await until("the server's end is there", () => sockets.length > 0 && sockets);
    await until("the answer waits", () => (socket as Socket).writableLength > 0);
    for (let turns = 0; turns < 100; turns++) await turn();
    expect(requests()).toBe(1);
    client.socket.resume();
    for (let answers = 0; answers < 3; answers++)
      expect((await client.answer()).body.length).toBe(LARGE_BYTES);
    expect(requests()).toBe(3);
  });

  it("handshake - what waits behind an answer stays in the kernel, but for one read", async () => {
    const client = await open();
    client.socket.pause();
    client.send(get(LARGE) + get("/none").repeat(50_000));
    const [socket] = await until("the server's end is there", () => sockets.length > 0 && sockets);
    await until("the answer waits", () => (socket as Socket).writableLength > 0);
    await until("the client has written all", () => client.socket.writableLength === 0);
    for (let turns = 0; turns < 100; turns++) await turn();
    expect((socket as Socket).bytesRead).toBeLessThanOrEqual(65_536);
  });

  it("handshake - over its rate a connection's requests wait, and all are answered", async () => {
    await restart({ maxHttpRequestsPerSecond: 20 });
    const client = await open();
    const startedAt = performance.now();
    client.send(get("/none").repeat(31));
    for (let answers = 0; answers < 31; answers++) await client.answer();
    // The first one is free, and a second's worth goes at once; ten have to wait for their time.
    expect(performance.now() - startedAt).toBeGreaterThan(490);
    expect(delayed()).toBeGreaterThan(0);
    expect(requests()).toBe(31);
  });

  it("handshake - over its rate an address's requests wait, those of others do not", async () => {
    await restart({}, 20);
    const startedAt = performance.now();
    const many = await Promise.all(Array.from({ length: 10 }, open));
    for (const client of many) client.send(get("/none").repeat(4));
    await until("the address has to wait", () => delayed() > 0);
    accepted = { address: "192.0.2.2", refusedBy: undefined };
    const other = await open();
    other.send(get("/none") + get("/none") + handshakeText());
    const statuses = [await other.answer(), await other.answer(), await other.answer()];
    expect(statuses.map(({ status }) => status)).toEqual([404, 404, 101]);
    // A newcomer of the same address is not kept from its upgrade.
    accepted = { address: "192.0.2.1", refusedBy: undefined };
    expect((await (await open()).send(handshakeText()).answer()).status).toBe(101);
    expect(performance.now() - startedAt).toBeLessThan(450);
    for (const client of many) for (let answers = 0; answers < 4; answers++) await client.answer();
    // 30 of them are no connection's first; 20 go at once.
    expect(performance.now() - startedAt).toBeGreaterThan(490);
  });

  it("handshake - what clients had asked that are gone before its time is no debt of their address", async () => {
    await restart({}, 10);
    const many = await Promise.all(Array.from({ length: 60 }, open));
    for (const client of many) client.send(get("/none").repeat(2));
    await until("those beyond a second's worth wait", () => delayed() === 50);
    for (const client of many) client.destroy();
    await until("they are gone", () => sockets.every(({ destroyed }) => destroyed));
    const startedAt = performance.now();
    const client = (await open()).send(get("/none").repeat(2));
    for (let answers = 0; answers < 2; answers++) await client.answer();
    // With 50 more before it, it would be five seconds.
    expect(performance.now() - startedAt).toBeLessThan(1500);
  });

  it("handshake - a client that is gone while it waits leaves nothing behind", async () => {
    await restart({ maxHttpRequestsPerSecond: 1 });
    const client = await open();
    client.send(get("/none").repeat(5));
    await until("it has to wait", () => delayed() > 0);
    client.destroy();
    await until("it is forgotten", () => [...handshake.candidates].length === 0);
    expect(sockets[0]?.destroyed).toBe(true);
  });
});

describe("bodies", () => {
  const smuggled = handshakeText();
  const chunked = `${smuggled.length.toString(16)}\r\n${smuggled}\r\n0\r\n\r\n`;

  it.each([
    ["POST /", 405, `Content-Length: ${smuggled.length}`, smuggled],
    ["POST /ws/v3", 426, `Content-Length: ${smuggled.length}`, smuggled],
    ["GET /none", 404, `Content-Length: ${smuggled.length}`, smuggled],
    ["GET /", 200, `Content-Length: ${smuggled.length}`, smuggled],
    ["GET /", 200, "Transfer-Encoding: chunked", chunked],
    ["POST /none", 404, "Transfer-Encoding: chunked", chunked],
    ["GET /", 200, "Transfer-Encoding: gzip, chunked", chunked],
    ["POST /", 405, "Transfer-Encoding: gzip", smuggled],
  ])(
    "handshake - %s with a body is answered %i and is the last (%s)",
    async (line, status, header, body) => {
      const client = await open();
      client.send(requestText(`${line} HTTP/1.1`, "Host: a", header) + body);
      const answer = await client.answer();
      expect(answer.status).toBe(status);
      expect(answer.head).toMatch(/^connection: (Upgrade, )?close$/im);
      await client.closed;
      expect(client.received).toBe("");
      expect(upgraded).toEqual([]);
      expect(requests()).toBe(1);
    },
  );

  it.each([
    `Content-Length: ${smuggled.length}`,
    "Transfer-Encoding: chunked",
    "Content-Length: 1",
  ])("handshake - an upgrade with a body is 400 (%s)", async (header) => {
    const client = await open();
    client.send(handshakeText("/ws/v3", header) + smuggled);
    expect((await client.answer()).status).toBe(400);
    await client.closed;
    expect(upgraded).toEqual([]);
  });

  it.each([
    ["Content-Length: 5", "Transfer-Encoding: chunked"],
    ["Content-Length: 5", "Content-Length: 6"],
    ["Content-Length: 5, 6"],
    ["Content-Length: -1"],
    ["Content-Length: +5"],
    ["Content-Length : 5"],
    ["Content-Length: 5", " folded"],
  ])("handshake - a length that may be read in two ways is 400: %s %s", async (...lines) => {
    const client = await open();
    client.send(requestText("POST / HTTP/1.1", "Host: a", ...lines) + smuggled);
    expect((await client.answer()).status).toBe(400);
    await client.closed;
    expect(client.received).toBe("");
    expect(upgraded).toEqual([]);
  });

  it("handshake - a length of zero is no body, and the connection goes on", async () => {
    const client = await open();
    client.send(get("/none", "Content-Length: 0") + handshakeText());
    expect((await client.answer()).status).toBe(404);
    expect((await client.answer()).status).toBe(101);
  });

  it.each(["100-continue", "something"])(
    "handshake - who expects %s gets the final answer",
    async (expectation) => {
      const client = await open();
      const headers = ["Host: a", "Content-Length: 5", `Expect: ${expectation}`];
      client.send(requestText("POST / HTTP/1.1", ...headers));
      expect((await client.answer()).status).toBe(405);
      await client.closed;
    },
  );

  it("handshake - a body without end pins nothing, and its sender can read the answer", async () => {
    const client = await open();
    client.send(requestText("POST / HTTP/1.1", "Host: a", "Content-Length: 999999999"));
    expect((await client.answer()).status).toBe(405);
    const [socket] = sockets as [Socket];
    for (let mib = 0; mib < 32; mib++) client.send(Buffer.alloc(1024 * 1024));
    await until("the client cannot write on", () => client.socket.writableLength > 0);
    expect(socket.bytesRead).toBeLessThan(400_000);
    expect(socket.readableLength).toBeLessThan(200_000);
  });
});

describe("heads that are none", () => {
  const long = "x".repeat(20_000);

  it.each([
    ["a line without end", `GET /${long}`, 414],
    ["a target that is too long", get(`/${long}`), 414],
    ["a header field without end", `GET / HTTP/1.1\r\nX: ${long}`, 431],
    ["a head that is too long", get("/", `X: ${long}`), 431],
    ["too many header fields", get("/", ...Array.from({ length: 101 }, () => "a: b")), 431],
    ["very many header fields", get("/", ...Array.from({ length: 3000 }, () => "a:")), 431],
    ["another version", requestText("GET / HTTP/2.0", "Host: a"), 505],
    ["no version", "GET /\r\n\r\n", 505],
    ["an unknown version", requestText("GET / HTTP/1.7", "Host: a"), 400],
    ["the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400],
    ["a CONNECT", requestText("CONNECT localhost:80 HTTP/1.1", "Host: localhost:80"), 405],
    ["a lower-case method", requestText("get / HTTP/1.1", "Host: a"), 400],
    ["lines that end in LF alone", "GET / HTTP/1.1\nHost: a\n\n", 400],
    ["a header field without a colon", get("/", "nonsense"), 400],
    ["a NUL in a value", get("/", "a: b\0c"), 400],
    ["no method", "/ HTTP/1.1\r\n", 400],
  ])("handshake - %s is answered and ends the connection", async (_, text, status) => {
    const client = await open();
    client.send(text);
    const answer = await client.answer();
    expect(answer.status).toBe(status);
    expect(answer.head).toMatch(/^connection: close$/im);
    expect(answer.body).toMatch(/^.+\n$/);
    await client.closed;
    expect(refused("handshake")).toBe(1);
  });

  it.each([
    ["a TLS client", Buffer.from("16030100ca010000c6", "hex")],
    ["an SSH client", Buffer.from("SSH-2.0-OpenSSH_9.6\r\n")],
  ])("handshake - %s is told at once, not when its time is over", async (_, bytes) => {
    const client = await open();
    expect((await client.send(bytes).answer()).status).toBe(400);
    await client.closed;
  });

  it("handshake - a head of the greatest size is taken", async () => {
    const client = await open();
    const padded = (length: number): string => get("/", `X: ${"x".repeat(length)}`);
    client.send(padded(16 * 1024 - padded(0).length));
    expect((await client.answer()).status).toBe(200);
    client.send(padded(16 * 1024 - padded(0).length + 1));
    expect((await client.answer()).status).toBe(431);
  });

  it("handshake - empty lines before a request are no request", async () => {
    const client = await open();
    client.send("\r\n".repeat(10_000) + get("/"));
    expect((await client.answer()).status).toBe(200);
    expect(requests()).toBe(1);
  });
});

describe("what is below /v3/", () => {
  it("handshake - its refusals are JSON there, for its draining and for what is no request", async () => {
    const client = await open();
    expect((await client.send(get("/v3/time")).answer()).status).toBe(200);
    handshake.draining = true;
    const refused = await client.send(get("/v3/time", "Origin: https://a.example")).answer();
    expect(refused.status).toBe(503);
    expect(refused.head).toMatch(/^retry-after: 5\r$/im);
    expect(refused.head).toMatch(/^access-control-allow-origin: https:\/\/a\.example\r$/im);
    expect(JSON.parse(refused.body).error.code).toBe("UNAVAILABLE");
  });

  it("handshake - an answer that cannot be made is 500, one that fails in the middle is cut", async () => {
    const client = await open();
    const failed = await client.send(get("/v3/status")).answer();
    expect([failed.status, JSON.parse(failed.body).error.code]).toEqual([500, "INTERNAL"]);
    const { markets } = mirror;
    const { title } = markets[900] as MirrorMarket;
    Object.defineProperty(markets[900], "title", {
      configurable: true,
      get: () => {
        throw new Error("in the middle");
      },
    });
    try {
      await client.send(get("/v3/markets")).closed;
    } finally {
      Object.defineProperty(markets[900], "title", { value: title });
    }
    expect(client.received).toContain("Market 10");
    expect(client.received.endsWith("0\r\n\r\n")).toBe(false);
  });
});

describe("the end of a connection", () => {
  it("handshake - one that was answered for the last time is no timeout when it is cut", async () => {
    await restart({ handshakeTimeoutMs: 200 });
    const client = await open();
    client.socket.pause();
    // Bytes that nobody reads keep the client from seeing the end.
    client.send(`${"nonsense ".repeat(20_000)}`);
    await until("it is cut", () => sockets[0]?.destroyed === true);
    expect(refused("handshake")).toBe(1);
    expect(refused("timeout")).toBe(0);
  });

  it("handshake - one that main refuses gets 503, whatever it asks, and no second answer", async () => {
    accepted = { address: "192.0.2.1", refusedBy: "address" };
    for (const request of [handshakeText(), get("/"), requestText("GET / HTTP/1.1")]) {
      const client = await open();
      client.send(request.repeat(3));
      expect((await client.answer()).status).toBe(503);
      await client.closed;
      expect(client.received).toBe("");
    }
    expect(refused("address")).toBe(3);
  });

  it("handshake - idle on a kept connection, a client is cut when its time is over", async () => {
    await restart({ handshakeTimeoutMs: 200 });
    const client = await open();
    await client.send(get("/none")).answer();
    await client.closed;
    expect(refused("timeout")).toBe(1);
  });
});
