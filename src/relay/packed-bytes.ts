import { CodedError } from "../shared/coded-error.js";

/*
 * Numbers in as few bytes as they need. All are integers that a double holds exactly.
 *
 *   count   7 bits a byte, the lowest first; the highest bit says that another byte follows
 *   signed  as a count, but the first byte has 6 bits, the lowest of it the sign
 */

/** Bytes that are no such numbers, or end too soon. */
export class PackedBytesError extends CodedError<"ENTRY_DAMAGED"> {
  constructor(what: string) {
    super("ENTRY_DAMAGED", `entry: ${what}`);
  }
}

/** Appends numbers and bytes to a buffer that grows. */
export class ByteWriter {
  #bytes: Buffer;
  #length = 0;

  constructor(capacity: number) {
    this.#bytes = Buffer.allocUnsafe(capacity);
  }

  get length(): number {
    return this.#length;
  }

  clear(): void {
    this.#length = 0;
  }

  /** What was written, as a view that the next write changes. */
  get written(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  byte(value: number): void {
    this.#reserve(1);
    this.#bytes[this.#length++] = value;
  }

  count(value: number): void {
    this.#reserve(8);
    const bytes = this.#bytes;
    let rest = value;
    while (rest >= 0x8000_0000) {
      bytes[this.#length++] = (rest % 128) | 0x80;
      rest = Math.floor(rest / 128);
    }
    while (rest >= 0x80) {
      bytes[this.#length++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    bytes[this.#length++] = rest;
  }

  signed(value: number): void {
    const size = Math.abs(value);
    const first = ((size % 64) << 1) | (value < 0 ? 1 : 0);
    if (size < 64) return this.byte(first);
    this.byte(first | 0x80);
    this.count(Math.floor(size / 64));
  }

  f64(value: number): void {
    this.#reserve(8);
    this.#bytes.writeDoubleLE(value, this.#length);
    this.#length += 8;
  }

  u32(value: number): void {
    this.#reserve(4);
    this.#bytes.writeUInt32LE(value, this.#length);
    this.#length += 4;
  }

  raw(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  #reserve(more: number): void {
    if (this.#length + more <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(2 * this.#bytes.length, this.#length + more));
    this.#bytes.copy(larger, 0, 0, this.#length);
    this.#bytes = larger;
  }
}

/** Reads what a {@link ByteWriter} has written; throws {@link PackedBytesError}. */
export class ByteReader {
  readonly #bytes: Buffer;
  #at: number;

  constructor(bytes: Buffer, at = 0) {
    this.#bytes = bytes;
    this.#at = at;
  }

  get at(): number {
    return this.#at;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  byte(): number {
    const value = this.#bytes[this.#at];
    if (value === undefined) throw new PackedBytesError("it ends in the middle of a record");
    this.#at++;
    return value;
  }

  count(): number {
    let byte = this.byte();
    if (byte < 0x80) return byte;
    let value = byte & 0x7f;
    let unit = 128;
    do {
      byte = this.byte();
      value += (byte & 0x7f) * unit;
      unit *= 128;
    } while (byte >= 0x80 && unit <= 2 ** 56);
    if (byte >= 0x80 || value > Number.MAX_SAFE_INTEGER)
      throw new PackedBytesError("a number is too large");
    return value;
  }

  signed(): number {
    const first = this.byte();
    const size = ((first & 0x7f) >>> 1) + (first >= 0x80 ? this.count() * 64 : 0);
    if (size > Number.MAX_SAFE_INTEGER) throw new PackedBytesError("a number is too large");
    return (first & 1) === 1 ? -size : size;
  }

  f64(): number {
    return this.raw(8).readDoubleLE(0);
  }

  u32(): number {
    return this.raw(4).readUInt32LE(0);
  }

  /** A view of the next bytes. */
  raw(length: number): Buffer {
    if (length > this.left) throw new PackedBytesError("it ends in the middle of a record");
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }
}
