import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ENCODINGS, type Encoding } from "../../src/contract/encodings.js";
import { type ServerProcess, startServerProcess, testToken } from "../support/server-process.js";
import { type MessageOf, TestClient } from "../support/test-client.js";
import { until } from "../support/until.js";

interface Grants {
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
});
void until;
void metric;
