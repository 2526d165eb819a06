/** What an HMAC with SHA-256 asks for (RFC 7518, 3.2). */
const SECRET_BYTES_MIN = 32;

/**
 * What is wrong with a secret that is too short to resist guessing, and how to make a better one;
 * undefined where it is long enough. Whitespace around it hides nothing and does not count.
 */
export function secretWeakness(secret: string): string | undefined {
  const bytes = Buffer.byteLength(secret.trim(), "utf8");
  if (bytes >= SECRET_BYTES_MIN) return undefined;
  return `has ${bytes} bytes, and needs at least ${SECRET_BYTES_MIN} to resist guessing; make one with: openssl rand -base64 48`;
}
