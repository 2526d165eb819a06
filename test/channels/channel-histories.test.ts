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

/** Where a channel's publications since a `ts` begin, and whether they are all there. */
const find = (own: ChannelHistories, channel: string, since: number, max = 100) => {
  const { from, recovered } = own.find(channel, since, max, Math.max(ts, since));
  return { after: from.after, recovered };
};
/** What there is behind a number, whenever it was. */
const read = (own: ChannelHistories, channel: string, after: number, bytesMax = 1e9) => {
  const { next: _, ...part } = own.read(channel, { after, since: 0 }, bytesMax, ts);
  return part;
};
const seqsOf = (own: ChannelHistories, channel: string, after: number): number[] =>
  read(own, channel, after).publications.map(({ seq }) => seq);

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
    expect(find(own, "a", first.ts)).toEqual({ after: first.seq, recovered: false });
    expect(find(own, "a", first.ts + 1)).toEqual({ after: first.seq, recovered: true });
    expect(read(own, "a", first.seq)).toMatchObject({ missing: false, lastSeq: first.seq + 3 });
    expect(read(own, "a", first.seq - 1).missing).toBe(true);
    now = 999;
    publish(own, "a");
    now = 1000;
    expect(seqsOf(own, "a", 0)).toEqual([first.seq + 4]);
    now = 1999;
    own.sweep();
    expect([own.bytes, own.channels, dropped]).toEqual([0, 1, { size: 2, time: 3 }]);
    expect(find(own, "a", ts - 1)).toEqual({ after: first.seq + 4, recovered: false });
    expect(find(own, "a", ts)).toEqual({ after: first.seq + 4, recovered: true });
    expect(publish(own, "a")?.seq).toBe(first.seq + 5);
  });

  it("channel histories - before its own beginning nothing is known, and of more than may be replayed the latest come", () => {
    const own = histories();
    expect(find(own, "a", START)).toMatchObject({ recovered: false });
    expect(find(own, "a", START + 1)).toEqual({ after: 0, recovered: true });
    const [first] = [publish(own, "a"), publish(own, "a"), publish(own, "a")] as KeptPublication[];
    expect(find(own, "a", START)).toMatchObject({ recovered: false });
    expect(find(own, "a", START + 1, 2)).toEqual({
      after: first?.seq,
      recovered: false,
    });
    expect(find(own, "a", START + 1, 3)).toEqual({
      after: (first?.seq as number) - 1,
      recovered: true,
    });
  });

  it("channel histories - where a channel's numbers begin is no loss, nor what became of other channels", () => {
    const own = histories({ maxChannels: 2 }, START + 50);
    for (const channel of ["b", "c"]) publish(own, channel);
    const { from } = own.find("a", ts, 100, ts);
    now = 2000;
    publish(own, "d");
    const before = own.read("a", from, 1e9, ts);
    expect(before).toMatchObject({ publications: [], missing: false });
    const first = publish(own, "a") as KeptPublication;
    for (const place of [from, before.next])
      expect(own.read("a", place, 1e9, ts)).toEqual({
        publications: [first],
        next: { after: first.seq, since: ts },
        lastSeq: first.seq,
        missing: false,
      });
  });

  it("channel histories - who has been told all that is older misses nothing of what was dropped then", () => {
    const own = histories({ maxChannels: 2, channelHistorySize: 1 }, START + 500);
    const old = publish(own, "a") as KeptPublication;
    publish(own, "a");
    const missing = (after: number, since: number | undefined) =>
      own.read("a", { after, since }, 1e9, ts).missing;
    expect(missing(0, old.ts)).toBe(true);
    expect(missing(0, undefined)).toBe(true);
    expect(missing(0, old.ts + 1)).toBe(false);
    expect(missing(old.seq, 0)).toBe(false);
    // Of a former producer, whose end somebody has read who knows nothing of this one yet, and somebody else has not.
    const quiet = (since: number | undefined) =>
      own.read("quiet", { after: START - 7, since }, 1e9, ts).missing;
    expect([quiet(undefined), quiet(START)]).toEqual([false, true]);
  });

  it("channel histories - what is forgotten with its channel while it is asked for is missing", () => {
    const own = histories({ maxChannels: 1 });
    const first = publish(own, "a", { user: "one" }) as KeptPublication;
    const { from, recovered } = own.find("a", first.ts, 100, ts);
    expect(recovered).toBe(true);
    now = 1000;
    publish(own, "b", { user: "two" });
    expect(own.read("a", from, 1e9, ts)).toMatchObject({ publications: [], missing: true });
  });

  it("channel histories - of a time to come nothing is known, and what is published before it comes all the same", () => {
    const own = histories();
    publish(own, "a");
    for (const channel of ["a", "b"]) {
      const { from, recovered } = own.find(channel, ts + 1000, 100, ts);
      expect(recovered).toBe(false);
      const placed = publish(own, channel) as KeptPublication;
      expect(own.read(channel, from, 1e9, ts).publications).toEqual([placed]);
    }
  });

  it("channel histories - what is read comes in parts of so many bytes, with one publication at least", () => {
    const own = histories();
    for (let more = 0; more < 3; more++) publish(own, "a", { data: "x".repeat(100) });
    expect(read(own, "a", 0, 800).publications).toHaveLength(2);
    const part = read(own, "a", START + 2, 1);
    expect(part.publications.map(({ seq }) => seq)).toEqual([START + 3]);
    expect(read(own, "a", START + 3, 1)).toEqual({
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

  it("channel histories - a flood of many channels costs who has made them, and no longer history of another user", () => {
    const own = histories({
      maxChannels: 100,
      channelHistorySize: 10,
      channelHistoryBytes: 60_000,
    });
    const mine = [1, 2, 3, 4, 5].map(() =>
      publish(own, "mine", { user: "me", data: "x".repeat(1000) }),
    );
    for (let more = 0; more < 500; more++)
      publish(own, `flood-${more % 90}`, { user: "flooder", data: "y".repeat(500) });
    expect(own.bytes).toBeLessThanOrEqual(60_000);
    // Each of the flood's is smaller.
    expect(seqsOf(own, "mine", 0)).toEqual(mine.map((one) => one?.seq));
    expect(dropped["bytes"]).toBeGreaterThan(300);
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
    expect(find(own, "c", last.ts).after).toBe(last.seq);
    expect(find(own, "b", last.ts - 1)).toMatchObject({ recovered: false });
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
    expect(read(own, "a", first).missing).toBe(true);
    expect(read(own, "b", 0).missing).toBe(true);
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
          const { from, recovered } = own.find(channel, since, 1000, ts);
          const { publications, missing } = own.read(channel, from, 1e9, ts);
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
