import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { counterBlockOf, createCounterBuffer } from "../../../src/counters/counters.js";
import { openRedis, type RedisLink } from "../../../src/relay/redis-link.js";
import { relayKeys } from "../../../src/relay/relay-keys.js";
import { fetchTrades } from "../../../src/relay/trade-asks.js";
import { relayTargetOf } from "../../../src/shared/relay-url.js";
import { AskAnswers } from "../../../src/workers/relay/ask-answers.js";
import type { ArchiveSource } from "../../../src/workers/shard/requests/archive-access.js";
import { HAS_REDIS, NO_REDIS, RedisServer } from "../../support/redis-server.js";
import { until } from "../../support/until.js";

const FROM = 100;

/** An archive that has begun some epochs, and has no trades. */
class FakeArchive {
  readonly epochs: string[] = [];
  asked = 0;

  get reader() {
    return {
      reach: () => ({ epoch: this.epochs.at(-1), lastTs: FROM, lastNumber: 0 }),
      hasEpoch: (epoch: string) => {
        this.asked++;
        return this.epochs.includes(epoch);
      },
      lacks: () => false,
      tradesFrom: () => ({ trades: [], next: undefined }),
    };
  }
}

describe.skipIf(!HAS_REDIS)(`ask answers${NO_REDIS}`, () => {
  let redis: RedisServer;
  let link: RedisLink;
  const keys = relayKeys("p");
  let stop: AbortController;
  const ends: Promise<void>[] = [];

  beforeEach(async () => {
    stop = new AbortController();
    redis = await RedisServer.start();
    link = await openRedis(relayTargetOf(redis.url));
  });
  afterEach(async () => {
    stop.abort();
    link.close();
    await Promise.all(ends.splice(0));
    await redis.dispose();
  });

  function answers(fence: number, archive: FakeArchive, epoch = "now"): void {
    const own = new AskAnswers({
      target: relayTargetOf(redis.url),
      keys,
      fence,
      epoch: () => epoch,
      archive: archive as unknown as ArchiveSource,
      archives: true,
      numbered: true,
      counters: counterBlockOf(createCounterBuffer(1)).relay,
    });
    ends.push(own.run(stop.signal));
  }

  /** Whether trades of an epoch could be had. */
  const fetched = (epoch: string): Promise<boolean> =>
    fetchTrades(link, keys, epoch, FROM, {
      take: () => true,
      complete: (wholeOf) => wholeOf !== undefined,
      pageTaken: () => {},
    });

  it("ask answers - one that has yet to come to the present epoch loses nothing, and then says what is lost", async () => {
    const archive = new FakeArchive();
    archive.epochs.push("unknown-1");
    answers(1, archive);
    const told: string[] = [];
    const before = fetched("before").then((had) => told.push(`before ${had}`));
    await until("some answers", () => archive.asked > 2);
    expect(told).toEqual([]);
    archive.epochs.push("before", "now");
    await before;
    expect(told).toEqual(["before true"]);
    expect(await fetched("never")).toBe(false);
  });

  it("ask answers - where another origin has taken over, only that one answers", async () => {
    const [old, next] = [new FakeArchive(), new FakeArchive()];
    old.epochs.push("now");
    next.epochs.push("before", "next");
    answers(1, old);
    answers(2, next, "next");
    redis.cli("SET", keys.fence, "2");
    const had = await fetched("before");
    expect(had).toBe(true);
    await until("the old one has heard of it", () => old.asked > 0);
    expect(await fetched("before")).toBe(true);
  });
});
