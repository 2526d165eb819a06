/** Names of the relay's keys in Redis. All begin with the prefix, which so keeps several systems apart. */
export interface RelayKeys {
  /** A stream: the entries, their batch numbers being the first part of their ids and their fences the second. */
  readonly stream: string;
  /** A hash: `head`, an entry without records, and for each slot an entry with its market. */
  readonly snapshot: string;
  /** The highest number of an origin. */
  readonly fence: string;
  /** The number and the process of the present origin; it ends with its time. */
  readonly lease: string;
  /** A stream: what edges ask of the origin's archive. */
  readonly asks: string;
  /** A list for each ask: its answer. */
  readonly answer: (ask: string) => string;
}

export function relayKeys(prefix: string): RelayKeys {
  return {
    stream: `${prefix}:stream`,
    snapshot: `${prefix}:snapshot`,
    fence: `${prefix}:fence`,
    lease: `${prefix}:lease`,
    asks: `${prefix}:asks`,
    answer: (ask) => `${prefix}:answer:${ask}`,
  };
}

/** The id of an entry in the stream. */
export function entryId(batch: number, fence: number): string {
  return `${batch}-${fence}`;
}

/** The id behind which the entries with higher batch numbers are. */
export function idBehind(batch: number): string {
  return `${batch}-18446744073709551615`;
}

/** The batch number in an entry's id. */
export function batchOf(id: Buffer | string): number {
  return Number(String(id).split("-", 1)[0]);
}
