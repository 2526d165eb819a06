import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ENCODINGS, type Encoding } from "../../src/contract/encodings.js";
import { type ServerProcess, startServerProcess, testToken } from "../support/server-process.js";
import { type MessageOf, TestClient } from "../support/test-client.js";
import { until } from "../support/until.js";

interface Grants {
  readonly sub?: string;
  readonly channels?: unknown;
  readonly publish?: unknown;
}

const DESK = "desk-1";
const ALL: Grants = { channels: ["*"], publish: ["*"] };
const MARKETS = { feed: "synthetic", "feed-rate": 20, "feed-markets": 3 };

let server: ServerProcess;
let names = 0;
/** A channel that no other test has. */
const newChannel = (): string => `test-${++names}`;

beforeAll(async () => {
  server = await startServerProcess({ ...MARKETS, shards: 2 }, { threadEnds: true });
});
afterAll(() => server.stop());

async function connect(
  grants: Grants = ALL,
  encoding: Encoding = "json",
  { port }: { port: number } = server,
): Promise<TestClient> {
  const query = `?token=${testToken({ sub: `user-${Math.random()}`, ...grants })}`;
  const client = await TestClient.connect(port, { encoding, query });
  await client.take("Authenticated");
  return client;
}

const named = (channel: string, since?: number) => ({
  type: "Private",
  params: { channel },
  ...(since !== undefined && { since }),
});

async function publish(
  client: TestClient,
  channel: string,
  data: unknown,
): Promise<MessageOf<"Published">["data"]> {
  const reply = await client.request({ type: "Publish", data: { channel, data } });
  if (reply.type !== "Published") throw new Error(`not published: ${JSON.stringify(reply)}`);
  return reply.data;
}

async function errorOf(client: TestClient, type: string, data: unknown) {
  const reply = await client.request({ type, data });
  if (reply.type !== "Error") throw new Error(`no error: ${JSON.stringify(reply)}`);
  return reply.data;
}

async function metric(name: string, { opsPort }: ServerProcess = server): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${opsPort}/metrics`)).text();
  const values = text
    .split("\n")
    .filter((line) => line.startsWith(`marketcast_${name}`))
    .map((line) => Number(line.split(" ").at(-1)));
  if (values.length === 0) throw new Error(`there is no metric ${name}`);
  return values.reduce((sum, value) => sum + value, 0);
}

function p99(times: readonly number[]): number {
  return times.toSorted((a, b) => a - b)[Math.floor(times.length * 0.99)] as number;
}

describe("private channels", () => {
  it.each(ENCODINGS)(
    "private channels - what is published in %s reaches subscribers of all encodings and shards",
    async (encoding) => {
      const channel = newChannel();
      const readers = await Promise.all(
        [...ENCODINGS, ...ENCODINGS].map((one) => connect({ channels: [channel] }, one)),
      );
      for (const reader of readers)
        expect(await reader.subscribe(named(channel))).toMatchObject({
          type: "Subscribed",
          data: { channels: [named(channel)] },
        });
      const writer = await connect({ publish: ["test-*"] }, encoding);
      const values = [{ ä: [1, -0.5, true, null], deep: { er: [[]] } }, "text 😀", 0, null, []];
      const places = [];
      for (const value of values) places.push(await publish(writer, channel, value));
      for (const reader of readers) {
        for (const [index, data] of values.entries()) {
          const { user_id, ...told } = (await reader.take("Publication")).data;
          expect(told).toEqual({ ...places[index], data });
          expect(user_id).toMatch(/^user-/);
        }
        await reader.close();
      }
      const seqs = places.map(({ seq }) => seq);
      expect(seqs).toEqual(seqs.map((_, index) => (seqs[0] as number) + index));
      await writer.close();
    },
  );

  it("private channels - claims decide, and who has none gets coded errors that say so", async () => {
    const reader = await connect({ channels: [DESK], publish: "desk-1" });
    expect(await errorOf(reader, "Subscribe", { channels: [named("desk-2")] })).toMatchObject({
      code: "FORBIDDEN",
      message: "Private: the token's claim channels does not allow desk-2",
    });
    expect(await errorOf(reader, "Publish", { channel: DESK, data: 1 })).toMatchObject({
      code: "FORBIDDEN",
      message: "Publish: the token's claim publish does not allow desk-1",
    });
    const anonymous = await TestClient.connect(server.port);
    for (const [type, data] of [
      ["Subscribe", { channels: [named(DESK)] }],
      ["Publish", { channel: DESK, data: 1 }],
    ] as const)
      expect(await errorOf(anonymous, type, data)).toMatchObject({ code: "AUTH_REQUIRED" });
    for (const client of [reader, anonymous]) await client.close();
  });

  it("private channels - what is no publication is refused with its rule, and the largest is taken", async () => {
    const writer = await connect();
    const channel = newChannel();
    const invalid = async (data: unknown, message: RegExp) =>
      expect(await errorOf(writer, "Publish", data)).toMatchObject({
        code: "INVALID_MESSAGE",
        message: expect.stringMatching(message),
      });
    await invalid(
      { channel, data: "x".repeat(16_383) },
      /^data.data: has 16385 bytes as JSON, and at most 16384/,
    );
    await invalid({ channel: "a b", data: 1 }, /^data.channel: must be 1 to 128 of A-Z/);
    await invalid({ channel: "a".repeat(129), data: 1 }, /^data.channel: must be 1 to 128/);
    await invalid({ channel }, /^data.data: is missing/);
    await invalid({ channel, data: "\ud800" }, /no well-formed Unicode/);
    for (const bad of ["1e999", `${"[".repeat(15)}${"]".repeat(15)}`]) {
      const text = `{"type":"Publish","data":{"channel":"${channel}","data":${bad}}}`;
      expect(await writer.requestRaw(text)).toMatchObject({ data: { code: "INVALID_MESSAGE" } });
    }
    await publish(writer, channel, "x".repeat(16_382));
    const packed = await connect(ALL, "msgpack");
    for (const data of [Buffer.from("x"), 2n ** 60n, Number.NaN])
      expect(await errorOf(packed, "Publish", { channel, data })).toMatchObject({
        code: "INVALID_MESSAGE",
      });
    await publish(packed, channel, 2 ** 53 - 1);
    for (const client of [writer, packed]) await client.close();
  });

  it.each(ENCODINGS)(
    "private channels - since brings what there was, once, and says whether it is all (%s)",
    async (encoding) => {
      const channel = newChannel();
      const writer = await connect();
      const places = [];
      for (let index = 0; index < 5; index++) places.push(await publish(writer, channel, index));
      const reader = await connect(ALL, encoding);
      const since = places[2]?.ts as number;
      expect(await reader.subscribe(named(channel, since))).toMatchObject({
        data: { channels: [{ ...named(channel, since), recovered: true }] },
      });
      places.push(await publish(writer, channel, 5));
      for (const data of [2, 3, 4, 5])
        expect((await reader.take("Publication")).data).toMatchObject({ ...places[data], data });
      for (const [from, recovered] of [
        [1, false],
        [Date.now() * 1000 + 60_000_000, false],
      ] as const)
        expect(await reader.subscribe(named(channel, from))).toMatchObject({
          data: { channels: [{ recovered }] },
        });
      await publish(writer, channel, "last");
      const rest = await reader.takeUntil(
        (message) => message.type === "Publication" && message.data.data === "last",
      );
      // All that there is, and nothing twice.
      expect(rest.flatMap((one) => (one.type === "Publication" ? [one.data.data] : []))).toEqual(
        expect.arrayContaining(["last"]),
      );
      for (const client of [writer, reader]) await client.close();
    },
  );

  it("private channels - a token that allows less takes channels away, and says so", async () => {
    const [kept, lost] = [newChannel(), newChannel()];
    const sub = "user-who-changes";
    const reader = await connect({ sub, channels: [kept, lost] });
    await reader.subscribe(named(kept), named(lost));
    const token = testToken({ sub, channels: [kept], publish: [kept] });
    expect(await reader.request({ type: "Authenticate", data: { token } })).toMatchObject({
      type: "Authenticated",
    });
    expect((await reader.take("Error")).data).toEqual({
      code: "FORBIDDEN",
      message: `the subscription has ended: Private: the token's claim channels does not allow ${lost}`,
    });
    const writer = await connect();
    await publish(writer, lost, "secret");
    await publish(writer, kept, "open");
    expect((await reader.take("Publication")).data).toMatchObject({ channel: kept });
    expect(await errorOf(reader, "Publish", { channel: lost, data: 1 })).toMatchObject({
      code: "FORBIDDEN",
    });
    await publish(reader, kept, 1);
    for (const client of [reader, writer]) await client.close();
  });

  it("private channels - an operator publishes by the operations port, with no user", async () => {
    const channel = newChannel();
    const reader = await connect();
    await reader.subscribe(named(channel));
    const post = (body: unknown) =>
      fetch(`http://127.0.0.1:${server.opsPort}/publish`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(body),
      });
    const response = await post({ channel, data: { rain: null, text: "x".repeat(15_000) } });
    const place = (await response.json()) as Record<string, unknown>;
    expect(response.status).toBe(200);
    const { data } = await reader.take("Publication");
    expect(data).toEqual({ ...place, data: { rain: null, text: "x".repeat(15_000) } });
    for (const body of [
      { channel: "a b", data: 1 },
      { channel },
      { channel, data: "x".repeat(17_000) },
      { channel, data: 1, more: 1 },
    ]) {
      const refused = await post(body);
      expect(refused.status).toBe(400);
      expect(await refused.json()).toMatchObject({ error: { code: "INVALID_MESSAGE" } });
    }
    await reader.close();
  });

  it("private channels - subscribers stay over restarts of shard and producer, and lose nothing that was published", async () => {
    const own = await startServerProcess({ ...MARKETS, shards: 1 }, { threadEnds: true });
    try {
      const channel = "over-restarts";
      const [reader, writer] = [await connect(ALL, "json", own), await connect(ALL, "json", own)];
      await reader.subscribe(named(channel));
      const before = await publish(writer, channel, "before");
      own.command({ restartProducer: true });
      await writer.take("EpochChanged");
      const after = await until("a publication", async () => {
        const reply = await writer.request({ type: "Publish", data: { channel, data: "after" } });
        return reply.type === "Published" ? reply.data : undefined;
      });
      expect((await reader.take("Publication")).data).toMatchObject({ ...before, data: "before" });
      expect((await reader.take("Publication")).data).toMatchObject({ ...after, data: "after" });
      expect(after.seq).toBeGreaterThan(before.seq);
      expect(after.ts).toBeGreaterThan(before.ts);
      // Its history is gone with the producer.
      expect(await reader.subscribe(named(channel, before.ts))).toMatchObject({
        data: { channels: [{ recovered: false }] },
      });
      own.command({ restartShard: 0 });
      await Promise.all([reader.closed, writer.closed]);
      const again = await until("a connection", () =>
        connect(ALL, "json", own).catch(() => undefined),
      );
      // A shard has nothing of its own: all of the history is there.
      expect(await again.subscribe(named(channel, after.ts))).toMatchObject({
        data: { channels: [{ recovered: true }] },
      });
      expect((await again.take("Publication")).data).toMatchObject({ ...after, data: "after" });
      await again.close();
    } finally {
      await own.stop();
    }
  });

  it("private channels - bounds of histories, channels and rates hold, are counted, and have their codes", async () => {
    const own = await startServerProcess({
      ...MARKETS,
      shards: 1,
      "channel-history-size": 2,
      "channel-history-time": 1500,
      "channel-history-bytes": 65_536,
      "max-channels": 3,
      "max-publishes-per-second": 20,
    });
    try {
      const [writer, other] = [await connect(ALL, "json", own), await connect(ALL, "json", own)];
      const places = [];
      for (const data of [1, 2, 3]) places.push(await publish(writer, "a", data));
      const since = places[0]?.ts as number;
      expect(await other.subscribe(named("a", since))).toMatchObject({
        data: { channels: [{ recovered: false }] },
      });
      for (const data of [2, 3]) expect((await other.take("Publication")).data.data).toBe(data);
      for (const name of ["b", "c"]) await publish(writer, name, 1);
      expect(await errorOf(writer, "Publish", { channel: "d", data: 1 })).toMatchObject({
        code: "UNAVAILABLE",
        message: expect.stringContaining("--max-channels"),
      });
      // Another user has its share, and an idle channel is forgotten first.
      await publish(other, "d", 1);
      expect(await metric("channels", own)).toBe(3);
      for (let index = 0; index < 3; index++)
        for (const one of [writer, other]) await publish(one, "c", "x".repeat(16_000));
      for (let id = 0; id < 60; id++)
        writer.send({ type: "Publish", id, data: { channel: "c", data: id } });
      expect((await writer.take("Error")).data).toMatchObject({
        code: "RATE_LIMITED",
        details: { limit: 20, retry_after_ms: expect.any(Number) },
      });
      // Whoever keeps to the rate is none the worse.
      await publish(other, "c", "mine");
      expect(await metric('publications_refused_total{reason="rate"}', own)).toBeGreaterThan(0);
      expect(await metric('publications_refused_total{reason="channels"}', own)).toBe(1);
      expect(await metric('channel_history_dropped_total{by="size"}', own)).toBeGreaterThan(0);
      expect(await metric('channel_history_dropped_total{by="channels"}', own)).toBeGreaterThan(0);
      await until(
        "the history to be empty",
        async () => (await metric("channel_history_bytes", own)) === 0,
      );
      expect(await metric('channel_history_dropped_total{by="time"}', own)).toBeGreaterThan(0);
      for (const client of [writer, other]) await client.close();
    } finally {
      await own.stop();
    }
  });

  it("private channels - a flood costs who floods and who does not read it, and nobody beside them", async () => {
    const own = await startServerProcess({
      ...MARKETS,
      shards: 1,
      "max-publishes-per-second": 100,
      "publication-ring-size": 262_144,
      "max-queued-bytes": 65_536,
      "send-buffer-size": 16_384,
    });
    try {
      const [deaf, ears, mouth, flooder] = (await Promise.all(
        [1, 2, 3, 4].map(() => connect(ALL, "json", own)),
      )) as [TestClient, TestClient, TestClient, TestClient];
      await deaf.subscribe(named("flood"));
      await ears.subscribe(named("quiet"));
      deaf.ws.pause();
      const data = "x".repeat(16_000);
      let flooding = true;
      const flood = (async () => {
        const message = JSON.stringify({ type: "Publish", data: { channel: "flood", data } });
        while (flooding) {
          const taken = new Promise((resolve) => flooder.ws.send(message, resolve));
          if (flooder.ws.bufferedAmount > 1_000_000) await taken;
          else await new Promise((resolve) => setImmediate(resolve));
        }
      })();
      const took: number[] = [];
      for (let index = 0; index < 40; index++) {
        const at = performance.now();
        await publish(mouth, "quiet", index);
        expect((await ears.take("Publication")).data.data).toBe(index);
        took.push(performance.now() - at);
      }
      await until(
        "the deaf to be closed",
        async () => (await metric("slow_consumers_closed_total", own)) > 0,
      );
      flooding = false;
      await flood;
      deaf.ws.resume();
      expect(await deaf.closed).toMatchObject({ code: 4001 });
      took.sort((a, b) => a - b);
      expect(took[took.length >> 1]).toBeLessThan(250);
      expect(await metric('publications_refused_total{reason="rate"}', own)).toBeGreaterThan(0);
      for (const client of [ears, mouth]) await client.close();
      flooder.ws.terminate();
    } finally {
      await own.stop();
    }
  });

  it("private channels - a lap costs whoever keeps up nothing, and nobody beside it waits for its repair", async () => {
    const own = await startServerProcess({
      ...MARKETS,
      shards: 1,
      "publication-ring-size": 262_144,
      "channel-history-size": 1000,
    });
    try {
      const [many, quiet, beside, ...flooders] = (await Promise.all(
        [1, 2, 3, 4, 5, 6, 7, 8].map(() => connect(ALL, "json", own)),
      )) as [TestClient, TestClient, TestClient, ...TestClient[]];
      for (let hundred = 0; hundred < 19; hundred++)
        await many.subscribe(
          ...Array.from({ length: 100 }, (_, index) => named(`many-${hundred}-${index}`)),
        );
      await quiet.subscribe(named("quiet"));
      const data = "x".repeat(16_000);
      const ping = async (): Promise<number> => {
        const at = performance.now();
        await beside.request({ type: "Ping", data: { timestamp: 1 } });
        return performance.now() - at;
      };
      const before: number[] = [];
      while (before.length < 100) before.push(await ping());
      let flooding = true;
      const floods = flooders.map(async (flooder) => {
        while (flooding) await Promise.all([1, 2, 3, 4].map(() => publish(flooder, "flood", data)));
      });
      const took: number[] = [];
      const published: number[] = [];
      const isLapped = async () => (await metric("publication_ring_lapped_total", own)) >= 3;
      while (took.length < 200 || !(await isLapped())) {
        took.push(await ping());
        if (took.length % 10 === 0)
          published.push((await publish(beside, "quiet", published.length)).seq);
      }
      flooding = false;
      await Promise.all(floods);
      // All of it, in its order, though the ring has lost it.
      for (const seq of published)
        expect((await quiet.take("Publication")).data).toMatchObject({ channel: "quiet", seq });
      // What the machine does beside the test is in both.
      expect(p99(took) - p99(before)).toBeLessThan(100);
      expect(many.ws.readyState).toBe(many.ws.OPEN);
      for (const client of [many, quiet, beside, ...flooders]) await client.close();
    } finally {
      await own.stop();
    }
  });
});
