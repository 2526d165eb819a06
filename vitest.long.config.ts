import { defineConfig } from "vitest/config";
import { SLOW } from "./vitest.slow.js";

export default defineConfig({
  test: {
    environment: "node",
    setupFiles: ["test/support/fast-check-seed.ts"],
    include: ["test/long/**/*.test.ts", ...SLOW],
    pool: "forks",
    // These suites load the machine: one at a time.
    maxWorkers: 1,
    testTimeout: 300_000,
    hookTimeout: 60_000,
  },
});
