/**
 * Tests beside their sources that take tens of seconds each, mostly as they wait for what takes so long. They are run
 * with the longer suites, so that `npm test` stays within some minutes.
 */
export const SLOW = [
  "test/cli/doctor.test.ts",
  "test/integration/archive.test.ts",
  "test/integration/backpressure.test.ts",
  "test/integration/backup.test.ts",
  "test/integration/first-data.test.ts",
  "test/integration/since-archive.test.ts",
  "test/integration/stalls.test.ts",
  "test/web/away.test.ts",
  "test/web/chart.test.ts",
];
