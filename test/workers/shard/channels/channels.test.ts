import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { counted, SHARD } from "../../../../src/counters/counters.js";
import { Random } from "../../../../src/shared/random.js";
import { ChannelClient, ChannelWorld, type Placed } from "../../../support/channel-world.js";

let world: ChannelWorld;
let clients: number;

beforeEach(() => {
  vi.useFakeTimers();
  clients = 0;
  world = new ChannelWorld();
});
afterEach(() => {
  world.desk.close();
  vi.useRealTimers();
});

const connect = (): ChannelClient => new ChannelClient(++clients);
const recoveredOf = ({ messages }: ChannelClient): unknown =>
  messages.flatMap((message) =>
    message.type === "Subscribed" ? message.data.channels.map((one) => one.recovered) : [],
  );
/** More than the ring has room for. */
const lap = (channel: string): Placed[] =>
  Array.from({ length: 20 }, () => world.publish(channel, `"${"x".repeat(15_000)}"`));

describe("channels", () => {
  it("channels - all subscribers are told the same, in its order, and others nothing", () => {
    const [one, two, other] = [connect(), connect(), connect()];
    world.subscribe(one, "a");
    world.subscribe(two, "a");
    world.subscribe(other, "b");
    const seqs = [world.publish("a"), world.publish("a", '{"x":[1]}')].map(({ seq }) => seq);
    world.settle();
    expect([one.seqsOf("a"), two.seqsOf("a"), other.messages]).toEqual([seqs, seqs, []]);
    expect(one.messages[1]).toMatchObject({ data: { data: { x: [1] } } });
    world.unsubscribe(one, "a");
    world.publish("a");
    world.settle();
    expect([one.seqsOf("a").length, two.seqsOf("a").length]).toEqual([2, 3]);
  });

  it("channels - since brings what there was, then what is new, each once, whatever comes first", () => {
    const published = [1, 2, 3, 4].map(() => world.publish("a"));
    const client = connect();
    world.subscribe(client, "a", published[1]?.ts);
    world.hear();
    world.tell();
    // The ring is read before the history is answered, and goes on meanwhile.
    published.push(world.publish("a"));
    world.channels.poll();
    world.hear();
    published.push(world.publish("a"));
    world.channels.poll();
    world.settle();
    expect(recoveredOf(client)).toEqual([true]);
    expect(client.seqsOf("a")).toEqual(published.slice(0).map(({ seq }) => seq));
  });

  it("channels - more than is kept while a history is asked for is asked for again", () => {
    world = new ChannelWorld({ channelHistorySize: 100 });
    const published = [world.publish("a")];
    const client = connect();
    world.subscribe(client, "a", published[0]?.ts);
    world.hear();
    world.tell();
    world.hear();
    for (let more = 0; more < 40; more++) {
      published.push(world.publish("a", `"${"x".repeat(15_000)}"`));
      world.channels.poll();
    }
    world.settle();
    expect(client.seqsOf("a")).toEqual(published.map(({ seq }) => seq));
    expect(counted(world.counters, SHARD.publicationsLapped)).toBe(0);
  });

  it("channels - a long history comes as the socket takes it, and what is new behind it", () => {
    world = new ChannelWorld({ channelHistorySize: 100 });
    const published = Array.from({ length: 60 }, () => world.publish("a", `"${"x".repeat(9000)}"`));
    const client = connect();
    world.subscribe(client, "a", published[0]?.ts);
    world.hear();
    world.tell();
    client.blocked = true;
    world.hear();
    world.tell();
    for (let looks = 0; looks < 5; looks++) {
      vi.advanceTimersByTime(60);
      expect(world.requests).toEqual([]);
    }
    expect(client.connection.channelReplays).toBe(1);
    published.push(world.publish("a"));
    client.blocked = false;
    world.settle();
    expect(client.seqsOf("a")).toEqual(published.map(({ seq }) => seq));
    expect(client.connection.channelReplays).toBe(0);
  });

  it("channels - who was promised what is dropped before it is told is closed, and nobody else", () => {
    world = new ChannelWorld({ channelHistorySize: 20 });
    const first = world.publish("a", `"${"x".repeat(15_000)}"`);
    for (let more = 0; more < 15; more++) world.publish("a", `"${"x".repeat(15_000)}"`);
    const [client, live] = [connect(), connect()];
    world.subscribe(live, "a");
    world.subscribe(client, "a", first.ts);
    world.hear();
    world.tell();
    client.blocked = true;
    world.hear();
    world.tell();
    for (let more = 0; more < 40; more++) {
      world.publish("a");
      world.channels.poll();
    }
    client.blocked = false;
    world.settle();
    expect(client.closedFor).toBe("4001 publications of a channel are there no more");
    expect(live.closedFor).toBeUndefined();
  });

  it("channels - a request that names a channel several times gets all that any of them asks for", () => {
    const [first, second, third] = [1, 2, 3].map(() => {
      world.ts++;
      return world.publish("a");
    }) as [Placed, Placed, Placed];
    const client = connect();
    world.subscribe(client, "a", second.ts, first.ts, third.ts);
    world.settle();
    expect(recoveredOf(client)).toEqual([true, true, true]);
    expect(client.seqsOf("a")).toEqual([first.seq, second.seq, third.seq]);
  });

  it("channels - what is dropped in the middle of what comes closes whoever was not promised all, too", () => {
    world = new ChannelWorld({ channelHistorySize: 20 });
    const client = connect();
    for (let more = 0; more < 40; more++) world.publish("a", `"${"x".repeat(9000)}"`);
    world.subscribe(client, "a", 1);
    world.hear();
    world.tell();
    client.blocked = true;
    world.hear();
    world.tell();
    for (let more = 0; more < 40; more++) world.publish("a");
    client.blocked = false;
    world.settle();
    expect(recoveredOf(client)).toEqual([false]);
    expect(client.closedFor).toBe("4001 publications of a channel are there no more");
  });

  it("channels - a lap costs nothing that the history still has", () => {
    world = new ChannelWorld({ channelHistorySize: 100 });
    const [one, two, late] = [connect(), connect(), connect()];
    world.subscribe(one, "a");
    const before = world.publish("a");
    world.settle();
    world.subscribe(two, "b");
    const lapped = [...lap("flood"), world.publish("a"), world.publish("b"), ...lap("flood")];
    world.channels.poll();
    world.subscribe(late, "a");
    expect(counted(world.counters, SHARD.publicationsLapped)).toBe(1);
    expect(world.channels.position).toBeLessThanOrEqual(before.ts);
    const after = world.publish("a");
    world.settle();
    const seqs = (channel: string) =>
      lapped.filter((one) => one.channel === channel).map(({ seq }) => seq);
    expect(one.seqsOf("a")).toEqual([before.seq, ...seqs("a"), after.seq]);
    expect(two.seqsOf("b")).toEqual(seqs("b"));
    expect(late.seqsOf("a").at(-1)).toBe(after.seq);
    expect(counted(world.counters, SHARD.publicationsOverwritten)).toBeGreaterThan(20);
  });

  it("channels - a lap while a history is on its way costs nothing either, nor does a second one", () => {
    world = new ChannelWorld({ channelHistorySize: 100 });
    const [back, live] = [connect(), connect()];
    const published = [world.publish("a")];
    world.subscribe(live, "a");
    world.channels.poll();
    world.subscribe(back, "a", published[0]?.ts);
    world.hear();
    world.tell();
    // Answered, and not heard yet, when the ring goes by; then the repair of that likewise.
    for (let more = 0; more < 2; more++) {
      world.hear();
      if (more === 0) published.push(world.publish("a"));
      world.channels.poll();
      published.push(world.publish("a"));
      lap("flood");
      lap("flood");
      world.channels.poll();
    }
    world.settle();
    const seqs = published.map(({ seq }) => seq);
    expect([back.seqsOf("a"), live.seqsOf("a")]).toEqual([seqs, seqs]);
    expect(counted(world.counters, SHARD.publicationsLapped)).toBe(2);
  });

  it("channels - a flood that laps the shard closes the channel's own subscribers only", () => {
    const [flooded, quiet] = [connect(), connect()];
    world.subscribe(flooded, "flood");
    world.subscribe(quiet, "a");
    world.publish("flood");
    world.settle();
    lap("flood");
    const placed = world.publish("a");
    lap("flood");
    world.settle();
    expect(flooded.closedFor).toBe("4001 publications of a channel are there no more");
    expect([quiet.closedFor, quiet.seqsOf("a")]).toEqual([undefined, [placed.seq]]);
  });

  it("channels - with another hub what was published before is told to its end, and its history is gone", () => {
    const [live, back] = [connect(), connect()];
    world.subscribe(live, "a");
    const before = world.publish("a");
    world.restart();
    const after = world.publish("a");
    world.subscribe(back, "a", before.ts);
    world.settle();
    expect(live.seqsOf("a")).toEqual([before.seq, after.seq]);
    expect(after.seq).toBeGreaterThan(before.seq);
    expect([recoveredOf(back), back.seqsOf("a")]).toEqual([[false], [after.seq]]);
    world.lose();
    const lone = connect();
    world.subscribe(lone, "a", after.ts);
    vi.advanceTimersByTime(4999);
    expect(lone.messages).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(recoveredOf(lone)).toEqual([false]);
  });

  it("channels - a channel's first publication comes to whoever asks for its history meanwhile", () => {
    world.publish("other");
    world.ts += 1000;
    const [searching, asking, answered] = [connect(), connect(), connect()];
    world.subscribe(searching, "a", world.ts);
    world.hear();
    world.tell();
    world.subscribe(asking, "b", world.ts);
    world.hear(1);
    world.ts += 1000;
    world.subscribe(answered, "c", world.ts);
    // Found and not asked for yet, asked for and not answered, answered and not heard: the ring is ahead of each.
    for (const channel of ["a", "b", "c"]) {
      world.publish(channel);
      world.channels.poll();
      world.hear();
      world.publish(channel);
      world.tell();
    }
    world.settle();
    for (const [client, channel] of [
      [searching, "a"],
      [asking, "b"],
      [answered, "c"],
    ] as const) {
      expect([client.closedFor, recoveredOf(client)]).toEqual([undefined, [true]]);
      expect(client.seqsOf(channel)).toHaveLength(2);
    }
  });

  it("channels - with another hub a lap costs those nothing whose channels are quiet", () => {
    world = new ChannelWorld({ channelHistorySize: 100 });
    const [told, untold, unread] = [connect(), connect(), connect()];
    world.subscribe(told, "a");
    world.subscribe(untold, "b");
    const before = world.publish("a");
    world.publish("busy");
    world.ts += 1000;
    world.publish("busy");
    world.settle();
    world.restart();
    world.subscribe(unread, "c");
    // Before the shard has read anything of the hub, and after.
    for (let laps = 1; laps <= 2; laps++) {
      lap("flood");
      lap("flood");
      world.settle();
      expect(counted(world.counters, SHARD.publicationsLapped)).toBe(laps);
    }
    const after = ["a", "b", "c"].map((channel) => world.publish(channel).seq);
    world.settle();
    for (const { closedFor } of [told, untold, unread]) expect(closedFor).toBeUndefined();
    expect(told.seqsOf("a")).toEqual([before.seq, after[0]]);
    expect([untold.seqsOf("b"), unread.seqsOf("c")]).toEqual([[after[1]], [after[2]]]);
  });

  it("channels - what a lap has taken and a hub with it is a loss", () => {
    world = new ChannelWorld({ channelHistorySize: 100 });
    const live = connect();
    world.subscribe(live, "a");
    world.publish("a");
    world.settle();
    world.publish("a");
    lap("flood");
    lap("flood");
    world.channels.poll();
    world.restart();
    world.settle();
    expect(live.closedFor).toBe("4001 publications of a channel are there no more");
  });

  it("channels - after a lap of many channels so few are asked for at a time, and others' histories with them", () => {
    const [reader, back] = [connect(), connect()];
    const channels = Array.from({ length: 2000 }, (_, index) => `c${index}`);
    for (const channel of channels) world.subscribe(reader, channel);
    const first = world.publish("back");
    world.settle();
    lap("flood");
    const last = world.publish("c1999");
    lap("flood");
    world.channels.poll();
    const asked = () => world.requests.map(({ type, channel }) => `${type} ${channel}`);
    expect(asked()).toEqual(channels.slice(0, 32).map((channel) => `history ${channel}`));
    world.subscribe(back, "back", first.ts);
    for (let hearings = 0; hearings < 3; hearings++) {
      expect(world.requests.length).toBeLessThanOrEqual(33);
      world.hear();
      world.tell();
    }
    // Long before all of the channels are repaired.
    expect(back.seqsOf("back")).toEqual([first.seq]);
    expect(reader.messages).toEqual([]);
    world.settle();
    expect(reader.seqsOf("c1999")).toEqual([last.seq]);
    expect(world.channels.position).toBe(Number.POSITIVE_INFINITY);
  });

  it("channels - what the hub answers is told for some time in a turn, and the rest in the next ones", () => {
    let nowMs = 0;
    // A publication takes a millisecond.
    world = new ChannelWorld({ channelHistorySize: 1000, now: () => nowMs++ });
    const [live, back] = [connect(), connect()];
    world.subscribe(live, "a");
    const since = world.ts;
    const published = Array.from({ length: 60 }, () => world.publish("a"));
    for (let laps = 0; laps < 3; laps++) lap("flood");
    world.channels.poll();
    expect(counted(world.counters, SHARD.publicationsLapped)).toBe(1);
    world.subscribe(back, "a", since);
    world.hear();
    world.tell();
    const told = [live.messages.length];
    // One that comes meanwhile is told behind them.
    published.push(world.publish("a"));
    while (world.channels.pending) world.channels.poll();
    while (live.seqsOf("a").length < published.length) {
      world.hear();
      world.tell();
      vi.advanceTimersToNextTimer();
      told.push(live.messages.length + back.messages.length);
    }
    world.settle();
    const perTurn = told.map((count, turn) => count - (told[turn - 1] ?? 0));
    expect(Math.max(...perTurn)).toBeLessThanOrEqual(6);
    const seqs = published.map(({ seq }) => seq);
    expect([live.seqsOf("a"), back.seqsOf("a")]).toEqual([seqs, seqs]);
  });

  it("channels - what the hub answers in a turn is bounded, and each question gets something", () => {
    world = new ChannelWorld({ channelHistorySize: 100 });
    const channels = Array.from({ length: 20 }, (_, index) => `c${index}`);
    const since = world.ts;
    for (const channel of channels)
      for (let more = 0; more < 12; more++) world.publish(channel, `"${"x".repeat(15_000)}"`);
    const clients = channels.map((channel) => {
      const client = connect();
      world.subscribe(client, channel, since);
      return client;
    });
    world.hear();
    world.tell();
    world.hear();
    const counts = world.news.map((one) => (one.type === "history" ? one.publications.length : 0));
    expect(counts).toHaveLength(20);
    expect(Math.max(...counts)).toBe(8);
    expect(Math.min(...counts)).toBe(1);
    expect(counts.reduce((sum, count) => sum + count) * 15_000).toBeLessThan(900_000);
    world.settle();
    for (const [index, client] of clients.entries())
      expect(client.seqsOf(`c${index}`)).toHaveLength(12);
  });

  it("channels - of what the hub has answered and was not told yet nothing is lost with it", () => {
    let nowMs = 0;
    world = new ChannelWorld({ channelHistorySize: 1000, now: () => nowMs++ });
    const live = connect();
    world.subscribe(live, "a");
    const published = Array.from({ length: 60 }, () => world.publish("a"));
    for (let laps = 0; laps < 3; laps++) lap("flood");
    world.channels.poll();
    world.hear();
    world.tell();
    expect(live.messages.length).toBeLessThan(10);
    world.restart();
    published.push(world.publish("a"));
    world.settle();
    expect(live.seqsOf("a")).toEqual(published.map(({ seq }) => seq));
    expect(live.closedFor).toBeUndefined();
  });

  it("channels - of a connection one history is on its way at a time, and of all so many", () => {
    for (const channel of ["a", "b", "c"]) world.publish(channel);
    const since = world.ts;
    const [one, ...others] = Array.from({ length: 50 }, connect);
    for (const channel of ["a", "b", "c"]) world.subscribe(one as ChannelClient, channel, since);
    for (const client of others) world.subscribe(client, "a", since);
    world.hear();
    world.tell();
    const asked = world.requests.map(({ type, channel }) => `${type} ${channel}`);
    expect(asked).toHaveLength(32);
    expect(asked.filter((text) => text !== "history a")).toEqual([]);
    world.settle();
    for (const client of others) expect(client.seqsOf("a")).toHaveLength(1);
    for (const channel of ["a", "b", "c"]) expect(one?.seqsOf(channel)).toHaveLength(1);
  });

  it("channels - what is published is answered in its order, and who has too much on its way is held", () => {
    const writer = connect();
    const publish = (id: number, data = "1") =>
      world.channels.publish(writer.connection, id, "u", { channel: "a", data }, 0);
    for (let id = 0; id < 64; id++) expect(publish(id)).toBeUndefined();
    expect(world.holds).toEqual(["hold 1"]);
    world.hear();
    world.tell(1);
    expect(writer.messages).toMatchObject([{ type: "Published", id: 0, data: { channel: "a" } }]);
    world.tell();
    expect(writer.messages.map(({ id }) => id)).toEqual(Array.from({ length: 64 }, (_, id) => id));
    writer.messages.length = 0;
    for (let id = 0; id < 5; id++) publish(id, `"${"x".repeat(16_000)}"`);
    expect(world.holds.at(-1)).toBe("hold 1");
    world.lose();
    expect(writer.messages.map(({ type, data }) => [type, data])).toEqual(
      Array.from({ length: 5 }, () => [
        "Error",
        { code: "INTERNAL", message: "the answer was lost, and it may have been published" },
      ]),
    );
    expect(publish(9)).toMatchObject({ code: "UNAVAILABLE" });
    expect(counted(world.counters, SHARD.publishesUnavailable)).toBe(6);
  });

  it("channels - a user's rate is one, whatever connections it has, and a connection's is no more", () => {
    world.desk.close();
    world = new ChannelWorld({ maxPublishesPerSecond: 10 });
    const [one, two] = [connect(), connect()];
    const publish = ({ connection }: ChannelClient, user: string) =>
      world.channels.publish(connection, 1, user, { channel: "a", data: "1" }, 0);
    for (let more = 0; more < 10; more++) expect(publish(one, "u")).toBeUndefined();
    expect(publish(one, "u")).toMatchObject({ code: "RATE_LIMITED", details: { limit: 10 } });
    expect(publish(two, "u")).toBeUndefined();
    expect(publish(two, "other")).toBeUndefined();
    world.settle();
    expect(one.messages.map(({ type }) => type)).toEqual(Array(10).fill("Published"));
    expect(two.messages).toMatchObject([
      {
        type: "Error",
        data: { code: "RATE_LIMITED", details: { limit: 10, retry_after_ms: 100 } },
      },
      { type: "Published" },
    ]);
  });

  it.each([
    ...[1, 2, 3, 4, 5, 6].map((seed) => ({ seed, keeps: "some" })),
    ...[7, 8, 9, 10, 11, 12].map((seed) => ({ seed, keeps: "all" })),
  ])(
    "channels - nothing is lost or doubled in random histories that keep $keeps (seed $seed)",
    ({ seed, keeps }) => {
      const random = new Random(seed);
      const keepsAll = keeps === "all";
      world.desk.close();
      world = keepsAll
        ? new ChannelWorld({ channelHistorySize: 10_000, channelHistoryTimeMs: 1e9 })
        : new ChannelWorld({ channelHistorySize: 30 });
      const all: { client: ChannelClient; channel: string; from: number; promised?: number }[] = [];
      for (let step = 0; step < 1500; step++) {
        world.nowMs += random.below(20);
        world.ts += random.below(2);
        const channel = `c${random.below(3)}`;
        const one = all[random.below(all.length)];
        switch (random.below(12)) {
          case 0:
          case 1:
          case 2:
            world.publish(
              channel,
              `"${"x".repeat(random.below(random.below(40) === 0 ? 16_000 : 50))}"`,
            );
            break;
          case 3:
          case 4:
            world.channels.poll();
            break;
          case 5:
            world.hear(random.below(10));
            break;
          case 6:
            world.tell(random.below(10));
            break;
          case 7:
            vi.advanceTimersByTime(random.below(100));
            break;
          case 8: {
            const client = connect();
            all.push({ client, channel, from: world.published.length });
            world.subscribe(client, channel);
            break;
          }
          case 9: {
            const client = connect();
            const since = world.ts - random.below(30);
            all.push({ client, channel, from: world.published.length, promised: since });
            world.subscribe(client, channel, since);
            break;
          }
          case 10:
            if (!keepsAll && one !== undefined) one.client.blocked = random.below(2) === 0;
            break;
          default:
            if (random.below(60) === 0) {
              // What a hub has not told yet it takes with it.
              if (keepsAll) world.settle();
              world.restart();
            } else if (random.below(40) === 0) lap(channel);
        }
      }
      for (const { client } of all) client.blocked = false;
      world.settle();
      expect(all.length).toBeGreaterThan(100);
      let whole = 0;
      for (const { client, channel, from, promised } of all) {
        const seqs = client.seqsOf(channel);
        const told = world.published.filter((placed) => placed.channel === channel);
        // Numbers go up, and none comes twice.
        expect(seqs.every((seq, at) => at === 0 || seq > (seqs[at - 1] as number))).toBe(true);
        if (keepsAll) expect(client.closedFor).toBeUndefined();
        if (client.closedFor !== undefined) continue;
        const isWhole = promised !== undefined && recoveredOf(client)?.toString() === "true";
        const due = isWhole
          ? told.filter(({ ts }) => ts >= promised)
          : world.published.slice(from).filter((placed) => placed.channel === channel);
        // What it is due is the end of what it was told: nothing is missing, and nothing out of place.
        if (promised === undefined || isWhole)
          expect(seqs.slice(seqs.length - due.length)).toEqual(due.map(({ seq }) => seq));
        if (isWhole) {
          expect(seqs).toHaveLength(due.length);
          whole++;
        } else if (due.length > 0) expect(seqs.at(-1)).toBe(due.at(-1)?.seq);
      }
      expect(whole).toBeGreaterThan(4);
    },
  );
});
