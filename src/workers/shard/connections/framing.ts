import type { BatchForm, EncodingDescriptor } from "../../../codec/encoding.js";
import { ENCODING_TABLE, encodingAt } from "../../../codec/encodings.js";
import { COMPRESSED, FrameWriter } from "../../../codec/frame-writer.js";
import { WINDOW_BITS, type WindowBits } from "../http/deflate-offer.js";
import type { Compressor } from "./compressor.js";
import type { FrameBatch } from "./frame-batch.js";

/**
 * Most bytes of messages in a batch, but for one message that is larger by itself: common clients take no
 * more than 1 MiB.
 */
export const BATCH_BYTES_MAX = 256 * 1024;

/** Bytes of the header of the unmasked frame at `at`. */
function headerBytes(bytes: Buffer, at: number): number {
  const length = bytes[at + 1] as number;
  return length < 126 ? 2 : length === 126 ? 4 : 10;
}

/** Bytes of the payload of the unmasked frame at `at`, which has such a header. */
function payloadBytes(bytes: Buffer, at: number, header: number): number {
  if (header === 2) return bytes[at + 1] as number;
  if (header === 4) return bytes.readUInt16BE(at + 2);
  return bytes.readUInt32BE(at + 2) * 2 ** 32 + bytes.readUInt32BE(at + 6);
}

/**
 * How messages come in the frames of a connection, where that is not one plain frame each: batched,
 * compressed, or both. Made of the plain frames that all have in common, so that a message is encoded once
 * whatever its frames are.
 */
export class Framing {
  /** A text that no other framing has. */
  readonly key: string;
  readonly batched: boolean;
  /** Whether messages come compressed, either way. */
  readonly compressed: boolean;
  readonly #windowBits: WindowBits | undefined;
  readonly #encodings: readonly EncodingDescriptor[];
  readonly #compressor: Compressor;
  readonly #writer: FrameWriter;
  /** What was made of batches that are still sent to others. */
  readonly #formed = new WeakMap<FrameBatch, FrameBatch>();

  constructor(
    batched: boolean,
    windowBits: WindowBits | undefined,
    encodings: readonly EncodingDescriptor[],
    compressor: Compressor,
    writer: FrameWriter,
  ) {
    this.key = `${batched ? "b" : ""}${windowBits === undefined ? "" : `c${windowBits}`} `;
    this.batched = batched;
    this.compressed = windowBits !== undefined;
    this.#windowBits = windowBits;
    this.#encodings = encodings;
    this.#compressor = compressor;
    this.#writer = writer;
  }

  /** Plain frames of an encoding in these ones; made once for all who are sent the same batch. */
  form(batch: FrameBatch, encoding: number): FrameBatch {
    const known = this.#formed.get(batch);
    if (known !== undefined) return known;
    this.write(batch.bytes, batch.bytes.length, encoding);
    const formed = { bytes: this.#writer.copy(), messages: batch.messages };
    this.#formed.set(batch, formed);
    return formed;
  }

  /**
   * Writes the plain frames in the first `length` bytes in these ones.
   * @returns a view of them, good until the next call of any framing
   */
  write(source: Buffer, length: number, encoding: number): Buffer {
    const { batches } = encodingAt(this.#encodings, encoding);
    const out = this.#writer;
    out.reset();
    for (let at = 0; at < length; ) {
      const opcode = source[at] as number;
      out.begin();
      at = this.batched
        ? writeBatch(out, source, at, length, batches)
        : writePayload(out, source, at);
      this.#end(opcode);
    }
    return out.bytes.subarray(0, out.position);
  }

  #end(opcode: number): void {
    const out = this.#writer;
    const deflated = this.#windowBits && this.#compressor.compress(out.payload, this.#windowBits);
    if (deflated === undefined) {
      out.end(opcode);
      return;
    }
    out.rewind();
    out.append(deflated, 0, deflated.length);
    out.end(opcode | COMPRESSED);
  }
}

/** Copies the payload of the frame at `at`; returns where that ends. */
function writePayload(out: FrameWriter, source: Buffer, at: number): number {
  const header = headerBytes(source, at);
  const end = at + header + payloadBytes(source, at, header);
  out.append(source, at + header, end);
  return end;
}

/** Writes what fits into a batch of the frames from `at` on; returns where the last of them ends. */
function writeBatch(
  out: FrameWriter,
  source: Buffer,
  from: number,
  length: number,
  form: BatchForm,
): number {
  let messages = 0;
  let to = from;
  for (let bytes = 0; to < length; messages++) {
    const header = headerBytes(source, to);
    const payload = payloadBytes(source, to, header);
    bytes += payload;
    if (messages > 0 && bytes > BATCH_BYTES_MAX) break;
    to += header + payload;
  }
  if (messages === 1 && form.bareAlone) return writePayload(out, source, from);
  form.begin(out, messages);
  for (let at = from; at < to; ) {
    const header = headerBytes(source, at);
    form.before(out, payloadBytes(source, at, header), at === from);
    at = writePayload(out, source, at);
  }
  form.end(out);
  return to;
}

/** The framings that a shard's connections may have. */
export class Framings {
  readonly #all = new Map<string, Framing>();

  constructor(compressor: Compressor, encodings: readonly EncodingDescriptor[] = ENCODING_TABLE) {
    const writer = new FrameWriter();
    for (const batched of [false, true]) {
      for (const windowBits of [undefined, ...WINDOW_BITS]) {
        if (!batched && windowBits === undefined) continue;
        const framing = new Framing(batched, windowBits, encodings, compressor, writer);
        this.#all.set(nameOf(batched, windowBits), framing);
      }
    }
  }

  /** The framing of what a connection has asked for; undefined for plain frames. */
  of(batched: boolean, windowBits: WindowBits | undefined): Framing | undefined {
    return this.#all.get(nameOf(batched, windowBits));
  }
}

function nameOf(batched: boolean, windowBits: WindowBits | undefined): string {
  return `${batched} ${windowBits}`;
}
