import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { CoreClient } from "../../src/client/core-client.js";
import { ENCODINGS } from "../../src/contract/encodings.js";
import type { ClientMessage, ServerMessage } from "../../src/contract/messages.js";
import { closeClients, collect, newClient, nextEvent } from "../support/client-harness.js";
import { acceptance, type FakeConnection, FakeServer, refusal } from "../support/fake-server.js";
import { type ServerProcess, startServerProcess, testToken } from "../support/server-process.js";
import { until } from "../support/until.js";

const GRANTS = { channels: ["*"], publish: ["*"] };
const PLACE = { channel: "desk-1", seq: 7, ts: 70 };

describe("client private channels", () => {
  let server: ServerProcess;
  beforeAll(async () => {
    const flags = { feed: "synthetic", "feed-rate": 20, "feed-markets": 1, shards: 1 };
    server = await startServerProcess(
      { ...flags, "channel-history-size": 10_000 },
      { threadEnds: true },
    );
  });
  afterEach(closeClients);
  afterAll(() => server.stop());

  it.each(ENCODINGS)(
    "client private channels - what is published comes, with its place, in %s",
    async (encoding) => {
      const client = newClient(server.port, { token: testToken(GRANTS), encoding });
      await client.subscribe([{ type: "Private", params: { channel: encoding } }]);
      const told = collect(client, "Publication");
      const data = { text: "ü😀", numbers: [1, -0.5, 2 ** 40], none: null, deep: [[{}]] };
      const places = [
        await client.channel(encoding).publish(data),
        await client.channel(encoding).publish(null),
      ];
      await until("both", () => told.length === 2);
      const user_id = "user-1";
      expect(told).toEqual([
        { ...places[0], data, user_id },
        { ...places[1], data: null, user_id },
      ]);
      await expect(client.channel("a b").publish(1)).rejects.toMatchObject({
        code: "INVALID_MESSAGE",
      });
      await expect(client.channel(encoding).publish(() => 1)).rejects.toThrow(TypeError);
    },
  );

  it("client private channels - over lost connections every publication comes once, while more are published", async () => {
    const channel = "resumed";
    const readers = ENCODINGS.map((encoding) =>
      newClient(server.port, { token: testToken(GRANTS), encoding }),
    );
    const told = readers.map((reader) => collect(reader, "Publication"));
    const gaps = readers.map((reader) => collect(reader, "gap"));
    for (const reader of readers)
      await reader.subscribe([{ type: "Private", params: { channel } }]);
    let published = 0;
    let publishing = true;
    // By the operations port, which no shard's end concerns.
    const writer = (async () => {
      while (publishing) {
        const response = await fetch(`http://127.0.0.1:${server.opsPort}/publish`, {
          method: "POST",
          headers: { "Content-Type": "application/json" },
          body: JSON.stringify({ channel, data: published }),
        });
        expect(response.status).toBe(200);
        published++;
      }
    })();
    for (let restart = 0; restart < 3; restart++) {
      const back = readers.map((reader) => nextEvent(reader, "resubscribed"));
      server.command({ restartShard: 0 });
      await Promise.all(back);
    }
    publishing = false;
    await writer;
    const all = Array.from({ length: published }, (_, data) => data);
    for (const [index, one] of told.entries()) {
      await until("the last", () => one.at(-1)?.data === published - 1);
      expect(one.map(({ data }) => data)).toEqual(all);
      expect(gaps[index]).toEqual([]);
    }
    expect(published).toBeGreaterThan(20);
  });
});

describe("client publishing", () => {
  beforeEach(() => {
    vi.useFakeTimers({
      toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "performance", "Date"],
    });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  const pass = async (ms: number): Promise<void> => void (await vi.advanceTimersByTimeAsync(ms));
  const connect = (server: FakeServer): CoreClient => {
    const quiet = { pingIntervalMs: 0, silenceTimeoutMs: 0, reconnectIntervalMs: 5 };
    return new CoreClient({ url: "ws://x", ...quiet }, server.platform);
  };
  const sent = (server: FakeServer): ClientMessage[] =>
    server.connections.flatMap(({ received }) => received.filter(({ type }) => type === "Publish"));
  const published = ({ id = 0 }: ClientMessage): ServerMessage => ({
    type: "Published",
    id,
    data: PLACE,
  });

  it("client publishing - waits for a connection, and is sent once however that goes on", async () => {
    let answers = false;
    const server = new FakeServer((message) =>
      message.type !== "Publish" ? acceptance(message) : answers ? published(message) : undefined,
    );
    server.refusing = true;
    const client = connect(server);
    const first = client.channel("desk-1").publish({ a: 1 });
    await pass(20);
    expect(sent(server)).toEqual([]);
    server.refusing = false;
    await pass(200);
    expect(sent(server)).toMatchObject([{ data: { channel: "desk-1", data: { a: 1 } } }]);
    // On its way: whether it was published nobody knows.
    const lost = expect(first).rejects.toMatchObject({ code: "DISCONNECTED" });
    server.connection?.end(1006);
    await lost;
    answers = true;
    await pass(200);
    expect(sent(server)).toHaveLength(1);
    const second = client.channel("desk-1").publish(2);
    await pass(10);
    expect(await second).toEqual(PLACE);
    const closed = client.close();
    await pass(10);
    await closed;
  });

  it("client publishing - what is over a rate is asked again, and holds up no order", async () => {
    let refused = 0;
    const server = new FakeServer((message: ClientMessage, _: FakeConnection) => {
      if (message.type === "Publish")
        return refused++ === 0
          ? refusal(message, "RATE_LIMITED", { limit: 5, retry_after_ms: 3000 })
          : published(message);
      return acceptance(message);
    });
    const client = connect(server);
    await pass(10);
    const publishing = client.channel("desk-1").publish(1);
    await pass(50);
    const cancelling = expect(client.cancelOrder({ order_id: "1" })).rejects.toMatchObject({
      code: "TRADING_DISABLED",
    });
    const pinging = client.ping();
    await pass(50);
    await cancelling;
    await pinging;
    expect(sent(server)).toHaveLength(1);
    await pass(5000);
    expect(await publishing).toEqual(PLACE);
    const closed = client.close();
    await pass(10);
    await closed;
  });

  it("client publishing - a gap between publications is told, but where a channel has begun anew", async () => {
    const server = new FakeServer(acceptance);
    const client = connect(server);
    const gaps = collect(client as never, "gap");
    const told = collect(client as never, "Publication");
    const subscribing = client.subscribe([{ type: "Private", params: { channel: "desk-1" } }]);
    await pass(10);
    await subscribing;
    const tell = (seq: number, ts = 1): void =>
      server.connection?.tell({ type: "Publication", data: { ...PLACE, seq, ts, data: seq } });
    for (const seq of [4, 5, 8]) tell(seq);
    const gap = { stream: "publication", marketId: "desk-1", kind: "lost" };
    expect(gaps).toEqual([{ ...gap, from: 5, to: 8, missed: 2 }]);
    // Its number is its time: the channel was forgotten meanwhile.
    tell(20, 20);
    server.connection?.tell({ type: "EpochChanged", data: { epoch: "another" } });
    tell(30);
    expect(gaps).toHaveLength(1);
    tell(32);
    expect(gaps.slice(1)).toEqual([{ ...gap, from: 30, to: 32, missed: 1 }]);
    expect(told.map(({ seq }) => seq)).toEqual([4, 5, 8, 20, 30, 32]);
    const closed = client.close();
    await pass(10);
    await closed;
  });

  it("client publishing - what was missed without a connection is a gap where it is not recovered, in another epoch too", async () => {
    let recovered = true;
    const server = new FakeServer((message) =>
      message.type === "Subscribe"
        ? {
            type: "Subscribed",
            id: message.id ?? 0,
            data: {
              channels: message.data.channels.map((channel) =>
                channel.since === undefined ? channel : { ...channel, recovered },
              ),
            },
          }
        : acceptance(message),
    );
    const client = connect(server);
    const gaps = collect(client as never, "gap");
    const told = collect(client as never, "Publication");
    const subscribing = client.subscribe([{ type: "Private", params: { channel: "desk-1" } }]);
    await pass(10);
    await subscribing;
    const tell = (seq: number, ts = seq): void =>
      server.connection?.tell({ type: "Publication", data: { ...PLACE, seq, ts, data: seq } });
    const reconnect = async (): Promise<void> => {
      server.connection?.end(1006);
      await pass(500);
    };
    tell(4);
    await reconnect();
    // What comes for a second time is no news.
    for (const seq of [4, 5]) tell(seq);
    expect([gaps, told.map(({ seq }) => seq)]).toEqual([[], [4, 5]]);
    recovered = false;
    server.epoch = "another";
    await reconnect();
    tell(90);
    expect(gaps).toEqual([
      {
        ...{ stream: "publication", marketId: "desk-1", kind: "disconnected" },
        ...{ from: 5, to: 90, missed: 84 },
      },
    ]);
    const closed = client.close();
    await pass(10);
    await closed;
  });
});
