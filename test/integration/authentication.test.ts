import { createHmac, generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import jwt from "jsonwebtoken";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  JWT_SECRET,
  type ServerProcess,
  startServerProcess,
  testToken,
} from "../support/server-process.js";
import { TestClient } from "../support/test-client.js";
import { until } from "../support/until.js";
import { httpRequest, upgradeRequest } from "../support/upgrade-request.js";

/** Sets the clock of the process that loads it; see there. */
const STEPPING_CLOCK = new URL("../support/stepping-clock.mjs", import.meta.url).href;

const inSeconds = (ttlS: number): number => Math.floor(Date.now() / 1000) + ttlS;
const segment = (value: object | Buffer): string =>
  (Buffer.isBuffer(value) ? value : Buffer.from(JSON.stringify(value))).toString("base64url");

/** A token made by hand, with any header, signed by HMAC-SHA-256 with any secret. */
function handMade(header: object, claims: object, secret: string): string {
  const signed = `${segment(header)}.${segment(claims)}`;
  return `${signed}.${createHmac("sha256", secret).update(signed).digest("base64url")}`;
}

const claims = () => ({ sub: "user-1", wallet: "wallet-1", exp: inSeconds(3600) });
const { exp: _, ...withoutExp } = claims();
const { sub: __, ...withoutSub } = claims();
const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
const ec = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
const rsaPem = rsa.publicKey.export({ type: "spki", format: "pem" }).toString();
const ecPem = ec.publicKey.export({ type: "spki", format: "pem" }).toString();

const good = testToken();
const HS256 = { alg: "HS256", typ: "JWT" };
/** Tokens that a server with the test secret must refuse. */
const BAD_TOKENS: Readonly<Record<string, string>> = {
  "signed with another secret": handMade(HS256, claims(), "another secret"),
  expired: testToken({}, -1),
  "of algorithm none": `${segment({ alg: "none", typ: "JWT" })}.${segment(claims())}.`,
  "of algorithm None with a signature": handMade({ ...HS256, alg: "None" }, claims(), JWT_SECRET),
  "of HS512": jwt.sign(claims(), JWT_SECRET, { algorithm: "HS512" }),
  "of RS256": jwt.sign(claims(), rsa.privateKey, { algorithm: "RS256" }),
  "with a changed payload": good.replace(/\.[^.]+\./, `.${segment({ ...claims(), sub: "root" })}.`),
  "without exp": handMade(HS256, withoutExp, JWT_SECRET),
  "without sub": handMade(HS256, withoutSub, JWT_SECRET),
  "with an empty sub": testToken({ sub: "" }),
  "not valid yet": testToken({ nbf: inSeconds(3600) }),
  "whose wallet is no string": testToken({ wallet: 7 }),
  "whose wallet has half a character": testToken({ wallet: "\ud800" }),
  "whose wallet is too long": testToken({ wallet: "w".repeat(129) }),
  "whose sub ends in a space": testToken({ sub: "user-1 " }),
  "whose role is not printable": testToken({ role: "admin\u0000" }),
  "whose claims are not UTF-8": handMade(
    HS256,
    Buffer.from(JSON.stringify({ ...claims(), wallet: "\xff" }), "latin1"),
    JWT_SECRET,
  ),
  "that is none": "garbage",
};

let directory: string;
let server: ServerProcess;
let rs256: ServerProcess;
let es256: ServerProcess;
let issued: ServerProcess;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "marketcast-auth-"));
  const publicKey = async (name: string, pem: string): Promise<ServerProcess> => {
    const file = join(directory, name);
    await writeFile(file, pem);
    return startServerProcess({ shards: 1, "jwt-public-key-file": file }, { secret: false });
  };
  [server, rs256, es256, issued] = await Promise.all([
    startServerProcess({ shards: 1, "log-level": "trace", "feed-rate": 5000 }),
    publicKey("rsa.pem", rsaPem),
    publicKey("ec.pem", ecPem),
    startServerProcess({ shards: 1, "jwt-issuer": "https://id.test", "jwt-audience": "market" }),
  ]);
});
afterAll(async () => {
  await Promise.all([server, rs256, es256, issued].map((one) => one?.dispose()));
  await rm(directory, { recursive: true, force: true });
});

const bearer = (token: string) => ({ Authorization: `Bearer ${token}` });
const query = (token: string) => `?token=${encodeURIComponent(token)}`;
const statusByHeader = async (port: number, token: string): Promise<number> =>
  (await upgradeRequest(port, { headers: bearer(token) })).status;
const authenticate = (client: TestClient, token: string) =>
  client.request({ type: "Authenticate", data: { token } });
const errorCode = async (client: TestClient, token: string): Promise<string> => {
  const reply = await authenticate(client, token);
  if (reply.type !== "Error") throw new Error(`${reply.type} instead of an Error`);
  return reply.data.code;
};
const isAlive = async (client: TestClient): Promise<void> => {
  expect((await client.request({ type: "Ping", data: { timestamp: 1 } })).type).toBe("Pong");
};

describe("a good token", () => {
  it.each([
    ["header", { headers: bearer(good) }],
    ["header in another case", { headers: { authorization: `bearer ${good}` } }],
    ["query", { query: query(good) }],
  ])("authentication - by %s is told right after Connected", async (_, options) => {
    const client = await TestClient.connect(server.port, { encoding: "msgpack", ...options });
    expect((await client.next()).type).toBe("Connected");
    expect(await client.next()).toEqual({
      type: "Authenticated",
      data: { user_id: "user-1", wallet: "wallet-1" },
    });
    await client.close();
  });

  it("authentication - by message is answered with the request's id", async () => {
    const client = await TestClient.connect(server.port);
    client.send({ type: "Authenticate", data: { token: good }, id: 42 });
    expect((await client.next()).type).toBe("Connected");
    expect(await client.next()).toEqual({
      type: "Authenticated",
      id: 42,
      data: {
        user_id: "user-1",
        wallet: "wallet-1",
        session: expect.stringMatching(/^[\w-]{22,}$/),
        resumed: false,
      },
    });
    await client.close();
  });

  it("authentication - without a wallet has the wallet null", async () => {
    const client = await TestClient.connect(server.port, {
      query: query(testToken({ wallet: undefined, role: "admin" })),
    });
    expect((await client.take("Authenticated")).data).toEqual({ user_id: "user-1", wallet: null });
    await client.close();
  });

  it("authentication - no token is an anonymous connection with public channels", async () => {
    const client = await TestClient.connect(server.port);
    expect((await client.subscribe({ type: "Markets" })).type).toBe("Subscribed");
    await client.take("MarketSnapshot");
    await client.close();
  });
});

describe("a bad token", () => {
  it.each(Object.entries(BAD_TOKENS))(
    "authentication - one %s is 401 by header and query, AUTH_FAILED by message",
    async (_, token) => {
      for (const answer of [
        await upgradeRequest(server.port, { headers: bearer(token) }),
        await upgradeRequest(server.port, { path: `/ws/v3${query(token)}` }),
      ]) {
        expect(answer.status).toBe(401);
        expect(answer.headers["www-authenticate"]).toBe("Bearer");
        expect(answer.body).not.toContain(token);
      }
      const client = await TestClient.connect(server.port);
      expect(await errorCode(client, token)).toBe("AUTH_FAILED");
      // The connection goes on, anonymous: any user may still be told.
      expect((await authenticate(client, testToken({ sub: "user-2" }))).type).toBe("Authenticated");
      await client.close();
    },
  );

  it.each(["", "Bearer", "Bearer a b", `Bearer ${good}, Bearer ${good}`, good])(
    "authentication - the header '%s' is 401, whatever the query says",
    async (header) => {
      const headers = { Authorization: header };
      const path = `/ws/v3${query(good)}`;
      expect((await upgradeRequest(server.port, { headers })).status).toBe(401);
      expect((await upgradeRequest(server.port, { headers, path })).status).toBe(401);
    },
  );

  it("authentication - an empty token in the query is 401", async () => {
    expect((await upgradeRequest(server.port, { path: "/ws/v3?token=" })).status).toBe(401);
  });
});

describe("header and query", () => {
  it("authentication - the header wins over the query", async () => {
    const client = await TestClient.connect(server.port, {
      headers: bearer(testToken({ sub: "by-header" })),
      query: query(testToken({ sub: "by-query" })),
    });
    expect((await client.take("Authenticated")).data.user_id).toBe("by-header");
    await client.close();
    const bad = BAD_TOKENS["expired"] as string;
    const path = `/ws/v3${query(good)}`;
    expect((await upgradeRequest(server.port, { path, headers: bearer(bad) })).status).toBe(401);
    const badPath = `/ws/v3${query(bad)}`;
    const answer = await upgradeRequest(server.port, { path: badPath, headers: bearer(good) });
    expect(answer.status).toBe(101);
  });
});

describe("credentials of another scheme", () => {
  const basic = `Basic ${Buffer.from("user:password").toString("base64")}`;

  it.each([
    [basic],
    ["basic dXNlcg=="],
    ['Digest username="a", realm="b", uri="/ws/v3", response="c"'],
    ["Negotiate YII="],
    ["BearerX abc"],
  ])(
    "authentication - %s is no token: the query's is taken, else there is none",
    async (header) => {
      const headers = { Authorization: header };
      const client = await TestClient.connect(server.port, { headers, query: query(good) });
      expect((await client.take("Authenticated")).data.user_id).toBe("user-1");
      await client.close();
      const anonymous = await TestClient.connect(server.port, { headers });
      expect((await anonymous.next()).type).toBe("Connected");
      expect(await errorCode(anonymous, "garbage")).toBe("AUTH_FAILED");
      await anonymous.close();
      const path = `/ws/v3${query(BAD_TOKENS["expired"] as string)}`;
      expect((await upgradeRequest(server.port, { headers, path })).status).toBe(401);
    },
  );

  it("authentication - beside them a Bearer token is found; two different ones are 401", async () => {
    const both = (...values: readonly string[]) =>
      upgradeRequest(server.port, { headers: { Authorization: values as unknown as string } });
    expect((await both(basic, `Bearer ${good}`)).status).toBe(101);
    expect((await both(basic, `Bearer ${BAD_TOKENS["expired"]}`)).status).toBe(401);
    expect((await both(`Bearer ${good}`, `Bearer ${good}`)).status).toBe(101);
    const other = await both(`Bearer ${good}`, `Bearer ${testToken({ sub: "user-2" })}`);
    expect(other.status).toBe(401);
    expect(other.body).toContain("twice");
  });
});

describe("a token in the query", () => {
  it.each([
    (token: string) => `?ref=a?b&token=${token}`,
    (token: string) => `??&token=${token}`,
    (token: string) => `?a=http://b/?c=d&token=${token}&e?f`,
    (token: string) => `?token=${token}&token=${token}`,
    (token: string) => `?t%6Fken=${token}`,
  ])("authentication - is found wherever it stands (case %#)", async (queryOf) => {
    const client = await TestClient.connect(server.port, { query: queryOf(good) });
    expect((await client.take("Authenticated")).data.user_id).toBe("user-1");
    await client.close();
  });

  it("authentication - two different ones are 400, which holds neither", async () => {
    const other = testToken({ sub: "user-2" });
    const answer = await upgradeRequest(server.port, {
      path: `/ws/v3?token=${good}&token=${other}`,
    });
    expect(answer.status).toBe(400);
    expect(answer.body).toContain("token");
    expect(answer.body).not.toContain("eyJ");
  });

  it.each(["Token", "TOKEN"])("authentication - the name %s is 400", async (name) => {
    const answer = await upgradeRequest(server.port, { path: `/ws/v3?${name}=${good}` });
    expect(answer.status).toBe(400);
    expect(answer.body).toContain(name);
    expect(answer.body).not.toContain("eyJ");
  });
});

describe("a public key", () => {
  it("authentication - RS256 takes what its key signed and nothing else", async () => {
    const sign = (algorithm: jwt.Algorithm) => jwt.sign(claims(), rsa.privateKey, { algorithm });
    expect(await statusByHeader(rs256.port, sign("RS256"))).toBe(101);
    expect(await statusByHeader(rs256.port, sign("RS512"))).toBe(401);
    expect(await statusByHeader(rs256.port, sign("PS256"))).toBe(401);
    const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    const stranger = jwt.sign(claims(), privateKey, { algorithm: "RS256" });
    expect(await statusByHeader(rs256.port, stranger)).toBe(401);
  });

  it("authentication - ES256 takes what its key signed and nothing else", async () => {
    const signed = jwt.sign(claims(), ec.privateKey, { algorithm: "ES256" });
    expect(await statusByHeader(es256.port, signed)).toBe(101);
    const byRsa = jwt.sign(claims(), rsa.privateKey, { algorithm: "RS256" });
    expect(await statusByHeader(es256.port, byRsa)).toBe(401);
  });

  it.each([
    ["as it stands in the file", rsaPem],
    ["without its last line break", rsaPem.trimEnd()],
    ["without its armour", rsaPem.replace(/-----.*-----|\n/g, "")],
  ])("authentication - a public key %s is no HMAC secret", async (_, secret) => {
    const forged = handMade(HS256, claims(), secret);
    expect(await statusByHeader(rs256.port, forged)).toBe(401);
    const client = await TestClient.connect(rs256.port);
    expect(await errorCode(client, forged)).toBe("AUTH_FAILED");
    await client.close();
  });
});

describe("issuer and audience", () => {
  const own = { iss: "https://id.test", aud: "market" };

  it.each([
    [own, 101],
    [{ ...own, aud: ["other", "market"] }, 101],
    [{ ...own, iss: "https://evil.test" }, 401],
    [{ ...own, aud: "other" }, 401],
    [{ iss: own.iss }, 401],
    [{ aud: own.aud }, 401],
  ])("authentication - %o gets %i", async (named, status) => {
    expect(await statusByHeader(issued.port, testToken(named))).toBe(status);
  });
});

describe("a later Authenticate", () => {
  it.each([
    ["another sub", { sub: "user-2" }],
    ["another wallet", { wallet: "wallet-2" }],
    ["no wallet any more", { wallet: undefined }],
  ])("authentication - %s is FORBIDDEN and changes nothing", async (_, change) => {
    const client = await TestClient.connect(server.port, { query: query(good) });
    await client.subscribe({ type: "PriceFeed", params: { market_ids: [1001] } });
    expect(await errorCode(client, testToken(change))).toBe("FORBIDDEN");
    expect((await authenticate(client, testToken({ role: "admin" }))).type).toBe("Authenticated");
    await client.take("PriceUpdate");
    await client.close();
  });

  it("authentication - one that fails leaves the identity as it was", async () => {
    const client = await TestClient.connect(server.port, { headers: bearer(good) });
    expect(await errorCode(client, BAD_TOKENS["expired"] as string)).toBe("AUTH_FAILED");
    expect(await errorCode(client, testToken({ sub: "user-2" }))).toBe("FORBIDDEN");
    expect((await authenticate(client, testToken())).type).toBe("Authenticated");
    await client.close();
  });
});

describe("expiry while connected", () => {
  it("authentication - 4500 when the token expires, unless a fresh one came before", async () => {
    const short = testToken({}, 2);
    const { exp } = jwt.decode(short) as { exp: number };
    const expiring = await TestClient.connect(server.port, { headers: bearer(short) });
    const byMessage = await TestClient.connect(server.port, { encoding: "msgpack" });
    const shortened = await TestClient.connect(server.port, { query: query(good) });
    const refreshed = await TestClient.connect(server.port, { query: query(short) });
    const failed = await TestClient.connect(server.port, { query: query(short) });
    expect((await authenticate(byMessage, short)).type).toBe("Authenticated");
    expect((await authenticate(shortened, short)).type).toBe("Authenticated");
    expect((await authenticate(refreshed, testToken())).type).toBe("Authenticated");
    expect(await errorCode(failed, testToken({ sub: "user-2" }))).toBe("FORBIDDEN");

    const ending = [expiring, byMessage, shortened, failed];
    const codes = await Promise.all(ending.map(async (one) => (await one.closed).code));
    expect(codes).toEqual(ending.map(() => 4500));
    expect(Date.now()).toBeGreaterThanOrEqual(exp * 1000);
    await isAlive(refreshed);
    await refreshed.close();
  });
});

describe("a system clock that is set", () => {
  it("authentication - ahead ends what has expired within a second or so, back ends nothing", async () => {
    const clock = join(directory, "clock");
    await writeFile(clock, "0");
    const set = await startServerProcess(
      { shards: 1 },
      { nodeFlags: ["--import", STEPPING_CLOCK], env: { STEPPING_CLOCK: clock } },
    );
    try {
      const connect = (ttlS: number) =>
        TestClient.connect(set.port, { headers: bearer(testToken({}, ttlS)) });
      const [hour, day] = await Promise.all([connect(3600), connect(86_400)]);
      const serverTime = async (): Promise<number> => {
        const pong = await day.request({ type: "Ping", data: { timestamp: 1 } });
        return pong.type === "Pong" ? pong.data.server_time : 0;
      };
      const stepped = (ms: number) =>
        until(
          "the clock is set",
          async () => Math.abs((await serverTime()) - Date.now() - ms) < 60_000,
        );
      await writeFile(clock, "-7200000");
      await stepped(-7_200_000);
      await isAlive(hour);
      const begun = performance.now();
      await writeFile(clock, "3600000");
      expect((await hour.closed).code).toBe(4500);
      expect(performance.now() - begun).toBeLessThan(3000);
      await isAlive(day);
      await writeFile(clock, "86400000");
      expect((await day.closed).code).toBe(4500);
    } finally {
      await set.dispose();
    }
  });
});

describe("the log", () => {
  /** Requests that fail in ways that servers like to log. */
  async function provokeFaults(token: string): Promise<void> {
    await httpRequest(server.port, { path: `/nothing${query(token)}`, headers: bearer(token) });
    await httpRequest(server.port, { path: `/ws/v3${query(token)}` });
    await httpRequest(server.opsPort, { path: `/readyz${query(token)}`, headers: bearer(token) });
    const client = await TestClient.connect(server.port, { query: query(token) });
    client.ws.send(`{"type":"Authenticate","data":{"token":"${token}"`);
    client.send({ type: token, data: { token } });
    client.send({ type: "Authenticate", data: { token }, id: token.repeat(2) });
    await isAlive(client);
    client.ws.terminate();
    const raw = connect(server.port, "127.0.0.1");
    raw.write(`GET /ws/v3?token=${token} HTTP/1.1\r\nbad header ${token}\r\n\r\n`);
    await once(raw.resume(), "close");
  }

  it("authentication - no token is ever in the server's output", async () => {
    const tokens = [good, testToken({ sub: "last" }), ...Object.values(BAD_TOKENS)];
    await provokeFaults(good);
    expect(await server.stop()).toBe(0);
    const output = server.output.join("\n");
    expect(output).toContain('"msg":"ready"');
    expect(output).toContain('"msg":"stopped"');
    const segments = new Set(tokens.flatMap((token) => token.split(".").slice(1)));
    for (const part of segments) if (part !== "") expect(output).not.toContain(part);
    expect(output).not.toContain("eyJ");
    expect(output).not.toContain(JWT_SECRET);
  });
});
