import { createPublicKey, type KeyObject } from "node:crypto";
import { characterAt } from "../shared/json-fault-text.js";
import { positionAt, showPosition, TextFault } from "../shared/text-fault.js";
import { readTextFile } from "../shared/text-file.js";
import type { JwtAlgorithm } from "./config-fields.js";
import { ConfigurationError, problem } from "./configuration-error.js";
import { readJwtSecret, readOrCreateJwtSecret } from "./jwt-secret.js";
import type { Config } from "./schema.js";

/** How tokens are verified. */
export interface JwtKeys {
  /** A secret, which signs as well, or a public key in PEM. */
  readonly key: { readonly secret: string } | { readonly publicKey: string };
  /** Pinned: a token signed with any other algorithm is refused. */
  readonly algorithms: readonly JwtAlgorithm[];
  readonly issuer: string | undefined;
  readonly audience: string | undefined;
}

type JwtConfig = Pick<
  Config,
  "jwtSecret" | "jwtPublicKeyFile" | "jwtAlgorithms" | "jwtIssuer" | "jwtAudience" | "dataDir"
>;

const RSA_BITS_MIN = 2048;

function readPublicKey(path: string): KeyObject {
  try {
    const pem = readTextFile(path);
    requirePem(pem);
    return createPublicKey(pem);
  } catch (error) {
    const place = error instanceof TextFault ? `${showPosition(error.position)}: ` : "";
    const reason = error instanceof Error ? error.message : String(error);
    throw new ConfigurationError(
      [
        problem(
          "jwt-public-key-file",
          `no public key in PEM can be read from ${path}: ${place}${reason}`,
        ),
      ],
      { cause: error },
    );
  }
}

/** Throws TextFault where a file has no line that a key begins with. */
function requirePem(text: string): void {
  if (/^-----BEGIN /m.test(text)) return;
  const start = Math.max(0, text.search(/\S|$/));
  const fault = `found ${characterAt(text, start)}, expected -----BEGIN`;
  throw new TextFault(fault, positionAt(text, start));
}

/** The algorithm that a key is for, or undefined where it is for none that is supported. */
function algorithmOf(key: KeyObject): JwtAlgorithm | undefined {
  const { modulusLength = 0, namedCurve } = key.asymmetricKeyDetails ?? {};
  if (key.asymmetricKeyType === "rsa" && modulusLength >= RSA_BITS_MIN) return "RS256";
  if (key.asymmetricKeyType === "ec" && namedCurve === "prime256v1") return "ES256";
  return undefined;
}

async function publicKeys(config: JwtConfig, path: string): Promise<JwtKeys> {
  const key = readPublicKey(path);
  const algorithm = algorithmOf(key);
  if (algorithm === undefined) {
    throw new ConfigurationError([
      problem(
        "jwt-public-key-file",
        `the key in ${path} is neither RSA of at least ${RSA_BITS_MIN} bits nor EC on P-256`,
      ),
    ]);
  }
  if (config.jwtAlgorithms !== undefined && !config.jwtAlgorithms.includes(algorithm)) {
    throw new ConfigurationError([
      problem(
        "jwt-algorithms",
        `the key in jwt-public-key-file is for ${algorithm}, which is not in ${config.jwtAlgorithms.join(",")}`,
      ),
    ]);
  }
  // Exported anew, so that a private key in the file does not travel any further.
  const publicKey = key.export({ type: "spki", format: "pem" }).toString();
  return jwtKeys(config, { publicKey }, algorithm);
}

function jwtKeys(config: JwtConfig, key: JwtKeys["key"], algorithm: JwtAlgorithm): JwtKeys {
  const { jwtIssuer: issuer, jwtAudience: audience } = config;
  return { key, algorithms: [algorithm], issuer, audience };
}

/**
 * The keys as they are configured or kept in the data directory; undefined where the secret is still
 * to be made. Changes nothing. Throws ConfigurationError where a key cannot be read or used.
 */
export async function readJwtKeys(config: JwtConfig): Promise<JwtKeys | undefined> {
  if (config.jwtPublicKeyFile !== undefined) return publicKeys(config, config.jwtPublicKeyFile);
  const secret = config.jwtSecret ?? (await readJwtSecret(config.dataDir));
  return secret === undefined ? undefined : jwtKeys(config, { secret }, "HS256");
}

/**
 * As {@link readJwtKeys}, but makes a secret in the data directory where neither a secret nor a
 * public key is configured and none was made before.
 */
export async function resolveJwtKeys(config: JwtConfig): Promise<JwtKeys> {
  const keys = await readJwtKeys(config);
  if (keys !== undefined) return keys;
  return jwtKeys(config, { secret: await readOrCreateJwtSecret(config.dataDir) }, "HS256");
}
