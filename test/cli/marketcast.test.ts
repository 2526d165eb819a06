import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { KEY_INFOS } from "../../src/config/keys.js";
import { type Outcome, runMarketcast } from "./run-marketcast.js";

const SECRET = "hunter2-hunter2-hunter2-hunter2-hunter2";

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "marketcast-cli-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

function run(args: readonly string[], env: Record<string, string> = {}): Promise<Outcome> {
  return runMarketcast(args, { cwd: directory, env });
}

describe("help", () => {
  it.each([[["--help"]], [["serve", "--help"]], [["token", "--help"]]])(
    "marketcast - %j lists every flag under its group with default and range",
    async (args) => {
      const { code, stdout } = await run(args);
      expect(code).toBe(0);
      const text = stdout.replace(/\s+/g, " ");
      for (const { flag, group, description, allowed, defaultText } of KEY_INFOS) {
        expect(text).toContain(`${group}: --`);
        const fallback = defaultText === undefined ? "" : `; default ${defaultText}`;
        expect(text).toMatch(new RegExp(`--${flag} [<[]`));
        expect(text).toContain(`${description} (${allowed}${fallback})`);
      }
    },
  );

  it("marketcast - --version prints the package's version", async () => {
    const manifest = JSON.parse(
      readFileSync(new URL("../../package.json", import.meta.url), "utf8"),
    ) as { version: string };
    expect(await run(["--version"])).toEqual({
      code: 0,
      stdout: `${manifest.version}\n`,
      stderr: "",
    });
  });
});

describe("wrong usage", () => {
  it.each([
    [["serve", "--prot", "1"], "unknown option '--prot'"],
    [["--prot", "1"], "unknown option '--prot'"],
    [["check-config", "--port"], "argument missing"],
    [["serve", "extra"], "too many arguments"],
    [["tial"], "unknown command 'tial'"],
    [["help", "tial"], "a command is missing, or there is no such one"],
    [["store"], "a command is missing"],
    [["token", "--role", "root", "--sub", "a", "--wallet", "b"], "Allowed choices are admin"],
    [["serve", "--port", "99999"], 'port: "99999" (flag --port) is not an integer from 0 to 65535'],
    [["--feed-speed", "-1"], 'feed-speed: "-1" (flag --feed-speed) is not a number from 0.001'],
    [["token", "--wallet", "w"], "--sub"],
    [["check-config", "--jwt-public-key-file", "none.pem"], "jwt-public-key-file: no public key"],
  ])("marketcast - %j says what is wrong and exits with 2", async (args, message) => {
    const { code, stdout, stderr } = await run(args);
    expect(stderr).toMatch(/^(marketcast: .+\n)+$/);
    expect(stderr).toContain(message);
    expect([code, stdout]).toEqual([2, ""]);
  });

  it("marketcast - a wrong variable or file exits with 2 and names itself", async () => {
    const wrong = await run(["serve"], { MARKETCAST_PORT: "-1", MARKETCAST_PROT: "1" });
    expect(wrong.code).toBe(2);
    expect(wrong.stderr).toContain('port: "-1" (environment variable MARKETCAST_PORT)');
    expect(wrong.stderr).toContain("MARKETCAST_PROT: there is no such environment variable");
    expect(wrong.stderr).toContain("did you mean MARKETCAST_PORT?");

    writeFileSync(join(directory, "a.json"), '{"prot": 1}');
    const unknown = await run(["serve", "--config", "a.json"]);
    expect(unknown.code).toBe(2);
    expect(unknown.stderr).toContain("prot: there is no such configuration key (file a.json)");
  });

  it.each([
    [[`--jwt-secrt=${SECRET}`]],
    [["serve", "--jwt-secrt", SECRET]],
    [["--jwt-secret", SECRET, "--port", "x"]],
    [["--jwt-secret", SECRET, "--jwt-algorithms", "RS256"]],
  ])("marketcast - the secret of %j is not echoed", async (args) => {
    const { code, stdout, stderr } = await run(args);
    expect(code).toBe(2);
    expect(stdout + stderr).not.toContain("hunter2");
  });
});

describe("check-config", () => {
  /** The rows of the printed table, by key. */
  function rows(stdout: string): Map<string, string[]> {
    const lines = stdout.split("\n").map((line) => line.trim().split(/ {2,}/));
    return new Map(lines.map(([key = "", ...cells]) => [key, cells]));
  }

  it("check-config - prints each value with its source and masks the secret", async () => {
    writeFileSync(join(directory, "a.json"), '{"feedRate": 7}');
    const { code, stdout, stderr } = await run(
      ["check-config", "--port", "1", "--no-feed-loop", "--config", "a.json"],
      {
        MARKETCAST_JWT_SECRET: SECRET,
        MARKETCAST_FEED_LOOP: "true",
        MARKETCAST_RELAY: "redis://relay:hunter2@cache",
      },
    );
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).not.toContain("hunter2");
    const table = rows(stdout);
    expect([...table.keys()]).toEqual(expect.arrayContaining(KEY_INFOS.map(({ flag }) => flag)));
    expect(table.get("port")).toEqual(["1", "flag --port"]);
    expect(table.get("feed-loop")).toEqual(["false", "flag --feed-loop"]);
    expect(table.get("feed-rate")).toEqual(["7", "file a.json"]);
    expect(table.get("ops-port")).toEqual(["9081", "default"]);
    expect(table.get("jwt-issuer")).toEqual(["not set", "default"]);
    expect(table.get("jwt-secret")).toEqual([
      "[hidden]",
      "environment variable MARKETCAST_JWT_SECRET",
    ]);
    expect(table.get("relay")).toEqual(["[hidden]", "environment variable MARKETCAST_RELAY"]);
  });

  it.each([
    [["--feed-loop"], "true"],
    [["--feed-loop=false"], "false"],
    [["--feed-loop", "false"], "false"],
    [["--feed-loop", "--no-feed-loop"], "false"],
  ])("check-config - takes the switch %j as %s", async (args, value) => {
    const { stdout } = await run(["check-config", ...args]);
    expect(rows(stdout).get("feed-loop")?.[0]).toBe(value);
  });

  it("check-config - says what it would start on with a warning, and in production would not", async () => {
    const env = {
      MARKETCAST_PORT: "tcp://10.0.0.1:8081",
      MARKETCAST_MAX_CONECTIONS: "1",
      MARKETCAST_ALLOWED_ORIGINS: "*",
      MARKETCAST_JWT_SECRET: "hunter2",
    };
    const { code, stdout, stderr } = await run(["check-config"], env);
    expect(code).toBe(0);
    expect(rows(stdout).get("port")).toEqual(["8081", "default"]);
    expect(stderr).toMatch(
      /^marketcast: MARKETCAST_MAX_CONECTIONS: .* MARKETCAST_MAX_CONNECTIONS/m,
    );
    expect(stderr).toMatch(/^marketcast: left alone, as Kubernetes .*: MARKETCAST_PORT$/m);
    expect(stderr).toMatch(/^marketcast: jwt-secret: .* has 7 bytes/m);
    expect(stdout + stderr).not.toContain("hunter2");
    const refused = await run(["check-config"], { ...env, NODE_ENV: "production" });
    expect(refused.code).toBe(2);
    expect(refused.stderr).toMatch(/^marketcast: jwt-secret: .* has 7 bytes/m);
  });

  it("check-config - says where a secret will be made, and makes none", async () => {
    const { stdout } = await run(["check-config"]);
    expect(stdout).toContain(`makes a secret in ${join("data", "jwt-secret")}`);
    const again = await run(["check-config"]);
    expect(again.stdout).toBe(stdout);
  });
});
