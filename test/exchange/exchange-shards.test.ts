import { setImmediate as turn } from "node:timers/promises";
import { afterEach, beforeEach, expect, it } from "vitest";
import {
  type AttachedShard,
  addNews,
  ExchangeShards,
  type News,
} from "../../src/exchange/exchange-shards.js";
import type { ExchangeNews, ExchangeRequest } from "../../src/workers/messages.js";
import { until } from "../support/until.js";
import { ShardEnd } from "./shard-end.js";

const NEWS: ExchangeNews = {
  type: "refusal",
  request: 1,
  refusal: { code: "ORDER_NOT_FOUND", message: "no" },
};

let asked: (readonly [AttachedShard, ExchangeRequest | "gone"])[];
let takenBy: (number | undefined)[];
let shards: ExchangeShards;
let ends: ShardEnd[];
beforeEach(() => {
  // Its own: the shards of the test before may still end.
  const heard: typeof asked = [];
  asked = heard;
  const by: typeof takenBy = [];
  takenBy = by;
  shards = new ExchangeShards({
    request: (from, request, takeBy) => {
      heard.push([from, request]);
      if (request.type === "place") by.push(takeBy);
    },
    gone: (from) => heard.push([from, "gone"]),
  });
  ends = [0, 1].map((number) => {
    const end = new ShardEnd();
    shards.attach(number, end.port);
    return end;
  });
});
afterEach(() => shards.close());

/** The two shards, once each has made itself known. */
async function attached(): Promise<[AttachedShard, AttachedShard]> {
  for (const end of ends) end.send({ type: "attach", sessions: [] });
  await until("both have asked", () => asked.length === 2 || undefined);
  const found = asked.splice(0).map(([from]) => from);
  return [0, 1].map((number) => found.find(({ shard }) => shard === number)) as [
    AttachedShard,
    AttachedShard,
  ];
}

it("exchange shards - requests come one by one, in order, with the shard that asks; its end comes last", async () => {
  const [zero] = await attached();
  const [end] = ends as [ShardEnd, ShardEnd];
  const requests = [end.place("a"), end.watch("a"), end.place("b")];
  end.send(...requests.slice(0, 2));
  end.send(...requests.slice(2));
  end.close();
  await until("the end", () => asked.at(-1)?.[1] === "gone" || undefined);
  expect(asked.map(([, request]) => request)).toEqual([...requests, "gone"]);
  expect(asked.every(([from]) => from === zero)).toBe(true);
});

it("exchange shards - the end of one whose successor is there already is no end of the shard", async () => {
  const [, one] = await attached();
  const successor = new ShardEnd();
  shards.attach(0, successor.port);
  ends[0]?.close();
  ends[1]?.close();
  await until("the other's end", () => asked.length > 0 || undefined);
  expect(asked).toEqual([[one, "gone"]]);
  successor.close();
  await until("the successor's end", () => asked.length > 1 || undefined);
  expect(asked[1]?.[0].shard).toBe(0);
});

it("exchange shards - one whose successor comes is heard to its end, and told nothing more", async () => {
  const [zero] = await attached();
  const [end] = ends as [ShardEnd, ShardEnd];
  const requests = [end.place("a"), end.place("b")];
  for (const request of requests) end.send(request);
  shards.attach(0, new ShardEnd().port);
  expect(asked).toEqual(requests.map((request) => [zero, request]));
  await until("its port is closed", () => end.closed || undefined);
  shards.tell(new Map([[zero, [NEWS]]]));
  expect(end.news).toEqual([]);
});

it("exchange shards - until when something may be taken up is said with it", async () => {
  await attached();
  const [end] = ends as [ShardEnd, ShardEnd];
  const request = end.place("a");
  end.sendTimed(12.5, request);
  end.send(request);
  await until("both", () => asked.length === 2 || undefined);
  expect(takenBy).toEqual([12.5, undefined]);
});

it("exchange shards - each gets its own news, in one message", async () => {
  const [zero, one] = await attached();
  const news: News = new Map();
  addNews(news, zero, NEWS);
  addNews(news, one, { ...NEWS, request: 3 });
  addNews(news, zero, { ...NEWS, request: 2 });
  await turn();
  expect(ends.map(({ news }) => news.length)).toEqual([0, 0]);
  shards.tell(news);
  await until("the news", () => ends.every(({ news }) => news.length > 0) || undefined);
  expect(ends.map(({ news }) => news)).toEqual([
    [NEWS, { ...NEWS, request: 2 }],
    [{ ...NEWS, request: 3 }],
  ]);
});

it("exchange shards - news of one that is gone go nowhere", async () => {
  const [zero, one] = await attached();
  ends[0]?.close();
  await until("its end", () => asked.length > 0 || undefined);
  shards.tell(new Map([zero, one].map((shard) => [shard, [NEWS]])));
  await until("the other's news", () => ends[1]?.news.length || undefined);
  expect(ends[0]?.news).toEqual([]);
});

it("exchange shards - who watches a wallet: each shard once, until it does not or is gone", async () => {
  const [zero, one] = await attached();
  const watching = (wallet: string) => [...(shards.watching(wallet) ?? [])];
  expect(shards.watching("a")).toBeUndefined();
  for (const shard of [zero, one, zero]) shards.watch(shard, "a");
  shards.watch(one, "b");
  expect([watching("a"), watching("b")]).toEqual([[zero, one], [one]]);
  shards.unwatch(zero, "a");
  shards.unwatch(zero, "c");
  expect(watching("a")).toEqual([one]);
  ends[1]?.close();
  await until("the end", () => asked.length === 1 || undefined);
  expect([shards.watching("a"), shards.watching("b")]).toEqual([undefined, undefined]);
  // A request of its that is executed after its end does not bring it back.
  shards.watch(one, "a");
  expect(shards.watching("a")).toBeUndefined();
});
