import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { linkKeys } from "../../../src/relay/orders/link-keys.js";
import { LinkScripts } from "../../../src/relay/orders/link-scripts.js";
import { idOf, lastEntry, numberOf, readStreams } from "../../../src/relay/orders/link-streams.js";
import { NumberedWriter } from "../../../src/relay/orders/numbered-writer.js";
import { openRedis, type RedisLink } from "../../../src/relay/redis-link.js";
import { HAS_REDIS, NO_REDIS, RedisServer } from "../../support/redis-server.js";
import { until } from "../../support/until.js";
import { targetOf } from "./orders-world.js";

const entry = (number: number): Buffer => Buffer.from(`entry ${number}`);

describe.skipIf(!HAS_REDIS)(`numbered writer${NO_REDIS}`, () => {
  let redis: RedisServer;
  let links: RedisLink[];
  beforeEach(async () => {
    redis = await RedisServer.start();
    links = [];
  });
  afterEach(async () => {
    for (const link of links) link.close();
    await redis.dispose();
  });

  async function open(): Promise<RedisLink> {
    const link = await openRedis(targetOf(redis.url));
    links.push(link);
    return link;
  }

  const scriptsOf = (link: RedisLink): Promise<LinkScripts> =>
    LinkScripts.load(link, linkKeys("test"));
  /** A writer of fence 5, and what became of it. */
  function writerTo(key = "k") {
    const failures: unknown[] = [];
    const refusals: unknown[] = [];
    const writer = new NumberedWriter(key, 5, {
      failed: (_, error) => failures.push(error),
      refused: (written) => refusals.push(written),
    });
    return { writer, failures, refusals };
  }

  /** What the stream has, once it has so many entries. */
  async function stream(entries: number): Promise<(readonly [number, string])[]> {
    const link = await open();
    return until(`${entries} entries`, async () => {
      const found = await readStreams(link, new Map([["k", "0-0"]]), 10_000, 10);
      const all = found.get("k") ?? [];
      return all.length === entries && all.map(([id, bytes]) => [numberOf(id), bytes.toString()]);
    });
  }
  const numbered = (from: number, to: number) =>
    Array.from({ length: to - from + 1 }, (_, at) => [from + at, `entry ${from + at}`]);

  it("numbered writer - entries before a connection, and those that the last one may have lost, are there once", async () => {
    const { writer, failures } = writerTo();
    for (let number = 1; number <= 3; number++) writer.add(entry(number));
    const first = await open();
    writer.connect(await scriptsOf(first));
    // Redis takes them, and nobody hears that it did.
    first.close();
    writer.add(entry(4));
    await until("the connection is found broken", () => failures.length > 0);
    writer.connect(await scriptsOf(await open()));
    writer.add(entry(5));
    expect(await stream(5)).toEqual(numbered(1, 5));
    // Once more, all that is confirmed or not.
    writer.connect(await scriptsOf(await open()));
    writer.add(entry(6));
    expect(await stream(6)).toEqual(numbered(1, 6));
    expect(failures).toHaveLength(1);
  });

  it("numbered writer - what the reader has waits no more, and goes from the stream", async () => {
    const { writer } = writerTo();
    const link = await open();
    writer.connect(await scriptsOf(link));
    for (let number = 1; number <= 1000; number++) writer.add(entry(number));
    expect(writer.waitingEntries).toBe(1000);
    await stream(1000);
    writer.acknowledge(900);
    expect(writer.waitingEntries).toBe(100);
    expect(writer.waitingBytes).toBe(
      numbered(901, 1000).reduce((sum, [, text]) => sum + String(text).length, 0),
    );
    writer.acknowledge(5);
    expect(writer.waitingEntries).toBe(100);
    writer.add(entry(1001));
    await until("it is shorter", async () => Number(await link.send(["XLEN", "k"])) < 300);
    expect((await lastEntry(link, "k"))[0]).toBe(idOf(1001));
    expect(Number(await link.send(["PTTL", "k"]))).toBeGreaterThan(30_000);
  });

  it("numbered writer - a Redis that takes nothing has the connection given up", async () => {
    const { writer, failures } = writerTo();
    const link = await open();
    await link.send(["CONFIG", "SET", "maxmemory", "1"]);
    writer.connect(await scriptsOf(link));
    for (let number = 1; number <= 3; number++) writer.add(entry(number));
    await until("it failed", () => failures.length > 0);
    expect(String(failures)).toContain("OOM");
    await link.send(["CONFIG", "SET", "maxmemory", "0"]);
    writer.connect(await scriptsOf(link));
    expect(await stream(3)).toEqual(numbered(1, 3));
    expect(failures).toHaveLength(1);
  });

  it("numbered writer - a stream that another one has begun is not written to, and one's own is, again", async () => {
    const [one, other] = [writerTo(), writerTo()];
    one.writer.connect(await scriptsOf(await open()));
    one.writer.add(entry(1));
    await until("it is there", () => one.writer.isConfirmed);
    other.writer.connect(await scriptsOf(await open()));
    other.writer.add(Buffer.from("another's first entry"));
    await until("it is refused", () => other.refusals.length > 0);
    other.writer.add(entry(2));
    other.writer.connect(await scriptsOf(await open()));
    expect(other.refusals).toEqual(["taken"]);
    expect(await stream(1)).toEqual(numbered(1, 1));
    one.writer.connect(await scriptsOf(await open()));
    one.writer.add(entry(2));
    expect(await stream(2)).toEqual(numbered(1, 2));
    expect(one.refusals).toEqual([]);
  });

  it("numbered writer - behind a higher fence nothing is written, and it hears which", async () => {
    const { writer, failures, refusals } = writerTo();
    const link = await open();
    await link.send(["SET", "test:fence", "5"]);
    writer.connect(await scriptsOf(link));
    writer.add(entry(1));
    await until("it is there", () => writer.isConfirmed);
    await link.send(["SET", "test:fence", "7"]);
    writer.add(entry(2));
    writer.add(entry(3));
    await until("it is refused", () => refusals.length > 0);
    writer.connect(await scriptsOf(await open()));
    expect(refusals).toEqual([{ fence: 7 }]);
    expect(failures).toEqual([]);
    expect(await stream(1)).toEqual(numbered(1, 1));
  });

  it("numbered writer - a stream of which nothing more is heard goes by itself, whoever wrote to it has died", async () => {
    const { writer } = writerTo();
    const link = await open();
    writer.connect(await scriptsOf(link));
    writer.add(entry(1));
    await until("it is there", () => writer.isConfirmed);
    // The very entry has set it: there is no moment at which it has none.
    const left = Number(await link.send(["PTTL", "k"]));
    expect(left).toBeGreaterThan(55_000);
    expect(left).toBeLessThanOrEqual(60_000);
  });
});
