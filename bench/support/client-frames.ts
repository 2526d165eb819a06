import { randomBytes } from "node:crypto";

const OPCODE_PONG = 10;
const OPCODE_TEXT = 1;
const OPCODE_BINARY = 2;

/** The request that asks for a WebSocket; with `subprotocol`, offers that one, and compression if asked. */
export function upgradeRequest(
  port: number,
  path: string,
  subprotocol: string | undefined,
  compression = false,
): string {
  const lines = [
    `GET ${path} HTTP/1.1`,
    `Host: 127.0.0.1:${port}`,
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Version: 13",
    `Sec-WebSocket-Key: ${randomBytes(16).toString("base64")}`,
  ];
  if (subprotocol !== undefined) lines.push(`Sec-WebSocket-Protocol: ${subprotocol}`);
  if (compression) lines.push("Sec-WebSocket-Extensions: permessage-deflate");
  return `${lines.join("\r\n")}\r\n\r\n`;
}

/** A client's text message as one masked frame; at most 65,535 bytes. */
export function textFrame(text: string): Buffer {
  return maskedFrame(OPCODE_TEXT, Buffer.from(text));
}

/** A client's binary message as one masked frame; at most 65,535 bytes. */
export function binaryFrame(payload: Uint8Array): Buffer {
  return maskedFrame(OPCODE_BINARY, payload);
}

/** The answer to a ping that carried `payload`. */
export function pongFrame(payload: Uint8Array): Buffer {
  return maskedFrame(OPCODE_PONG, payload);
}

function maskedFrame(opcode: number, payload: Uint8Array): Buffer {
  const { length } = payload;
  if (length > 0xffff) throw new RangeError(`frame of ${length} bytes`);
  const mask = randomBytes(4);
  const header = Buffer.from(
    length < 126
      ? [0x80 | opcode, 0x80 | length]
      : [0x80 | opcode, 0x80 | 126, length >> 8, length & 255],
  );
  return Buffer.concat([
    header,
    mask,
    payload.map((byte, index) => byte ^ (mask[index % 4] as number)),
  ]);
}
