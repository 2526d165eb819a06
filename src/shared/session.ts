/** The form of the order sessions' names: unguessable, as whoever knows one may ask for it. */
const NAME = /^[A-Za-z0-9_-]{22,64}$/;

/** An order session as its connection has asked for it. */
export interface SessionTerms {
  readonly session: string;
  /** The token's `sub` and `wallet`; a session is resumed by the same alone. */
  readonly userId: string;
  readonly wallet: string | null;
  /** How long it outlives its connection, in ms; 0: not at all. */
  readonly waitMs: number;
}

/** The session of a connection, and whether it is the one that the client named. */
export interface GrantedSession {
  readonly session: string;
  readonly resumed: boolean;
}

/** Whether a text can be the name of a session. */
export function isSessionName(text: string): boolean {
  return NAME.test(text);
}
