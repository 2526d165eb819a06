import { z } from "zod";
import { CodedError } from "../../../shared/coded-error.js";

/**
 * What a header must be, of a token that is taken (RFC 7515, 4.1). Keys that a header brings or
 * points to (`jku`, `jwk`, `x5u`, `x5c`) are not looked at: there is one key, the configured one.
 */
const headerSchema = z.object({
  alg: z.string(),
  typ: z.string().nullish(),
  cty: z.string().nullish(),
  kid: z.string().nullish(),
});

/** A token that is no JWS in compact form, or one that asks for what this server does not do. */
export class MalformedTokenError extends CodedError<"TOKEN_MALFORMED"> {
  constructor(message: string, options?: ErrorOptions) {
    super("TOKEN_MALFORMED", message, options);
  }
}

/** Decodes base64url without padding; undefined where it is not the one spelling of its bytes. */
function decodeBase64url(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, "base64url");
  return bytes.toString("base64url") === text ? bytes : undefined;
}

/** A JSON object in UTF-8; of a member that is there twice, the last (RFC 7515, section 4). */
function decodeObject(part: string): Record<string, unknown> | undefined {
  const bytes = decodeBase64url(part);
  if (bytes === undefined) return undefined;
  try {
    const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
    const value: unknown = JSON.parse(utf8.decode(bytes));
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Reads a token by the letter of RFC 7515, 5.2 and RFC 7519, 7.2, and returns its claims, which are
 * nobody's word until the signature is verified. The library that verifies it is lenient: it takes
 * padding, whitespace and other bytes, and does not know `crit`. Throws MalformedTokenError, which
 * holds nothing of the token.
 */
export function readCompactJws(token: string): Record<string, unknown> {
  const [head = "", payload = "", signature = "", ...others] = token.split(".");
  const header = decodeObject(head);
  const claims = decodeObject(payload);
  if (header === undefined || claims === undefined || others.length > 0) {
    throw new MalformedTokenError("jwt malformed");
  }
  if (signature === "") throw new MalformedTokenError("jwt signature is required");
  if (decodeBase64url(signature) === undefined) throw new MalformedTokenError("jwt malformed");
  const parsed = headerSchema.safeParse(header);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new MalformedTokenError(`header ${issue?.path.join(".")}: ${issue?.message}`);
  }
  // No extension is understood, so whatever it names must not be ignored; none at all is an error.
  if (Object.hasOwn(header, "crit")) {
    throw new MalformedTokenError("header crit: no extension is understood");
  }
  // Unencoded payloads (RFC 7797) are not for JWTs.
  if (Object.hasOwn(header, "b64") && header["b64"] !== true) {
    throw new MalformedTokenError("header b64: only an encoded payload is understood");
  }
  return claims;
}
