import { once } from "node:events";
import { setImmediate as turn } from "node:timers/promises";
import { MessageChannel, type MessagePort } from "node:worker_threads";
import { afterEach, beforeEach, expect, it } from "vitest";
import { edgeShardNumber } from "../../../src/shared/edge-shards.js";
import type { HubNews, HubRequest } from "../../../src/workers/hub/messages.js";
import { Hub, type HubShard } from "../../../src/workers/producer/hub.js";
import { until } from "../../support/until.js";

const publish = (request: number): HubRequest => ({
  type: "publish",
  request,
  channel: "desk-1",
  data: "1",
  userId: "u",
});
const published = (request: number): HubNews => ({ type: "published", request, seq: 1, ts: 1 });

let heard: (readonly [HubShard, HubRequest | "gone"])[];
let takenBy: (number | undefined)[];
let heardMessages = 0;
let hub: Hub;
let ends: MessagePort[];

beforeEach(() => {
  // Its own: the shards of the test before may still end.
  const own: typeof heard = [];
  heard = own;
  ends = [];
  takenBy = [];
  heardMessages = 0;
  hub = new Hub({
    attached: () => {},
    request: (from, request, takeBy) => {
      own.push([from, request]);
      takenBy.push(takeBy);
    },
    heard: () => heardMessages++,
    gone: (from) => own.push([from, "gone"]),
  });
});
afterEach(() => hub.close());

/** A shard's end of a port to the hub. */
function attach(shard: number): MessagePort {
  const { port1, port2 } = new MessageChannel();
  ends.push(port2);
  hub.attach(shard, port1);
  return port2;
}

it("hub - requests come one by one, in order, with the shard that asks, then that all is heard; its end is last", async () => {
  const end = attach(1);
  attach(0);
  const [one, zero] = hub.shards;
  expect([one?.shard, zero?.shard]).toEqual([1, 0]);
  end.postMessage([publish(1), publish(2)]);
  end.postMessage([publish(3)]);
  end.close();
  await until("the end", () => heard.at(-1)?.[1] === "gone" || undefined);
  expect(heard.map(([, request]) => request)).toEqual([publish(1), publish(2), publish(3), "gone"]);
  expect(heard.every(([from]) => from === one)).toBe(true);
  expect(heardMessages).toBe(2);
  expect([...hub.shards].map(({ shard }) => shard)).toEqual([0]);
});

it("hub - what a shard is told in one turn comes in one message; who has gone is told nothing", async () => {
  const end = attach(0);
  const [shard] = hub.shards;
  shard?.tell(published(1));
  shard?.tell(published(2));
  const [told] = await once(end, "message");
  expect(told).toEqual([published(1), published(2)]);
  end.close();
  await until("the end", () => heard.length === 1 || undefined);
  shard?.tell(published(3));
  expect([...hub.shards]).toEqual([]);
});

it("hub - a shard's successor is heard after the last word and the end of the one before", async () => {
  const before = attach(0);
  before.postMessage([publish(1)]);
  const closed = once(before, "close");
  const after = attach(0);
  after.postMessage([publish(2)]);
  await until("both", () => heard.length === 3 || undefined);
  expect(heard.map(([, request]) => request)).toEqual([publish(1), "gone", publish(2)]);
  expect(heard[0]?.[0]).not.toBe(heard[2]?.[0]);
  await closed;
  expect(heard).toHaveLength(3);
});

it("hub - a shard of another node whose way has ended is waited for, until it leaves or comes again", async () => {
  const [first, second] = [edgeShardNumber("n", "r", 0), edgeShardNumber("n", "r", 1)];
  const [one, two] = [attach(first), attach(second)];
  one.postMessage({ requests: [publish(1)], takeBy: 5 });
  two.postMessage([publish(2), { type: "leave" }, publish(3)]);
  await until("the end of one", () => heard.length === 3 || undefined);
  expect(heard.map(([, request]) => request)).toEqual([publish(1), publish(2), "gone"]);
  expect(takenBy).toEqual([5, undefined]);
  const closed = once(one, "close");
  one.close();
  await closed;
  await turn();
  expect([...hub.shards].map(({ shard }) => shard)).toEqual([first]);
  attach(first).postMessage([publish(4)]);
  await until("its successor", () => heard.length === 5 || undefined);
  expect(heard.slice(3).map(([, request]) => request)).toEqual(["gone", publish(4)]);
});
