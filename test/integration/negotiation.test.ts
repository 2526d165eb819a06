import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { ENCODINGS, subprotocolOf } from "../../src/contract/encodings.js";
import { type ServerProcess, startServerProcess, testToken } from "../support/server-process.js";
import { TestClient } from "../support/test-client.js";
import { httpRequest, UPGRADE_HEADERS, upgradeRequest } from "../support/upgrade-request.js";

const JSON_NAME = "marketcast.json";
const MSGPACK_NAME = "marketcast.msgpack";
const PROTOBUF_NAME = "marketcast.protobuf";

let server: ServerProcess;

beforeAll(async () => {
  server = await startServerProcess({ shards: 1, "allowed-origins": "https://app.example.com" });
});
afterAll(() => server.dispose());

const offer = (names: string) => ({ headers: { "Sec-WebSocket-Protocol": names } });

describe("negotiation", () => {
  it.each([
    { subprotocols: [JSON_NAME], protocol: JSON_NAME, binary: false },
    { subprotocols: [MSGPACK_NAME], protocol: MSGPACK_NAME, binary: true },
    { subprotocols: [MSGPACK_NAME, JSON_NAME], protocol: MSGPACK_NAME, binary: true },
    { subprotocols: [JSON_NAME, MSGPACK_NAME], protocol: JSON_NAME, binary: false },
    { subprotocols: ["other.v1", MSGPACK_NAME], protocol: MSGPACK_NAME, binary: true },
    { subprotocols: [PROTOBUF_NAME], protocol: PROTOBUF_NAME, binary: true },
    { subprotocols: ["other.v1", PROTOBUF_NAME, JSON_NAME], protocol: PROTOBUF_NAME, binary: true },
    { subprotocols: [], protocol: "", binary: false },
  ])(
    "negotiation - $subprotocols gives '$protocol'",
    async ({ subprotocols, protocol, binary }) => {
      const client = await TestClient.connect(server.port, {
        encoding: ENCODINGS.find((name) => subprotocolOf(name) === protocol) ?? "json",
        subprotocols,
      });
      const frames: boolean[] = [];
      client.ws.on("message", (_, isBinary) => frames.push(isBinary));
      expect(client.ws.protocol).toBe(protocol);
      await client.take("Connected");
      await client.request({ type: "Ping", data: { timestamp: 1 } });
      expect(frames.length).toBeGreaterThan(0);
      expect(new Set(frames)).toEqual(new Set([binary]));
      await client.close();
    },
  );

  it("negotiation - no subprotocol offered is answered with none", async () => {
    const { status, headers } = await upgradeRequest(server.port);
    expect(status).toBe(101);
    expect(headers["sec-websocket-protocol"]).toBeUndefined();
  });

  it.each(["other.v1", "marketcast.xml, other.v1", "MARKETCAST.JSON"])(
    "negotiation - none known of '%s' is 400 naming the known ones",
    async (names) => {
      const { status, body } = await upgradeRequest(server.port, offer(names));
      expect(status).toBe(400);
      expect(body).toContain(JSON_NAME);
      expect(body).toContain(MSGPACK_NAME);
      expect(body).toContain(PROTOBUF_NAME);
    },
  );

  it.each(["/", "/ws", "/ws/v2", "/ws/v3/", "/ws/v33", "/healthz"])(
    "negotiation - an upgrade on %s is 404",
    async (path) => {
      expect((await upgradeRequest(server.port, { path })).status).toBe(404);
    },
  );

  it.each([
    "?cancel_on_disconnect=true",
    "?cancel_on_disconnect",
    "?cancel_on_disconnect=False",
    "?ref=a?b",
    "?x=%zz&%C3",
    "?",
  ])("negotiation - the query %s does not change the path", async (query) => {
    expect((await upgradeRequest(server.port, { path: `/ws/v3${query}` })).status).toBe(101);
  });

  it.each([
    ["?cancel_on_disconnect=yes", '"yes"'],
    ["?cancel_on_disconnect=TRUE", '"TRUE"'],
    ["?cancel_on_disconnect=999", '"999"'],
    ["?cancel_on_disconnect=300001", '"300001"'],
    ["?cancel_on_disconnect=%zz", '"%zz"'],
    ["?cancel_on_disconnect=1?token=x", '"1?token=x"'],
    ["?a=b?c&cancel_on_disconnect=no", '"no"'],
    ["?cancel_on_disconnect=true&cancel_on_disconnect=false", '"true" and as "false"'],
  ])("negotiation - the query %s is 400, which names parameter and value", async (query, value) => {
    const refused = 'marketcast_connections_rejected_total{reason="query"}';
    const before = await server.metric(refused);
    const { status, body } = await upgradeRequest(server.port, { path: `/ws/v3${query}` });
    expect(status).toBe(400);
    expect(body).toContain("cancel_on_disconnect");
    expect(body).toContain(value);
    expect(await server.metric(refused)).toBe(before + 1);
  });

  it("negotiation - compression is offered in vain", async () => {
    const { status, headers } = await upgradeRequest(server.port, {
      headers: { "Sec-WebSocket-Extensions": "permessage-deflate" },
    });
    expect(status).toBe(101);
    expect(headers["sec-websocket-extensions"]).toBeUndefined();
  });

  it("negotiation - a handshake without a key is 400", async () => {
    const { "Sec-WebSocket-Key": _, ...headers } = UPGRADE_HEADERS;
    expect((await httpRequest(server.port, { path: "/ws/v3", headers })).status).toBe(400);
  });

  it("negotiation - a token among the subprotocols is taken, and never echoed", async () => {
    const token = testToken({ sub: "in the list" });
    for (const offered of [
      [`bearer.${token}`, "marketcast.msgpack"],
      ["marketcast.msgpack", `bearer.${token}`],
    ]) {
      const { status, headers } = await upgradeRequest(server.port, {
        headers: { "Sec-WebSocket-Protocol": offered.join(", ") },
      });
      expect([status, headers["sec-websocket-protocol"]]).toEqual([101, "marketcast.msgpack"]);
    }
    // As in browsers, whose WebSocket ends where none of its subprotocols is chosen.
    const url = `ws://127.0.0.1:${server.port}/ws/v3?token=${testToken({ sub: "in the query" })}`;
    const browser = new WebSocket(url, ["marketcast.json", `bearer.${token}`]);
    const told: { type: string; data: { user_id?: string } }[] = [];
    await new Promise<void>((resolve, reject) => {
      browser.onerror = () => reject(new Error("no connection"));
      browser.onmessage = ({ data }) => {
        if (told.push(JSON.parse(String(data))) === 2) resolve();
      };
    });
    expect(browser.protocol).toBe("marketcast.json");
    browser.close();
    // Ahead of the query's, and behind the header's.
    expect(told[1]).toMatchObject({ type: "Authenticated", data: { user_id: "in the list" } });
    const headers = {
      Authorization: "Bearer not.a.token",
      "Sec-WebSocket-Protocol": `marketcast.json, bearer.${token}`,
    };
    expect((await upgradeRequest(server.port, { headers })).status).toBe(401);
  });

  it.each([
    ["a bad token", "marketcast.json, bearer.no.token.atall", 401],
    ["an empty token", "marketcast.json, bearer.", 401],
    ["two tokens", "marketcast.json, bearer.a.b.c, bearer.d.e.f", 401],
    ["a token and no encoding", `bearer.${testToken()}`, 400],
  ])("negotiation - %s among the subprotocols is refused", async (_, offered, refusal) => {
    const { status, body } = await upgradeRequest(server.port, {
      headers: { "Sec-WebSocket-Protocol": offered },
    });
    expect(status).toBe(refusal);
    expect(body).not.toContain("atall");
    expect(body).not.toContain("eyJ");
  });

  it("negotiation - Connected is the first message, with its epoch and ping interval", async () => {
    const before = Date.now();
    const [one, two] = await Promise.all([
      TestClient.connect(server.port),
      TestClient.connect(server.port, { encoding: "msgpack" }),
    ]);
    const [first, second] = await Promise.all([one.next(), two.next()]);
    if (first.type !== "Connected" || second.type !== "Connected") throw new Error("not Connected");
    expect(first.id).toBeUndefined();
    expect(first.data.ping_interval_ms).toBe(25_000);
    expect(first.data.server_time).toBeGreaterThanOrEqual(before);
    expect(first.data.server_time).toBeLessThanOrEqual(Date.now());
    expect(first.data.epoch).not.toBe("");
    expect(second.data.epoch).toBe(first.data.epoch);
    expect(second.data.connection_id).not.toBe(first.data.connection_id);
    await Promise.all([one.close(), two.close()]);
  });
});

describe("negotiation of origins", () => {
  it.each([
    ["https://app.example.com", 101],
    ["https://evil.example.com", 403],
    ["http://app.example.com", 403],
    ["https://app.example.com:8443", 403],
    ["https://app.example.com.evil.com", 403],
    ["null", 403],
  ])("negotiation - origin %s gets %i", async (origin, status) => {
    const answer = await upgradeRequest(server.port, { headers: { Origin: origin } });
    expect(answer.status).toBe(status);
  });

  it.each([
    ["http://127.0.0.1:8081", "127.0.0.1:8081", 101],
    ["https://md.example.com", "md.example.com", 101],
    ["https://md.example.com", "MD.example.com", 101],
    ["https://md.example.com", "md.example.com:8081", 403],
    ["https://evil.example.com", "md.example.com", 403],
    ["ftp://md.example.com", "md.example.com", 403],
  ])(
    "negotiation - origin %s at host %s, which is the server's own page where they agree, gets %i",
    async (origin, host, status) => {
      const headers = { Origin: origin, Host: host };
      expect((await upgradeRequest(server.port, { headers })).status).toBe(status);
    },
  );

  it("negotiation - no Origin header passes the allow-list", async () => {
    expect((await upgradeRequest(server.port)).status).toBe(101);
  });

  it("negotiation - by default every origin passes", async () => {
    const open = await startServerProcess({ shards: 1 });
    const headers = { Origin: "https://anywhere.example" };
    const { status } = await upgradeRequest(open.port, { headers });
    await open.dispose();
    expect(status).toBe(101);
  });
});

describe("negotiation of plain HTTP", () => {
  const H2C = { Connection: "Upgrade, HTTP2-Settings", Upgrade: "h2c", "HTTP2-Settings": "AAA" };

  it.each([
    ["h2c", H2C],
    ["TLS/1.0", { Connection: "Upgrade", Upgrade: "TLS/1.0" }],
    ["one of several", { Connection: "Upgrade", Upgrade: "h2c, foo/2" }],
  ])("negotiation - an upgrade to %s is as if it were not there", async (_, headers) => {
    const page = await httpRequest(server.port, { path: "/", headers });
    const plain = await httpRequest(server.port, { path: "/" });
    expect(page.status).toBe(200);
    expect(page.body).toBe(plain.body);
    const [, asset = ""] = /src="(\/assets\/[^"]+)"/.exec(plain.body) ?? [];
    expect((await httpRequest(server.port, { path: asset, headers })).status).toBe(200);
    const head = await httpRequest(server.port, { path: "/", headers, method: "HEAD" });
    expect(head.headers["content-length"]).toBe(`${Buffer.byteLength(plain.body)}`);
    expect((await httpRequest(server.port, { path: "/none", headers })).status).toBe(404);
    const socket = await httpRequest(server.port, { path: "/ws/v3", headers });
    expect(socket.status).toBe(426);
    expect(socket.headers.upgrade).toBe("websocket");
  });

  it("negotiation - a plain GET of the WebSocket's path is 426", async () => {
    const { status, headers, body } = await httpRequest(server.port, { path: "/ws/v3" });
    expect(status).toBe(426);
    expect(headers.upgrade).toBe("websocket");
    expect(body).toContain("/ws/v3");
  });

  it("negotiation - a plain GET of another path is 404", async () => {
    const { status, body } = await httpRequest(server.port, { path: "/ws" });
    expect(status).toBe(404);
    expect(body).toContain("/ws/v3");
  });
});

describe("frame types", () => {
  it.each([
    { encoding: "json", payload: Buffer.from('{"type":"Ping","data":{"timestamp":1}}') },
    { encoding: "msgpack", payload: '{"type":"Ping","data":{"timestamp":1}}' },
    { encoding: "protobuf", payload: '{"type":"Ping","data":{"timestamp":1}}' },
  ] as const)(
    "negotiation - the wrong frame type on a $encoding connection closes it with 1003",
    async ({ encoding, payload }) => {
      const client = await TestClient.connect(server.port, { encoding });
      client.ws.send(payload, { binary: typeof payload !== "string" });
      expect((await client.closed).code).toBe(1003);
      expect(client.inbox.map(({ type }) => type)).toEqual(["Connected"]);
    },
  );
});

describe("capacity", () => {
  let small: ServerProcess;

  beforeAll(async () => {
    small = await startServerProcess({
      shards: 1,
      "max-connections": 3,
      "max-connections-per-address": 2,
    });
  });
  afterAll(() => small.dispose());

  const connectFrom = (localAddress: string) => TestClient.connect(small.port, { localAddress });
  const askFrom = (localAddress: string) =>
    httpRequest(small.port, { path: "/ws/v3", headers: UPGRADE_HEADERS, localAddress });

  it("negotiation - over either limit is 503 with Retry-After, until a place is free", async () => {
    const held = [await connectFrom("127.0.0.1"), await connectFrom("127.0.0.1")];
    const perAddress = await askFrom("127.0.0.1");
    expect(perAddress.status).toBe(503);
    expect(Number(perAddress.headers["retry-after"])).toBeGreaterThan(0);
    expect(perAddress.body).toContain("address");

    held.push(await connectFrom("127.0.0.2"));
    const total = await askFrom("127.0.0.3");
    expect(total.status).toBe(503);
    expect(Number(total.headers["retry-after"])).toBeGreaterThan(0);
    expect(total.body).toContain("server");
    expect(await small.metric('marketcast_connections_rejected_total{reason="address"}')).toBe(1);
    expect(await small.metric('marketcast_connections_rejected_total{reason="total"}')).toBe(1);

    // Those that are in notice nothing.
    for (const client of held) {
      expect(client.ws.readyState).toBe(WebSocket.OPEN);
      expect((await client.request({ type: "Ping", data: { timestamp: 1 } })).type).toBe("Pong");
    }
    await held.pop()?.close();
    await expect.poll(async () => (await askFrom("127.0.0.3")).status).toBe(101);
    for (const client of held) await client.close();
  });
});
