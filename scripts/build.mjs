// Builds what is missing or older than its source: `dist` (the product, with the page in `dist/web`)
// and, with --bench, `build`.
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, readdirSync, rmSync, statSync } from "node:fs";
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

/** Runs a package's program unless `marker` is fresh; ends the process where that fails. */
function run(packageName, program, args, marker, inputs) {
  const paths = [...inputs, "package.json"].map((name) => join(root, name));
  if (isFresh(join(root, marker), paths)) return;
  const manifest = createRequire(import.meta.url).resolve(`${packageName}/package.json`);
  const result = spawnSync(process.execPath, [join(dirname(manifest), program), ...args], {
    cwd: root,
    stdio: ["ignore", "inherit", "inherit"],
  });
  if (result.status !== 0) process.exit(result.status ?? 1);
}

/** Compiles `project`, of which `marker` is one of the files that it emits. */
function compile(project, marker, sources) {
  // Nothing is emitted on an error, or the next build would take the marker for a fresh one.
  const args = ["-p", project, "--noEmitOnError"];
  run("typescript", "bin/tsc", args, marker, [...sources, project, "tsconfig.json"]);
}

/** Removes from `dist` what sources that are gone have left there: it would be packed. */
function removeOrphans() {
  const dist = join(root, "dist");
  if (!existsSync(dist)) return;
  for (const name of readdirSync(dist, { recursive: true })) {
    const source = /^(?!web[/\\])(.+?)\.(?:js|d\.ts)(?:\.map)?$/.exec(name)?.[1];
    if (source !== undefined && !existsSync(join(root, "src", `${source}.ts`)))
      rmSync(join(dist, name));
  }
}

/** Bundles the page, with the client library and what the page takes from it. */
function bundlePage() {
  const args = ["build", "--config", "web/vite.config.ts", "--logLevel", "warn"];
  run("vite", "bin/vite.js", args, "dist/web/index.html", ["web", "src/client", "src/contract"]);
}

/** Brings `dist` up to date. */
export function buildProduct() {
  const command = "dist/cli/marketcast.js";
  removeOrphans();
  compile("tsconfig.build.json", command, ["src"]);
  chmodSync(join(root, command), 0o755);
  bundlePage();
}

/** Brings `build`, the benches with their own copy of the product, up to date. */
export function buildBenches() {
  compile("tsconfig.bench.json", "build/bench/run.js", ["src", "bench"]);
}

if (argv[1] === fileURLToPath(import.meta.url)) {
  buildProduct();
  if (argv.includes("--bench")) buildBenches();
}
