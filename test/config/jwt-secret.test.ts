import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readJwtSecret, readOrCreateJwtSecret } from "../../src/config/jwt-secret.js";

let root: string;
let dataDir: string;
let path: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "marketcast-secret-"));
  dataDir = join(root, "deep", "data");
  path = join(dataDir, "jwt-secret");
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

/** The permissions of a file or directory, in octal. */
function modeOf(name: string): string {
  return (statSync(name).mode & 0o777).toString(8);
}

describe("jwt secret", () => {
  it("jwt secret - is made on first use, for its owner only, and kept", async () => {
    expect(await readJwtSecret(dataDir)).toBeUndefined();
    const secret = await readOrCreateJwtSecret(dataDir);
    expect(Buffer.from(secret, "base64url").length).toBeGreaterThanOrEqual(32);
    expect([modeOf(dataDir), modeOf(path)]).toEqual(["700", "600"]);
    expect(readFileSync(path, "utf8")).toBe(`${secret}\n`);
    expect(await readOrCreateJwtSecret(dataDir)).toBe(secret);
    expect(await readJwtSecret(dataDir)).toBe(secret);
  });

  it("jwt secret - is one for all that ask at once, and no draft is left", async () => {
    for (let round = 0; round < 10; round++) {
      const directory = join(root, String(round));
      const asked = Array.from({ length: 20 }, () => readOrCreateJwtSecret(directory));
      expect(new Set(await Promise.all(asked)).size).toBe(1);
      expect(readdirSync(directory)).toEqual(["jwt-secret"]);
    }
  });

  it("jwt secret - differs from one data directory to the next", async () => {
    const other = join(root, "other");
    expect(await readOrCreateJwtSecret(dataDir)).not.toBe(await readOrCreateJwtSecret(other));
  });

  it.each([0o640, 0o604, 0o620, 0o666])(
    "jwt secret - a file of mode %o is refused with the command that helps",
    async (mode) => {
      await readOrCreateJwtSecret(dataDir);
      chmodSync(path, mode);
      const refusal = `jwt-secret has mode ${mode.toString(8)}, so others may read the secret; run: chmod 600 ${path}`;
      await expect(readOrCreateJwtSecret(dataDir)).rejects.toThrow(refusal);
      chmodSync(path, 0o600);
      await expect(readOrCreateJwtSecret(dataDir)).resolves.toHaveLength(43);
    },
  );

  it("jwt secret - a file that holds none is refused and not overwritten", async () => {
    mkdirSync(dataDir, { recursive: true });
    writeFileSync(path, "short\n", { mode: 0o600 });
    await expect(readOrCreateJwtSecret(dataDir)).rejects.toThrow(`${path} holds no secret`);
    expect(readFileSync(path, "utf8")).toBe("short\n");
  });

  it("jwt secret - a data directory that cannot be made is a configuration error", async () => {
    writeFileSync(join(root, "deep"), "");
    await expect(readOrCreateJwtSecret(dataDir)).rejects.toMatchObject({
      name: "ConfigurationError",
      message: expect.stringMatching(/^data-dir: .*jwt-secret cannot be read: ENOTDIR/),
    });
  });
});
