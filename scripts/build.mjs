// Builds what is missing or older than its source: `dist` (the product) and, with --bench, `build`.
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));

/** Newest modification time, in ms, of the named file or of any file below the named folder. */
function newest(path) {
  const stat = statSync(path);
  if (!stat.isDirectory()) return stat.mtimeMs;
  return readdirSync(path).reduce((latest, name) => Math.max(latest, newest(join(path, name))), 0);
}

/** Compiles `project` unless `marker`, a file it emits, is newer than every one of `sources`. */
function buildIfStale(project, marker, sources) {
  const emitted = join(root, marker);
  const inputs = [...sources, project, "tsconfig.json", "package.json"].map((name) => join(root, name));
  // An installed package has no sources to be newer than its build.
  if (existsSync(emitted) && inputs.every((path) => !existsSync(path) || newest(path) <= statSync(emitted).mtimeMs)) {
    return;
  }
  const manifest = createRequire(import.meta.url).resolve("typescript/package.json");
  const result = spawnSync(process.execPath, [join(dirname(manifest), "bin", "tsc"), "-p", join(root, project)], {
    stdio: ["ignore", "inherit", "inherit"],
  });
  if (result.status !== 0) process.exit(result.status ?? 1);
}

buildIfStale("tsconfig.build.json", "dist/cli/marketcast.js", ["src"]);
if (process.argv.includes("--bench")) {
  buildIfStale("tsconfig.bench.json", "build/bench/run.js", ["src", "bench"]);
}
