import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type ServerProcess, startServerProcess } from "../support/server-process.js";
import { TestClient } from "../support/test-client.js";

/* A proxy is played by sockets that write what it would. */

let server: ServerProcess;
beforeAll(async () => {
  server = await startServerProcess({
    host: "127.0.0.1",
    "trusted-proxies": "127.0.0.9",
    "max-connections-per-address": 2,
    "handshake-timeout": 1000,
  });
});
afterAll(() => server.dispose());

const UPGRADE = [
  "GET /ws/v3 HTTP/1.1",
  "Host: x",
  "Upgrade: websocket",
  "Connection: Upgrade",
  "Sec-WebSocket-Version: 13",
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
  "",
  "",
].join("\r\n");
const header = (client: string): string => `PROXY TCP4 ${client} 192.0.2.1 50000 443\r\n`;

function proxied(...chunks: readonly string[]): Socket {
  const socket = connect({ port: server.port, host: "127.0.0.1", localAddress: "127.0.0.9" });
  socket.on("error", () => {});
  socket.setNoDelay(true);
  for (const chunk of chunks) socket.write(chunk, "latin1");
  return socket;
}

/** The first that comes on a socket; undefined where that is its end. */
async function answerOf(socket: Socket): Promise<string | undefined> {
  const answer = await Promise.race([
    once(socket, "data").then(([data]) => String(data)),
    once(socket, "close").then(() => undefined),
  ]);
  return answer?.split("\r\n", 1)[0];
}

const refused = (reason: string) =>
  server.metric(`marketcast_connections_rejected_total{reason="${reason}"}`);

it("proxies - a header in any pieces is followed by the client's own bytes, in both versions", async () => {
  const v2 = Buffer.from("0d0a0d0a000d0a515549540a2111000cc6336401c0000201c35001bb", "hex");
  const sockets = [
    proxied(header("198.51.100.1") + UPGRADE),
    proxied(...header("198.51.100.2"), UPGRADE.slice(0, 9), UPGRADE.slice(9)),
    proxied(v2.toString("latin1") + UPGRADE),
    proxied(`PROXY UNKNOWN\r\n${UPGRADE}`),
  ];
  for (const answer of await Promise.all(sockets.map(answerOf)))
    expect(answer).toBe("HTTP/1.1 101 Switching Protocols");
  for (const socket of sockets) socket.destroy();
  const plain = await TestClient.connect(server.port);
  await plain.close();
});

it("proxies - the client's bytes may come long after the header", async () => {
  const waiting = Array.from({ length: 6 }, (_, at) => proxied(header(`198.51.100.${at + 10}`)));
  for (let at = 0; at < 4; at++) {
    const other = proxied(header(`198.51.100.${at + 20}`) + UPGRADE);
    expect(await answerOf(other)).toContain("101");
    other.destroy();
  }
  for (const socket of waiting) socket.write(UPGRADE);
  for (const answer of await Promise.all(waiting.map(answerOf))) expect(answer).toContain("101");
  for (const socket of waiting) socket.destroy();
});

it("proxies - each client behind one has limits of its own", async () => {
  const open = [0, 1].map(() => proxied(header("203.0.113.7") + UPGRADE));
  for (const socket of open) expect(await answerOf(socket)).toContain("101");
  expect(await answerOf(proxied(header("203.0.113.7") + UPGRADE))).toContain("503");
  const others = [8, 9, 10].map((host) => proxied(header(`203.0.113.${host}`) + UPGRADE));
  for (const socket of others) expect(await answerOf(socket)).toContain("101");
  for (const socket of [...open, ...others]) socket.destroy();
});

it("proxies - what is no header is cut, and who sends none in time as well", async () => {
  const [faults, timeouts] = [await refused("proxy-header"), await refused("timeout")];
  expect(await answerOf(proxied(UPGRADE))).toBeUndefined();
  expect(await answerOf(proxied("PROXY TCP4 1.2.3 "))).toBeUndefined();
  expect(await refused("proxy-header")).toBe(faults + 1);
  expect(await refused("timeout")).toBe(timeouts + 1);
});

it("proxies - a header of anybody else is no request", async () => {
  const socket = connect(server.port, "127.0.0.1");
  socket.on("error", () => {});
  socket.write(header("203.0.113.1") + UPGRADE);
  expect(await answerOf(socket)).toContain("400");
});
