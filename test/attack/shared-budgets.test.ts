import { afterEach, expect, test } from "vitest";
import { expectUnharmed, strength, witness } from "../support/attack.js";
import { type ServerProcess, startServerProcess, testToken } from "../support/server-process.js";
import { TestClient } from "../support/test-client.js";
import { connectTrader, limitOrder, QUIET_EXCHANGE } from "../support/trading.js";
import { until } from "../support/until.js";

const FILTERS = 'marketcast_distinct_filters{shard="0"}';

let server: ServerProcess | undefined;
afterEach(() => server?.dispose());

const filters = (name: string) =>
  Array.from({ length: 16 }, (_, index) => ({
    type: "Markets",
    params: { filter: { search: `${name} ${index}` } },
  }));

async function outcome(client: TestClient, ...channels: unknown[]): Promise<string> {
  const reply = await client.subscribe(...channels);
  return reply.type === "Error" ? reply.data.code : reply.type;
}

test("attack - 63 connections with 16 distinct filters each, of one address or of as many users, leave others theirs", async () => {
  server = await startServerProcess({ shards: 1 });
  const running = server;
  const seen = await witness(running, async () => {
    for (const users of new Array(strength(10, 2)).fill([false, true]).flat()) {
      const greedy = await Promise.all(
        Array.from({ length: 63 }, (_, number) =>
          TestClient.connect(running.port, {
            query: users ? `?token=${testToken({ sub: `user ${number}` })}` : "",
          }),
        ),
      );
      const outcomes = await Promise.all(
        greedy.map((client, number) => outcome(client, ...filters(`${number}`))),
      );
      expect(outcomes).toContain("TOO_MANY_SUBSCRIPTIONS");
      const newcomers = [
        await TestClient.connect(running.port, { localAddress: "127.0.0.2" }),
        await TestClient.connect(running.port, {
          query: `?token=${testToken({ sub: "another" })}`,
        }),
      ];
      expect(await outcome(newcomers[0] as TestClient, ...filters("elsewhere"))).toBe("Subscribed");
      // Every market is free to all.
      const plain = await TestClient.connect(running.port);
      expect(await outcome(plain, { type: "Markets" })).toBe("Subscribed");
      await plain.close();
      // Beside one that takes all it can without a token, not beside a crowd of users.
      if (!users)
        expect(await outcome(newcomers[1] as TestClient, ...filters("user"))).toBe("Subscribed");
      for (const client of [...greedy, ...newcomers]) await client.close();
      await until("their filters are gone", async () => (await running.metric(FILTERS)) === 0);
    }
  });
  expectUnharmed(seen);
});

test("attack - 40 connections of one wallet that place all the orders that may wait refuse no other trader's", async () => {
  server = await startServerProcess({ ...QUIET_EXCHANGE, shards: 1, "max-pending-orders": 200 });
  const running = server;
  const greedy = await Promise.all(
    Array.from({ length: 40 }, () => connectTrader(running.port, { wallet: "greedy" })),
  );
  const other = await connectTrader(running.port, { wallet: "other" });
  const rounds = strength(40, 10);
  const codes: string[] = [];
  const seen = await witness(running, async () => {
    for (let round = 0; round < rounds; round++) {
      for (const client of greedy) {
        for (let again = 0; again < 10; again++)
          client.send({ type: "PlaceOrder", id: 1, data: { order: limitOrder("Buy", 0.4, 1) } });
      }
      for (let id = 100; id < 150; id++) {
        const data = { order: limitOrder("Sell", 0.6, 1) };
        other.send({ type: "PlaceOrder", id, data });
      }
      for (let answers = 0; answers < 50; ) {
        const message = await other.next();
        if (message.id === undefined) continue;
        answers++;
        codes.push(message.type === "Error" ? message.data.code : message.type);
      }
    }
  });
  expectUnharmed(seen);
  expect(new Set(codes)).not.toContain("UNAVAILABLE");
  expect(codes.length).toBe(50 * rounds);
  for (const client of [...greedy, other]) client.ws.terminate();
});
