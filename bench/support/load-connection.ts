import { connect, type Socket } from "node:net";
import { binaryFrame, pongFrame, textFrame, upgradeRequest } from "./client-frames.js";
import { FrameCounter, type FrameTally } from "./frame-counter.js";
import type { OpenRequest } from "./load-messages.js";

const OPCODE_CLOSE = 8;
const OPCODE_PING = 9;
const HEAD_END = "\r\n\r\n";

/** One of the connections that an {@link OpenRequest} asks for. */
type ConnectionRequest = Pick<
  OpenRequest,
  "port" | "path" | "subprotocol" | "binary" | "slow" | "compression"
> & {
  readonly subscribe?: string | undefined;
};

export interface ConnectionEvents {
  upgraded(): void;
  /** The first frame after the reply to `subscribe`, or the very first where nothing is subscribed. */
  firstPush(): void;
  /** The connection ended, with a close code or an error's name. */
  lost(reason: string): void;
}

/** How long a connection that reads slowly does not, after each chunk. */
const SLOW_PAUSE_MS = 200;
/** Replies that precede the first push of market data on a connection that subscribes. */
const REPLIES_BEFORE_PUSH = 2;

/**
 * Connects, upgrades and subscribes one connection of the load client.
 *
 * All connections read into the one `buffer`: what `onread` gives is used up before it returns.
 */
export function openConnection(
  request: ConnectionRequest,
  buffer: Buffer,
  tally: FrameTally,
  events: ConnectionEvents,
): Socket {
  let head: string | undefined = "";
  let reason = "end";
  let framesToPush = request.subscribe === undefined ? 0 : REPLIES_BEFORE_PUSH;
  let pushed = false;

  const counter = new FrameCounter(tally, (opcode, payload) => {
    if (opcode === OPCODE_PING) socket.write(pongFrame(payload));
    if (opcode === OPCODE_CLOSE) reason = closeCode(payload);
  });

  /** Takes the upgrade's response; returns where in the chunk the frames begin. */
  const takeHead = (bytes: number): number => {
    const before = (head as string).length;
    const seen: string = head + buffer.toString("latin1", 0, bytes);
    const end = seen.indexOf(HEAD_END);
    head = seen;
    if (end < 0) return bytes;
    if (!seen.startsWith("HTTP/1.1 101 ")) {
      reason = seen.slice(0, seen.indexOf("\r\n"));
      socket.destroy();
      return bytes;
    }
    head = undefined;
    const { subscribe, binary } = request;
    if (subscribe !== undefined) {
      socket.write(binary ? binaryFrame(Buffer.from(subscribe, "base64")) : textFrame(subscribe));
    }
    events.upgraded();
    return end + HEAD_END.length - before;
  };

  const onChunk = (bytes: number): boolean => {
    const start = head === undefined ? 0 : takeHead(bytes);
    const framesBefore = tally.frames;
    counter.consume(buffer, start, bytes);
    if (!pushed && head === undefined) {
      framesToPush -= tally.frames - framesBefore;
      if (framesToPush < 0) {
        pushed = true;
        events.firstPush();
      }
    }
    if (request.slow !== true || head !== undefined) return true;
    setTimeout(() => socket.resume(), SLOW_PAUSE_MS);
    return false;
  };

  const socket = connect({
    host: "127.0.0.1",
    port: request.port,
    noDelay: true,
    onread: { buffer, callback: onChunk },
  });
  socket.on("connect", () =>
    socket.write(
      upgradeRequest(request.port, request.path, request.subprotocol, request.compression),
    ),
  );
  socket.on("error", (error: NodeJS.ErrnoException) => {
    reason = error.code ?? error.message;
  });
  socket.on("close", () => events.lost(reason));
  return socket;
}

function closeCode(payload: Buffer): string {
  return payload.length < 2
    ? "1005"
    : String(((payload[0] as number) << 8) | (payload[1] as number));
}
