/** Who is there of a market or a private channel. */
export interface PresenceState {
  readonly connections: number;
  /** Distinct users of those with a token. */
  readonly users: number;
  /** Ids of the users of a private channel: of at most 1,000 that were there first, and of all who came since. */
  readonly members: ReadonlySet<string> | undefined;
}

export type PresenceListener = (state: PresenceState) => void;
