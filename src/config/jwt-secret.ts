import { randomBytes } from "node:crypto";
import { link, open, rm } from "node:fs/promises";
import { join } from "node:path";
import { ConfigurationError, problem } from "./configuration-error.js";
import { requireDataDirectory } from "./data-directory.js";

const SECRET_BYTES = 32;
/** 32 bytes in base64url. */
const SECRET_LENGTH_MIN = 43;
const OTHERS_MAY_READ = 0o077;

/** Where the server keeps the secret that it made itself. */
export function jwtSecretFile(dataDir: string): string {
  return join(dataDir, "jwt-secret");
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}

function fileProblem(path: string, action: string, error: unknown): ConfigurationError {
  const reason = error instanceof Error ? error.message : String(error);
  return new ConfigurationError([problem("data-dir", `${path} cannot be ${action}: ${reason}`)], {
    cause: error,
  });
}

/** Content and mode of one and the same file, whatever happens to its name meanwhile. */
async function readWithMode(path: string): Promise<{ content: string; mode: number }> {
  const file = await open(path, "r");
  try {
    return { mode: (await file.stat()).mode, content: await file.readFile("utf8") };
  } finally {
    await file.close();
  }
}

/**
 * The secret kept in the data directory, or undefined where there is none yet. Throws
 * ConfigurationError where the file cannot be read, holds no secret, or may be read by others.
 */
export async function readJwtSecret(dataDir: string): Promise<string | undefined> {
  const path = jwtSecretFile(dataDir);
  let content: string;
  let mode: number;
  try {
    ({ content, mode } = await readWithMode(path));
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw fileProblem(path, "read", error);
  }
  // Windows has no such modes: the directory's access list counts there.
  if (process.platform !== "win32" && (mode & OTHERS_MAY_READ) !== 0) {
    const shown = (mode & 0o777).toString(8);
    throw new ConfigurationError([
      problem(
        "data-dir",
        `${path} has mode ${shown}, so others may read the secret; run: chmod 600 ${path}`,
      ),
    ]);
  }
  const secret = content.trim();
  if (secret.length < SECRET_LENGTH_MIN) {
    throw new ConfigurationError([
      problem(
        "data-dir",
        `${path} holds no secret of at least ${SECRET_LENGTH_MIN} characters; remove it to have a new one made`,
      ),
    ]);
  }
  return secret;
}

/** Writes a new secret whole and durable under a name of its own, then gives it the right name. */
async function createJwtSecret(dataDir: string): Promise<void> {
  const path = jwtSecretFile(dataDir);
  const draft = `${path}.${randomBytes(6).toString("hex")}`;
  await requireDataDirectory(dataDir);
  try {
    const file = await open(draft, "wx", 0o600);
    try {
      await file.writeFile(`${randomBytes(SECRET_BYTES).toString("base64url")}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    // A link fails where the name is taken: of two starts at once, one makes the secret for both.
    await link(draft, path);
  } finally {
    await rm(draft, { force: true });
  }
}

/**
 * The secret kept in the data directory, made on first use: the directory with mode 700, the file
 * with mode 600. Any number of processes that ask at once get the same one. Throws
 * ConfigurationError as {@link readJwtSecret} does, and where the file cannot be made.
 */
export async function readOrCreateJwtSecret(dataDir: string): Promise<string> {
  const existing = await readJwtSecret(dataDir);
  if (existing !== undefined) return existing;
  try {
    await createJwtSecret(dataDir);
  } catch (error) {
    if (error instanceof ConfigurationError) throw error;
    if (codeOf(error) !== "EEXIST") throw fileProblem(jwtSecretFile(dataDir), "made", error);
  }
  const secret = await readJwtSecret(dataDir);
  if (secret === undefined) {
    throw new ConfigurationError([problem("data-dir", `${jwtSecretFile(dataDir)} vanished`)]);
  }
  return secret;
}
