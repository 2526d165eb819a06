// What `npm run check` runs: types, format and lint, tidiness of the sources, and the generated documents.
// Every step runs, whatever the others say; the exit code is 1 if any of them failed.
import { spawnSync } from "node:child_process";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const require = createRequire(import.meta.url);

/** Path of the program that a package brings under a name. */
function program(name, bin = name) {
  const manifest = require.resolve(`${name}/package.json`);
  const { bin: bins } = require(manifest);
  return join(dirname(manifest), typeof bins === "string" ? bins : bins[bin]);
}

const steps = [
  ["types", program("typescript", "tsc"), "-p", "tsconfig.json", "--noEmit"],
  ["types of the page", program("typescript", "tsc"), "-p", "web/tsconfig.json", "--noEmit"],
  ["format and lint", program("@biomejs/biome", "biome"), "ci", "."],
  ["tidiness", program("vitest"), "run", "test/tidy.test.ts"],
  ["generated documents", join(root, "scripts", "docs.mjs"), "--check"],
];

const failed = [];
for (const [title, path, ...args] of steps) {
  console.log(`\n== ${title}`);
  const { status } = spawnSync(process.execPath, [path, ...args], { cwd: root, stdio: "inherit" });
  if (status !== 0) failed.push(title);
}
console.log(failed.length === 0 ? "\ncheck: ok" : `\ncheck: FAILED: ${failed.join(", ")}`);
process.exitCode = failed.length === 0 ? 0 : 1;
