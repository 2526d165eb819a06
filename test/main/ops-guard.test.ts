import { networkInterfaces } from "node:os";
import { afterEach, describe, expect, it } from "vitest";
import { type OpsPort, openOpsPort, rawRequest } from "../support/ops-server.js";
import { httpRequest } from "../support/upgrade-request.js";

const TOKEN = "an-operations-token-of-more-than-32-bytes";
const NOTICE = JSON.stringify({ level: "info", message: "hello" });

let ops: OpsPort | undefined;
afterEach(() => {
  ops?.close();
  ops = undefined;
});

type Headers = Readonly<Record<string, string>>;

const open = async (...options: Parameters<typeof openOpsPort>): Promise<OpsPort> => {
  ops?.close();
  ops = await openOpsPort(...options);
  return ops;
};

interface Refused {
  readonly status: number;
  readonly code: string | undefined;
}

/** Status and code of the answer to a GET. */
async function get(path: string, headers: Headers = {}, method = "GET"): Promise<Refused> {
  const { status, body } = await httpRequest((ops as OpsPort).port, { path, headers, method });
  if (status < 400 || method === "HEAD") return { status, code: undefined };
  const { error } = JSON.parse(body) as { error: { code: string; message: string } };
  expect(error.message).not.toBe("");
  return { status, code: error.code };
}

const ok = { status: 200, code: undefined };
const misdirected = { status: 421, code: "MISDIRECTED_REQUEST" };
const forbidden = { status: 403, code: "FORBIDDEN" };

/** Status of the answer to a notice. */
async function post(headers: Headers, body = NOTICE, path = "/notify"): Promise<number> {
  const { port } = ops as OpsPort;
  const all = { "Content-Type": "application/json", Host: `127.0.0.1:${port}`, ...headers };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  const length = Buffer.byteLength(body);
  const head = `POST ${path} HTTP/1.1\r\nContent-Length: ${length}\r\n${lines.join("")}\r\n`;
  return (await rawRequest(port, head + body)).status;
}

describe("ops-guard: Host", () => {
  it("ops-guard - on loopback its own hosts are answered, with any port or none", async () => {
    const { port } = await open();
    const own = ["localhost", "LOCALHOST", "127.0.0.1", "127.0.0.2", "[::1]", "[::ffff:127.0.0.1]"];
    for (const host of own) {
      // Behind a tunnel the port is the tunnel's.
      for (const suffix of ["", `:${port}`, ":19081"]) {
        const Host = host + suffix;
        expect({ Host, ...(await get("/metrics", { Host })) }).toEqual({ Host, ...ok });
      }
    }
  });

  it("ops-guard - on loopback another Host is 421 for every request", async () => {
    await open();
    const foreign = [
      "evil.example",
      "evil.example:9081",
      "localhost.evil.example",
      "127.0.0.1.evil.example",
      "0.0.0.0",
      "10.0.0.1:9081",
      "[::2]",
      "[::ffff:10.0.0.1]",
    ];
    for (const Host of foreign) {
      for (const path of ["/healthz", "/readyz", "/metrics", "/status", "/nothing"])
        expect({ Host, ...(await get(path, { Host })) }).toEqual({ Host, ...misdirected });
      expect((await get("/metrics", { Host }, "HEAD")).status).toBe(421);
      expect(await post({ Host })).toBe(421);
    }
    expect(ops?.notices).toEqual([]);
  });

  it("ops-guard - none, two, and what is no host are 400", async () => {
    const { port } = await open();
    const rest = "Connection: close\r\n\r\n";
    for (const hosts of [
      "",
      "Host: localhost\r\nHost: localhost\r\n",
      "Host: localhost\r\nHost: evil.example\r\n",
      "Host: \r\n",
      "Host: user@localhost\r\n",
      "Host: localhost/x\r\n",
      "Host: localhost:99999\r\n",
      "Host: localhost, evil.example\r\n",
    ]) {
      const answer = await rawRequest(port, `GET /metrics HTTP/1.1\r\n${hosts}${rest}`);
      expect({ hosts, status: answer.status }).toEqual({ hosts, status: 400 });
      expect(JSON.parse(answer.body)).toMatchObject({ error: { code: "INVALID_MESSAGE" } });
    }
    // Load balancers ask like that whether a server is ready.
    const old = async (path: string) =>
      (await rawRequest(port, `GET ${path} HTTP/1.0\r\n\r\n`)).status;
    expect([await old("/readyz"), await old("/metrics")]).toEqual([200, 400]);
  });

  it("ops-guard - a whole URL as target is taken, and its host looked at as well", async () => {
    const { port } = await open();
    const ask = async (target: string, host: string): Promise<number> =>
      (await rawRequest(port, `GET ${target} HTTP/1.1\r\nHost: ${host}\r\n\r\n`)).status;
    expect(await ask("http://localhost:9081/healthz?x", "localhost")).toBe(200);
    expect(await ask("http://localhost", "localhost")).toBe(404);
    expect(await ask("http://evil.example/metrics", "localhost")).toBe(421);
    expect(await ask("http://localhost/metrics", "evil.example")).toBe(421);
    expect(await ask("http://user@localhost/metrics", "localhost")).toBe(400);
  });

  it("ops-guard - further names are those that are listed, and no others", async () => {
    await open({ opsAllowedHosts: ["ops.example", "[fd00::1]"] });
    for (const Host of ["ops.example", "OPS.example:80", "[fd00:0::1]:9081"])
      expect(await get("/status", { Host })).toEqual(ok);
    expect(await get("/status", { Host: "other.example" })).toEqual(misdirected);
  });
});

describe("ops-guard: pages", () => {
  it("ops-guard - a request of another site is 403, whatever it asks", async () => {
    await open();
    for (const site of ["cross-site", "same-site", "Cross-Site", "", "none, cross-site", "what"]) {
      const headers = { "Sec-Fetch-Site": site };
      expect({ site, ...(await get("/metrics", headers)) }).toEqual({ site, ...forbidden });
      expect({ site, ...(await get("/healthz", headers)) }).toEqual({ site, ...forbidden });
      expect(await post(headers)).toBe(403);
    }
    for (const site of ["none", "same-origin"])
      expect(await get("/metrics", { "Sec-Fetch-Site": site })).toEqual(ok);
    expect(ops?.notices).toEqual([]);
  });

  it("ops-guard - a change with an Origin is 403, its own included", async () => {
    const { port } = await open();
    for (const Origin of ["https://evil.example", "null", `http://127.0.0.1:${port}`])
      expect(await post({ Origin })).toBe(403);
    expect(await post({ Origin: "", "Sec-Fetch-Site": "same-origin" })).toBe(403);
    expect(await post({ "Sec-Fetch-Site": "none" })).toBe(202);
  });

  it("ops-guard - a change is JSON in UTF-8, or 415", async () => {
    await open();
    for (const type of [
      "",
      "text/plain",
      "application/x-www-form-urlencoded",
      "multipart/form-data; boundary=x",
      "application/jsonp",
      "text/plain; application/json",
      "application/json; charset=utf-16",
    ])
      expect([type, await post({ "Content-Type": type })]).toEqual([type, 415]);
    expect(await post({ "Content-Encoding": "gzip" })).toBe(415);
    expect(ops?.notices).toEqual([]);
    for (const type of ["Application/JSON", "application/json;charset=UTF-8"])
      expect(await post({ "Content-Type": type })).toBe(202);
    const { status } = await rawRequest(
      (ops as OpsPort).port,
      "POST /notify HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n",
    );
    expect(status).toBe(415);
  });

  it("ops-guard - a body that is not UTF-8 is 400; a byte order mark is none of its text", async () => {
    const { port, notices } = await open();
    const send = async (text: string): Promise<number> => {
      const head = `POST /notify HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${text.length}\r\n\r\n`;
      return (await rawRequest(port, Buffer.from(head + text, "latin1"))).status;
    };
    expect(await send('{"level":"info","message":"\xff"}')).toBe(400);
    expect(await send(`\xef\xbb\xbf${NOTICE}`)).toBe(202);
    expect(notices).toEqual(["hello"]);
  });
});

describe("ops-guard: token", () => {
  const bearer = (token: string): Headers => ({ Authorization: `Bearer ${token}` });

  it("ops-guard - where one is set all but the probes ask for it, unknown paths as well", async () => {
    await open({ token: TOKEN });
    expect(await get("/healthz")).toEqual(ok);
    expect(await get("/readyz")).toEqual(ok);
    const required = { status: 401, code: "AUTH_REQUIRED" };
    for (const path of ["/metrics", "/status", "/notify", "/nothing"])
      expect(await get(path)).toEqual(required);
    expect(await post({})).toBe(401);
    expect(await get("/metrics", bearer(TOKEN))).toEqual(ok);
    expect(await get("/nothing", bearer(TOKEN))).toEqual({ status: 404, code: "NOT_FOUND" });
    expect(await post(bearer(TOKEN))).toBe(202);
    expect(await get("/metrics", { authorization: `bearer  ${TOKEN} ` })).toEqual(ok);
  });

  it("ops-guard - any other token is 401 with a challenge, and is not quoted", async () => {
    const { port } = await open({ token: TOKEN });
    const wrong = [
      bearer(""),
      bearer(TOKEN.slice(0, -1)),
      bearer(`${TOKEN}x`),
      bearer(TOKEN.toUpperCase()),
      bearer(`${TOKEN} x`),
      { Authorization: TOKEN },
      { Authorization: `Basic ${Buffer.from(`x:${TOKEN}`).toString("base64")}` },
      { Authorization: "" },
    ];
    for (const headers of wrong) {
      const answer = await httpRequest(port, { path: "/metrics", headers });
      expect([headers, answer.status]).toEqual([headers, 401]);
      expect(answer.headers["www-authenticate"]).toBe("Bearer");
      expect(answer.body).toContain("AUTH_FAILED");
      expect(answer.body).not.toContain(TOKEN.slice(0, -1));
    }
  });

  it("ops-guard - it does not open the way to pages or to other hosts", async () => {
    await open({ token: TOKEN });
    expect(await get("/metrics", { ...bearer(TOKEN), Host: "evil.example" })).toEqual(misdirected);
    const page = { ...bearer(TOKEN), "Sec-Fetch-Site": "cross-site" };
    expect(await get("/metrics", page)).toEqual(forbidden);
  });
});

describe("ops-guard: addresses", () => {
  it("ops-guard - without a token nothing but loopback is listened on", async () => {
    for (const host of ["0.0.0.0", "::", "::ffff:0.0.0.0", "0"]) {
      await expect(openOpsPort({}, host)).rejects.toMatchObject({
        name: "ConfigurationError",
        message: expect.stringMatching(/^ops-host: .* not on loopback; set ops-token/),
      });
    }
    const addresses = Object.values(networkInterfaces()).flat();
    const v6 = addresses.some((one) => one?.address === "::1") ? ["::1", "::ffff:127.0.0.1"] : [];
    for (const host of ["127.0.0.1", "127.0.0.9", "localhost", ...v6]) {
      const { port } = await open({}, host);
      expect(port).toBeGreaterThan(0);
    }
  });

  it("ops-guard - elsewhere a token reads by any Host, and changes by a Host of its own", async () => {
    const { port, notices } = await open(
      { token: TOKEN, opsAllowedHosts: ["ops.example"] },
      "0.0.0.0",
    );
    const auth = { Authorization: `Bearer ${TOKEN}` };
    for (const Host of ["any.example", "127.0.0.1", "10.1.2.3:9081"]) {
      expect(await get("/metrics", { ...auth, Host })).toEqual(ok);
      expect(await get("/readyz", { Host })).toEqual(ok);
    }
    expect(await post({ ...auth, Host: "any.example" })).toBe(421);
    expect(await post({ ...auth, Host: "10.1.2.3" })).toBe(421);
    expect(notices).toEqual([]);
    for (const Host of ["ops.example:9081", "localhost", `127.0.0.1:${port}`])
      expect(await post({ ...auth, Host })).toBe(202);
    const other = Object.values(networkInterfaces())
      .flat()
      .find((one) => one?.family === "IPv4" && !one.internal)?.address;
    if (other === undefined) return;
    const notice = (host: string): string =>
      `POST /notify HTTP/1.1\r\nHost: ${host}\r\nAuthorization: ${auth.Authorization}\r\n` +
      `Content-Type: application/json\r\nContent-Length: ${NOTICE.length}\r\n\r\n${NOTICE}`;
    expect((await rawRequest(port, notice(`${other}:${port}`), other)).status).toBe(202);
    expect((await rawRequest(port, notice("localhost"), other)).status).toBe(421);
  });
});
