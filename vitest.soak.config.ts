import { defineConfig } from "vitest/config";
import { RetriedReporter } from "./test/support/retried-reporter.js";

/** How long the soak lasts, in seconds; `--mode short` is the form that belongs to `npm run test:long`. */
const SECONDS = { full: 600, short: 60 };

export default defineConfig(({ mode }) => ({
  test: {
    reporters: ["default", new RetriedReporter()],
    environment: "node",
    setupFiles: ["test/support/fast-check-seed.ts"],
    include: ["test/soak/**/*.test.ts"],
    pool: "forks",
    env: {
      SOAK_SECONDS:
        process.env["SOAK_SECONDS"] ?? String(mode === "short" ? SECONDS.short : SECONDS.full),
    },
    maxWorkers: 1,
    retry: Number(process.env["TEST_RETRIES"] ?? 0),
    hookTimeout: 60_000,
  },
}));
