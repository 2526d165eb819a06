import { expect, test } from "vitest";
import { expectUnharmed, witness } from "../support/attack.js";
import { startServerProcess } from "../support/server-process.js";
import { until } from "../support/until.js";

test("attack - without one, a well-behaved client is unharmed and gets every pong", async () => {
  const server = await startServerProcess();
  try {
    const uptime = performance.now();
    const seen = await witness(server, () =>
      until("a second has passed", () => performance.now() - uptime > 1000),
    );
    expect(seen.pings).toBeGreaterThan(20);
    expectUnharmed(seen);
  } finally {
    await server.dispose();
  }
});
