import { createHmac, generateKeyPairSync } from "node:crypto";
import fc from "fast-check";
import jwt from "jsonwebtoken";
import { afterEach, describe, expect, it, vi } from "vitest";
import {
  AuthenticationError,
  Authenticator,
} from "../../../../src/workers/shard/requests/authenticator.js";

const SECRET = "a secret of thirty-two characters";
const rsa = generateKeyPairSync("rsa", {
  modulusLength: 2048,
  publicKeyEncoding: { type: "spki", format: "pem" },
  privateKeyEncoding: { type: "pkcs8", format: "pem" },
});
const ec = generateKeyPairSync("ec", {
  namedCurve: "P-256",
  publicKeyEncoding: { type: "spki", format: "pem" },
  privateKeyEncoding: { type: "pkcs8", format: "pem" },
});

const options = { algorithms: ["HS256"] as const, issuer: undefined, audience: undefined };
const bySecret = new Authenticator({ ...options, key: { secret: SECRET } }, 8192);
const byRsa = new Authenticator(
  {
    ...options,
    algorithms: ["RS256"] as const,
    key: { publicKey: rsa.publicKey },
  },
  8192,
);
const byEc = new Authenticator(
  {
    ...options,
    algorithms: ["ES256"] as const,
    key: { publicKey: ec.publicKey },
  },
  8192,
);

const nowS = (): number => Math.floor(Date.now() / 1000);
const sign = (claims: object, key = SECRET, algorithm: jwt.Algorithm = "HS256"): string =>
  jwt.sign({ sub: "u", exp: nowS() + 60, ...claims }, key, { algorithm, noTimestamp: true });

/** A token of any header and payload, signed with the secret whatever they say. */
function forge(header: unknown, payload: unknown, key: string = SECRET): string {
  const part = (value: unknown): string =>
    Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");
  const signed = `${part(header)}.${part(payload)}`;
  return `${signed}.${createHmac("sha256", key).update(signed).digest("base64url")}`;
}

function refusal(authenticator: Authenticator, token: string): string {
  try {
    authenticator.verify(token);
  } catch (error) {
    expect(error).toBeInstanceOf(AuthenticationError);
    const { message } = error as Error;
    expect(message).toMatch(/^token refused: ./);
    return message;
  }
  throw new Error(`taken: ${token}`);
}

afterEach(() => vi.useRealTimers());

describe("authenticator", () => {
  it("authenticator - a good token is an identity, with a wallet and a role or without", () => {
    const exp = nowS() + 60;
    expect(bySecret.verify(sign({ exp }))).toEqual({
      userId: "u",
      wallet: null,
      role: undefined,
      expiresAt: exp * 1000,
    });
    expect(bySecret.verify(sign({ wallet: "w", role: "admin", other: 1 }))).toMatchObject({
      wallet: "w",
      role: "admin",
    });
    expect(byRsa.verify(sign({}, rsa.privateKey, "RS256")).userId).toBe("u");
    expect(byEc.verify(sign({}, ec.privateKey, "ES256")).userId).toBe("u");
  });

  it("authenticator - a wrong signature is refused", () => {
    expect(refusal(bySecret, sign({}, "another secret of the same length"))).toContain("signature");
    const other = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;
    const pem = other.export({ type: "pkcs8", format: "pem" }) as string;
    expect(refusal(byRsa, sign({}, pem, "RS256"))).toContain("signature");
    const [head, , tail] = sign({}).split(".");
    const [, body] = sign({ sub: "admin" }).split(".");
    expect(refusal(bySecret, `${head}.${body}.${tail}`)).toContain("signature");
  });

  it("authenticator - unsigned tokens are refused, in every spelling", () => {
    const claims = { sub: "u", exp: nowS() + 60 };
    for (const alg of ["none", "None", "NONE", "nOnE", ""]) {
      const forged = forge({ alg, typ: "JWT" }, claims);
      const unsigned = forged.slice(0, forged.lastIndexOf(".") + 1);
      for (const authenticator of [bySecret, byRsa, byEc]) {
        refusal(authenticator, unsigned);
        refusal(authenticator, forged);
      }
    }
  });

  it("authenticator - no algorithm but the pinned ones is taken, nor a key for another's", () => {
    refusal(bySecret, sign({}, SECRET, "HS384"));
    refusal(bySecret, sign({}, SECRET, "HS512"));
    refusal(bySecret, sign({}, rsa.privateKey, "RS256"));
    refusal(byRsa, sign({}, rsa.privateKey, "RS384"));
    refusal(byRsa, sign({}, rsa.privateKey, "PS256"));
    refusal(byRsa, sign({}, ec.privateKey, "ES256"));
    // The public key as an HMAC secret: algorithm confusion.
    const claims = { sub: "u", exp: nowS() + 60 };
    for (const { publicKey } of [rsa, ec]) {
      const confused = forge({ alg: "HS256", typ: "JWT" }, claims, publicKey);
      refusal(byRsa, confused);
      refusal(byEc, confused);
    }
    const lax = { ...options, algorithms: ["RS256", "HS256"] as const };
    const both = new Authenticator({ ...lax, key: { publicKey: rsa.publicKey } }, 8192);
    refusal(both, forge({ alg: "HS256", typ: "JWT" }, claims, rsa.publicKey));
  });

  it("authenticator - it holds from its nbf to its exp, without tolerance", () => {
    vi.useFakeTimers({ now: 1_700_000_000_000 });
    const now = 1_700_000_000;
    expect(refusal(bySecret, sign({ exp: now }))).toContain("expired");
    expect(refusal(bySecret, sign({ exp: now - 1 }))).toContain("expired");
    expect(bySecret.verify(sign({ exp: now + 1 })).expiresAt).toBe(1_700_000_001_000);
    vi.setSystemTime(1_700_000_000_500);
    expect(refusal(bySecret, sign({ exp: now + 0.4 }))).toContain("expired");
    expect(bySecret.verify(sign({ exp: now + 0.6 })).expiresAt).toBe(1_700_000_000_600);
    expect(refusal(bySecret, sign({ nbf: now + 1 }))).toContain("not active");
    bySecret.verify(sign({ nbf: now }));
  });

  it("authenticator - the claims sub and exp are required, and all are of their kind", () => {
    const exp = nowS() + 60;
    const claims = [
      { exp },
      { sub: "u" },
      { sub: "", exp },
      { sub: 1, exp },
      { sub: "x".repeat(257), exp },
      { sub: "u", exp: `${exp}` },
      { sub: "u", exp: null },
      { sub: "u", exp, wallet: 1 },
      { sub: "u", exp, wallet: "" },
      { sub: "u", exp, wallet: "w".repeat(129) },
      { sub: "u", exp, role: ["admin"] },
      { sub: "u", exp, nbf: "0" },
      { sub: "u", exp, iat: "0" },
      { sub: "u", exp, iat: {} },
      { sub: "u", exp, iss: 1 },
      { sub: "u", exp, aud: 1 },
      { sub: "u", exp, aud: ["a", 1] },
      { sub: "u", exp, aud: {} },
      { sub: "u", exp, jti: 1 },
      `{"sub":"u","exp":1e400}`,
      `{"sub":"u","exp":${exp},"nbf":-1e400}`,
      `{"sub":"u","exp":NaN}`,
      `{"sub":"u","exp":Infinity}`,
      `{"sub":"u","exp":0x7fffffff}`,
      "no object",
      '"a string"',
      "7",
      "null",
      [],
    ];
    for (const payload of claims) refusal(bySecret, forge({ alg: "HS256", typ: "JWT" }, payload));
  });

  it("authenticator - null for a claim that need not be there is its absence", () => {
    const exp = nowS() + 60;
    const absent = { nbf: null, iat: null, iss: null, aud: null, jti: null, role: null };
    const payload = { sub: "u", exp, wallet: null, ...absent };
    const identity = { userId: "u", wallet: null, role: undefined, expiresAt: exp * 1000 };
    expect(bySecret.verify(forge({ alg: "HS256" }, payload))).toEqual(identity);
    const key = { secret: SECRET };
    const byIssuer = new Authenticator({ ...options, key, issuer: "us" }, 8192);
    expect(refusal(byIssuer, forge({ alg: "HS256" }, payload))).toContain("issuer");
    const byAudience = new Authenticator({ ...options, key, audience: "them" }, 8192);
    for (const aud of [null, [], [""], ["Them"], "them "])
      expect(refusal(byAudience, forge({ alg: "HS256" }, { ...payload, aud }))).toContain(
        "audience",
      );
    for (const claims of [
      { sub: null, exp },
      { sub: "u", exp: null },
    ])
      refusal(bySecret, forge({ alg: "HS256" }, claims));
  });

  it("authenticator - of a claim that is there twice the last counts, for the signer as for us", () => {
    const exp = nowS() + 60;
    const twice = `{"sub":"first","exp":1,"sub":"last","exp":${exp}}`;
    expect(bySecret.verify(forge({ alg: "HS256" }, twice)).userId).toBe("last");
    refusal(bySecret, forge({ alg: "HS256" }, `{"sub":"u","exp":${exp},"exp":1}`));
    refusal(bySecret, forge('{"alg":"HS256","alg":"none"}', { sub: "u", exp }));
    refusal(bySecret, forge('{"alg":"HS256","crit":[],"crit":["exp"]}', { sub: "u", exp }));
  });

  it("authenticator - issuer and audience hold where they are configured", () => {
    const strict = new Authenticator(
      {
        ...options,
        key: { secret: SECRET },
        issuer: "us",
        audience: "them",
      },
      8192,
    );
    expect(strict.verify(sign({ iss: "us", aud: "them" })).userId).toBe("u");
    expect(strict.verify(sign({ iss: "us", aud: ["others", "them"] })).userId).toBe("u");
    expect(refusal(strict, sign({ iss: "us" }))).toContain("audience");
    expect(refusal(strict, sign({ aud: "them" }))).toContain("issuer");
    expect(refusal(strict, sign({ iss: "usa", aud: "them" }))).toContain("issuer");
    expect(bySecret.verify(sign({ iss: "anyone", aud: "anything" })).userId).toBe("u");
  });

  it("authenticator - whatever is no token is refused, by a message that holds nothing of it", () => {
    const text = fc.string({ minLength: 4, maxLength: 40 });
    const tokens = fc.oneof(
      text.map((one) => [one, one] as const),
      fc.tuple(text, text).map(([one, other]) => [`${one}.${other}.${other}`, one] as const),
      // Sound in form, so that what is inside is parsed.
      text.map((inside) => [forge({ alg: "HS256", typ: "JWT" }, inside), inside] as const),
      text.map((inside) => [forge(inside, { sub: "u" }), inside] as const),
      text.map((inside) => [forge({ alg: inside }, { sub: "u" }), inside] as const),
      text.map((sub) => [sign({ sub }, "another secret of the same length"), sub] as const),
    );
    fc.assert(
      fc.property(tokens, ([token, inside]) => {
        const message = refusal(bySecret, token);
        expect(message).not.toContain(token);
        // A few characters of what was inside may stand in any sentence.
        if (/[^\w\s]/.test(inside)) expect(message).not.toContain(inside);
      }),
      { numRuns: 500 },
    );
    refusal(bySecret, "");
  });
});
