import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  type ConfigurationDetail,
  ConfigurationError,
} from "../../src/config/configuration-error.js";
import type { ConfigInput } from "../../src/config/given-values.js";
import { KEY_INFOS } from "../../src/config/keys.js";
import { loadConfigWithSources } from "../../src/config/load.js";
import { loadConfig } from "../support/load-config.js";

const SECRET = "hunter2-hunter2-hunter2-hunter2-hunter2";

/** The problems that an input is refused with; none where it is taken. */
function problemsOf(input: ConfigInput): readonly string[] {
  try {
    loadConfig(input);
    return [];
  } catch (error) {
    if (error instanceof ConfigurationError) return error.details.map(({ line }) => line);
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
      replayWindow: 67_108_864,
      maxReplayMessages: 100_000,
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
    // The markets of the synthetic feed must fit into the table, and what is set for a relay has one.
    const others = { maxMarkets: 100_000, feedMarkets: 1, relay: "redis://cache" };
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
    expect(loadConfig(file({ [info.flag]: null }))[info.key]).toBe(loadConfig({})[info.key]);
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

  it.each([
    ["max-price", "0.1000000000000000055"],
    ["max-price", "999999999999.9999999"],
    ["max-quantity", "1.0000000000000000001"],
    ["feed-seed", "9007199254740993"],
    ["feed-speed", "0.001000000000000000001"],
  ])("config - %s of %s is refused, not rounded", (flag, value) => {
    const shown = JSON.stringify(value);
    const exact = "has more digits than can be kept exactly";
    expect(problemsOf({ flags: { [flag]: value } })).toEqual([
      expect.stringContaining(`${flag}: ${shown} (flag --${flag}) ${exact}`),
    ]);
    expect(problemsOf(file(`{"${flag}": ${value}}`))).toEqual([
      expect.stringContaining(`${flag}: ${shown} (file a.json) ${exact}`),
    ]);
  });

  it("config - numbers that are exact are taken, however they are written", () => {
    for (const value of ["0.10", "00.1", "0.1000000000000000000000"]) {
      expect(loadConfig({ flags: { maxPrice: value } }).maxPrice).toBe(0.1);
    }
    expect(loadConfig(file('{"max-price": 1e9, "port": 80.0}'))).toMatchObject({
      maxPrice: 1e9,
      port: 80,
    });
    expect(problemsOf(file('{"max-price": 1e400}'))).toHaveLength(1);
    expect(problemsOf(file('{"max-price": 1e-400}'))).toHaveLength(1);
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
  it("config - an unknown flag, option or key of a file names itself and its source", () => {
    expect(problemsOf({ flags: { prot: 1 } })).toEqual(["prot: there is no such flag"]);
    expect(problemsOf({ options: { prot: 1 } })).toEqual(["prot: there is no such option"]);
    expect(problemsOf(file({ prot: 1 }))).toEqual([
      "prot: there is no such configuration key (file a.json)",
    ]);
  });

  it("config - a variable that looks like a key's is remarked, and told where something is wrong", () => {
    const remark = "MARKETCAST_PROT: there is no such environment variable; did you mean";
    const { config, remarks } = loadConfigWithSources({ env: { MARKETCAST_PROT: "1" } });
    expect(config.port).toBe(8081);
    expect(remarks).toEqual([{ level: "warn", message: `${remark} MARKETCAST_PORT?` }]);
    const [problem, slip] = problemsOf({ env: { MARKETCAST_PROT: "1" }, flags: { port: "x" } });
    expect(problem).toContain('port: "x"');
    expect(slip).toContain(remark);
  });

  it("config - options are spelled as keys of a file, or as the keys of a whole configuration", () => {
    const options = { "ops-port": 1, drainTime: 2, pong_timeout: 30, statusIntervalMs: 40 };
    const { config, sources } = loadConfigWithSources({ options });
    expect(config).toMatchObject({
      opsPort: 1,
      drainTimeMs: 2,
      pongTimeoutMs: 30,
      statusIntervalMs: 40,
    });
    expect(sources.get("drainTimeMs")).toBe("option drainTime");
    expect(loadConfig({ options: config })).toEqual(config);
    expect(problemsOf({ options: { opsPort: 1, "ops-port": 2 } })).toEqual([
      "ops-port: given twice, in two spellings",
    ]);
    expect(problemsOf({ options: { port: "x" } })).toEqual([
      'port: "x" (option port) is not an integer from 0 to 65535',
    ]);
    expect(loadConfig({ options: { port: undefined } }).port).toBe(8081);
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
      "config: the file a.json is not valid JSON at line 3, column 1: found a closing brace, expected a key in double quotes",
    ]);
  });

  it("config - null in a file sets nothing, whatever the key", () => {
    const nothing = Object.fromEntries(KEY_INFOS.map(({ flag }) => [flag, null]));
    expect(loadConfigWithSources(file(nothing))).toEqual(loadConfigWithSources(file({})));
    expect(loadConfig(file({ "ops-port": null, opsPort: 2 })).opsPort).toBe(2);
    expect(problemsOf(file({ prot: null }))).toHaveLength(1);
  });

  it("config - a byte order mark of UTF-8 and line ends of Windows are as good as none", () => {
    expect(loadConfig(file('\uFEFF{\r\n"port": 7\r\n}\r\n')).port).toBe(7);
    expect(problemsOf(file('\uFEFF{\r\n\uFEFF"port": 7}'))).toEqual([
      "config: the file a.json is not valid JSON at line 2, column 1: found the character U+FEFF",
    ]);
  });

  it.each([
    ["", "line 1, column 1: found the end, expected a value"],
    [" \n ", "line 2, column 2: found the end, expected a value"],
    ["\0", "line 1, column 1: found the character U+0000"],
    ['{"port": 1, "port": 2}', 'line 1, column 13: found the key "port" again'],
    ['{"port": 1 // one\n}', "line 1, column 12: found a comment"],
    ["{'port': 1}", "line 1, column 2: found a single quote"],
    ['{"port": 1', "line 1, column 11: found the end, expected a closing brace"],
    ['{"host": "a\tb"}', "line 1, column 12: found the character U+0009"],
    ['{"host": "a}', "line 1, column 10: found a string without its closing quote"],
  ])("config - of a file with %j the place and what was there is told", (content, problem) => {
    expect(problemsOf(file(content))).toEqual([
      expect.stringContaining(`config: the file a.json is not valid JSON at ${problem}`),
    ]);
  });

  it("config - a file that is no text, or too large to be one, is refused by name", () => {
    const directory = mkdtempSync(join(tmpdir(), "marketcast-config-"));
    const problems = (bytes: Buffer) => {
      const path = join(directory, "a.json");
      writeFileSync(path, bytes);
      return problemsOf({ flags: { config: path } });
    };
    expect(problems(Buffer.from("\uFEFF{}", "utf16le"))).toEqual([
      expect.stringMatching(/a\.json is not valid JSON at line 1, column 1: found .* of UTF-16/),
    ]);
    expect(problems(Buffer.from('{"host":\n "\xe4"}', "latin1"))).toEqual([
      expect.stringMatching(/at line 2, column 3: found a byte that is not UTF-8$/),
    ]);
    expect(problems(Buffer.from("\uFEFF{}"))).toEqual([]);
    expect(problemsOf({ flags: { config: "/dev/zero" } })).toEqual([
      expect.stringMatching(/\/dev\/zero cannot be read: it has more than 268435456 bytes$/),
    ]);
    rmSync(directory, { recursive: true });
  });
});

describe("rules between keys", () => {
  it.each([
    [{ port: 9081 }, ["port", "ops-port"]],
    [{ feed: "replay" }, ["feed-file", "feed is replay"]],
    [{ feed: "module" }, ["feed-module", "feed is module"]],
    [{ feed: "synthetic", feedMarkets: 11, maxMarkets: 10 }, ["feed-markets", "max-markets"]],
    [
      { relay: "redis://cache", relayLease: 6000, relayWindow: 5000 },
      ["relay-lease", "6000 ms", "relay-window"],
    ],
    [{ jwtSecret: SECRET, jwtPublicKeyFile: "a.pem" }, ["jwt-secret", "jwt-public-key-file"]],
    [{ jwtSecret: SECRET, jwtAlgorithms: "RS256" }, ["jwt-algorithms", "jwt-public-key-file"]],
    [{ jwtAlgorithms: "HS256,ES256" }, ["jwt-algorithms", "ES256", "jwt-public-key-file"]],
    [
      { jwtPublicKeyFile: "a.pem", jwtAlgorithms: "RS256,HS256" },
      ["jwt-algorithms", "HS256", "jwt-public-key-file"],
    ],
    [{ opsToken: SECRET, opsTokenFile: "token" }, ["ops-token", "ops-token-file"]],
    [{ opsHost: "0.0.0.0" }, ["ops-host", "0.0.0.0", "ops-token", "ops-token-file"]],
    [{ opsHost: "::" }, ["ops-host", "::", "ops-token"]],
    [{ opsHost: "::ffff:10.0.0.1" }, ["ops-host", "ops-token"]],
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
    { opsHost: "0.0.0.0", opsToken: SECRET },
    { opsHost: "::", opsTokenFile: "token" },
    { opsHost: "127.1.2.3" },
    { opsHost: "::1" },
    { opsHost: "ops.example" },
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

  const sound = { jwtSecret: SECRET, allowedOrigins: "*" };

  it.each([
    sound,
    { jwtPublicKeyFile: "a.pem", allowedOrigins: "https://a.example" },
    { ...sound, opsToken: SECRET },
    { ...sound, jwtSecret: "é".repeat(16) },
    { ...sound, jwtSecret: ` ${"x".repeat(32)}\n` },
  ])("config - in production %j will do", (flags) => {
    expect(problemsOf({ flags, env: { NODE_ENV } })).toEqual([]);
  });

  it.each([
    "a",
    " ",
    " ".repeat(64),
    `a${" ".repeat(64)}`,
    "\u00a0\ufeff".repeat(32),
    "x".repeat(31),
    `${"x".repeat(31)}\n`,
    "é".repeat(15),
  ])("config - in production the secret %j is refused, elsewhere remarked", (jwtSecret) => {
    const weakness = /^jwt-secret: the secret \(.*\) has [0-9]+ bytes, and needs at least 32/;
    const sources: ConfigInput[] = [
      { flags: { ...sound, jwtSecret } },
      { flags: { allowedOrigins: "*" }, env: { MARKETCAST_JWT_SECRET: jwtSecret } },
      { ...file({ "jwt-secret": jwtSecret, "allowed-origins": "*" }) },
      { options: { jwtSecret, allowedOrigins: "*" } },
    ];
    for (const input of sources) {
      expect(problemsOf({ ...input, env: { ...input.env, NODE_ENV } })).toEqual([
        expect.stringMatching(weakness),
      ]);
      const { config, remarks } = loadConfigWithSources(input);
      expect(config.jwtSecret).toBe(jwtSecret);
      expect(remarks).toEqual([{ level: "warn", message: expect.stringMatching(weakness) }]);
    }
  });

  it("config - in production a short token of the operations port is refused, elsewhere remarked", () => {
    const opsToken = "x".repeat(31);
    const weakness = expect.stringMatching(
      /^ops-token: the secret \(flag --ops-token\) has 31 bytes/,
    );
    expect(problemsOf({ flags: { ...sound, opsToken }, env: { NODE_ENV } })).toEqual([weakness]);
    const { remarks } = loadConfigWithSources({ flags: { opsToken } });
    expect(remarks).toEqual([{ level: "warn", message: weakness }]);
  });

  it.each([
    "MARKETCAST_JWT_SECRT",
    "MARKETCAST_ALLOWED_ORIGN",
    "MARKETCAST_JWT_AUDIANCE",
    "MARKETCAST_jwt_issuer",
    "MARKETCAST_OPSTOKEN",
  ])("config - in production the slip %s is refused, as it leaves a door open", (variable) => {
    const slip = expect.stringMatching(`^${variable}: there is no such .* mean MARKETCAST_`);
    const env = { [variable]: "hunter2" };
    const { remarks } = loadConfigWithSources({ flags: sound, env });
    expect(remarks).toEqual([{ level: "warn", message: slip }]);
    expect(problemsOf({ flags: sound, env: { ...env, NODE_ENV } })).toEqual([slip]);
    expect(JSON.stringify(remarks)).not.toContain("hunter2");
  });

  it("config - in production a slip in any other key is a remark", () => {
    const env = { NODE_ENV, MARKETCAST_MAX_CONECTIONS: "1" };
    expect(loadConfigWithSources({ flags: sound, env }).remarks).toHaveLength(1);
  });

  it.each(["Production", " production ", "PROD"])("config - NODE_ENV %j is production", (mode) => {
    expect(problemsOf({ env: { NODE_ENV: mode } })).toHaveLength(2);
  });
});

describe("secrets", () => {
  it.each<[string, ConfigInput]>([
    ["of a wrong type", file({ "jwt-secret": [SECRET] })],
    ["that is too long", { env: { MARKETCAST_JWT_SECRET: SECRET.repeat(200) } }],
    ["beside another problem", { flags: { jwtSecret: SECRET, port: "x" } }],
    ["under a mistyped key of a file", file({ "jwt-secrt": SECRET })],
    ["under a mistyped variable", { env: { MARKETCAST_JWT_SECRT: SECRET }, flags: { port: "x" } }],
    ["in a file that is no JSON", file(`{"jwt-secret": "${SECRET}" "port": 1}`)],
    ["cut off in a file", file(`{"jwt-secret": "${SECRET}`)],
    ["without quotes in a file", file(`{"jwt-secret": ${SECRET}}`)],
    ["in single quotes in a file", file(`{"jwt-secret": '${SECRET}'}`)],
    ["with a control character in a file", file(`{"jwt-secret": "${SECRET}\u0001"}`)],
    ["with a bad escape in a file", file(`{"jwt-secret": "\\${SECRET}"}`)],
    ["twice in a file", file(`{"jwt-secret": "${SECRET}", "jwt-secret": "${SECRET}"}`)],
    ["that is a number", file(`{"jwt-secret": 1${"0".repeat(30)}1, "jwt-secrt": "${SECRET}"}`)],
    ["that breaks a rule", { flags: { jwtSecret: SECRET, jwtAlgorithms: "RS256" } }],
  ])("config - a secret %s is not in the message", (_title, input) => {
    const problems = problemsOf(input);
    expect(problems.length).toBeGreaterThan(0);
    expect(problems.join("\n")).not.toContain("hunter2");
  });
});

describe("details", () => {
  /** The details that an input is refused with. */
  function detailsOf(input: ConfigInput): readonly ConfigurationDetail[] {
    try {
      loadConfig(input);
    } catch (error) {
      if (error instanceof ConfigurationError) return error.details;
      throw error;
    }
    throw new Error("it was taken");
  }

  it("config - details name key, value, rule and source for a program", () => {
    expect(detailsOf({ flags: { port: "x" } })).toEqual([
      {
        key: "port",
        value: "x",
        rule: "an integer from 0 to 65535",
        source: "flag --port",
        line: 'port: "x" (flag --port) is not an integer from 0 to 65535',
      },
    ]);
    expect(detailsOf(file({ no_such_key: 1 }))).toMatchObject([
      { key: "no_such_key", rule: "there is no such configuration key", source: "file a.json" },
    ]);
    expect(detailsOf({ flags: { port: 5, "ops-port": 5 } })).toMatchObject([
      { key: "ops-port", rule: "both are 5 on 127.0.0.1; they must differ" },
    ]);
  });

  it("config - the value of a secret is in no detail", () => {
    const [detail] = detailsOf({ options: { jwtSecret: 4711 } });
    expect(detail).toMatchObject({ key: "jwt-secret", source: "option jwtSecret" });
    expect(JSON.stringify(detail)).not.toContain("4711");
  });

  it("config - its message is the lines of all details", () => {
    const input = { options: { port: "x", shards: 0 } };
    const lines = detailsOf(input).map(({ line }) => line);
    expect(lines).toHaveLength(2);
    expect(() => loadConfig(input)).toThrow(lines.join("\n"));
  });
});
