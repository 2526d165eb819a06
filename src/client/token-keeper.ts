import { TokenError } from "./errors.js";
import type { TokenSource } from "./options.js";

/** Where tokens come from. */
export class TokenKeeper {
  source: TokenSource | undefined;

  constructor(source: TokenSource | undefined) {
    this.source = source;
  }

  /** Whether a token that expires can be followed by another one. */
  get renewable(): boolean {
    return typeof this.source === "function";
  }

  /** A token; undefined where the client is anonymous. Rejects with TokenError. */
  get(): Promise<string | undefined> {
    return getToken(this.source);
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
