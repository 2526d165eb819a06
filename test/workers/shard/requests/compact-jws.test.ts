import { createHmac, generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, it } from "vitest";
import {
  AuthenticationError,
  Authenticator,
} from "../../../../src/workers/shard/requests/authenticator.js";
import {
  MalformedTokenError,
  readCompactJws,
} from "../../../../src/workers/shard/requests/compact-jws.js";

const SECRET = "a secret of thirty-two characters";
const authenticator = new Authenticator(
  {
    key: { secret: SECRET },
    algorithms: ["HS256"] as const,
    issuer: undefined,
    audience: undefined,
  },
  1e6,
);

const claims = { sub: "u", exp: Math.floor(Date.now() / 1000) + 3600 };
const HS256 = { alg: "HS256" };

const base64url = (value: unknown): string => {
  if (Buffer.isBuffer(value)) return value.toString("base64url");
  return Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString(
    "base64url",
  );
};
const sign = (signed: string): string =>
  `${signed}.${createHmac("sha256", SECRET).update(signed).digest("base64url")}`;
/** A token of any header and payload, with a good signature over whatever they say. */
const token = (header: unknown, payload: unknown = claims): string =>
  sign(`${base64url(header)}.${base64url(payload)}`);

/** Whether a token is taken; where not, the reason is one that the client may be told. */
function taken(text: string): boolean {
  try {
    return authenticator.verify(text).userId === "u";
  } catch (error) {
    expect(error).toBeInstanceOf(AuthenticationError);
    expect(() => authenticator.verify(text)).toThrow(/^token refused: [a-z]/);
    return false;
  }
}

describe("compact-jws: header", () => {
  it.each([
    ["a bare one", HS256],
    ["a type", { ...HS256, typ: "JWT" }],
    ["another type", { ...HS256, typ: "at+jwt" }],
    ["what names its key", { ...HS256, kid: "2026-01", x5t: "AA", "x5t#S256": "AA" }],
    ["null for what need not be there", { ...HS256, typ: null, cty: null, kid: null }],
    ["what nobody knows", { ...HS256, "http://example.com/a": true, b64: true }],
    ["spaces", ' {\r\n\t"alg" : "HS256" } '],
  ])("compact-jws - %s is taken", (_, header) => {
    expect(taken(token(header))).toBe(true);
  });

  it.each([
    ["unknown", { ...HS256, crit: ["http://example.com/a"], "http://example.com/a": true }],
    ["known elsewhere", { ...HS256, crit: ["b64"], b64: true }],
    ["registered", { ...HS256, crit: ["exp"], exp: 1 }],
    ["of the specification", { ...HS256, crit: ["alg"] }],
    ["that is not there", { ...HS256, crit: ["a"] }],
    ["of an empty list", { ...HS256, crit: [] }],
    ["of no list", { ...HS256, crit: "a" }],
    ["of null", { ...HS256, crit: null }],
  ])("compact-jws - crit with a name %s is refused", (_, header) => {
    expect(taken(token(header))).toBe(false);
    expect(() => readCompactJws(token(header))).toThrow(MalformedTokenError);
  });

  it.each([
    ["b64 false", { ...HS256, b64: false }],
    ["b64 null", { ...HS256, b64: null }],
    ["no alg", { typ: "JWT" }],
    ["an alg of another kind", { alg: ["HS256"] }],
    ["an alg of another case", { alg: "hs256" }],
    ["a typ of another kind", { ...HS256, typ: 1 }],
    ["a cty of another kind", { ...HS256, cty: {} }],
    ["a kid of another kind", { ...HS256, kid: 7 }],
    ["a list", [HS256]],
    ["a string", '"HS256"'],
    ["null", "null"],
    ["no JSON", "{alg:HS256}"],
    ["JSON and more", '{"alg":"HS256"}x'],
    ["nothing", ""],
    ["a byte order mark", '\ufeff{"alg":"HS256"}'],
    ["what is not UTF-8", Buffer.from('{"alg":"HS256","a":"\xff"}', "latin1")],
    ["an unpaired surrogate in UTF-8", Buffer.from('{"alg":"HS256","a":"\xed\xa0\x80"}', "latin1")],
  ])("compact-jws - %s is refused", (_, header) => {
    expect(taken(token(header))).toBe(false);
  });

  it("compact-jws - a key that a header brings or points to is nobody's, and is not fetched", async () => {
    let asked = 0;
    const host = createServer((_, response) => {
      asked++;
      response.end("{}");
    }).listen(0, "127.0.0.1");
    await once(host, "listening");
    const { port } = host.address() as AddressInfo;
    const url = `http://127.0.0.1:${port}/keys`;
    const { publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    const jwk = { kty: "oct", k: base64url("another secret") };
    for (const more of [
      { jku: url },
      { x5u: url },
      { jwk },
      { jwk: publicKey.export({ format: "jwk" }) },
    ]) {
      const signed = `${base64url({ ...HS256, ...more })}.${base64url(claims)}`;
      expect(taken(sign(signed))).toBe(true);
      const other = createHmac("sha256", "another secret").update(signed).digest("base64url");
      expect(taken(`${signed}.${other}`)).toBe(false);
    }
    await new Promise((resolve) => host.close(resolve));
    expect(asked).toBe(0);
  });
});

describe("compact-jws: form", () => {
  const good = token(HS256);
  const [head = "", payload = "", signature = ""] = good.split(".");

  /** The same bytes with other bits where base64url has none: for a decoder that does not look. */
  const unclean = (part: string): string => {
    const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const last = alphabet.indexOf(part.at(-1) as string);
    return part.slice(0, -1) + alphabet[last + 1];
  };

  it.each([
    ["a part more", `${good}.`],
    ["a part and content more", `${good}.AAAA`],
    ["a part less", `${head}.${payload}`],
    ["no parts", ""],
    ["no signature", `${head}.${payload}.`],
    ["no payload", sign(`${head}.`)],
    ["no header", sign(`.${payload}`)],
    ["padding", `${good}=`],
    ["padding in a part that is signed", sign(`${head}=.${payload}`)],
    ["a space behind it", `${good} `],
    ["a space before it", ` ${good}`],
    ["a line break in a part that is signed", sign(`${head}\n.${payload}`)],
    ["a byte that is no base64url in a part", sign(`${head}.${payload}!`)],
    ["a zero byte", `${good}\0`],
    ["base64 in place of base64url", `${head}.${payload}.${signature.replace(/[-_]/, "+")}+`],
    ["bits beyond the signature", `${head}.${payload}.${unclean(signature)}`],
    ["one character more", `${good}A`],
    ["text behind the signature", `${good}trailing`],
    ["JSON serialization", JSON.stringify({ protected: head, payload, signature })],
    ["five parts, as encrypted ones have", `${good}.AAAA.AAAA`],
  ])("compact-jws - %s is refused", (_, text) => {
    expect(taken(good)).toBe(true);
    expect(taken(text)).toBe(false);
  });

  it("compact-jws - claims are one JSON object in UTF-8", () => {
    const json = JSON.stringify(claims);
    for (const payload of [
      `\ufeff${json}`,
      `${json}${json}`,
      `[${json}]`,
      Buffer.from(json.replace('"u"', '"\xff"'), "latin1"),
      good,
    ])
      expect(taken(token({ ...HS256, cty: "JWT" }, payload))).toBe(false);
    expect(taken(token(HS256, ` ${json}\n`))).toBe(true);
  });

  it("compact-jws - a deep header or payload is no more than malformed", () => {
    const deep = `${"[".repeat(20_000)}${"]".repeat(20_000)}`;
    expect(taken(token(HS256, `{"sub":"u","exp":${claims.exp},"deep":${deep}}`))).toBe(true);
    expect(taken(token("[".repeat(20_000)))).toBe(false);
  });
});
