import { once } from "node:events";
import { WebSocket } from "ws";
import { ENCODING_FRAMES, type Encoding, subprotocolOf } from "../../src/contract/encodings.js";
import { encodeRequest } from "./encode-request.js";

/** Frames as a server sent them. */
export interface Recording {
  /** The first message of the connection. */
  readonly greeting: Buffer;
  /** PriceUpdates. */
  readonly pushes: Buffer;
  readonly messages: number;
}

/** Records the first `messages` PriceUpdates that a running server sends for markets. */
export async function recordPriceUpdates(
  port: number,
  encoding: Encoding,
  marketIds: readonly number[],
  messages: number,
): Promise<Recording> {
  const ws = new WebSocket(`ws://127.0.0.1:${port}/ws/v3`, subprotocolOf(encoding));
  const frames: Buffer[] = [];
  const enough = new Promise<void>((resolve, reject) => {
    ws.on("message", (payload: Buffer, isBinary: boolean) => {
      frames.push(frameOf(payload, isBinary));
      // Two replies come before the pushes.
      if (frames.length === messages + 2) resolve();
    });
    ws.on("close", () => reject(new Error("the server closed while its pushes were recorded")));
  });
  await once(ws, "open");
  const channels = [{ type: "PriceFeed", params: { market_ids: marketIds } }];
  const subscribe = { type: "Subscribe", data: { channels } };
  ws.send(encodeRequest(encoding, subscribe), { binary: ENCODING_FRAMES[encoding] === "binary" });
  await enough;
  ws.removeAllListeners("close");
  ws.terminate();
  const [greeting, , ...pushes] = frames;
  return {
    greeting: greeting as Buffer,
    pushes: Buffer.concat(pushes.slice(0, messages)),
    messages,
  };
}

/** A payload in an unmasked frame, with FIN set. */
function frameOf(payload: Buffer, isBinary: boolean): Buffer {
  const { length } = payload;
  if (length > 0xffff) throw new RangeError(`a message of ${length} bytes`);
  const head = isBinary ? 0x82 : 0x81;
  const header = length < 126 ? [head, length] : [head, 126, length >> 8, length & 255];
  return Buffer.concat([Buffer.from(header), payload]);
}
