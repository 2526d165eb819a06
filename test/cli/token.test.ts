import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import jwt from "jsonwebtoken";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { parseTtl } from "../../src/cli/token-ttl.js";
import { type Outcome, runMarketcast } from "./run-marketcast.js";

const SECRET = "hunter2-hunter2-hunter2-hunter2-hunter2";
const USER = ["--sub", "alice", "--wallet", "0xA"];

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "marketcast-token-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

function token(args: readonly string[], env: Record<string, string> = {}): Promise<Outcome> {
  return runMarketcast(["token", ...args], { cwd: directory, env });
}

/** The claims of what a command printed, which must be a valid HS256 token on one line. */
function claimsOf({ code, stdout, stderr }: Outcome, secret: string): jwt.JwtPayload {
  expect([code, stderr]).toEqual([0, ""]);
  expect(stdout).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+\n$/);
  return jwt.verify(stdout.trim(), secret, { algorithms: ["HS256"] }) as jwt.JwtPayload;
}

describe("token", () => {
  it("token - prints nothing but a token signed with the configured secret", async () => {
    const printed = await token(USER, { MARKETCAST_JWT_SECRET: SECRET });
    const { iat = 0, ...claims } = claimsOf(printed, SECRET);
    expect(claims).toEqual({ sub: "alice", wallet: "0xA", exp: iat + 3600 });
  });

  it("token - carries role, time to live, issuer and audience", async () => {
    const args = ["--role", "admin", "--ttl", "15m", "--jwt-issuer", "me", "--jwt-audience", "you"];
    const printed = await token([...USER, ...args, "--jwt-secret", SECRET]);
    const { iat = 0, ...claims } = claimsOf(printed, SECRET);
    const expected = { role: "admin", iss: "me", aud: "you", exp: iat + 900 };
    expect(claims).toEqual({ sub: "alice", wallet: "0xA", ...expected });
  });

  it("token - carries what channels may be subscribed to and published to, which have to be names", async () => {
    const grants = ["--channels", "desk-1", "room-*", "--publish", "*"];
    const { iat = 0, ...claims } = claimsOf(
      await token(["--sub", "alice", ...grants, "--jwt-secret", SECRET]),
      SECRET,
    );
    // Whoever trades nothing needs no wallet.
    expect(claims).toEqual({
      sub: "alice",
      channels: ["desk-1", "room-*"],
      publish: ["*"],
      exp: iat + 3600,
    });
    const refused = await token([...USER, "--publish", "a b", "--jwt-secret", SECRET]);
    expect(refused).toMatchObject({ code: 2, stdout: "" });
    expect(refused.stderr).toContain("must be 1 to 128 of A-Z");
  });

  it("token - two at once without a configured secret use one that is made", async () => {
    const printed = await Promise.all([token(USER), token(USER)]);
    const path = join(directory, "data", "jwt-secret");
    const secret = readFileSync(path, "utf8").trim();
    for (const outcome of printed) expect(claimsOf(outcome, secret).sub).toBe("alice");
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(claimsOf(await token(USER), secret).sub).toBe("alice");
  });

  it("token - with only a public key exits with 2 and says why", async () => {
    const { publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    writeFileSync(join(directory, "key.pem"), publicKey.export({ type: "spki", format: "pem" }));
    const { code, stdout, stderr } = await token([...USER, "--jwt-public-key-file", "key.pem"]);
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toContain("jwt-public-key-file: a public key cannot sign");
  });

  it("token - in production without a secret exits with 2 and makes none", async () => {
    const { code, stdout, stderr } = await token(USER, { NODE_ENV: "production" });
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toContain("jwt-secret: it or jwt-public-key-file must be set");
    expect(() => statSync(join(directory, "data"))).toThrow("ENOENT");
  });

  it.each([
    [["--ttl", "1w"], 'ttl: "1w"'],
    [["--ttl", "0s"], 'ttl: "0s"'],
    [["--role", "root"], "Allowed choices are admin"],
    [["--sub", ""], "sub: must not be empty"],
    [
      ["--sub", " a"],
      "sub: must be visible characters, with no spaces at the ends, and has U+0020 at 0",
    ],
    [["--wallet", "a\u200b"], "wallet: must be visible characters"],
    [["--wallet", "w".repeat(129)], "wallet: Too big"],
  ])("token - refuses %j with 2", async (args, message) => {
    const { code, stdout, stderr } = await token([...USER, ...args], {
      MARKETCAST_JWT_SECRET: SECRET,
    });
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toContain(message);
  });

  it.each([
    ["1s", 1],
    ["90s", 90],
    ["15m", 900],
    ["1h", 3600],
    ["3650d", 315_360_000],
  ])("token - a time to live of %s is %d seconds", (ttl, seconds) => {
    expect(parseTtl(ttl)).toBe(seconds);
  });

  it.each(["", "1", "h", "1.5h", "-1h", "1H", "1h ", "3651d", "99999999999s"])(
    "token - a time to live of %j is refused",
    (ttl) => {
      expect(() => parseTtl(ttl)).toThrow(`ttl: ${JSON.stringify(ttl)} (flag --ttl)`);
    },
  );
});
