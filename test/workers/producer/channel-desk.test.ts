import { afterEach, beforeEach, expect, it } from "vitest";
import { counterBlockOf, createCounterBuffer } from "../../../src/counters/counters.js";
import { machineMs } from "../../../src/shared/machine-clock.js";
import type { HubNews } from "../../../src/workers/hub/messages.js";
import { ChannelDesk } from "../../../src/workers/producer/channel-desk.js";
import type { HubShard } from "../../../src/workers/producer/hub.js";
import { until } from "../../support/until.js";

const OPTIONS = {
  channelHistorySize: 10,
  channelHistoryTimeMs: 60_000,
  channelHistoryBytes: 1_000_000,
  maxChannels: 10,
  maxPublishesPerSecond: 1000,
};

let ts: number;
let written: number[];
let publishedTo: number[];
let told: HubNews[];
let desk: ChannelDesk;
const shard: HubShard = { shard: 0, tell: (news) => told.push(news) };

beforeEach(() => {
  ts = 1_790_000_000_000_000;
  written = [];
  publishedTo = [];
  told = [];
  desk = new ChannelDesk(OPTIONS, {
    counters: counterBlockOf(createCounterBuffer(1)).producer,
    tell: () => ts,
    now: () => performance.now(),
    write: (_, seq) => written.push(seq),
    publishedTo: (to) => publishedTo.push(to),
  });
});
afterEach(() => desk.close());

const publish = (request: number, takeBy?: number): void =>
  desk.take(shard, { type: "publish", request, channel: "a", data: "1", userId: "u" }, takeBy);

it("channel-desk - what comes later than it may is not published", () => {
  publish(1, machineMs() + 10_000);
  publish(2, machineMs() - 1);
  publish(3);
  expect(told).toMatchObject([
    { type: "published", request: 1 },
    { type: "refusal", request: 2, refusal: { code: "UNAVAILABLE" } },
    { type: "published", request: 3 },
  ]);
  expect(written).toHaveLength(2);
});

it("channel-desk - says now and then up to where all was published", async () => {
  ts += 5;
  await until("it is said twice", () => publishedTo.length >= 2 || undefined);
  expect(publishedTo[0]).toBe(ts);
});

it("channel-desk - of what another process has published it knows nothing, and says so", () => {
  ts += 1_000_000;
  const from = { after: ts - 2_000_000, since: ts - 2_000_000 };
  desk.take(shard, { type: "history", request: 1, channel: "a", from });
  publish(2);
  desk.take(shard, { type: "history", request: 3, channel: "a", from });
  expect(told.filter((one) => one.type === "history").map(({ missing }) => missing)).toEqual([
    true,
    true,
  ]);
});
