/*
 * What shows the load client's own ceiling: takes every upgrade and writes one block of framed
 * messages to each connection, again and again, as fast as it is taken. Nothing is published,
 * stringified or framed meanwhile.
 */
import { type AddressInfo, createServer, type Socket } from "node:net";
import { nowMicros } from "../../src/shared/clock.js";
import type { BaselineReply } from "./baseline-messages.js";
import { priceUpdates } from "./price-updates.js";

const BLOCK_BYTES = 64 * 1024;
const HEADER_BYTES = 4;
const RESPONSE =
  "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";

/** A block of whole text frames, each with a payload of `messageBytes`; 126 to 65,535. */
function framedBlock(messageBytes: number): Buffer {
  const payload = JSON.stringify(priceUpdates(messageBytes)(nowMicros()));
  const frame = Buffer.from(`1234${payload}`);
  frame.set([0x81, 126, payload.length >> 8, payload.length & 255]);
  return Buffer.concat(
    Array.from({ length: Math.floor(BLOCK_BYTES / (HEADER_BYTES + payload.length)) }, () => frame),
  );
}

const block = framedBlock(Number(process.argv[2]));

function blast(socket: Socket): void {
  const fill = (): void => {
    while (socket.writable && socket.write(block));
  };
  socket.write(RESPONSE);
  socket.on("drain", fill);
  setImmediate(fill);
}

const server = createServer((socket) => {
  socket.on("error", () => undefined);
  socket.once("data", () => blast(socket));
});
server.listen(0, "127.0.0.1", () => {
  process.send?.({
    kind: "listening",
    port: (server.address() as AddressInfo).port,
  } satisfies BaselineReply);
});
process.on("disconnect", () => process.exit());
