import { createHash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type FrameParts, maskedFrame } from "../support/client-frames.js";
import { answerTo, handshakeText, RawConnection, requestText } from "../support/raw-connection.js";
import { type ServerProcess, startServerProcess } from "../support/server-process.js";
import { until } from "../support/until.js";
import { UPGRADE_HEADERS } from "../support/upgrade-request.js";

/*
 * The musts of RFC 9112, section 3.2, and of RFC 6455, sections 4.2 and 5, byte by byte. The tables
 * of docs/conformance.md name these tests.
 */

const TEXT = 1;
const BINARY = 2;
const CONTINUATION = 0;
const CLOSE = 8;
const PING = 9;
const PONG = 10;

let server: ServerProcess;

beforeAll(async () => {
  server = await startServerProcess({ shards: 1, "allowed-origins": "https://app.example.com" });
});
afterAll(() => server.dispose());

/** The lines of a sound handshake, with changes; undefined leaves one out. */
function handshakeWith(
  changes: Readonly<Record<string, string | readonly string[] | undefined>>,
  requestLine = "GET /ws/v3 HTTP/1.1",
): string {
  const headers = { Host: "localhost", ...UPGRADE_HEADERS, ...changes };
  const lines = Object.entries(headers).flatMap(([name, value]) =>
    value === undefined ? [] : [value].flat().map((one) => `${name}: ${one}`),
  );
  return requestText(requestLine, ...lines);
}

const statusOf = async (request: string): Promise<number> =>
  (await answerTo(server.port, request)).status;

describe("RFC 9112, section 3.2", () => {
  it.each([
    ["none", 400, []],
    ["two", 400, ["Host: a", "Host: b"]],
    ["two that are equal", 400, ["Host: a", "Host: a"]],
    ["two in another case", 400, ["Host: a", "HOST: a"]],
    ["one with a path", 400, ["Host: a/b"]],
    ["one with a scheme", 400, ["Host: http://a"]],
    ["one with user information", 400, ["Host: user@a"]],
    ["one with a space", 400, ["Host: a b"]],
    ["one with a port that is no number", 400, ["Host: a:b"]],
    ["one with two ports", 400, ["Host: a:1:2"]],
    ["one with an open bracket", 400, ["Host: [::1"]],
    ["a name", 404, ["Host: a.example.com"]],
    ["a name and a port", 404, ["Host: a.example.com:8081"]],
    ["an IPv6 address", 404, ["Host: [::1]:8081"]],
    ["an empty one, of a target without authority", 404, ["Host:"]],
  ])(
    "conformance - of Host fields, %s gets %i, with an upgrade or without",
    async (_, status, hosts) => {
      expect(await statusOf(requestText("GET /none HTTP/1.1", ...hosts))).toBe(status);
      const { Host: __, ...rest } = { Host: "", ...UPGRADE_HEADERS };
      const upgrade = Object.entries(rest).map(([name, value]) => `${name}: ${value}`);
      const expected = status === 404 ? 101 : status;
      expect(await statusOf(requestText("GET /ws/v3 HTTP/1.1", ...hosts, ...upgrade))).toBe(
        expected,
      );
    },
  );

  it("conformance - HTTP/1.0 needs no Host", async () => {
    expect(await statusOf(requestText("GET /none HTTP/1.0"))).toBe(404);
  });

  it.each([
    ["GET http://localhost/", 200],
    ["GET HTTP://LOCALHOST:80/?a=b", 200],
    ["GET http://localhost", 200],
    ["GET http://localhost/none", 404],
    ["GET ftp://localhost/", 400],
    ["GET http:///", 400],
    ["GET http://user@localhost/", 400],
    ["GET /#fragment", 400],
    ["GET *", 400],
    ["GET localhost:80", 400],
    ["GET ws/v3", 400],
    ["GET /a b", 400],
    ["GET", 400],
    ["OPTIONS *", 404],
    ["CONNECT localhost:80", 405],
  ])("conformance - the request line '%s' gets %i", async (line, status) => {
    expect(await statusOf(requestText(`${line} HTTP/1.1`, "Host: a"))).toBe(status);
  });

  it.each(["http", "ws", "https", "wss"])(
    "conformance - an upgrade of an absolute %s target is taken, and its query read",
    async (scheme) => {
      const target = `${scheme}://localhost:8081/ws/v3`;
      expect(await statusOf(handshakeText(target))).toBe(101);
      expect(await statusOf(handshakeText(`${target}?token=bad`))).toBe(401);
    },
  );

  it("conformance - the authority of an absolute target stands for the Host field", async () => {
    const asking = (target: string, host: string) =>
      statusOf(handshakeWith({ Host: host, Origin: "http://own" }, `GET ${target} HTTP/1.1`));
    expect(await asking("/ws/v3", "own")).toBe(101);
    expect(await asking("/ws/v3", "other")).toBe(403);
    expect(await asking("http://own/ws/v3", "other")).toBe(101);
    expect(await asking("http://other/ws/v3", "own")).toBe(403);
  });
});

describe("RFC 6455, section 4.2", () => {
  it.each([
    ["POST", {}, "POST /ws/v3 HTTP/1.1", 405],
    ["HEAD", {}, "HEAD /ws/v3 HTTP/1.1", 405],
    ["HTTP/1.0, whose Upgrade has no meaning", {}, "GET /ws/v3 HTTP/1.0", 426],
    ["HTTP/2.0", {}, "GET /ws/v3 HTTP/2.0", 505],
    ["another path", {}, "GET /ws HTTP/1.1", 404],
  ])("conformance - a handshake by %s is refused", async (_, changes, line, status) => {
    const { status: got, head } = await answerTo(server.port, handshakeWith(changes, line));
    expect(got).toBe(status);
    if (status === 405) expect(head).toMatch(/^Allow: GET$/m);
  });

  it.each([
    [{ Upgrade: "WebSocket" }, 101],
    [{ Upgrade: "h2c, websocket" }, 101],
    [{ Upgrade: ["h2c", "websocket"] }, 101],
    [{ Upgrade: undefined }, 426],
    [{ Upgrade: "h2c" }, 426],
    [{ Upgrade: "websockets" }, 426],
    [{ Connection: "upgrade" }, 101],
    [{ Connection: "keep-alive, Upgrade" }, 101],
    [{ Connection: ["keep-alive", "UPGRADE"] }, 101],
    [{ Connection: "keep-alive" }, 426],
    [{ Connection: undefined }, 426],
    [{ "Sec-WebSocket-Key": undefined }, 400],
    [{ "Sec-WebSocket-Key": "" }, 400],
    [{ "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ" }, 400],
    [{ "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25j" }, 400],
    [{ "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==dGhl" }, 400],
    [{ "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZ!==" }, 400],
    [{ "Sec-WebSocket-Key": ["dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQ=="] }, 400],
    [{ Origin: "https://app.example.com" }, 101],
    [{ Origin: "https://evil.example.com" }, 403],
    [{ Origin: ["https://app.example.com", "https://evil.example.com"] }, 400],
    [{ "Sec-WebSocket-Origin": "https://evil.example.com", "Sec-WebSocket-Version": "8" }, 426],
    [{ "Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits" }, 101],
    [{ "Sec-WebSocket-Extensions": "no, such=1, thing" }, 101],
  ])("conformance - a handshake with %o gets %i", async (changes, status) => {
    expect(await statusOf(handshakeWith(changes))).toBe(status);
  });

  it.each(["8", "7", "0", "14", "013", "13, 8", "", "x", undefined, ["13", "13"]])(
    "conformance - version %s is 426, which names 13",
    async (version) => {
      const request = handshakeWith({ "Sec-WebSocket-Version": version });
      const { status, head } = await answerTo(server.port, request);
      expect(status).toBe(426);
      expect(head).toMatch(/^Sec-WebSocket-Version: 13$/m);
      expect(head).toMatch(/^Upgrade: websocket$/m);
      expect(head).toMatch(/^Connection: Upgrade, close$/m);
    },
  );

  it.each([
    [["marketcast.msgpack, marketcast.json"], "marketcast.msgpack"],
    [["other", "marketcast.msgpack"], "marketcast.msgpack"],
    [["other,marketcast.json"], "marketcast.json"],
    [["other", "more, marketcast.json"], "marketcast.json"],
  ])("conformance - of the subprotocols %o the first known is chosen", async (lines, chosen) => {
    const request = handshakeWith({ "Sec-WebSocket-Protocol": lines });
    const { status, head } = await answerTo(server.port, request);
    expect(status).toBe(101);
    expect(head.match(/^Sec-WebSocket-Protocol: .*$/gm)).toEqual([
      `Sec-WebSocket-Protocol: ${chosen}`,
    ]);
  });

  it.each([
    "",
    "marketcast.json,",
    "marketcast.json, marketcast.json",
    "marketcast.json other",
    "(x)",
  ])("conformance - the subprotocols '%s' are no list of names", async (names) => {
    expect(await statusOf(handshakeWith({ "Sec-WebSocket-Protocol": names }))).toBe(400);
  });

  it("conformance - the answer is 101, with the key's proof and no extension", async () => {
    const key = "x3JJHMbDL1EzLkh9GBhXDw==";
    const { head } = await answerTo(
      server.port,
      handshakeWith({
        "Sec-WebSocket-Key": key,
        "Sec-WebSocket-Extensions": "permessage-deflate",
      }),
    );
    const accept = createHash("sha1")
      .update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
      .digest("base64");
    expect(head.trimEnd().split("\r\n").sort()).toEqual(
      [
        "HTTP/1.1 101 Switching Protocols",
        "Upgrade: websocket",
        "Connection: Upgrade",
        `Sec-WebSocket-Accept: ${accept}`,
      ].sort(),
    );
  });
});

/** A WebSocket of which every byte is ours; what the server greets with is taken. */
class RawWebSocket {
  readonly #client: RawConnection;

  private constructor(client: RawConnection) {
    this.#client = client;
  }

  static async open(subprotocol = "marketcast.json"): Promise<RawWebSocket> {
    const client = await RawConnection.connect(server.port);
    client.send(handshakeWith({ "Sec-WebSocket-Protocol": subprotocol }));
    expect((await client.answer()).status).toBe(101);
    const socket = new RawWebSocket(client);
    expect((await socket.next()).opcode).toBe(subprotocol === "marketcast.json" ? TEXT : BINARY);
    return socket;
  }

  send(opcode: number, payload: string | Buffer = "", parts: FrameParts = {}): this {
    this.#client.send(maskedFrame(opcode, payload, parts));
    return this;
  }

  /** The next frame; asserts what holds of all that a server sends. */
  async next(): Promise<{ readonly opcode: number; readonly payload: Buffer }> {
    const [first = 0, second = 0] = await this.#client.take(2);
    // Whole, no reserved bit, not masked.
    expect(first & 0xf0).toBe(0x80);
    expect(second & 0x80).toBe(0);
    let length = second;
    if (length === 126) {
      length = (await this.#client.take(2)).readUInt16BE();
      expect(length).toBeGreaterThan(125);
    } else if (length === 127) {
      length = Number((await this.#client.take(8)).readBigUInt64BE());
      expect(length).toBeGreaterThan(65_535);
    }
    return { opcode: first & 0x0f, payload: Buffer.from(await this.#client.take(length)) };
  }

  /** The close code of the next frame, behind which nothing comes but the end. */
  async closeCode(): Promise<number | undefined> {
    const { opcode, payload } = await this.next();
    expect(opcode).toBe(CLOSE);
    await this.#client.closed;
    expect(this.#client.received).toBe("");
    return payload.length === 0 ? undefined : payload.readUInt16BE();
  }

  destroy(): void {
    this.#client.destroy();
  }
}

const ping = JSON.stringify({ type: "Ping", data: { timestamp: 1 } });
const closeBody = (code: number, reason: string | Buffer = ""): Buffer => {
  const head = Buffer.alloc(2);
  head.writeUInt16BE(code);
  return Buffer.concat([head, Buffer.from(reason)]);
};
const closed = (code: number): Promise<number> =>
  server.metric(`marketcast_connections_closed_total{code="${code}"}`);

describe("RFC 6455, section 5: frames that are none", () => {
  const length64 = (hex: string): Buffer => Buffer.from(`7f${hex}`, "hex");

  it.each<[string, number, number, string | Buffer, FrameParts]>([
    ["not masked", 1002, TEXT, ping, { masked: false }],
    ["not masked, of a control frame", 1002, PING, "a", { masked: false }],
    ["with RSV1", 1002, TEXT, ping, { reserved: 4 }],
    ["with RSV2", 1002, TEXT, ping, { reserved: 2 }],
    ["with RSV3", 1002, TEXT, ping, { reserved: 1 }],
    ["with RSV1, of a control frame", 1002, PING, "", { reserved: 4 }],
    ...[3, 4, 5, 6, 7, 11, 12, 13, 14, 15].map(
      (opcode): [string, number, number, string, FrameParts] => [
        `with the reserved opcode ${opcode}`,
        1002,
        opcode,
        "",
        {},
      ],
    ),
    ["that goes on with no message", 1002, CONTINUATION, ping, {}],
    ["that is a part of a close", 1002, CLOSE, "", { fin: false }],
    ["that is a part of a ping", 1002, PING, "", { fin: false }],
    ["that is a part of a pong", 1002, PONG, "", { fin: false }],
    ["of a ping of 126 bytes", 1002, PING, "x".repeat(126), {}],
    ["of a pong of 126 bytes", 1002, PONG, "x".repeat(126), {}],
    ["of a close of 126 bytes", 1002, CLOSE, closeBody(1000, "x".repeat(124)), {}],
    ["of a close of one byte", 1002, CLOSE, "x", {}],
    ["of a close whose reason is no UTF-8", 1007, CLOSE, closeBody(1000, Buffer.of(0xff)), {}],
    ["of a text that is no UTF-8", 1007, TEXT, Buffer.of(0xc3, 0x28), {}],
    [
      "with the top bit of its length set",
      1009,
      TEXT,
      ping,
      { length: length64("8000000000000001") },
    ],
    ["of more bytes than there are", 1009, TEXT, ping, { length: length64("0020000000000000") }],
  ])(
    "conformance - a frame %s closes with %i, and is counted",
    async (_, code, opcode, payload, parts) => {
      const before = await closed(code);
      const socket = await RawWebSocket.open();
      socket.send(opcode, payload, parts);
      expect(await socket.closeCode()).toBe(code);
      await until("it is counted", async () => (await closed(code)) === before + 1);
    },
  );

  it.each([0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535])(
    "conformance - the close code %i may not be on the wire: 1002",
    async (code) => {
      const socket = await RawWebSocket.open();
      expect(await socket.send(CLOSE, closeBody(code)).closeCode()).toBe(1002);
    },
  );

  it("conformance - a new message inside of another closes with 1002", async () => {
    const socket = await RawWebSocket.open();
    socket.send(TEXT, '{"type":', { fin: false }).send(TEXT, ping);
    expect(await socket.closeCode()).toBe(1002);
  });

  it("conformance - UTF-8 that is whole only in its parts' sum is taken, cut short is 1007", async () => {
    const text = Buffer.from(ping.replace('"type"', '"ä":0,"type"'));
    const cut = text.indexOf(0xc3) + 1;
    const socket = await RawWebSocket.open();
    socket.send(TEXT, text.subarray(0, cut), { fin: false });
    socket.send(CONTINUATION, text.subarray(cut));
    expect((await socket.next()).payload.toString()).toContain('"Pong"');
    socket.send(TEXT, text.subarray(0, cut));
    expect(await socket.closeCode()).toBe(1007);
  });
});

describe("RFC 6455, section 5: frames that are taken", () => {
  it.each([
    1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999,
  ])(
    "conformance - a close with %i is answered with the same, then the server ends TCP",
    async (code) => {
      const socket = await RawWebSocket.open();
      // What comes behind a close frame is not looked at.
      socket.send(CLOSE, closeBody(code, "bye")).send(TEXT, ping, { masked: false });
      expect(await socket.closeCode()).toBe(code);
    },
  );

  it("conformance - a close without a code is answered with one without", async () => {
    const socket = await RawWebSocket.open();
    expect(await socket.send(CLOSE).closeCode()).toBeUndefined();
  });

  it("conformance - a message may come in parts, empty ones too, with control frames between", async () => {
    const socket = await RawWebSocket.open();
    socket.send(TEXT, ping.slice(0, 5), { fin: false }).send(PING, "between");
    socket.send(CONTINUATION, "", { fin: false }).send(PONG, "unasked");
    socket.send(CONTINUATION, ping.slice(5), { fin: false }).send(CONTINUATION);
    expect(await socket.next()).toEqual({ opcode: PONG, payload: Buffer.from("between") });
    expect((await socket.next()).payload.toString()).toContain('"Pong"');
    socket.destroy();
  });

  it.each(["", "a", Buffer.alloc(125, 0xff)])(
    "conformance - a ping is answered by a pong with its bytes (case %#)",
    async (payload) => {
      const socket = await RawWebSocket.open("marketcast.msgpack");
      socket.send(PING, payload);
      expect(await socket.next()).toEqual({ opcode: PONG, payload: Buffer.from(payload) });
      socket.destroy();
    },
  );

  it("conformance - a length in more bytes than it needs is the sender's fault, and is read", async () => {
    const socket = await RawWebSocket.open();
    const short = Buffer.alloc(3);
    short[0] = 126;
    short.writeUInt16BE(ping.length, 1);
    const long = Buffer.alloc(9);
    long[0] = 127;
    long.writeUInt32BE(ping.length, 5);
    for (const length of [short, long]) {
      socket.send(TEXT, ping, { length });
      expect((await socket.next()).payload.toString()).toContain('"Pong"');
    }
    socket.destroy();
  });

  it("conformance - what the server sends is masked never, whole, and of the shortest length", async () => {
    const socket = await RawWebSocket.open();
    const market = { type: "Market", params: { market_id: 1001 } };
    const markets = { type: "Markets", params: {} };
    // Each frame is checked as it comes: lengths of 7 and 16 bits.
    for (const channels of [[{ type: "SystemStatus" }], [market], [markets]]) {
      socket.send(TEXT, JSON.stringify({ type: "Subscribe", data: { channels } }));
      for (let frames = 0; frames < 2; frames++) expect((await socket.next()).opcode).toBe(TEXT);
    }
    socket.destroy();
  });
});
