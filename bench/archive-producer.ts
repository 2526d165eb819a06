import { setTimeout as sleep } from "node:timers/promises";
import { parentPort, workerData } from "node:worker_threads";
import { counterBlockOf } from "../src/counters/counters.js";
import type { ListedMarket } from "../src/feed/feed.js";
import { PositionClock } from "../src/market-data/position-clock.js";
import { Publisher } from "../src/market-data/publisher.js";
import { nowMicros } from "../src/shared/clock.js";
import type { ArchiveProducerInput } from "./archive-messages.js";

/** What has become due is told this often, in ms. */
const TELL_INTERVAL_MS = 2;

const { memory, counters, markets, tradesPerSecond, trades } = workerData as ArchiveProducerInput;
const clock = new PositionClock({ now: nowMicros, monotonicNow: () => performance.now() * 1000 });
const publisher = new Publisher(memory, counterBlockOf(counters).producer, {
  bookIntervalMs: 100,
  now: clock.tell,
  defer: setImmediate,
  setTimer: setTimeout,
  reject: (kind, message) => {
    throw new Error(`${kind}: ${message}`);
  },
});
const listed = Array.from({ length: markets }, (_, at) =>
  publisher.list({ marketId: at + 1, title: `Market ${at + 1}`, tickSize: 0.01, lotSize: 1 }),
);

const startedAt = performance.now();
for (let told = 0; told < trades; ) {
  const due = ((performance.now() - startedAt) / 1000) * tradesPerSecond;
  for (; told < Math.min(due, trades); told++)
    publisher.trade(listed[told % markets] as ListedMarket, {
      price: 10_000 + (told % 100),
      quantity: 1 + (told % 10),
      takerSide: told % 2 === 0 ? "Buy" : "Sell",
      tradeId: `t-${told}`,
    });
  await sleep(TELL_INTERVAL_MS);
}
parentPort?.postMessage("produced");
