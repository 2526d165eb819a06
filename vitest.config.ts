import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { defineConfig } from "vitest/config";
import { RetriedReporter } from "./test/support/retried-reporter.js";
import { SLOW } from "./vitest.slow.js";

/** Tests of what runs in processes of its own, which mostly wait for these. */
const PROGRAMS = ["test/{cli,client,integration,web}/**/*.test.ts", "test/package.test.ts"];

/** Tests that replace modules, for themselves only. */
const REPLACING = readdirSync("test", { recursive: true, encoding: "utf8" })
  .map((name) => join("test", name))
  .filter(
    (name) => name.endsWith(".test.ts") && /vi\.(?:doM|m)ock\(/.test(readFileSync(name, "utf8")),
  );

const SHARED = {
  environment: "node",
  pool: "forks",
  testTimeout: 30_000,
  hookTimeout: 60_000,
} as const;

const setupFiles = ["test/support/fast-check-seed.ts"];
const ELSEWHERE = ["test/long/**", "test/attack/**", "test/soak/**", ...SLOW];

// The start of a process, and what it has to load, take longer than most files: files share processes.
export default defineConfig({
  test: {
    reporters: ["default", new RetriedReporter()],
    projects: [
      {
        test: {
          ...SHARED,
          setupFiles,
          name: "parts",
          include: ["test/**/*.test.ts"],
          exclude: [...ELSEWHERE, ...PROGRAMS, ...REPLACING],
          isolate: false,
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          ...SHARED,
          setupFiles,
          name: "replacing",
          include: REPLACING,
          exclude: [...ELSEWHERE, ...PROGRAMS],
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          ...SHARED,
          setupFiles,
          name: "programs",
          // Real processes, on a machine that others may use as well: `.ci/run` has them tried again, and says so.
          retry: Number(process.env["TEST_RETRIES"] ?? 0),
          include: PROGRAMS,
          exclude: ELSEWHERE,
          isolate: false,
          maxWorkers: 2,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
