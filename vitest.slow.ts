/**
 * Tests beside their sources that take tens of seconds each, mostly as they wait for what takes so long. They are run
 * with the longer suites, so that `npm test` stays within some minutes.
 */
export const SLOW = [
  "test/cli/doctor.test.ts",
  "test/integration/archive.test.ts",
  "test/integration/backpressure.test.ts",
  "test/integration/backup.test.ts",
  "test/integration/cancel-on-disconnect.test.ts",
  "test/integration/exchange-restarts.test.ts",
  "test/integration/first-data.test.ts",
  "test/integration/hand-off.test.ts",
  "test/integration/nodes.test.ts",
  "test/integration/presence.test.ts",
  "test/integration/private-channels.test.ts",
  "test/integration/relay-channels.test.ts",
  "test/integration/relay-lease.test.ts",
  "test/integration/relay-orders-deaths.test.ts",
  "test/integration/relay-orders.test.ts",
  "test/integration/relay-presence.test.ts",
  "test/integration/relay.test.ts",
  "test/integration/sessions.test.ts",
  "test/integration/since-archive.test.ts",
  "test/integration/since.test.ts",
  "test/integration/stalls.test.ts",
  "test/integration/standby.test.ts",
  "test/integration/unwritable-log.test.ts",
  "test/relay/orders/link-histories.test.ts",
  "test/relay/origin-lease.test.ts",
  "test/web/away.test.ts",
  "test/web/chart.test.ts",
];
