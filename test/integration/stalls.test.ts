import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { untilReady } from "../support/figures.js";
import { type ServerProcess, startServerProcess } from "../support/server-process.js";
import { TestClient } from "../support/test-client.js";

/** Longer than a thread waits for a processor on a busy machine. */
const STALL_TIMEOUT_MS = 3000;

let server: ServerProcess | undefined;
let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "marketcast-stalls-"));
});
afterEach(() => server?.dispose());
afterAll(() => rm(folder, { recursive: true, force: true }));

test("stalls - a producer whose loop is blocked is replaced, and its clients get the new epoch", async () => {
  const file = join(folder, "blocking-feed.mjs");
  const mark = join(folder, "blocked-once");
  await writeFile(
    file,
    `import { existsSync, writeFileSync } from "node:fs";
    export function createFeed() {
      return {
        async run(sink, { firstSubscriber }) {
          const market = sink.list({ marketId: 5, title: "Five", tickSize: 1, lotSize: 1 });
          sink.quote(market, 1, 3);
          await firstSubscriber;
          if (!existsSync(${JSON.stringify(mark)})) {
            writeFileSync(${JSON.stringify(mark)}, "");
            for (;;);
          }
          sink.quote(market, 2, 4);
          await new Promise(() => {});
        },
      };
    }`,
  );
  server = await startServerProcess({
    feed: "module",
    "feed-module": file,
    "stall-timeout": STALL_TIMEOUT_MS,
  });
  const client = await TestClient.connect(server.port);
  await client.subscribe({ type: "Markets", params: null });
  await client.take("EpochChanged");
  const { data } = await client.take(
    "MarketUpdate",
    ({ data: { market } }) => market.best_bid === 2,
  );
  expect(data.market).toMatchObject({ market_id: 5, best_ask: 4 });
  await server.logged((line) => line["msg"] === "the producer shows no life and is restarted");
  await untilReady(server);
  await client.close();
});
