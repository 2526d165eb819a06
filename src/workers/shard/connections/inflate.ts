import { isUtf8 } from "node:buffer";
import { constants, inflateRawSync } from "node:zlib";
import { CLOSE, type Closing } from "../../../contract/closings.js";
import type { CompressedMessage } from "./frame-scanner.js";

/**
 * What a sender has left out at a message's end (RFC 7692, section 7.2.1), and an empty last block: with it
 * the data are at their end, and whatever is cut off before is told from what is whole.
 */
const TAIL = Buffer.from("0000ffff010000ffff", "hex");

/**
 * The payload of a compressed message, or why the connection is to be closed. What is inflated is never
 * much more than `bytesMax`, however much the data stand for.
 */
export function inflateMessage(
  compressed: Buffer,
  kind: CompressedMessage,
  bytesMax: number,
): Buffer | Closing {
  let payload: Buffer;
  try {
    payload = inflateRawSync(Buffer.concat([compressed, TAIL]), {
      finishFlush: constants.Z_FINISH,
      maxOutputLength: bytesMax,
    });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === "ERR_BUFFER_TOO_LARGE" ? CLOSE.inflatesTooLarge(bytesMax) : CLOSE.notDeflated;
  }
  return kind === "binary" || isUtf8(payload) ? payload : CLOSE.inflatedNotUtf8;
}
