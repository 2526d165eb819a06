/** Names of the keys by which an exchange's journal goes to its standbys. */
export interface JournalKeys {
  /** A stream: the journal's records; their ids are number and fence. */
  readonly journal: string;
  /** A string: what the origin says of its journal. */
  readonly head: string;
  /** A stream: what standbys say, some hundreds of the latest. */
  readonly acks: string;
  /** A list for each piece of a copy that is asked for: the answer. */
  readonly piece: (ask: string) => string;
  /** The highest number of an origin. */
  readonly fence: string;
}

export function journalKeys(prefix: string): JournalKeys {
  return {
    journal: `${prefix}:journal`,
    head: `${prefix}:journal-head`,
    acks: `${prefix}:journal-ack`,
    piece: (ask) => `${prefix}:journal-copy:${ask}`,
    fence: `${prefix}:fence`,
  };
}
