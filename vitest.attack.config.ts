import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    environment: "node",
    include: ["test/attack/**/*.test.ts"],
    pool: "forks",
    env: { ATTACK: "full" },
    // An attack is measured by what a client beside it feels: one at a time.
    maxWorkers: 1,
    testTimeout: 180_000,
    hookTimeout: 60_000,
  },
});
