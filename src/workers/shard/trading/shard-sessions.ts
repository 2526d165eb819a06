import { randomBytes } from "node:crypto";
import { CLOSE } from "../../../contract/closings.js";
import { type GrantedSession, isSessionName } from "../../../shared/session.js";
import type { ExchangeRequest, SessionClaim } from "../../messages.js";
import type { Connection } from "../connections/connection.js";
import type { Identity } from "../requests/authenticator.js";

/** 24 characters. */
const NAME_BYTES = 18;

/** Has a connection's further requests wait, until it is released. */
export interface RequestHold {
  readonly hold: (connection: Connection) => void;
  readonly release: (connection: Connection) => void;
}

/** Who asks for a session, and how long it is to outlive the connection. */
interface SessionAsker extends Pick<Identity, "userId" | "wallet"> {
  /** The connection's number. */
  readonly number: number;
  readonly waitMs: number;
}

/** A connection that has asked for a session by name and has had no answer yet. */
interface Asked {
  readonly claim: SessionClaim;
  readonly resume: string;
  readonly granted: (granted: GrantedSession) => void;
  readonly timer: NodeJS.Timeout;
}

/**
 * A shard's connections and their sessions. Which sessions there are the exchange knows, or, for another feed,
 * the producer's thread: it is told of each, and asked where a client names one. A new one needs no
 * answer. Where none comes in time, as there is no producer, the client gets a new session.
 *
 * Invariant: a connection is in one of the two maps at most, and from its first session to its end in one.
 */
export class ShardSessions {
  readonly #send: (request: ExchangeRequest) => void;
  readonly #timeoutMs: number;
  readonly #claims = new Map<number, SessionClaim>();
  readonly #asked = new Map<number, Asked>();
  readonly #connections = new Map<number, Connection>();

  /** @param timeoutMs how long an answer is waited for */
  constructor(send: (request: ExchangeRequest) => void, timeoutMs: number) {
    this.#send = send;
    this.#timeoutMs = timeoutMs;
  }

  /** What a new exchange is told first. */
  get claims(): readonly SessionClaim[] {
    return [...this.#claims.values()];
  }

  /** Gives a connection a new session. */
  open(asker: SessionAsker): GrantedSession {
    const claim = newClaim(asker);
    this.#claims.set(claim.connection, claim);
    this.#send({ type: "session", ...claim });
    return { session: claim.session, resumed: false };
  }

  /**
   * Gives a connection the session that it names, if that is there for it, or else a new one.
   * @param granted called at once or later, unless the connection is {@link end}ed before
   */
  resume(asker: SessionAsker, resume: string, granted: (granted: GrantedSession) => void): void {
    if (!isSessionName(resume)) return granted(this.open(asker));
    const claim = newClaim(asker);
    const timer = setTimeout(() => {
      this.#asked.delete(asker.number);
      granted(this.open(asker));
    }, this.#timeoutMs);
    this.#asked.set(asker.number, { claim, resume, granted, timer });
    this.#send({ type: "session", ...claim, resume });
  }

  /**
   * Gives an open connection a session with its first token, the named one where that is there for it, and
   * has its requests wait meanwhile. With a later token it keeps the one it has.
   */
  give(
    connection: Connection,
    { userId, wallet }: Identity,
    named: string | undefined,
    { hold, release }: RequestHold,
    given: (granted: GrantedSession) => void,
  ): void {
    if (connection.session !== undefined) return given(connection.session);
    const { number, cancelAfterMs: waitMs = 0 } = connection;
    const asker = { number, userId, wallet, waitMs };
    this.serve(connection);
    if (named === undefined) {
      connection.session = this.open(asker);
      return given(connection.session);
    }
    hold(connection);
    this.resume(asker, named, (granted) => {
      connection.session = granted;
      given(granted);
      release(connection);
    });
  }

  /** There is another exchange, which has been told the claims: asks it what is still to be answered. */
  askAgain(): void {
    for (const { claim, resume } of this.#asked.values())
      this.#send({ type: "session", ...claim, resume });
  }

  /** The answer of the exchange. */
  granted(number: number, session: string): void {
    const asked = this.#asked.get(number);
    // Its time was over, and it has a new session; or it has ended.
    if (asked === undefined) return;
    clearTimeout(asked.timer);
    this.#asked.delete(number);
    this.#claims.set(number, { ...asked.claim, session });
    asked.granted({ session, resumed: session === asked.resume });
  }

  /** Whoever loses its session from now on is closed for it. */
  serve(connection: Connection): void {
    this.#connections.set(connection.number, connection);
  }

  /** Another connection has taken the session of one. */
  taken(number: number, session: string): void {
    // It may have got a new one meanwhile, as the answer about that one came too late.
    if (this.#claims.get(number)?.session !== session) return;
    // It owes the exchange no word any more.
    this.#claims.delete(number);
    this.#connections.get(number)?.close(CLOSE.sessionTaken);
  }

  /** A connection has ended, or will not be one. */
  end(number: number): void {
    this.#connections.delete(number);
    const asked = this.#asked.get(number);
    clearTimeout(asked?.timer);
    this.#asked.delete(number);
    if (this.#claims.delete(number) || asked !== undefined)
      this.#send({ type: "ended", connection: number });
  }
}

function newClaim({ number, userId, wallet, waitMs }: SessionAsker): SessionClaim {
  const session = randomBytes(NAME_BYTES).toString("base64url");
  return { connection: number, session, userId, wallet, waitMs };
}
