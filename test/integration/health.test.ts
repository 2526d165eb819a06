import { once } from "node:events";
import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { type ServerProcess, startServerProcess } from "../support/server-process.js";
import { TestClient, type TestClientOptions } from "../support/test-client.js";

const PING_INTERVAL_MS = 100;
const PONG_TIMEOUT_MS = 600;
const IDLE_TIMEOUT_MS = 600;
const HANDSHAKE_TIMEOUT_MS = 250;

let server: ServerProcess;

beforeAll(async () => {
  server = await startServerProcess({
    shards: 1,
    "ping-interval": PING_INTERVAL_MS,
    "pong-timeout": PONG_TIMEOUT_MS,
    "idle-timeout": IDLE_TIMEOUT_MS,
    "idle-check-interval": 50,
    "handshake-timeout": HANDSHAKE_TIMEOUT_MS,
  });
});
afterAll(() => server.dispose());

const PING = { type: "Ping", data: { timestamp: 1 } };
const STATUS = { type: "SystemStatus" };

/** A client and when it connected, at the latest. */
async function connectedAt(options?: TestClientOptions) {
  const startedAt = performance.now();
  const client = await TestClient.connect(server.port, options);
  return { client, elapsedMs: () => performance.now() - startedAt };
}

/** Resolves with the number of pings, each of which `onPing` was called for. */
async function pings(client: TestClient, count: number, onPing = () => {}): Promise<void> {
  for (let ping = 0; ping < count; ping++) {
    await once(client.ws, "ping");
    onPing();
  }
}

describe("pings", () => {
  it("health - the server pings each interval, as it told in Connected", async () => {
    const { client, elapsedMs } = await connectedAt();
    const { data } = await client.take("Connected");
    expect(data.ping_interval_ms).toBe(PING_INTERVAL_MS);
    await client.subscribe(STATUS);
    await pings(client, 5);
    expect(elapsedMs()).toBeGreaterThan(5 * PING_INTERVAL_MS * 0.9);
    await client.close();
  });

  it("health - no pong closes with 4002; any message is as good as a pong", async () => {
    const [silent, talking] = [
      await connectedAt({ autoPong: false }),
      await connectedAt({ autoPong: false, encoding: "msgpack" }),
    ];
    await silent.client.subscribe(STATUS);
    await talking.client.subscribe(STATUS);
    const beyondTimeout = 2 + Math.ceil(PONG_TIMEOUT_MS / PING_INTERVAL_MS);
    const talk = pings(talking.client, beyondTimeout, () => talking.client.send(PING));
    expect((await silent.client.closed).code).toBe(4002);
    expect(silent.elapsedMs()).toBeGreaterThan((PING_INTERVAL_MS + PONG_TIMEOUT_MS) * 0.9);
    await talk;
    expect(talking.client.ws.readyState).toBe(WebSocket.OPEN);
    await talking.client.close();
  });

  it("health - a client's ping is answered with its payload", async () => {
    const { client } = await connectedAt();
    const pong = once(client.ws, "pong");
    client.ws.ping("are you there");
    expect(String((await pong)[0])).toBe("are you there");
    await client.close();
  });
});

describe("closing", () => {
  it.each([1000, 1001, 4999])(
    "health - a client that closes with %i gets it back",
    async (code) => {
      const { client } = await connectedAt();
      client.ws.close(code, "enough");
      expect((await client.closed).code).toBe(code);
    },
  );
});

describe("idle connections", () => {
  it("health - neither subscription nor message closes with 4000", async () => {
    const [idle, left, subscribed, talking] = [
      await connectedAt(),
      await connectedAt({ encoding: "msgpack" }),
      await connectedAt(),
      await connectedAt(),
    ];
    await subscribed.client.subscribe(STATUS);
    await left.client.subscribe(STATUS);
    await left.client.request({ type: "Unsubscribe", data: { channels: [STATUS] } });
    const talk = pings(talking.client, 9, () => talking.client.send(PING));
    for (const { client, elapsedMs } of [idle, left]) {
      expect((await client.closed).code).toBe(4000);
      expect(elapsedMs()).toBeGreaterThan(IDLE_TIMEOUT_MS * 0.9);
    }
    await talk;
    expect(talking.client.ws.readyState).toBe(WebSocket.OPEN);
    expect(subscribed.client.ws.readyState).toBe(WebSocket.OPEN);
    await Promise.all([talking.client.close(), subscribed.client.close()]);
  });
});

describe("the handshake timeout", () => {
  it.each([
    ["says nothing", ""],
    ["stops in the middle of its request", "GET /ws/v3 HTTP/1.1\r\nHost: localhost\r\n"],
    ["asks for what is not there", "GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n"],
  ])("health - a socket that %s is closed", async (_, text) => {
    const refused = 'marketcast_connections_rejected_total{reason="timeout"}';
    const before = await server.metric(refused);
    const socket = connect(server.port, "127.0.0.1");
    await once(socket, "connect");
    const startedAt = performance.now();
    socket.write(text);
    await once(socket.resume(), "close");
    expect(performance.now() - startedAt).toBeGreaterThan(HANDSHAKE_TIMEOUT_MS * 0.9);
    expect(await server.metric(refused)).toBe(before + 1);
  });
});
