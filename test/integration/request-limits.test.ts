import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { clientFrame, OPCODE, RawClient } from "../support/raw-client.js";
import { type ServerProcess, startServerProcess, testToken } from "../support/server-process.js";
import { TestClient } from "../support/test-client.js";
import { until } from "../support/until.js";
import { upgradeRequest } from "../support/upgrade-request.js";

const MESSAGES_MAX = 40;
const BYTES_MAX = 50_000;

let server: ServerProcess;

beforeAll(async () => {
  server = await startServerProcess({
    "max-messages-per-second": MESSAGES_MAX,
    "max-bytes-per-second": BYTES_MAX,
    "max-message-values": 64,
    "max-fragments": 3,
    "message-timeout": 300,
    "max-token-size": 512,
  });
});
afterAll(() => server.dispose());

const ping = (more = {}) => ({ type: "Ping", data: { timestamp: 1, ...more } });

/** A text message in so many fragments. */
function fragmented(text: string, count: number): Buffer {
  const size = Math.ceil(text.length / count);
  return Buffer.concat(
    Array.from({ length: count }, (_, index) =>
      clientFrame(
        index === 0 ? OPCODE.text : OPCODE.continuation,
        text.slice(index * size, (index + 1) * size),
        index === count - 1,
      ),
    ),
  );
}

async function closeCodeAfter(bytes: Buffer): Promise<number | undefined> {
  const client = await RawClient.connect(server.port);
  await client.write(bytes);
  await until("it is closed", () => client.closeCode !== undefined);
  client.destroy();
  return client.closeCode;
}

const closedWith = (code: number) =>
  server.metric(`marketcast_connections_closed_total{code="${code}"}`);

describe("limits of requests", () => {
  it("limits - RATE_LIMITED says the limit and when to try again; then it is right", async () => {
    const client = await TestClient.connect(server.port);
    for (let sent = 0; sent < MESSAGES_MAX + 5; sent++) client.send({ ...ping(), id: sent });
    const refused = await client.take("Error");
    expect(refused.data).toMatchObject({ code: "RATE_LIMITED", details: { limit: MESSAGES_MAX } });
    expect(refused.id).toBeGreaterThanOrEqual(MESSAGES_MAX);
    let last = refused;
    while (last.id !== MESSAGES_MAX + 4) last = await client.take("Error");
    const { retry_after_ms } = last.data.details as { retry_after_ms: number };
    expect(retry_after_ms).toBeGreaterThan(0);
    expect(retry_after_ms).toBeLessThanOrEqual(200);
    await new Promise((resolve) => setTimeout(resolve, retry_after_ms));
    expect((await client.request(ping())).type).toBe("Pong");
    await client.close();
  });

  it("limits - a large message that is refused for the rate is not decoded, and its answer has no id", async () => {
    const client = await TestClient.connect(server.port);
    for (let sent = 0; sent < MESSAGES_MAX; sent++) client.send(ping());
    client.send({ ...ping({ x: "x".repeat(3900) }), id: "small" });
    client.send({ ...ping({ x: "x".repeat(4100) }), id: "large" });
    expect((await client.take("Error")).id).toBe("small");
    expect(await client.take("Error")).not.toHaveProperty("id");
    await client.close();
  });

  it("limits - pings and pongs count; who goes on is closed with 4501", async () => {
    const pings = Array.from({ length: 2 * MESSAGES_MAX + 10 }, () => clientFrame(OPCODE.ping, ""));
    const pongs = pings.map(() => clientFrame(OPCODE.pong, ""));
    const before = await closedWith(4501);
    expect(await closeCodeAfter(Buffer.concat(pings))).toBe(4501);
    expect(await closeCodeAfter(Buffer.concat(pongs))).toBe(4501);
    await until("both are counted", async () => (await closedWith(4501)) === before + 2);
  });

  it("limits - who has used up its bytes waits, is counted, and is answered", async () => {
    const client = await TestClient.connect(server.port);
    const from = performance.now();
    for (let sent = 0; sent < 12; sent++)
      client.send({ ...ping({ x: "x".repeat(8000) }), id: sent });
    const waits = () => server.metric('marketcast_requests_waiting{shard="0"}');
    await until("it waits", async () => (await waits()) === 1);
    for (let id = 0; id < 12; id++) expect((await client.take("Pong")).id).toBe(id);
    // 96 KB at 50 KB a second, the first second's at once.
    expect(performance.now() - from).toBeGreaterThan(700);
    const delayed = 'marketcast_requests_delayed_total{shard="0",of="connection"}';
    expect(await server.metric(delayed)).toBeGreaterThan(0);
    await client.close();
  });

  it("limits - a message of too many values is refused in each encoding, and says so", async () => {
    for (const encoding of ["json", "msgpack"] as const) {
      const client = await TestClient.connect(server.port, { encoding });
      // Beside the list's items: the message, its type, its data, the timestamp, and the list.
      const x = Array.from({ length: 60 }, () => 0);
      client.send(ping({ x: x.slice(1) }));
      await client.take("Pong");
      client.send(ping({ x }));
      const { data } = await client.take("Error");
      expect(data).toMatchObject({ code: "INVALID_MESSAGE" });
      expect(data.message).toContain("more than 64 values");
      await client.close();
    }
  });

  it("limits - a message may come in so many fragments; one more closes with 1008", async () => {
    const client = await RawClient.connect(server.port);
    await client.write(fragmented(JSON.stringify(ping()), 3));
    const before = client.received;
    await until("it is answered", () => client.received > before);
    expect(client.closeCode).toBeUndefined();
    client.destroy();
    expect(await closeCodeAfter(fragmented(JSON.stringify(ping()), 4))).toBe(1008);
  });

  it("limits - a message that does not end in time closes with 1008, also with pongs in between", async () => {
    expect(await closeCodeAfter(clientFrame(OPCODE.text, "{", false))).toBe(1008);
    expect(await closeCodeAfter(clientFrame(OPCODE.text, "{}").subarray(0, 4))).toBe(1008);
    const client = await RawClient.connect(server.port);
    await client.write(clientFrame(OPCODE.text, "{", false));
    const timer = setInterval(() => void client.write(clientFrame(OPCODE.pong, "")), 50);
    await until("it is closed", () => client.closeCode === 1008);
    clearInterval(timer);
    client.destroy();
  });

  it("limits - a token that is too large is refused, in whatever way it comes", async () => {
    const large = testToken({ filler: "x".repeat(512) });
    const { status, body } = await upgradeRequest(server.port, {
      headers: { Authorization: `Bearer ${large}` },
    });
    expect([status, body]).toEqual([401, expect.stringContaining("at most 512 are taken")]);
    const client = await TestClient.connect(server.port);
    const reply = await client.request({ type: "Authenticate", data: { token: large } });
    expect(reply).toMatchObject({ type: "Error", data: { code: "AUTH_FAILED" } });
    await client.close();
  });
});
