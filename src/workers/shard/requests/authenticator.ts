import { createPublicKey, createSecretKey, type KeyObject } from "node:crypto";
import jwt from "jsonwebtoken";
import { z } from "zod";
import type { JwtKeys } from "../../../config/jwt-keys.js";
import { CodedError } from "../../../shared/coded-error.js";
import { roleSchema, userIdSchema, walletSchema } from "../../../shared/text-schema.js";
import { MalformedTokenError, readCompactJws } from "./compact-jws.js";

/** Who a token says that its bearer is. */
export interface Identity {
  readonly userId: string;
  /** Null without the claim: no private channels, no orders. */
  readonly wallet: string | null;
  readonly role: string | undefined;
  /** The claims as they are, which say what channels it may have, and publish to; see isGranted. */
  readonly channels?: unknown;
  readonly publish?: unknown;
  /** Milliseconds since the Unix epoch. */
  readonly expiresAt: number;
}

/** Null for a claim that need not be there is its absence. Times are in seconds, with fractions. */
const claimsSchema = z.object({
  sub: userIdSchema,
  exp: z.number(),
  nbf: z.number().nullish(),
  iat: z.number().nullish(),
  iss: z.string().nullish(),
  aud: z.union([z.string(), z.array(z.string())]).nullish(),
  jti: z.string().nullish(),
  wallet: walletSchema.nullish(),
  role: roleSchema.nullish(),
  channels: z.unknown().optional(),
  publish: z.unknown().optional(),
});
type Claims = z.output<typeof claimsSchema>;

/** A token that is not taken; the message says why and holds nothing of the token. */
export class AuthenticationError extends CodedError<"AUTH_FAILED"> {
  constructor(message: string, options?: ErrorOptions) {
    super("AUTH_FAILED", message, options);
  }
}

/** Verifies tokens by one pinned key and its algorithms. */
export class Authenticator {
  readonly #key: KeyObject;
  readonly #maxTokenSize: number;
  readonly #options: JwtKeys;

  /** @param maxTokenSize largest token that is looked at, in bytes */
  constructor(options: JwtKeys, maxTokenSize: number) {
    this.#maxTokenSize = maxTokenSize;
    // Key objects know what they are for: a public key never passes for a secret.
    this.#key =
      "secret" in options.key
        ? createSecretKey(Buffer.from(options.key.secret, "utf8"))
        : createPublicKey(options.key.publicKey);
    this.#options = options;
  }

  /** The identity a token stands for. Throws AuthenticationError. */
  verify(token: string): Identity {
    // Its cost grows with its size, and it is paid before anybody knows who asks.
    if (token.length > this.#maxTokenSize) {
      throw new AuthenticationError(
        `token refused: it has ${token.length} bytes, and at most ${this.#maxTokenSize} are taken`,
      );
    }
    const payload = this.#verifySignature(token);
    const claims = claimsSchema.safeParse(payload);
    if (!claims.success) {
      const [issue] = claims.error.issues;
      throw refused(`claim ${issue?.path.join(".")}: ${issue?.message}`);
    }
    this.#checkClaims(claims.data, Date.now());
    const { sub, exp, wallet, role, channels, publish } = claims.data;
    return {
      userId: sub,
      wallet: wallet ?? null,
      role: role ?? undefined,
      channels,
      publish,
      expiresAt: exp * 1000,
    };
  }

  /** The claims of a token that the key has signed. */
  #verifySignature(token: string): unknown {
    try {
      const payload = readCompactJws(token);
      // Times are compared here, by the ms and not by the second, and where null is absence.
      jwt.verify(token, this.#key, {
        algorithms: [...this.#options.algorithms],
        ignoreExpiration: true,
        ignoreNotBefore: true,
      });
      return payload;
    } catch (error) {
      // Errors of parsing quote what they could not parse.
      const told = error instanceof jwt.JsonWebTokenError || error instanceof MalformedTokenError;
      throw refused(told ? error.message : "jwt malformed");
    }
  }

  #checkClaims({ exp, nbf, iss, aud }: Claims, nowMs: number): void {
    const { issuer, audience } = this.#options;
    if (exp * 1000 <= nowMs) throw refused("jwt expired");
    if (nbf != null && nbf * 1000 > nowMs) throw refused("jwt not active");
    if (issuer !== undefined && iss !== issuer) {
      throw refused(`jwt issuer invalid. expected: ${issuer}`);
    }
    if (audience !== undefined && ![aud].flat().includes(audience)) {
      throw refused(`jwt audience invalid. expected: ${audience}`);
    }
  }
}

function refused(why: string): AuthenticationError {
  return new AuthenticationError(`token refused: ${why}`);
}
