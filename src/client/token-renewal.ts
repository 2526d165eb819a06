import { Alarm } from "./alarm.js";
import { DisconnectedError } from "./errors.js";

export { OrderPlaces } from "./order-places.js";

import type { RequestOptions, TokenSource } from "./options.js";
import { OWN, type Replies, type Requests } from "./requests.js";
import { refreshDelayMs, tokenExpiryMs } from "./token-expiry.js";
import { getToken, type TokenKeeper } from "./token-keeper.js";

/** A token is renewed at most this often, in milliseconds, however short its life or wrong the clock. */
const REFRESH_INTERVAL_MS_MIN = 1000;

/** Sees to it that the connection goes by the present token, and renews that in time. */
export class TokenRenewal {
  readonly #requests: Requests;
  readonly #tokens: TokenKeeper;
  readonly #marginMs: number;
  readonly #report: (error: unknown) => void;
  readonly #alarm = new Alarm();
  #serverAheadMs: number;
  /** Counts connections and tokens of the program: a renewal that began before has nothing to say. */
  #term = 0;
  /** Tokens of the program's on their way. */
  #authenticating = 0;

  constructor(
    requests: Requests,
    tokens: TokenKeeper,
    marginMs: number,
    serverTimeMs: number,
    report: (error: unknown) => void,
  ) {
    this.#serverAheadMs = serverTimeMs - Date.now();
    this.#requests = requests;
    this.#tokens = tokens;
    this.#marginMs = marginMs;
    this.#report = report;
  }

  /** A connection is open, by this token. */
  opened(token: string | undefined, serverTimeMs: number): void {
    this.#serverAheadMs = serverTimeMs - Date.now();
    if (token !== undefined) this.#watch(token);
  }

  /** The connection is gone, or the client is closed. */
  lost(): void {
    this.#term++;
    this.#alarm.clear();
  }

  /** Gives the connection a token of the program's. */
  async authenticate(
    source: TokenSource,
    options: RequestOptions,
  ): Promise<Replies["Authenticate"]> {
    const token = await getToken(source);
    const asking = { ...options, whenLost: "resend" } as const;
    this.#authenticating++;
    try {
      const identity = await this.#requests.ask("Authenticate", { token }, asking);
      this.#term++;
      this.#tokens.source = source;
      this.#watch(token);
      return identity;
    } finally {
      this.#authenticating--;
    }
  }

  /** The connection goes by a token that is not the present one: gives it that again. */
  restore(): void {
    if (this.#authenticating === 0) void this.#renew(undefined);
  }

  /** Gives the connection a fresh token in place of `old`. */
  async #renew(old: string | undefined): Promise<void> {
    const term = this.#term;
    let next = old;
    try {
      const token = await getToken(this.#tokens.source);
      // Another token of the program's may be on its way by now: that is the one to go by.
      if (token !== undefined && term === this.#term && this.#authenticating === 0) {
        await this.#requests.ask("Authenticate", { token }, OWN);
        next = token;
      }
    } catch (error) {
      if (term === this.#term && !(error instanceof DisconnectedError)) this.#report(error);
    }
    // Where it failed there is another try, as long as the old one lives.
    if (term === this.#term && next !== undefined) this.#watch(next);
  }

  /** Renews a token before it expires; nothing where there is no way to, or no time left. */
  #watch(token: string): void {
    this.#alarm.clear();
    const expiryMs = this.#tokens.renewable ? tokenExpiryMs(token) : undefined;
    if (expiryMs === undefined) return;
    const remainingMs = expiryMs - this.#serverAheadMs - Date.now();
    if (remainingMs <= 0) return;
    const delayMs = Math.max(REFRESH_INTERVAL_MS_MIN, refreshDelayMs(remainingMs, this.#marginMs));
    this.#alarm.set(delayMs, () => void this.#renew(token));
  }
}
