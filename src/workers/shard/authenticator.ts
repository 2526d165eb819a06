import { isUtf8 } from "node:buffer";
import { createPublicKey, createSecretKey, type KeyObject } from "node:crypto";
import type { Algorithm } from "jsonwebtoken";
import jwt from "jsonwebtoken";
import { z } from "zod";
import { roleSchema, userIdSchema, walletSchema } from "../../shared/text-schema.js";
import type { JwtOptions } from "../messages.js";

/** Who a token says that its bearer is. */
export interface Identity {
  readonly userId: string;
  /** Null without the claim: no private channels, no orders. */
  readonly wallet: string | null;
  readonly role: string | undefined;
  /** Milliseconds since the Unix epoch. */
  readonly expiresAt: number;
}

const claimsSchema = z.object({
  sub: userIdSchema,
  exp: z.number(),
  wallet: walletSchema.optional(),
  role: roleSchema.optional(),
});

/** A token that is not taken; the message says why and holds nothing of the token. */
export class AuthenticationError extends Error {
  override readonly name = "AuthenticationError";
}

/** Verifies tokens by one pinned key and its algorithms. */
export class Authenticator {
  readonly #key: KeyObject;
  readonly #options: jwt.VerifyOptions & { complete: false };

  constructor(options: JwtOptions) {
    // Key objects know what they are for: a public key never passes for a secret.
    this.#key =
      "secret" in options.key
        ? createSecretKey(Buffer.from(options.key.secret, "utf8"))
        : createPublicKey(options.key.publicKey);
    this.#options = {
      complete: false,
      algorithms: options.algorithms as Algorithm[],
      clockTolerance: 0,
      ...(options.issuer !== undefined && { issuer: options.issuer }),
      ...(options.audience !== undefined && { audience: options.audience }),
    };
  }

  /** The identity a token stands for. Throws AuthenticationError. */
  verify(token: string): Identity {
    let payload: unknown;
    try {
      payload = jwt.verify(token, this.#key, this.#options);
    } catch (error) {
      // Errors of parsing quote what they could not parse.
      const why = error instanceof jwt.JsonWebTokenError ? error.message : "jwt malformed";
      throw new AuthenticationError(`token refused: ${why}`);
    }
    // The library reads what is no UTF-8 as U+FFFD, and would take two wallets for one.
    if (!isUtf8(Buffer.from(token.split(".")[1] ?? "", "base64url")))
      throw new AuthenticationError("token refused: the claims are not UTF-8");
    const claims = claimsSchema.safeParse(payload);
    if (!claims.success) {
      const [issue] = claims.error.issues;
      throw new AuthenticationError(
        `token refused: claim ${issue?.path.join(".")}: ${issue?.message}`,
      );
    }
    const { sub, exp, wallet, role } = claims.data;
    // The library counts in whole seconds, the claim may not.
    if (exp * 1000 <= Date.now()) throw new AuthenticationError("token refused: jwt expired");
    return { userId: sub, wallet: wallet ?? null, role, expiresAt: exp * 1000 };
  }
}
