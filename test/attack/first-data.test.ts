import { afterEach, expect, test } from "vitest";
import { expectUnharmed, strength, witness } from "../support/attack.js";
import { type ServerProcess, startServerProcess } from "../support/server-process.js";
import { TestClient } from "../support/test-client.js";
import { until } from "../support/until.js";

const MARKETS = { type: "Markets" };

let server: ServerProcess | undefined;
afterEach(() => server?.dispose());

const loading = (running: ServerProcess): Promise<number> =>
  running.metric('marketcast_loading_connections{shard="0"}');

test("attack - clients that ask for every market again and again and never read are not read either", async () => {
  server = await startServerProcess({ "feed-markets": 6000, "feed-rate": 500, shards: 1 });
  const running = server;
  const count = strength(600, 100);
  const clients: TestClient[] = [];
  const seen = await witness(running, async () => {
    for (let number = 0; number < count; number++) {
      const client = await TestClient.connect(running.port);
      clients.push(client);
      client.ws.pause();
      // Of each its own filter, so that nothing can be shared.
      const filter = { min_volume: 0, max_volume: 1e12 + (number % 400) };
      for (let again = 0; again < 20; again++) {
        client.send({
          type: "Subscribe",
          data: { channels: [{ type: "Markets", params: { filter } }, MARKETS] },
        });
      }
    }
    await until("all of them wait", async () => (await loading(running)) === count, 30_000);
  });
  for (const client of clients) client.ws.terminate();
  expectUnharmed(seen);
  await until("none of them waits", async () => (await loading(running)) === 0);
});

test("attack - clients that ask for every market again and again, and read, delay nobody", async () => {
  server = await startServerProcess({ "feed-markets": 6000, "feed-rate": 500, shards: 1 });
  const running = server;
  const endsAt = performance.now() + strength(10_000, 2000);
  const seen = await witness(running, async () => {
    const clients = await Promise.all(
      Array.from({ length: 8 }, () => TestClient.connect(running.port, { encoding: "msgpack" })),
    );
    let snapshots = 0;
    await Promise.all(
      clients.map(async (client) => {
        while (performance.now() < endsAt) {
          for (let again = 0; again < 4; again++)
            client.send({ type: "Subscribe", data: { channels: [MARKETS] } });
          for (let again = 0; again < 4; again++, snapshots++)
            expect(await client.takeSnapshot()).toHaveLength(6000);
        }
      }),
    );
    expect(snapshots).toBeGreaterThan(8);
    for (const client of clients) await client.close();
  });
  expectUnharmed(seen);
});
