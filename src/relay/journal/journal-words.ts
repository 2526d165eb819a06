import { z } from "zod";

/*
 * What an exchange and its standbys say to each other beside the records, as JSON.
 */

const timelineId = z.string().regex(/^[0-9a-f]{16}$/);
const timeline = z.object({ id: timelineId, first: z.int().positive() });

/** Whether the exchange's answers wait until a standby has on its disk what they tell of. */
export type RelayAck = "none" | "standby";

const head = z.object({
  /** Its data directory, by a name that no other has. */
  origin: z.string(),
  ack: z.enum(["none", "standby"]),
  /** Number of the last record on the exchange's disk, when it was said. */
  last: z.int().nonnegative(),
  /** The first one that the stream has, or will have. */
  from: z.int().positive(),
  /** Who wrote which records. */
  timelines: z.array(timeline).readonly(),
  /** The standbys that have all that anybody was told. */
  heirs: z.array(z.string()),
  /** A standby has been heard of in this history. */
  followed: z.boolean(),
});

/** What an exchange says of its journal, once a second, and before its heirs are others. */
export type JournalHead = z.infer<typeof head>;

const said = z.object({
  standby: z.string().max(64),
  /** Number of the last record on its disk, and the timeline of that. */
  last: z.int().nonnegative(),
  timeline: timelineId,
  /** The piece of a copy that it wants, of the copy's file; the first one makes the copy. */
  wants: z
    .object({ ask: z.string().max(64), copy: z.string().max(64), offset: z.int().nonnegative() })
    .optional(),
});

/** What a standby says with every read of records, and twice a second. */
export type StandbySaid = z.infer<typeof said>;
export type WantedPiece = NonNullable<StandbySaid["wants"]>;

const piece = z.discriminatedUnion("type", [
  z.object({
    type: z.literal("piece"),
    /** Bytes of the whole copy. */
    size: z.int().positive(),
    /** Timelines of the exchange when the copy was made. */
    timelines: z.array(timeline).readonly(),
    checksum: z.int().nonnegative(),
  }),
  /** The copy is being made, or another one is given out. */
  z.object({ type: z.literal("wait") }),
  /** It cannot be made, or is not there any more. */
  z.object({ type: z.literal("failed"), reason: z.string() }),
]);

export type PieceHead = z.infer<typeof piece>;

export const parseHead = (text: string): JournalHead | undefined => parsed(head, text);
export const parseSaid = (text: string): StandbySaid | undefined => parsed(said, text);

/** A piece of a copy as it travels: the length of its head, the head, and its bytes. */
export function packPiece(head: PieceHead, bytes: Buffer = Buffer.alloc(0)): Buffer {
  const text = Buffer.from(JSON.stringify(head));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(text.length);
  return Buffer.concat([length, text, bytes]);
}

/** Undefined where it is not what was packed. */
export function unpackPiece(
  packed: Buffer,
): { readonly head: PieceHead; readonly bytes: Buffer } | undefined {
  if (packed.length < 4) return undefined;
  const end = 4 + packed.readUInt32LE(0);
  const of = parsed(piece, packed.toString("utf8", 4, end));
  return of && { head: of, bytes: packed.subarray(end) };
}

function parsed<T>(schema: z.ZodType<T>, text: string): T | undefined {
  try {
    return schema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}
