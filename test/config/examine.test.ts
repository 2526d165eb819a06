import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { ConfigurationError } from "../../src/config/configuration-error.js";
import { examineConfig } from "../../src/config/examine.js";
import { loadConfigWithSources } from "../../src/config/load.js";

const SECRET = "hunter2-hunter2-hunter2-hunter2-hunter2";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "marketcast-examine-"));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function file(name: string, content: string, mode: number): string {
  const path = join(root, name);
  mkdirSync(join(path, ".."), { recursive: true });
  writeFileSync(path, content);
  chmodSync(path, mode);
  return path;
}

/** What is found, in production and elsewhere; in production it must be why the start is refused. */
async function found(options: Readonly<Record<string, unknown>>): Promise<readonly string[]> {
  const sound = { jwtSecret: SECRET, allowedOrigins: "*", dataDir: join(root, "data") };
  const load = (NODE_ENV: string) =>
    loadConfigWithSources({
      options: { ...("config" in options ? {} : sound), ...options },
      env: { NODE_ENV },
    });
  const { remarks } = await examineConfig(load("test"));
  const warnings = remarks.map(({ message }) => message);
  const refused = await examineConfig(load("production")).then(
    () => [],
    ({ details }: ConfigurationError) => details.map(({ line }) => line),
  );
  expect(refused).toEqual(warnings);
  return warnings;
}

describe.skipIf(process.platform === "win32")("examine", () => {
  it("examine - a sound configuration has no remarks, and gives the token of its file", async () => {
    const opsTokenFile = file("token", `${SECRET}\n`, 0o600);
    expect(await found({ opsTokenFile })).toEqual([]);
    const loaded = loadConfigWithSources({
      options: { opsTokenFile, dataDir: join(root, "data") },
    });
    expect((await examineConfig(loaded)).opsToken).toBe(SECRET);
    expect((await examineConfig(loadConfigWithSources({}))).opsToken).toBeUndefined();
  });

  it("examine - a data directory that anybody may write to", async () => {
    mkdirSync(join(root, "data"));
    chmodSync(join(root, "data"), 0o777);
    const danger = expect.stringMatching(
      /^data-dir: .*anybody may write to it, .* mode 777; run: chmod/,
    );
    expect(await found({})).toEqual([danger]);
    // Where nothing is kept in it, it does not matter.
    expect(await found({ feed: "synthetic" })).toEqual([]);
  });

  it.runIf(process.geteuid?.() === 0)(
    "examine - a secret in the data directory that is another's",
    async () => {
      const { chownSync } = await import("node:fs");
      chownSync(file("data/jwt-secret", SECRET, 0o600), 54_321, 54_321);
      chmodSync(join(root, "data"), 0o700);
      const danger = /^data-dir: .*jwt-secret: it is owned by user 54321/;
      expect(await found({})).toEqual([expect.stringMatching(danger)]);
    },
  );

  it("examine - a token's file that others may read, or that holds too little", async () => {
    const readable = file("token", SECRET, 0o644);
    expect(await found({ opsTokenFile: readable })).toEqual([
      expect.stringMatching(/^ops-token-file: .*others may read or change it.*chmod 600/),
    ]);
    const short = file("short", "hunter2\n", 0o600);
    const [weakness, ...others] = await found({ opsTokenFile: short });
    expect(weakness).toMatch(/^ops-token-file: the secret \(file .*\) has 7 bytes/);
    expect(weakness).not.toContain("hunter2");
    expect(others).toEqual([]);
  });

  it("examine - a configuration file that others may read only if it holds no secret", async () => {
    const dataDir = join(root, "data");
    const config = (content: object, mode: number) =>
      file("a.json", JSON.stringify({ dataDir, allowedOrigins: "*", ...content }), mode);
    const secret = { jwtSecret: SECRET };
    expect(await found({ config: config(secret, 0o600) })).toEqual([]);
    expect(await found({ config: config(secret, 0o640) })).toHaveLength(1);
    expect(await found({ config: config({ ...secret, opsToken: SECRET }, 0o604) })).toHaveLength(1);
    expect(await found({ config: config({}, 0o644), ...secret })).toEqual([]);
    expect(await found({ config: config({}, 0o646), ...secret })).toEqual([
      expect.stringMatching(/^config: .*anybody may write to it/),
    ]);
    // A secret that another source overrides is a secret, but not this server's.
    expect(await found({ config: config(secret, 0o644), ...secret })).toEqual([]);
  });

  it("examine - a key, markets or a module that anybody may write to", async () => {
    const open = file("open", "", 0o666);
    for (const [flag, options] of [
      ["jwt-public-key-file", { jwtSecret: undefined, jwtPublicKeyFile: open }],
      ["markets-file", { marketsFile: open }],
      ["feed-module", { feed: "module", feedModule: open }],
    ] as const) {
      expect(await found(options)).toEqual([expect.stringMatching(new RegExp(`^${flag}: `))]);
    }
    expect(await found({ feed: "module", feedModule: "some-package" })).toEqual([]);
  });
});
