import { beforeEach, describe, expect, it } from "vitest";
import { ChannelHistories, type KeptPublication } from "../../src/channels/channel-histories.js";
import { Random } from "../../src/shared/random.js";

const START = 1_000_000;
const BOUNDS = {
  channelHistorySize: 3,
  channelHistoryTimeMs: 1000,
  channelHistoryBytes: 1_000_000,
  maxChannels: 10,
};

let now: number;
let dropped: Record<string, number>;
let ts: number;

function histories(bounds: Partial<typeof BOUNDS> = {}, seq = 0): ChannelHistories {
  return new ChannelHistories(
    { ...BOUNDS, ...bounds },
    {
      ts: START,
      seq,
      now: () => now,
      dropped: (why, publications) => {
        dropped[why] = (dropped[why] ?? 0) + publications;
      },
    },
  );
}

beforeEach(() => {
  now = 0;
  dropped = {};
  ts = START + 1;
});

const publish = (
  to: ChannelHistories,
  channel: string,
  { user, data = "1" }: { user?: string | undefined; data?: string } = { user: "u" },
): KeptPublication | undefined =>
  to.publish({ channel, data, userId: user, ts: ts++, bytes: data.length });

/** The numbers that a history has behind one. */
const seqsOf = (from: ChannelHistories, channel: string, after: number): number[] =>
  from.read(channel, after, 1e9).publications.map(({ seq }) => seq);

describe("channel histories", () => {
  it("channel histories - numbers begin at the time, count up by one, and are each channel's own", () => {
    const own = histories();
    const places = ["a", "a", "b", "a", "b"].map((name) => publish(own, name)?.seq);
    expect(places).toEqual([START + 1, START + 2, START + 3, START + 3, START + 4]);
  });

  it("channel histories - the latest are kept, so many and for so long, and it is known what was dropped", () => {
    const own = histories();
    const first = publish(own, "a") as KeptPublication;
    for (let more = 0; more < 3; more++) publish(own, "a");
    expect(dropped).toEqual({ size: 1 });
    expect(own.find("a", first.ts, 100)).toEqual({ after: first.seq, recovered: false });
    expect(own.find("a", first.ts + 1, 100)).toEqual({ after: first.seq, recovered: true });
    expect(own.read("a", first.seq, 1e9)).toMatchObject({ missing: false, lastSeq: first.seq + 3 });
    expect(own.read("a", first.seq - 1, 1e9).missing).toBe(true);
    now = 999;
    publish(own, "a");
    now = 1000;
    expect(seqsOf(own, "a", 0)).toEqual([first.seq + 4]);
    now = 1999;
    own.sweep();
    expect([own.bytes, own.channels, dropped]).toEqual([0, 1, { size: 2, time: 3 }]);
    expect(own.find("a", ts - 1, 100)).toEqual({ after: first.seq + 4, recovered: false });
    expect(own.find("a", ts, 100)).toEqual({ after: first.seq + 4, recovered: true });
    expect(publish(own, "a")?.seq).toBe(first.seq + 5);
  });

  it("channel histories - before its own beginning nothing is known, and of more than may be replayed the latest come", () => {
    const own = histories();
    expect(own.find("a", START, 100)).toMatchObject({ recovered: false });
    expect(own.find("a", START + 1, 100)).toEqual({ after: 0, recovered: true });
    const [first] = [publish(own, "a"), publish(own, "a"), publish(own, "a")] as KeptPublication[];
    expect(own.find("a", START, 100)).toMatchObject({ recovered: false });
    expect(own.find("a", START + 1, 2)).toEqual({
      after: first?.seq,
      recovered: false,
    });
    expect(own.find("a", START + 1, 3)).toEqual({
      after: (first?.seq as number) - 1,
      recovered: true,
    });
  });

  it("channel histories - what is read comes in parts of so many bytes, with one publication at least", () => {
    const own = histories();
    for (let more = 0; more < 3; more++) publish(own, "a", { data: "x".repeat(100) });
    expect(own.read("a", 0, 800).publications).toHaveLength(2);
    const part = own.read("a", START + 2, 1);
    expect(part.publications.map(({ seq }) => seq)).toEqual([START + 3]);
    expect(own.read("a", START + 3, 1)).toEqual({
      publications: [],
      lastSeq: START + 3,
      missing: false,
    });
  });

  it("channel histories - a channel that is flooded costs its own history and no other's", () => {
    const own = histories({ channelHistorySize: 1000, channelHistoryBytes: 20_000 });
    const quiet = ["a", "b", "c"].map((name) => publish(own, name, { data: "x".repeat(1000) }));
    for (let more = 0; more < 500; more++) {
      publish(own, "flood", { data: "y".repeat(1000) });
      expect(own.bytes).toBeLessThanOrEqual(20_000);
    }
    for (const [index, name] of ["a", "b", "c"].entries())
      expect(seqsOf(own, name, 0)).toEqual([quiet[index]?.seq]);
    expect(seqsOf(own, "flood", 0).length).toBeGreaterThan(10);
    expect(dropped["bytes"]).toBe(500 - seqsOf(own, "flood", 0).length);
  });

  it("channel histories - one user may have all channels, and a further one is refused until one is idle", () => {
    const own = histories({ maxChannels: 3 });
    const last = ["a", "b", "c"].map((name) => publish(own, name)).at(-1) as KeptPublication;
    expect(publish(own, "d")).toBeUndefined();
    expect(publish(own, "a")).toBeDefined();
    now = 1000;
    publish(own, "a");
    // Of those that are idle the one that has been so for longest.
    expect(publish(own, "d")).toBeDefined();
    expect(own.channels).toBe(3);
    expect(own.find("c", last.ts, 100).after).toBe(last.seq);
    expect(own.find("b", last.ts - 1, 100)).toMatchObject({ recovered: false });
  });

  it("channel histories - whoever comes gets a channel, at the cost of who has more of them", () => {
    const own = histories({ maxChannels: 8 });
    for (let more = 0; more < 20; more++) publish(own, `flood-${more}`, { user: "flooder" });
    for (let more = 0; more < 3; more++)
      expect(publish(own, `mine-${more}`, { user: "me" })).toBeDefined();
    expect(own.channels).toBe(8);
    for (let more = 0; more < 20; more++) publish(own, `again-${more}`, { user: "flooder" });
    for (let more = 0; more < 3; more++) expect(seqsOf(own, `mine-${more}`, 0)).toHaveLength(1);
    expect(dropped["channels"]).toBe(3);
    expect(publish(own, "operators", { user: undefined })).toBeDefined();
  });

  it("channel histories - no number comes twice in a channel, over forgetting and other producers", () => {
    const own = histories({ maxChannels: 1, channelHistorySize: 0 }, START + 50);
    const first = publish(own, "a")?.seq as number;
    expect(first).toBe(START + 51);
    for (let more = 0; more < 5; more++) publish(own, "a");
    publish(own, "b");
    const again = publish(own, "a")?.seq as number;
    expect(again).toBeGreaterThan(first + 5);
    expect(own.read("a", first, 1e9).missing).toBe(true);
    expect(own.read("b", 0, 1e9).missing).toBe(true);
  });

  it.each([1, 2, 3, 4])(
    "channel histories - random histories are what a plain model has (seed %i)",
    (seed) => {
      const numbers = new Random(seed);
      const random = (): number => numbers.below(1e6) / 1e6;
      const pick = (most: number): number => Math.floor(random() * most);
      const bounds = { maxChannels: 4, channelHistoryBytes: 6000, channelHistorySize: 5 };
      const own = histories(bounds);
      /** All that was published, and until when it may be kept. */
      const all: (KeptPublication & { channel: string; until: number })[] = [];
      const last = new Map<string, number>();
      for (let step = 0; step < 3000; step++) {
        now += pick(50);
        if (random() < 0.7) ts += pick(3);
        const channel = `channel-${pick(8)}`;
        if (random() < 0.6) {
          const data = "x".repeat(pick(1500));
          const told = { channel, data, userId: `user-${pick(3)}`, ts, bytes: data.length };
          const placed = own.publish(told);
          if (placed === undefined) continue;
          expect(placed.seq).toBeGreaterThan(last.get(channel) ?? 0);
          last.set(channel, placed.seq);
          all.push({ ...placed, channel, until: now + BOUNDS.channelHistoryTimeMs });
        } else if (random() < 0.1) own.sweep();
        else {
          const since = ts - pick(40);
          const { after, recovered } = own.find(channel, since, 1000);
          const { publications, missing } = own.read(channel, after, 1e9);
          const mine = all.filter((one) => one.channel === channel && one.ts >= since);
          // What is told is the end of all that there was, and where it says so all of it.
          const end = mine.slice(mine.length - publications.length);
          expect(publications).toEqual(end.map(({ channel: _, until: __, ...one }) => one));
          if (recovered) expect(publications).toHaveLength(mine.length);
          expect(missing).toBe(false);
          expect(end.every(({ until }) => until > now)).toBe(true);
          expect(publications.length).toBeLessThanOrEqual(bounds.channelHistorySize);
        }
        expect(own.channels).toBeLessThanOrEqual(bounds.maxChannels);
        expect(own.bytes).toBeLessThanOrEqual(bounds.channelHistoryBytes);
      }
    },
  );
});
