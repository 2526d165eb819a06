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
    const identity = await this.#requests.ask(
      "Authenticate",
      { token },
      { ...options, whenLost: "resend" },
    );
    this.#term++;
    this.#tokens.source = source;
    this.#watch(token);
    return identity;
  }

  /** Gives the connection a fresh token in place of `old`, if there is any way to. */
  async renew(old?: string): Promise<void> {
    const term = this.#term;
    let next = old;
    try {
      const token = await getToken(this.#tokens.source);
      // Another token of the program's is on its way: that is the one to go by.
      if (term !== this.#term || this.#requests.waits("Authenticate"))
        return this.#rewatch(term, next);
      if (token !== undefined) {
        await this.#requests.ask("Authenticate", { token }, OWN);
        next = token;
      }
    } catch (error) {
      if (term === this.#term && !(error instanceof DisconnectedError)) this.#report(error);
    }
    // Where it failed there is another try, as long as the old one lives.
    this.#rewatch(term, next);
  }

  #rewatch(term: number, token: string | undefined): void {
    if (term === this.#term && token !== undefined) this.#watch(token);
  }

  #watch(token: string): void {
    this.#tokens.watch(token, this.#serverAheadMs, () => void this.renew(token));
  }
}
