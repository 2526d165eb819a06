import { defineConfig } from "vitest/config";
import { RetriedReporter } from "./test/support/retried-reporter.js";

/** `--mode full` attacks at full strength; otherwise in the short form that belongs to `npm run test:long`. */
export default defineConfig(({ mode }) => ({
  test: {
    reporters: ["default", new RetriedReporter()],
    environment: "node",
    setupFiles: ["test/support/fast-check-seed.ts"],
    include: ["test/attack/**/*.test.ts"],
    pool: "forks",
    env: { ATTACK: mode === "full" ? "full" : "short" },
    // An attack is measured by what a client beside it feels: one at a time, with nothing else.
    maxWorkers: 1,
    // What else the machine does adds to what a client beside it waits, and takes nothing away: once more where it did.
    retry: 1,
    testTimeout: 180_000,
    hookTimeout: 60_000,
  },
}));
