import { defineConfig } from "vitest/config";
import { RetriedReporter } from "./test/support/retried-reporter.js";
import { SLOW } from "./vitest.slow.js";

export default defineConfig({
  test: {
    reporters: ["default", new RetriedReporter()],
    environment: "node",
    setupFiles: ["test/support/fast-check-seed.ts"],
    include: ["test/long/**/*.test.ts", ...SLOW],
    pool: "forks",
    // These suites load the machine: one at a time.
    maxWorkers: 1,
    retry: Number(process.env["TEST_RETRIES"] ?? 0),
    testTimeout: 300_000,
    hookTimeout: 60_000,
  },
});
