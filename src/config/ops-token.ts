import { open } from "node:fs/promises";
import { ConfigurationError, problem } from "./configuration-error.js";
import type { Config } from "./schema.js";

/** What an `Authorization` header can carry. */
const TOKEN = /^[\x21-\x7e]+$/;
const FILE_BYTES_MAX = 4096;

type OpsTokenConfig = Pick<Config, "opsToken" | "opsTokenFile">;

/** At most a little more than a token may have: a path can lead to what never ends. */
async function readStart(path: string): Promise<string> {
  const file = await open(path, "r");
  try {
    const buffer = Buffer.alloc(FILE_BYTES_MAX + 1);
    let length = 0;
    for (;;) {
      const { bytesRead } = await file.read(buffer, length, buffer.length - length);
      length += bytesRead;
      if (bytesRead === 0 || length === buffer.length) return buffer.toString("utf8", 0, length);
    }
  } finally {
    await file.close();
  }
}

async function readToken(path: string): Promise<string> {
  try {
    return (await readStart(path)).trim();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ConfigurationError([problem("ops-token-file", `${path} cannot be read: ${reason}`)], {
      cause: error,
    });
  }
}

/**
 * The token that the operations port asks for, as given or as in its file; undefined where it asks
 * for none. Throws ConfigurationError, which does not quote it, where it cannot be read or used.
 */
export async function readOpsToken({
  opsToken,
  opsTokenFile,
}: OpsTokenConfig): Promise<string | undefined> {
  const token = opsTokenFile === undefined ? opsToken : await readToken(opsTokenFile);
  if (token === undefined) return undefined;
  if (!TOKEN.test(token) || token.length > FILE_BYTES_MAX) {
    const key = opsTokenFile === undefined ? "ops-token" : "ops-token-file";
    throw new ConfigurationError([
      problem(
        key,
        `${opsTokenFile ?? "it"} is no token of 1 to ${FILE_BYTES_MAX} printable ASCII characters without spaces`,
      ),
    ]);
  }
  return token;
}
