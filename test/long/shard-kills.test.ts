import { afterEach, expect, it } from "vitest";
import { ConnectAttempt } from "../support/connect-attempt.js";
import { statusOf, untilEmpty, untilReady } from "../support/figures.js";
import { findNode24 } from "../support/node-24.js";
import { HAS_PROC, openDescriptors } from "../support/process-figures.js";
import { Sequences } from "../support/sequences.js";
import { type ServerProcess, startServerProcess } from "../support/server-process.js";
import { TestClient } from "../support/test-client.js";

const SHARDS = 4;
const SOAK_MS = 30_000;
/** Arrivals under way at any time. */
const ARRIVALS = 24;
const PRICES = { type: "PriceFeed", params: { market_ids: [1001, 1002, 1003] } };
const SUBSCRIBE = JSON.stringify({ type: "Subscribe", data: { channels: [PRICES] } });

const node24 = await findNode24();
const RUNTIMES = [
  { name: `this Node (${process.version})`, path: process.execPath },
  ...("path" in node24 ? [{ name: "Node 24", path: node24.path }] : []),
];

let server: ServerProcess | undefined;

afterEach(async () => {
  await server?.dispose();
  server = undefined;
});

if (!("path" in node24)) {
  it.skip(`shard kills - native transfer on Node 24: skipped, ${node24.why}`, () => {});
}

it.runIf(HAS_PROC).each(RUNTIMES)(
  "shard kills - half a minute of kills under arrivals on $name: none hangs, none leaks",
  async ({ path: node }) => {
    server = await startServerProcess({ shards: SHARDS }, { threadEnds: true, node });
    const running = server;
    const { port, pid } = running;
    const first = await Promise.all(Array.from({ length: SHARDS }, () => TestClient.connect(port)));
    await Promise.all(first.map((client) => client.close()));
    await untilEmpty(running, Number.POSITIVE_INFINITY);
    const descriptors = openDescriptors(pid);

    const endAt = performance.now() + SOAK_MS;
    const outcomes = { served: 0, closed: 0 };
    const arrive = async (): Promise<void> => {
      while (performance.now() < endAt) {
        const attempt = new ConnectAttempt(port, SUBSCRIBE);
        outcomes[await attempt.outcome]++;
        await attempt.leave();
      }
    };
    // The last shard is left alone; whoever is on it must see nothing.
    const killer = async (): Promise<number> => {
      let kills = 0;
      while (performance.now() < endAt) {
        const { shards } = await statusOf(running);
        const up = shards.slice(0, -1).filter(({ ready }) => ready);
        for (const { shard } of up) running.command({ restartShard: shard });
        kills += up.length;
        await (await TestClient.connect(port).catch(() => undefined))?.close().catch(() => {});
      }
      return kills;
    };
    const witnesses = await Promise.all(
      Array.from({ length: SHARDS }, async () => {
        const client = await TestClient.connect(port);
        await client.subscribe(PRICES);
        return client;
      }),
    );
    const [kills] = await Promise.all([killer(), ...Array.from({ length: ARRIVALS }, arrive)]);

    const survivors = witnesses.filter(({ ws }) => ws.readyState === ws.OPEN);
    expect(survivors.length).toBe(1);
    for (const client of survivors) {
      expect(client.failure).toBeUndefined();
      const sequences = new Sequences();
      for (const message of client.inbox) sequences.take(message);
      expect(sequences.jumps).toEqual([]);
      expect(sequences.counts.get("price")).toBeGreaterThan(100);
      await client.close();
    }
    expect(kills).toBeGreaterThan(10);
    expect(outcomes.served).toBeGreaterThan(1000);
    await untilReady(running);
    await untilEmpty(running, descriptors);
  },
);
