import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { unpack } from "msgpackr";
import type { ClientMessage, ServerMessage } from "../../src/contract/messages.js";
import { decodeClientPayload, decodeServerMessage } from "./protobuf-json.js";

const HEADERS_END = "\r\n\r\n";

/** What a proxy does with messages; a frame is let pass unless it is said to be dropped. */
export interface FrameRules {
  dropFromServer?: (message: ServerMessage) => boolean;
  dropFromClient?: (message: ClientMessage) => boolean;
  /** Cuts the connection right after a message has been passed on, or dropped. */
  cutAfterClient?: (message: ClientMessage) => boolean;
}

/**
 * A proxy between one WebSocket client and the server that passes frames on whole, and loses those
 * that its rules name: a network that is worse than TCP allows.
 */
export class FrameProxy {
  rules: FrameRules = {};
  /** Every message of clients so far, those that were dropped included. */
  readonly requests: ClientMessage[] = [];
  /** The head of each upgrade request so far. */
  readonly upgrades: string[] = [];
  /** New connections are cut at once. */
  refusing = false;
  /** Nothing is passed on any more, in either direction, and nobody is told. */
  frozen = false;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  targetPort: number;

  private constructor(targetPort: number) {
    this.targetPort = targetPort;
    this.#server = createServer((client) => this.#accept(client));
  }

  static async start(targetPort: number): Promise<FrameProxy> {
    const proxy = new FrameProxy(targetPort);
    proxy.#server.listen(0, "127.0.0.1");
    await once(proxy.#server, "listening");
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `ws://127.0.0.1:${this.port}`;
  }

  /** Connections that stand. */
  get connections(): number {
    return this.#sockets.size / 2;
  }

  /** Cuts every connection, without a closing handshake. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async close(): Promise<void> {
    this.cut();
    this.#server.close();
    await once(this.#server, "close");
  }

  #accept(client: Socket): void {
    if (this.refusing) {
      client.on("error", () => {}).destroy();
      return;
    }
    const server = connect(this.targetPort, "127.0.0.1");
    for (const [socket, other] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(socket);
      socket.on("error", () => {});
      socket.on("end", () => other.end());
      socket.on("close", () => {
        this.#sockets.delete(socket);
        other.destroy();
      });
    }
    let protobuf = false;
    const binary = (payload: Buffer, decode: (payload: Buffer) => unknown): unknown =>
      protobuf ? decode(payload) : unpack(payload);
    const fromClient = new FrameSplitter(
      (head) => {
        const text = head.toString("latin1");
        this.upgrades.push(text);
        protobuf = text.includes("marketcast.protobuf");
        server.write(head);
      },
      (frame, payload) => {
        const message = payload as ClientMessage | undefined;
        if (message !== undefined) this.requests.push(message);
        if (message === undefined || !this.rules.dropFromClient?.(message)) server.write(frame);
        if (message !== undefined && this.rules.cutAfterClient?.(message)) {
          // What was passed on must have left, and no answer may come back.
          server.removeAllListeners("data");
          server.end(() => client.destroy());
        }
      },
      (payload) => binary(payload, decodeClientPayload),
    );
    const fromServer = new FrameSplitter(
      (head) => client.write(head),
      (frame, payload) => {
        const message = payload as ServerMessage | undefined;
        if (message === undefined || !this.rules.dropFromServer?.(message)) client.write(frame);
      },
      (payload) => binary(payload, decodeServerMessage),
    );
    client.on("data", (bytes) => this.frozen || fromClient.take(bytes));
    server.on("data", (bytes) => this.frozen || fromServer.take(bytes));
  }
}

/**
 * Cuts a stream into its HTTP head and frames; control frames, and what is no message, come without
 * one. All of a refusal is its head.
 */
class FrameSplitter {
  #rest = Buffer.alloc(0);
  #upgraded = false;
  #refused = false;
  readonly #onHead: (head: Buffer) => void;
  readonly #onFrame: (frame: Buffer, message: unknown) => void;
  readonly #decode: (payload: Buffer) => unknown;

  /** @param decode reads the payload of a binary frame */
  constructor(
    onHead: (head: Buffer) => void,
    onFrame: (frame: Buffer, message: unknown) => void,
    decode: (payload: Buffer) => unknown,
  ) {
    this.#onHead = onHead;
    this.#onFrame = onFrame;
    this.#decode = decode;
  }

  take(bytes: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, bytes]);
    if (!this.#upgraded) {
      const end = this.#rest.indexOf(HEADERS_END);
      if (end < 0 && !this.#refused) return;
      this.#refused ||= /^HTTP\/1\.1 (?!101)/.test(this.#rest.toString("latin1"));
      if (this.#refused) return this.#onHead(this.#cut(this.#rest.length));
      this.#upgraded = true;
      this.#onHead(this.#cut(end + HEADERS_END.length));
    }
    for (;;) {
      const length = frameLength(this.#rest);
      if (length === undefined || this.#rest.length < length) return;
      const frame = this.#cut(length);
      this.#onFrame(frame, messageOf(frame, this.#decode));
    }
  }

  #cut(length: number): Buffer {
    const part = this.#rest.subarray(0, length);
    this.#rest = this.#rest.subarray(length);
    return part;
  }
}

/** Where the payload of a frame starts, and how long it is; undefined where the header is cut off. */
function headerOf(bytes: Buffer): { mask: number; start: number; length: number } | undefined {
  if (bytes.length < 2) return undefined;
  const second = bytes.readUInt8(1);
  const short = second & 0x7f;
  const mask = short === 126 ? 4 : short === 127 ? 10 : 2;
  const start = mask + (second & 0x80 ? 4 : 0);
  if (bytes.length < start) return undefined;
  const length =
    short === 126
      ? bytes.readUInt16BE(2)
      : short === 127
        ? Number(bytes.readBigUInt64BE(2))
        : short;
  return { mask, start, length };
}

function frameLength(bytes: Buffer): number | undefined {
  const header = headerOf(bytes);
  return header === undefined ? undefined : header.start + header.length;
}

/**
 * The message in a data frame; undefined for a control frame, and for what does not decode. Nobody
 * here sends fragments.
 */
function messageOf(frame: Buffer, decode: (payload: Buffer) => unknown): unknown {
  const { mask, start } = headerOf(frame) as { mask: number; start: number };
  const opcode = frame.readUInt8(0) & 0x0f;
  if (opcode !== 1 && opcode !== 2) return undefined;
  const payload = Buffer.from(frame.subarray(start));
  if (start > mask) {
    for (let at = 0; at < payload.length; at++)
      payload[at] = (payload[at] as number) ^ (frame[mask + (at % 4)] as number);
  }
  try {
    return opcode === 1 ? JSON.parse(payload.toString("utf8")) : decode(payload);
  } catch {
    return undefined;
  }
}
