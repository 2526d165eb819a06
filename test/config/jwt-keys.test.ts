import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import jwt from "jsonwebtoken";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readJwtKeys, resolveJwtKeys } from "../../src/config/jwt-keys.js";
import { loadConfig } from "../support/load-config.js";

const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
const ec = generateKeyPairSync("ec", { namedCurve: "P-256" });

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "marketcast-keys-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** Writes a key as PEM and returns the file's path. */
function pemFile(key: KeyObject): string {
  const path = join(directory, "key.pem");
  const type = key.type === "private" ? "pkcs8" : "spki";
  writeFileSync(path, key.export({ type, format: "pem" }));
  return path;
}

function configWith(flags: Record<string, unknown>) {
  return loadConfig({ flags: { dataDir: join(directory, "data"), ...flags } });
}

describe("jwt keys", () => {
  it("jwt keys - a configured secret is used and nothing is written", async () => {
    const config = configWith({ jwtSecret: "s3cret", jwtIssuer: "i", jwtAudience: "a" });
    expect(await resolveJwtKeys(config)).toEqual({
      key: { secret: "s3cret" },
      algorithms: ["HS256"],
      issuer: "i",
      audience: "a",
    });
    expect(readdirSync(directory)).toEqual([]);
  });

  it("jwt keys - without any key a secret is made, but not by reading", async () => {
    const config = configWith({});
    expect(await readJwtKeys(config)).toBeUndefined();
    expect(readdirSync(directory)).toEqual([]);
    const keys = await resolveJwtKeys(config);
    expect(keys.algorithms).toEqual(["HS256"]);
    expect(await readJwtKeys(config)).toEqual(keys);
  });

  it.each([
    ["RS256", rsa],
    ["ES256", ec],
  ] as const)("jwt keys - a public key pins its algorithm: %s", async (algorithm, pair) => {
    const config = configWith({ jwtPublicKeyFile: pemFile(pair.publicKey) });
    const { key, algorithms } = await resolveJwtKeys(config);
    expect(algorithms).toEqual([algorithm]);
    const token = jwt.sign({ sub: "u" }, pair.privateKey, { algorithm });
    const pem = "publicKey" in key ? key.publicKey : "";
    expect(jwt.verify(token, pem, { algorithms: [...algorithms] })).toMatchObject({ sub: "u" });
  });

  it("jwt keys - of a private key only the public part goes on", async () => {
    const { key } = await resolveJwtKeys(
      configWith({ jwtPublicKeyFile: pemFile(rsa.privateKey), jwtAlgorithms: "RS256,ES256" }),
    );
    expect(key).toEqual({ publicKey: rsa.publicKey.export({ type: "spki", format: "pem" }) });
  });

  it.each([
    ["RSA of 1024 bits", generateKeyPairSync("rsa", { modulusLength: 1024 }).publicKey],
    ["EC on P-384", generateKeyPairSync("ec", { namedCurve: "P-384" }).publicKey],
    ["Ed25519", generateKeyPairSync("ed25519").publicKey],
  ])("jwt keys - %s is refused", async (_name, publicKey) => {
    const config = configWith({ jwtPublicKeyFile: pemFile(publicKey) });
    await expect(resolveJwtKeys(config)).rejects.toThrow(/^jwt-public-key-file: .* is neither RSA/);
  });

  it("jwt keys - a key that none of the algorithms fits is refused", async () => {
    const config = configWith({ jwtPublicKeyFile: pemFile(ec.publicKey), jwtAlgorithms: "RS256" });
    await expect(resolveJwtKeys(config)).rejects.toThrow(/^jwt-algorithms: .*ES256.*RS256/);
  });

  it("jwt keys - a file that is missing or no key is named", async () => {
    const path = join(directory, "none.pem");
    const config = configWith({ jwtPublicKeyFile: path });
    await expect(resolveJwtKeys(config)).rejects.toThrow(`from ${path}: ENOENT`);
    writeFileSync(path, "nonsense");
    await expect(resolveJwtKeys(config)).rejects.toMatchObject({ name: "ConfigurationError" });
  });
});
