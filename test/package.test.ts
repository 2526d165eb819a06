import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

/*
 * The package as others get it: packed, unpacked into an empty project, and there beside what it
 * declares to need, which is linked from here so that nothing has to be fetched.
 */

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const manifest = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
  readonly dependencies: Readonly<Record<string, string>>;
  readonly optionalDependencies: Readonly<Record<string, string>>;
};
/** What a project in TypeScript brings itself. */
const OF_THE_PROJECT = ["typescript", "@types/node"];

let project: string;
let installed: string;

function run(command: string, args: readonly string[], cwd: string) {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, encoding: "utf8" });
  return { status, stdout, stderr };
}

beforeAll(() => {
  project = realpathSync(mkdtempSync(join(tmpdir(), "marketcast-package-")));
  installed = join(project, "node_modules", "marketcast");
  mkdirSync(installed, { recursive: true });
  const pack = ["pack", "--ignore-scripts", "--silent", "--pack-destination", project];
  const packed = run("npm", pack, ROOT);
  expect(packed.status, packed.stderr).toBe(0);
  const unpacked = run(
    "tar",
    ["-xzf", packed.stdout.trim(), "-C", installed, "--strip-components=1"],
    project,
  );
  expect(unpacked.status, unpacked.stderr).toBe(0);
  const needed = { ...manifest.dependencies, ...manifest.optionalDependencies };
  for (const name of [...Object.keys(needed), ...OF_THE_PROJECT]) {
    const link = join(project, "node_modules", name);
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(join(ROOT, "node_modules", name), link);
  }
  writeFileSync(join(project, "package.json"), '{"private":true,"type":"module"}');
});
afterAll(() => rmSync(project, { recursive: true, force: true }));

/** Compiles a file of the project as strictly as can be, with the types of all that it uses checked. */
function compile(file: string, ...more: readonly string[]) {
  const flags = "--strict --exactOptionalPropertyTypes --skipLibCheck false --types node";
  const target = "--target es2023 --module nodenext --moduleResolution nodenext";
  const tsc = join(project, "node_modules", "typescript", "bin", "tsc");
  const args = [tsc, ...flags.split(" "), ...target.split(" "), ...more, file];
  return run(process.execPath, args, project);
}

const files = (): string[] => readdirSync(installed, { recursive: true, encoding: "utf8" });

describe("package", () => {
  it("package - has what its exports and commands point to, and no sources or tests", () => {
    const { exports, bin } = JSON.parse(readFileSync(join(installed, "package.json"), "utf8"));
    const targets = JSON.stringify([exports, bin]).match(/(?<=")(?:\.\/)?dist\/[^"]+/g) ?? [];
    expect(targets.length).toBeGreaterThan(5);
    for (const target of targets) expect(existsSync(join(installed, target)), target).toBe(true);
    expect(readdirSync(installed).sort()).toEqual(
      [
        "CHANGELOG.md",
        "LICENSE",
        "README.md",
        "dist",
        "docs",
        "examples",
        "ops",
        "package.json",
        "proto",
      ].sort(),
    );
  });

  it("package - source maps point to nothing that is not in it", () => {
    const maps = files().filter((name) => name.endsWith(".map"));
    expect(maps.length).toBeGreaterThan(100);
    for (const name of maps) {
      const path = join(installed, name);
      const map = JSON.parse(readFileSync(path, "utf8")) as {
        readonly sources: readonly string[];
        readonly sourceRoot?: string;
        readonly sourcesContent?: readonly (string | null)[];
      };
      for (const [index, source] of map.sources.entries()) {
        const at = resolve(dirname(path), map.sourceRoot ?? "", source);
        const inside = !relative(installed, at).startsWith("..");
        const content = map.sourcesContent?.[index];
        expect({ name, source, inside }).toEqual({ name, source, inside: true });
        expect(typeof content === "string" || existsSync(at), `${name}: ${source}`).toBe(true);
      }
    }
  });

  it("package - a program starts a server on its defaults, uses it and stops it", () => {
    writeFileSync(
      join(project, "server.mjs"),
      `
      import { ConfigurationError, startServer } from "marketcast";
      import { MarketcastClient } from "marketcast/client";

      const server = await startServer({ port: 0, opsPort: 0 });
      const ready = await fetch(\`http://127.0.0.1:\${server.opsPort}/readyz\`);
      const client = new MarketcastClient({ url: \`ws://127.0.0.1:\${server.port}\` });
      await client.subscribe([{ type: "Markets" }]);
      const markets = [...client.markets].length;
      await client.close();
      await server.stop();
      console.log(JSON.stringify({ ready: ready.status, markets, code: await server.closed }));

      const quiet = await startServer({
        "ops-port": 0, port: 0, feed: "synthetic", feedMarkets: 3, drainTime: 0, logLevel: "silent",
      });
      const status = await (await fetch(\`http://127.0.0.1:\${quiet.opsPort}/status\`)).json();
      await quiet.stop();
      const refused = await startServer({ prot: 1, port: "x" }).catch((error) => error);
      console.log(JSON.stringify({
        markets: status.status.markets,
        refused: refused instanceof ConfigurationError && refused.message.split("\\n"),
      }));
      `,
    );
    const { status, stdout, stderr } = run(process.execPath, ["server.mjs"], project);
    expect([status, stderr]).toEqual([0, ""]);
    const lines = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(lines).toContainEqual({ ready: 200, markets: 50, code: 0 });
    expect(lines).toContainEqual({
      markets: 3,
      refused: [
        "prot: there is no such option",
        'port: "x" (option port) is not an integer from 0 to 65535',
      ],
    });
    // It logs as the command does, and says when it is ready and when it has stopped.
    expect(lines.filter(({ msg }) => msg === "ready")).toHaveLength(1);
    expect(lines.filter(({ msg }) => msg === "stopped")).toHaveLength(1);
  });

  it("package - the calls of libc are found through links, also by a process that has looked at a pipe", () => {
    writeFileSync(
      join(project, "links.mjs"),
      `
      import { fstatSync } from "node:fs";

      await import("marketcast");
      if (!fstatSync(0).isFIFO() && !fstatSync(0).isSocket()) throw new Error("no pipe");
      await import("./node_modules/marketcast/dist/transport/native-sockets.js");
      `,
    );
    const { status, stderr } = run(process.execPath, ["links.mjs"], project);
    expect([status, stderr]).toEqual([0, ""]);
  });

  it("package - its types hold in a strict project that checks them all", () => {
    writeFileSync(
      join(project, "types.ts"),
      `
      import { ConfigurationError, type RunningServer, type ServerOptions, startServer } from "marketcast";
      import { MarketcastClient } from "marketcast/client";
      import type { Feed } from "marketcast/feed";

      const options: ServerOptions = { port: 0, opsPort: 0, drainTime: 100, "feed-rate": 5, feed: "synthetic" };
      const server: RunningServer = await startServer(options);
      const ports: number[] = [server.port, server.opsPort];
      await startServer();
      await startServer({ allowedOrigins: ["https://app.example"], jwtSecret: undefined });
      // @ts-expect-error no such option
      await startServer({ prot: 1 });
      // @ts-expect-error not of its kind
      await startServer({ port: "8081" });
      // @ts-expect-error no such feed
      await startServer({ feed: "elsewhere" });
      const stopped: Promise<void> = server.stop();
      export { ConfigurationError, type Feed, MarketcastClient, ports, stopped };
      `,
    );
    const { status, stdout } = compile("types.ts", "--noEmit");
    expect([status, stdout]).toEqual([0, ""]);
  });

  it("package - a strict program in TypeScript compiles, and runs a server, a client and a refusal", () => {
    writeFileSync(
      join(project, "program.ts"),
      `
      import {
        type ConfigurationDetail,
        ConfigurationError,
        type RunningServer,
        type ServerOptions,
        startServer,
      } from "marketcast";
      import { MarketcastClient } from "marketcast/client";

      const options: ServerOptions = {
        port: 0, opsPort: 0, feed: "synthetic", feedMarkets: 4, drainTime: 0, logLevel: "silent",
      };
      const server: RunningServer = await startServer(options);
      const client = new MarketcastClient({ url: \`ws://127.0.0.1:\${server.port}\` });
      await client.subscribe([{ type: "Markets" }]);
      const titles: string[] = [...client.markets].map(({ title }) => title);
      await client.close();
      await server.stop();
      const code: number = await server.closed;

      async function refusalOf(wrong: ServerOptions): Promise<readonly ConfigurationDetail[]> {
        try {
          await startServer(wrong);
        } catch (error) {
          if (!(error instanceof ConfigurationError)) throw error;
          const invalid: "CONFIGURATION_INVALID" = error.code;
          return invalid === "CONFIGURATION_INVALID" ? error.details : [];
        }
        return [];
      }
      const refused = await refusalOf({ port: 70_000, feed: "synthetic" });
      const together = await refusalOf({ feed: "replay" });
      console.log(JSON.stringify({ titles: titles.length, code, refused, together }));
      `,
    );
    const compiled = compile("program.ts");
    expect([compiled.status, compiled.stdout]).toEqual([0, ""]);
    const { status, stdout, stderr } = run(process.execPath, ["program.js"], project);
    expect([status, stderr]).toEqual([0, ""]);
    const allowed = "an integer from 0 to 65535";
    expect(JSON.parse(stdout)).toEqual({
      titles: 4,
      code: 0,
      refused: [
        {
          key: "port",
          value: 70_000,
          rule: allowed,
          source: "option port",
          line: `port: 70000 (option port) is not ${allowed}`,
        },
      ],
      together: [
        {
          key: "feed-file",
          rule: "must be set when feed is replay",
          line: "feed-file: must be set when feed is replay",
        },
      ],
    });
  });
});
