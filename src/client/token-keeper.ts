import { Alarm } from "./alarm.js";
import { TokenError } from "./errors.js";
import type { TokenSource } from "./options.js";
import { refreshDelayMs, tokenExpiryMs } from "./token-expiry.js";

/** A token is renewed at most this often, in milliseconds, however short its life or wrong the clock. */
const REFRESH_INTERVAL_MS_MIN = 1000;

/** Where tokens come from, and when the next one is due. */
export class TokenKeeper {
  source: TokenSource | undefined;
  readonly #marginMs: number;
  readonly #alarm = new Alarm();

  constructor(source: TokenSource | undefined, marginMs: number) {
    this.source = source;
    this.#marginMs = marginMs;
  }

  /** Whether a token that expires can be followed by another one. */
  get renewable(): boolean {
    return typeof this.source === "function";
  }

  /** A token; undefined where the client is anonymous. Rejects with TokenError. */
  get(): Promise<string | undefined> {
    return getToken(this.source);
  }

  /**
   * Calls `renew` before `token` expires, once; nothing where there is no way to renew it, or no
   * time left.
   * @param serverAheadMs how far the server's clock is ahead of ours
   */
  watch(token: string, serverAheadMs: number, renew: () => void): void {
    this.stop();
    const expiryMs = this.renewable ? tokenExpiryMs(token) : undefined;
    if (expiryMs === undefined) return;
    const remainingMs = expiryMs - serverAheadMs - Date.now();
    if (remainingMs <= 0) return;
    const delayMs = Math.max(REFRESH_INTERVAL_MS_MIN, refreshDelayMs(remainingMs, this.#marginMs));
    this.#alarm.set(delayMs, renew);
  }

  stop(): void {
    this.#alarm.clear();
  }
}

/** One token of a source. Rejects with TokenError. */
export async function getToken<S extends TokenSource | undefined>(
  source: S,
): Promise<S extends undefined ? undefined : string> {
  type Token = S extends undefined ? undefined : string;
  try {
    return ((typeof source === "function" ? await source() : source) ?? undefined) as Token;
  } catch (cause) {
    throw new TokenError("the token function failed", { cause });
  }
}
