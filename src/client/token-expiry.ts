/**
 * When a JWT expires, in milliseconds since the Unix epoch; undefined where it is no JWT or has no
 * `exp`. It is only read: whether it holds is the server's to say.
 */
export function tokenExpiryMs(token: string): number | undefined {
  try {
    const payload = (token.split(".")[1] ?? "").replaceAll("-", "+").replaceAll("_", "/");
    const { exp } = JSON.parse(atob(payload)) as { readonly exp?: unknown };
    return typeof exp === "number" ? exp * 1000 : undefined;
  } catch {
    return undefined;
  }
}

/** How long to wait before a token with `remainingMs` to live is renewed, in milliseconds. */
export function refreshDelayMs(remainingMs: number, marginMs: number): number {
  return remainingMs - Math.min(marginMs, remainingMs / 2);
}
