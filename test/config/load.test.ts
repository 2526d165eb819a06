import { describe, expect, it } from "vitest";
import { ConfigurationError } from "../../src/config/configuration-error.js";
import type { ConfigInput } from "../../src/config/given-values.js";
import { KEY_INFOS } from "../../src/config/keys.js";
import { loadConfig, loadConfigWithSources } from "../../src/config/load.js";

const SECRET = "hunter2-hunter2-hunter2-hunter2-hunter2";

/** The problems that an input is refused with; none where it is taken. */
function problemsOf(input: ConfigInput): readonly string[] {
  try {
    loadConfig(input);
    return [];
  } catch (error) {
    if (error instanceof ConfigurationError) return error.problems;
    throw error;
  }
}

/** The sources of a configuration file with this content. */
function file(content: unknown): ConfigInput {
  const json = typeof content === "string" ? content : JSON.stringify(content);
  return { flags: { config: "a.json" }, readFile: () => json };
}

describe("defaults", () => {
  it("config - without any source has the documented defaults", () => {
    const config = loadConfig({});
    expect(config).toMatchObject({
      host: "127.0.0.1",
      port: 8081,
      opsHost: "127.0.0.1",
      opsPort: 9081,
      ringSize: 16_777_216,
      tradeRingSize: 4_194_304,
      marketIntervalMs: 2000,
      statusIntervalMs: 30_000,
      bookIntervalMs: 100,
      pingIntervalMs: 25_000,
      pongTimeoutMs: 10_000,
      idleTimeoutMs: 300_000,
      idleCheckIntervalMs: 60_000,
      drainTimeMs: 10_000,
      maxConnections: 50_000,
      maxConnectionsPerAddress: 1000,
      maxMessageSize: 65_536,
      maxQueuedMessages: 4096,
      maxQueuedBytes: 1_048_576,
      allowedOrigins: ["*"],
      dataDir: "./data",
      logLevel: "info",
      feed: "exchange",
      feedMarkets: 50,
      feedRate: 200,
      feedMode: "rate",
      feedLoop: false,
      feedStart: "ready",
    });
    expect(config.shards).toBeGreaterThanOrEqual(1);
    expect(config.jwtSecret).toBeUndefined();
  });

  it("config - names flags and variables as the contract does", () => {
    const flags = KEY_INFOS.map(({ flag }) => flag);
    expect(flags).toEqual(
      expect.arrayContaining(["ring-size", "market-interval", "max-message-size", "feed-loop"]),
    );
    expect(new Set(flags).size).toBe(flags.length);
    expect(KEY_INFOS.find(({ flag }) => flag === "ring-size")?.variable).toBe(
      "MARKETCAST_RING_SIZE",
    );
  });

  it("config - the default shown for a key is the one it has", () => {
    const config = loadConfig({});
    const shown = KEY_INFOS.filter(({ key }) => key !== "shards");
    for (const { key, defaultText } of shown) {
      const value = config[key];
      expect([key, defaultText]).toEqual([key, value === undefined ? undefined : String(value)]);
    }
  });
});

describe("precedence", () => {
  const fromFile = file({ port: 1001, "ops-port": 1002, "feed-rate": 1003 });
  const env = { MARKETCAST_PORT: "2001", MARKETCAST_OPS_PORT: "2002", PATH: "/bin" };

  it("config - a flag wins over the environment, that over the file, that over the default", () => {
    const flags = { ...fromFile.flags, port: "3001" };
    const { config, sources } = loadConfigWithSources({ ...fromFile, env, flags });
    expect(config).toMatchObject({ port: 3001, opsPort: 2002, feedRate: 1003, feedSeed: 1 });
    expect(sources.get("port")).toBe("flag --port");
    expect(sources.get("opsPort")).toBe("environment variable MARKETCAST_OPS_PORT");
    expect(sources.get("feedRate")).toBe("file a.json");
    expect(sources.get("feedSeed")).toBe("default");
  });

  it("config - the file may be named by the environment", () => {
    const { readFile } = file({ port: 1001 });
    const paths: string[] = [];
    const read = (path: string) => {
      paths.push(path);
      return readFile?.(path) ?? "";
    };
    const config = loadConfig({ env: { MARKETCAST_CONFIG: "b.json" }, readFile: read });
    expect([config.port, paths]).toEqual([1001, ["b.json"]]);
  });

  it("config - keys of a file may be kebab-case, snake_case or camelCase", () => {
    const content = { "market-interval": 11, status_interval: 12, bookInterval: 13 };
    expect(loadConfig(file(content))).toMatchObject({
      marketIntervalMs: 11,
      statusIntervalMs: 12,
      bookIntervalMs: 13,
    });
  });

  it("config - takes lists from text and from arrays, and switches from words", () => {
    const origins = "https://a.example, HTTPS://B.example:443,app://x";
    const expected = ["https://a.example", "https://b.example", "app://x"];
    expect(loadConfig({ flags: { allowedOrigins: origins } }).allowedOrigins).toEqual(expected);
    expect(loadConfig(file({ allowed_origins: expected })).allowedOrigins).toEqual(expected);
    expect(loadConfig({ env: { MARKETCAST_FEED_LOOP: "true" } }).feedLoop).toBe(true);
    expect(loadConfig({ flags: { feedLoop: "false" } }).feedLoop).toBe(false);
    expect(loadConfig({ flags: { feedLoop: true } }).feedLoop).toBe(true);
  });
});

describe("bad values", () => {
  const numeric = KEY_INFOS.flatMap((info) => (info.range ? [{ ...info, range: info.range }] : []));

  it.each(numeric)("config - $flag takes its bounds and nothing beyond", (info) => {
    const { min, max } = info.range;
    // The markets of the synthetic feed must fit into the table.
    const others = { maxMarkets: 100_000, feedMarkets: 1 };
    for (const value of [min, max]) {
      const flags = { ...others, [info.flag]: String(value) };
      if (info.key === "maxMarkets" && "maxMarkets" in flags) flags.maxMarkets = value;
      if (info.key === "feedMarkets") flags.feedMarkets = value;
      expect(loadConfig({ flags })[info.key]).toBe(value);
    }
    for (const value of [min - 1, max + 1, `${max}0000000000000000000`, "", "abc", "0x10", "1e3"]) {
      const shown = JSON.stringify(String(value));
      expect(problemsOf({ env: { [info.variable]: String(value) } })).toEqual([
        `${info.flag}: ${shown} (environment variable ${info.variable}) is not ${info.allowed}`,
      ]);
    }
    expect(info.allowed).toContain(`from ${min} to ${max}`);
    expect(problemsOf(file({ [info.flag]: null }))).toEqual([
      `${info.flag}: null (file a.json) is not ${info.allowed}`,
    ]);
  });

  it("config - a text is printable, and a secret no other one's equal", () => {
    for (const [flag, value] of [
      ["jwt-issuer", "\ud800"],
      ["jwt-audience", "a\nb"],
      ["jwt-secret", `${"s".repeat(32)}\udfff`],
    ] as const)
      expect(() => loadConfig({ flags: { [flag]: value }, env: {} })).toThrow(
        new RegExp(`^${flag}: .* is not .* text of 1 to 4096 characters`),
      );
    expect(() =>
      loadConfig({ flags: { "jwt-secret": `a b\t${"s".repeat(32)}` }, env: {} }),
    ).not.toThrow();
  });

  it.each(["ring-size", "trade-ring-size"])("config - %s must be a power of two", (flag) => {
    expect(problemsOf({ flags: { [flag]: "100000" } })).toEqual([
      `${flag}: "100000" (flag --${flag}) is not a power of two from 65536 to 1073741824 bytes`,
    ]);
  });

  it.each([
    ["feed", "elsewhere", "one of exchange, synthetic, replay, stdin, module"],
    ["log-level", "loud", "one of fatal, error, warn, info, debug, trace, silent"],
    ["feed-loop", "maybe", "true or false"],
    ["feed-rate", "1.5", "an integer from 1 to 1000000"],
    ["host", "", "printable text of 1 to 4096 characters"],
    ["allowed-origins", "a.example", "a comma-separated list of origins"],
    ["allowed-origins", "https://a.example/path", "a comma-separated list of origins"],
    ["allowed-origins", "", "a comma-separated list of origins"],
    ["jwt-algorithms", "none", "a comma-separated list of HS256"],
    ["jwt-algorithms", "HS256,none", "a comma-separated list of HS256"],
  ])("config - refuses %s %j and names what is allowed", (flag, value, allowed) => {
    const [problem, ...others] = problemsOf({ flags: { [flag]: value } });
    expect(problem).toContain(
      `${flag}: ${JSON.stringify(value)} (flag --${flag}) is not ${allowed}`,
    );
    expect(others).toEqual([]);
  });

  it("config - names all problems at once and shortens long values", () => {
    const problems = problemsOf({
      flags: { port: "x".repeat(5000), nonsense: 1 },
      env: { MARKETCAST_OPS_PORT: "y" },
    });
    expect(problems).toHaveLength(3);
    for (const problem of problems) expect(problem.length).toBeLessThan(250);
  });
});

describe("unknown keys", () => {
  it("config - an unknown flag, variable or key of a file names itself and its source", () => {
    expect(problemsOf({ flags: { prot: 1 } })).toEqual(["prot: there is no such flag"]);
    expect(problemsOf({ env: { MARKETCAST_PROT: "1" } })).toEqual([
      "MARKETCAST_PROT: there is no such environment variable",
    ]);
    expect(problemsOf({ env: { MARKETCAST_ring_size: "65536" } })).toHaveLength(1);
    expect(problemsOf(file({ prot: 1 }))).toEqual([
      "prot: there is no such configuration key (file a.json)",
    ]);
  });

  it("config - a key may stand once in a file, and the file's own name not at all", () => {
    expect(problemsOf(file({ "ops-port": 1, opsPort: 2 }))).toEqual([
      "ops-port: given twice, in two spellings (file a.json)",
    ]);
    expect(problemsOf(file({ config: "b.json" }))).toEqual([
      "config: not allowed in a configuration file (file a.json)",
    ]);
  });

  it("config - a file that is missing, no JSON or no object is named", () => {
    const missing = loadConfig.bind(undefined, { flags: { config: "/nonexistent/a.json" } });
    expect(missing).toThrow(/^config: the file \/nonexistent\/a\.json cannot be read: ENOENT/);
    expect(problemsOf(file("[]"))).toEqual(["config: the file a.json must hold one JSON object"]);
    expect(problemsOf(file('{\n  "port": 1,\n}'))).toEqual([
      "config: the file a.json is not valid JSON at line 3, column 1",
    ]);
  });
});

describe("rules between keys", () => {
  it.each([
    [{ port: 9081 }, ["port", "ops-port"]],
    [{ feed: "replay" }, ["feed-file", "feed is replay"]],
    [{ feed: "module" }, ["feed-module", "feed is module"]],
    [{ feed: "synthetic", feedMarkets: 11, maxMarkets: 10 }, ["feed-markets", "max-markets"]],
    [{ jwtSecret: SECRET, jwtPublicKeyFile: "a.pem" }, ["jwt-secret", "jwt-public-key-file"]],
    [{ jwtSecret: SECRET, jwtAlgorithms: "RS256" }, ["jwt-algorithms", "jwt-public-key-file"]],
    [{ jwtAlgorithms: "HS256,ES256" }, ["jwt-algorithms", "ES256", "jwt-public-key-file"]],
    [
      { jwtPublicKeyFile: "a.pem", jwtAlgorithms: "RS256,HS256" },
      ["jwt-algorithms", "HS256", "jwt-public-key-file"],
    ],
  ])("config - refuses %j and names both keys", (flags, names) => {
    const [problem, ...others] = problemsOf({ flags });
    for (const name of names) expect(problem).toContain(name);
    expect(others).toEqual([]);
  });

  it.each([
    { port: 0, opsPort: 0 },
    { port: 9081, host: "127.0.0.2" },
    { feed: "replay", feedFile: "a.csv" },
    { feed: "stdin", feedMarkets: 11, maxMarkets: 10 },
    { jwtPublicKeyFile: "a.pem", jwtAlgorithms: "RS256,ES256" },
    { jwtSecret: SECRET, jwtAlgorithms: "HS256" },
  ])("config - takes %j", (flags) => {
    expect(problemsOf({ flags })).toEqual([]);
  });
});

describe("production", () => {
  const NODE_ENV = "production";

  it("config - in production origins and a key must be set", () => {
    const problems = problemsOf({ env: { NODE_ENV } });
    expect(problems).toHaveLength(2);
    expect(problems[0]).toMatch(/^allowed-origins: .*NODE_ENV/);
    expect(problems[1]).toMatch(/^jwt-secret: .*jwt-public-key-file .*NODE_ENV/);
  });

  it.each([
    { jwtSecret: SECRET, allowedOrigins: "*" },
    { jwtPublicKeyFile: "a.pem", allowedOrigins: "https://a.example" },
  ])("config - in production %j will do", (flags) => {
    expect(problemsOf({ flags, env: { NODE_ENV } })).toEqual([]);
  });
});

describe("secrets", () => {
  it.each<[string, ConfigInput]>([
    ["of a wrong type", file({ "jwt-secret": [SECRET] })],
    ["that is too long", { env: { MARKETCAST_JWT_SECRET: SECRET.repeat(200) } }],
    ["beside another problem", { flags: { jwtSecret: SECRET, port: "x" } }],
    ["under a mistyped key of a file", file({ "jwt-secrt": SECRET })],
    ["under a mistyped variable", { env: { MARKETCAST_JWT_SECRT: SECRET } }],
    ["in a file that is no JSON", file(`{"jwt-secret": "${SECRET}" "port": 1}`)],
    ["cut off in a file", file(`{"jwt-secret": "${SECRET}`)],
    ["without quotes in a file", file(`{"jwt-secret": ${SECRET}}`)],
    ["that breaks a rule", { flags: { jwtSecret: SECRET, jwtAlgorithms: "RS256" } }],
  ])("config - a secret %s is not in the message", (_title, input) => {
    const problems = problemsOf(input);
    expect(problems.length).toBeGreaterThan(0);
    expect(problems.join("\n")).not.toContain("hunter2");
  });
});
