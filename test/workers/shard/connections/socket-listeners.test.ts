import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type WebSocket, WebSocketServer } from "ws";
import {
  connectionOf,
  onHeard,
  onPing,
  PROTOCOL_CLOSE_CODES,
} from "../../../../src/workers/shard/connections/socket-listeners.js";
import { maskedFrame } from "../../../support/client-frames.js";
import { parseFrames } from "../../../support/frames.js";
import { handshakeText, RawConnection } from "../../../support/raw-connection.js";
import { type Client, ShardWorld } from "../../../support/shard-world.js";

const CONTINUATION = 0;
const TEXT = 1;
const CLOSE = 8;
const PING = 9;
const MAX_PAYLOAD = 16;
const MAX_FRAGMENTS = 2;

/** Bytes that break the protocol, by the code of the error that `ws` has for them. */
const FAULTS: Readonly<Record<string, Buffer>> = {
  WS_ERR_EXPECTED_FIN: maskedFrame(PING, "", { fin: false }),
  WS_ERR_EXPECTED_MASK: maskedFrame(TEXT, "", { masked: false }),
  WS_ERR_INVALID_CLOSE_CODE: maskedFrame(CLOSE, Buffer.from([1004 >> 8, 1004 & 0xff])),
  WS_ERR_INVALID_CONTROL_PAYLOAD_LENGTH: maskedFrame(PING, Buffer.alloc(126)),
  WS_ERR_INVALID_OPCODE: maskedFrame(3),
  WS_ERR_UNEXPECTED_RSV_1: maskedFrame(TEXT, "", { reserved: 4 }),
  WS_ERR_UNEXPECTED_RSV_2_3: maskedFrame(TEXT, "", { reserved: 2 }),
  WS_ERR_INVALID_UTF8: maskedFrame(TEXT, Buffer.from([0xff])),
  WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH: maskedFrame(TEXT, "", {
    length: Buffer.from([127, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
  }),
  WS_ERR_UNSUPPORTED_MESSAGE_LENGTH: maskedFrame(TEXT, Buffer.alloc(MAX_PAYLOAD + 1)),
  WS_ERR_TOO_MANY_BUFFERED_PARTS: Buffer.concat([
    maskedFrame(TEXT, "", { fin: false }),
    ...Array.from({ length: MAX_FRAGMENTS }, () => maskedFrame(CONTINUATION, "a", { fin: false })),
  ]),
};

describe("socket-listeners", () => {
  let server: WebSocketServer;
  let port: number;

  beforeAll(async () => {
    server = new WebSocketServer({
      host: "127.0.0.1",
      port: 0,
      maxPayload: MAX_PAYLOAD,
      maxFragments: MAX_FRAGMENTS,
      perMessageDeflate: false,
    });
    await once(server, "listening");
    ({ port } = server.address() as AddressInfo);
  });
  afterAll(() => server.close());

  it.each(Object.entries(FAULTS))(
    "socket-listeners - after %s the code is what ws closes with",
    async (expected, bytes) => {
      const connected = once(server, "connection") as Promise<[WebSocket]>;
      const client = await RawConnection.connect(port);
      try {
        await client.send(handshakeText("/")).answer(false);
        const [ws] = await connected;
        const failed = once(ws, "error") as Promise<[Error & { readonly code?: string }]>;
        client.send(bytes);
        const [{ code }] = await failed;
        expect(code).toBe(expected);
        const [frame] = parseFrames(await client.take(4));
        expect(frame?.head).toBe(0x80 | CLOSE);
        expect(PROTOCOL_CLOSE_CODES.get(code)).toBe(frame?.payload.readUInt16BE());
        ws.terminate();
      } finally {
        client.destroy();
      }
    },
  );

  it("socket-listeners - no other error of a socket has a close code of the protocol's", () => {
    expect([...PROTOCOL_CLOSE_CODES.keys()].sort()).toEqual(Object.keys(FAULTS).sort());
    for (const code of [undefined, "ECONNRESET", "WS_ERR_UNEXPECTED_MASK"])
      expect(PROTOCOL_CLOSE_CODES.get(code)).toBeUndefined();
  });

  /** A connection on a fake socket, last heard of long ago, and the socket as listeners have it. */
  function quiet(
    options: ConstructorParameters<typeof ShardWorld>[0] = {},
  ): Client & { socketOf: WebSocket } {
    const client = new ShardWorld(options).connect(0);
    const { connection } = client;
    // A pong is no message of the protocol, which the world would read.
    client.socket.onData = () => {};
    connection.ws.connection = connection;
    connection.heardAt = -1;
    return { ...client, socketOf: connection.ws };
  }

  it("socket-listeners - a socket leads to its connection, each to its own", () => {
    const [one, other] = [quiet(), quiet()];
    expect(connectionOf(one.socketOf)).toBe(one.connection);
    expect(connectionOf(other.socketOf)).toBe(other.connection);
  });

  it("socket-listeners - a frame shows that the client is there, and is answered by nothing", () => {
    const [one, other] = [quiet(), quiet()];
    const before = performance.now();
    onHeard.call(one.socketOf);
    expect(one.connection.heardAt).toBeGreaterThanOrEqual(before);
    expect(one.connection.heardAt).toBeLessThanOrEqual(performance.now());
    expect(one.socket.calls).toEqual([]);
    expect(other.connection.heardAt).toBe(-1);
    // It is no message: who only pings is idle.
    expect(one.connection.messageAt).toBe(0);
  });

  it("socket-listeners - a ping shows the same, and is answered by a pong of the same payload", () => {
    for (const payload of ["", "asked", "x".repeat(125)]) {
      const { connection, socket, socketOf } = quiet();
      const before = performance.now();
      onPing.call(socketOf, Buffer.from(payload));
      expect(connection.heardAt).toBeGreaterThanOrEqual(before);
      const [frame] = parseFrames(Buffer.concat(socket.calls.flat()));
      expect([frame?.head, String(frame?.payload)]).toEqual([0x8a, payload]);
    }
  });

  it("socket-listeners - who pings and does not read the pongs is closed as a slow consumer", () => {
    const { socket, socketOf, ws } = quiet({ maxQueuedBytes: 20 });
    socket.congested = true;
    // Of 8 bytes each: those after which more than the bound wait are the last.
    for (let pings = 1; pings <= 3; pings++) onPing.call(socketOf, Buffer.from("answer"));
    expect(ws.closed).toBeUndefined();
    onPing.call(socketOf, Buffer.from("answer"));
    expect(ws.closed?.code).toBe(4001);
    expect(socket.calls).toHaveLength(3);
  });
});
