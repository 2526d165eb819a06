import { afterEach, expect, test } from "vitest";
import { type ServerProcess, startServerProcess } from "../support/server-process.js";
import { TestClient } from "../support/test-client.js";

let server: ServerProcess | undefined;
afterEach(() => server?.dispose());

const sends = (running: ServerProcess, way: "native" | "ordinary"): Promise<number> =>
  running.metric(`marketcast_sends_total{shard="0",way="${way}"}`);

test.each([
  { flag: true, encoding: "json" },
  { flag: true, encoding: "msgpack" },
  { flag: false, encoding: "json" },
] as const)(
  "native send - with the flag $flag, $encoding clients that keep up miss nothing, and the metric says how they were written to",
  async ({ flag, encoding }) => {
    server = await startServerProcess({
      shards: 1,
      "feed-markets": 2,
      "feed-rate": 1000,
      "native-send": flag,
    });
    const client = await TestClient.connect(server.port, { encoding });
    await client.subscribe({ type: "PriceFeed", params: { market_ids: [1001] } });
    const { seq } = (await client.take("PriceUpdate")).data;
    for (let next = seq + 1; next <= seq + 200; next++) {
      // Replies come between prices, and neither disturbs the other.
      if (next % 20 === 0) client.send({ type: "Ping", data: { timestamp: 0 } });
      expect((await client.take("PriceUpdate")).data.seq).toBe(next);
    }
    const [native, ordinary] = [await sends(server, "native"), await sends(server, "ordinary")];
    // What goes out with the answer to the upgrade is written while the stream is corked.
    expect(ordinary).toBeGreaterThan(0);
    if (flag) expect(native).toBeGreaterThan(ordinary);
    else expect(native).toBe(0);
    await client.close();
  },
);
