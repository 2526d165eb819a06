import { inspect } from "node:util";

/*
 * The primitives of a batch's bytes.
 *
 *   count    7 bits a byte, the lowest first; the top bit says that more follow. Up to 2^53 − 1.
 *   integer  as a count, but the lowest bit of the first byte is the sign
 *   text     a count: 0 for a new one, else the how-manieth of the new ones before it. A new one goes on with
 *            the count of its bytes in UTF-8, and those
 *   big      a byte: 0 where an integer follows, 1 where its decimal digits do, as a text
 *   ts       an integer: the difference to the ts before it
 *   double   8 bytes, little-endian
 */

const FIRST_BYTES = 4096;
/** Most bytes that a number of these kinds takes. */
const NUMBER_BYTES_MAX = 9;
/** Texts up to this length are tried to be written as ASCII by hand, which is faster there. */
const SHORT_TEXT = 48;

/** Writes into memory of its own that grows as needed and is used again. */
export class ByteWriter {
  #bytes = Buffer.allocUnsafe(FIRST_BYTES);
  #at = 0;
  #lastTs = 0;
  readonly #texts = new Map<string, number>();

  /** Begins anew; what was written before is gone. */
  clear(): void {
    this.#at = 0;
    this.#lastTs = 0;
    this.#texts.clear();
  }

  /** What was written since the last {@link clear}, until the next one. */
  get bytes(): Buffer {
    return this.#bytes.subarray(0, this.#at);
  }

  byte(value: number): void {
    this.#reserve(1);
    this.#bytes[this.#at++] = value;
  }

  /** Throws RangeError for what is no integer from 0 to 2^53 − 1. */
  count(value: number): void {
    if (!(Number.isSafeInteger(value) && value >= 0)) throw new RangeError(`${value} is no count`);
    this.#reserve(NUMBER_BYTES_MAX);
    this.#rest(value);
  }

  /** Throws RangeError for what is no safe integer. */
  integer(value: number): void {
    if (!Number.isSafeInteger(value)) throw new RangeError(`${value} is no safe integer`);
    this.#reserve(NUMBER_BYTES_MAX);
    const size = Math.abs(value);
    const more = size >= 0x40;
    this.#bytes[this.#at++] = (value < 0 ? 1 : 0) | ((size % 0x40) << 1) | (more ? 0x80 : 0);
    if (more) this.#rest(Math.floor(size / 0x40));
  }

  big(value: bigint): void {
    const number = Number(value);
    const isSafe = Number.isSafeInteger(number);
    this.byte(isSafe ? 0 : 1);
    if (isSafe) this.integer(number);
    else this.text(String(value));
  }

  ts(value: number): void {
    this.integer(value - this.#lastTs);
    this.#lastTs = value;
  }

  double(value: number): void {
    this.#reserve(8);
    this.#at = this.#bytes.writeDoubleLE(value, this.#at);
  }

  /** Throws Error for a text with half a character, for which there is no UTF-8. */
  text(value: string): void {
    const known = this.#texts.get(value);
    this.count(known ?? 0);
    if (known !== undefined) return;
    this.#texts.set(value, this.#texts.size + 1);
    if (value.length > SHORT_TEXT || !this.#ascii(value)) this.#encoded(value);
  }

  /** Writes a short text of ASCII; returns false, and writes nothing, where it is none. */
  #ascii(value: string): boolean {
    this.#reserve(NUMBER_BYTES_MAX + value.length);
    const before = this.#at;
    this.#rest(value.length);
    for (let at = 0; at < value.length; at++) {
      const code = value.charCodeAt(at);
      if (code > 0x7f) {
        this.#at = before;
        return false;
      }
      this.#bytes[this.#at++] = code;
    }
    return true;
  }

  #encoded(value: string): void {
    if (!value.isWellFormed())
      throw new Error(`${inspect(value)} would be read as ${inspect(value.toWellFormed())}`);
    const length = Buffer.byteLength(value);
    this.count(length);
    this.#reserve(length);
    this.#at += this.#bytes.write(value, this.#at);
  }

  #rest(count: number): void {
    let rest = count;
    for (; rest >= 0x8000_0000; rest = Math.floor(rest / 0x80))
      this.#bytes[this.#at++] = (rest % 0x80) | 0x80;
    for (; rest >= 0x80; rest >>>= 7) this.#bytes[this.#at++] = (rest & 0x7f) | 0x80;
    this.#bytes[this.#at++] = rest;
  }

  #reserve(count: number): void {
    if (this.#at + count <= this.#bytes.length) return;
    const grown = Buffer.allocUnsafe((this.#at + count) * 2);
    this.#bytes.copy(grown, 0, 0, this.#at);
    this.#bytes = grown;
  }
}

/** Reads what a {@link ByteWriter} wrote. Every method throws Error beyond the end. */
export class ByteReader {
  readonly #bytes: Buffer;
  #at = 0;
  #lastTs = 0;
  readonly #texts: string[] = [];

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** Whether all has been read. */
  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  byte(): number {
    const byte = this.#bytes[this.#at++];
    if (byte === undefined) throw new Error("it ends too early");
    return byte;
  }

  count(): number {
    return this.#rest(0, 1);
  }

  integer(): number {
    const first = this.byte();
    const low = (first >> 1) & 0x3f;
    const size = (first & 0x80) === 0 ? low : this.#rest(low, 0x40);
    return (first & 1) === 0 ? size : -size;
  }

  big(): bigint {
    return this.byte() === 0 ? BigInt(this.integer()) : BigInt(this.text());
  }

  ts(): number {
    this.#lastTs += this.integer();
    return this.#lastTs;
  }

  double(): number {
    this.#require(8);
    this.#at += 8;
    return this.#bytes.readDoubleLE(this.#at - 8);
  }

  text(): string {
    const which = this.count();
    if (which > 0) {
      const known = this.#texts[which - 1];
      if (known === undefined) throw new Error(`it has no text ${which}`);
      return known;
    }
    const length = this.count();
    this.#require(length);
    const begin = this.#at;
    this.#at += length;
    const text = this.#bytes.toString("utf8", begin, this.#at);
    this.#texts.push(text);
    return text;
  }

  #rest(low: number, from: number): number {
    let value = low;
    for (let factor = from; ; factor *= 0x80) {
      const byte = this.byte();
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) break;
    }
    if (!Number.isSafeInteger(value)) throw new Error("it has a number that is too large");
    return value;
  }

  #require(count: number): void {
    if (this.#at + count > this.#bytes.length) throw new Error("it ends too early");
  }
}
