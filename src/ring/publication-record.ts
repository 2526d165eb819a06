import { alignToUnit, type Words } from "./layout.js";
import { utf8 } from "./records.js";

/*
 * The payload of a publication's record. Offsets are bytes and multiples of 8, numbers f64, texts UTF-8, one behind
 * the other.
 *
 *   publication       channel bytes u32, user bytes u32 │ data bytes u32, 0 │ seq │ ts │ channel, user, data
 *   publishedTo       ts: all that come behind it are not earlier
 *   publicationsLost  ts: neither are those that are missing
 */

const HEAD_BYTES = 32;
/** Stands for the bytes of a user where there is none. */
const NOBODY = 0xffff_ffff;

export const PUBLISHED_TO_BYTES = 8;

/** What was published, and its place in its channel. */
export interface PublicationRecord {
  readonly channel: string;
  readonly seq: number;
  /** Microseconds since the Unix epoch. */
  readonly ts: number;
  /** JSON. */
  readonly data: string;
  /** Undefined for an operator's. */
  readonly userId: string | undefined;
}

/** A publication's texts, as they will stand in its record. */
export interface PublicationTexts {
  readonly channel: Uint8Array;
  readonly user: Uint8Array | undefined;
  readonly data: Uint8Array;
}

const decoder = new TextDecoder();

export function publicationTexts(
  channel: string,
  userId: string | undefined,
  data: string,
): PublicationTexts {
  return {
    channel: utf8(channel),
    user: userId === undefined ? undefined : utf8(userId),
    data: utf8(data),
  };
}

export function publicationBytes({ channel, user, data }: PublicationTexts): number {
  return HEAD_BYTES + alignToUnit(channel.length + (user?.length ?? 0) + data.length);
}

export function writePublication(
  { u32, f64, bytes }: Words,
  offset: number,
  { channel, user, data }: PublicationTexts,
  seq: number,
  ts: number,
): void {
  const at = offset >>> 2;
  u32[at] = channel.length;
  u32[at + 1] = user?.length ?? NOBODY;
  u32[at + 2] = data.length;
  u32[at + 3] = 0;
  f64[(offset >>> 3) + 2] = seq;
  f64[(offset >>> 3) + 3] = ts;
  let text = offset + HEAD_BYTES;
  for (const part of [channel, user, data]) {
    if (part === undefined) continue;
    bytes.set(part, text);
    text += part.length;
  }
}

/** Likewise of a loss. */
export function writePublishedTo({ f64 }: Words, offset: number, ts: number): void {
  f64[offset >>> 3] = ts;
}

export function readPublishedTo({ f64 }: Words, offset: number): number {
  return f64[offset >>> 3] as number;
}

/** The channel that a record is of, without the rest of it. */
export function readChannel({ u32, bytes }: Words, offset: number): string {
  const start = offset + HEAD_BYTES;
  return decoder.decode(bytes.subarray(start, start + (u32[offset >>> 2] as number)));
}

export function readPublicationTs({ f64 }: Words, offset: number): number {
  return f64[(offset >>> 3) + 3] as number;
}

export function readPublication({ u32, f64, bytes }: Words, offset: number): PublicationRecord {
  const at = offset >>> 2;
  const userBytes = u32[at + 1] as number;
  let text = offset + HEAD_BYTES;
  const next = (length: number): string => {
    const start = text;
    text += length;
    return decoder.decode(bytes.subarray(start, text));
  };
  return {
    channel: next(u32[at] as number),
    userId: userBytes === NOBODY ? undefined : next(userBytes),
    data: next(u32[at + 2] as number),
    seq: f64[(offset >>> 3) + 2] as number,
    ts: f64[(offset >>> 3) + 3] as number,
  };
}
