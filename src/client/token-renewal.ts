import { DisconnectedError } from "./errors.js";
import type { RequestOptions, TokenSource } from "./options.js";
import { OWN, type Replies, type Requests } from "./requests.js";
import { getToken, type TokenKeeper } from "./token-keeper.js";

/** Sees to it that the connection goes by the present token, and renews that in time. */
export class TokenRenewal {
  readonly #requests: Requests;
  readonly #tokens: TokenKeeper;
  readonly #report: (error: unknown) => void;
  #serverAheadMs = 0;
  /** Counts connections and tokens of the program: a renewal that began before has nothing to say. */
  #term = 0;
  /** Tokens of the program's on their way. */
  #authenticating = 0;

  constructor(requests: Requests, tokens: TokenKeeper, report: (error: unknown) => void) {
    this.#requests = requests;
    this.#tokens = tokens;
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
    this.#tokens.stop();
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

  #watch(token: string): void {
    this.#tokens.watch(token, this.#serverAheadMs, () => void this.#renew(token));
  }
}
