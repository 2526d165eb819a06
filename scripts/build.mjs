// Builds what is missing or older than its source: `dist` (the product) and, with --bench, `build`.
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, readdirSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { argv } from "node:process";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));

/** Newest modification time, in ms, of the named file or of any file below the named folder. */
function newest(path) {
  const stat = statSync(path);
  if (!stat.isDirectory()) return stat.mtimeMs;
  return readdirSync(path).reduce((latest, name) => Math.max(latest, newest(join(path, name))), 0);
}

/** Whether `marker`, a file that a build emits, is newer than all `inputs`. */
function isFresh(marker, inputs) {
  if (!existsSync(marker)) return false;
  const built = statSync(marker).mtimeMs;
  // An installed package has no sources to be newer than its build.
  return inputs.every((path) => !existsSync(path) || newest(path) <= built);
}

/** Compiles `project` unless `marker` is fresh; ends the process where that fails. */
function compile(project, marker, sources) {
  const inputs = [...sources, project, "tsconfig.json", "package.json"];
  if (
    isFresh(
      join(root, marker),
      inputs.map((name) => join(root, name)),
    )
  )
    return;
  const manifest = createRequire(import.meta.url).resolve("typescript/package.json");
  const compiler = join(dirname(manifest), "bin", "tsc");
  // Nothing is emitted on an error, or the next build would take the marker for a fresh one.
  const result = spawnSync(
    process.execPath,
    [compiler, "-p", join(root, project), "--noEmitOnError"],
    { stdio: ["ignore", "inherit", "inherit"] },
  );
  if (result.status !== 0) process.exit(result.status ?? 1);
}

/** Brings `dist` up to date. */
export function buildProduct() {
  const command = "dist/cli/marketcast.js";
  compile("tsconfig.build.json", command, ["src"]);
  chmodSync(join(root, command), 0o755);
}

/** Brings `build`, the benches with their own copy of the product, up to date. */
export function buildBenches() {
  compile("tsconfig.bench.json", "build/bench/run.js", ["src", "bench"]);
}

if (argv[1] === fileURLToPath(import.meta.url)) {
  buildProduct();
  if (argv.includes("--bench")) buildBenches();
}
