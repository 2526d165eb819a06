import { beforeEach, describe, expect, it } from "vitest";
import type { EncodingDescriptor } from "../../src/codec/encoding.js";
import { ENCODING_TABLE, encodingAt } from "../../src/codec/encodings.js";
import {
  ENCODING_FRAMES,
  ENCODINGS,
  negotiateEncoding,
  subprotocolOf,
} from "../../src/contract/encodings.js";
import {
  type CounterSection,
  count,
  counted,
  ENCODINGS_MAX,
  SHARD,
  SHARD_GAUGES,
} from "../../src/counters/counters.js";
import { systemStatus } from "../../src/counters/system-status.js";
import { createMetrics } from "../../src/main/metrics.js";
import { Outbox } from "../../src/workers/shard/connections/outbox.js";
import { FanOut } from "../../src/workers/shard/fan-out/fan-out.js";
import { RoundFrames } from "../../src/workers/shard/fan-out/round-frames.js";
import { WITH_MARKED } from "../support/marked-encoding.js";
import { type Client, messagesOf, ShardWorld } from "../support/shard-world.js";

const NAMES = WITH_MARKED.map(({ name }) => name);
/** Index of the one that only tests know. */
const MARKED = NAMES.length - 1;

let world: ShardWorld;
/** One client of each encoding, all with the same subscriptions. */
let clients: Client[];

/** Words of the shard's section that differ from those before. */
function wordsChanged(before: CounterSection): number[] {
  return [...world.counters.keys()].filter((word) => world.counters[word] !== before[word]);
}

/** The values of a metric by encoding. */
async function byEncoding(metric: string): Promise<Record<string, number>> {
  const text = await createMetrics(world.block, NAMES).metrics();
  const line = new RegExp(`^marketcast_${metric}\\{shard="0",encoding="(\\w+)"\\} (\\d+)$`, "gm");
  return Object.fromEntries(
    [...text.matchAll(line)].map(([, encoding, value]) => [encoding, Number(value)]),
  );
}

beforeEach(() => {
  world = new ShardWorld({ encodings: WITH_MARKED });
  world.list(1);
  world.flush();
  world.round();
  clients = WITH_MARKED.map((_, encoding) => world.connect(encoding));
  for (const client of clients) {
    world.subscribe(
      client,
      { type: "Markets", params: null },
      { type: "Market", params: { market_id: 1 } },
      { type: "PriceFeed", params: { market_ids: [1] } },
      { type: "Trades", params: { market_id: 1 } },
    );
  }
});

describe("encodings", () => {
  it("encodings - the table has a descriptor for each name of the contract, in its order", () => {
    expect(ENCODING_TABLE.map(({ name }) => name)).toEqual(ENCODINGS);
    for (const [index, name] of ENCODINGS.entries())
      expect(encodingAt(ENCODING_TABLE, index)).toMatchObject({
        subprotocol: subprotocolOf(name),
        frames: ENCODING_FRAMES[name],
      });
    expect(() => encodingAt(ENCODING_TABLE, ENCODINGS.length)).toThrow("encodings");
  });

  it("encodings - with a table of one more, each client is sent everything in its own", () => {
    world.quote(1, 100);
    world.book(1, 100);
    world.trade(1, 100);
    world.settle();
    const [json, ...others] = clients.map(({ messages }) => messages);
    expect(new Set(json?.map(({ type }) => type))).toEqual(
      new Set([
        "Subscribed",
        "MarketSnapshot",
        "OrderBook",
        "MarketUpdate",
        "PriceUpdate",
        "TradeExecution",
      ]),
    );
    for (const messages of others) expect(messages).toEqual(json);
    expect([...world.fanOut.audiences].map(({ encoding }) => encoding)).toEqual([...NAMES.keys()]);
  });

  it("encodings - the messages of a further one are counted as its own and nobody else's", async () => {
    const marked = clients[MARKED] as Client;
    for (const client of clients.slice(0, MARKED)) world.disconnect(client);
    const before = world.counters.slice();
    const told = marked.messages.length;
    world.quote(1, 100);
    world.book(1, 100);
    world.trade(1, 100);
    world.settle();
    const sent = marked.messages.length - told;
    expect(sent).toBeGreaterThanOrEqual(4);
    const word = SHARD.messagesSent + MARKED;
    expect(counted(world.counters, word) - counted(before, word)).toBe(sent);
    const latencies = [...world.counters.keys()].filter(
      (at) => at >= SHARD.latencyBuckets && at < SHARD.closedByCode,
    );
    const others = [SHARD.bytesSent, SHARD.ringRecordNumber, SHARD.latencySumS, SHARD.conflated];
    const allowed = [word, ...others, ...latencies];
    expect(wordsChanged(before).filter((at) => !allowed.includes(at))).toEqual([]);
    const counts = clients.map(({ messages }) => messages.length);
    expect(await byEncoding("messages_sent_total")).toEqual(
      Object.fromEntries(NAMES.map((name, index) => [name, counts[index]])),
    );
  });

  it("encodings - the connections of a further one are counted as its own, and cleared with the gauges", async () => {
    const before = world.counters.slice();
    for (const { connection } of [...clients, clients[MARKED] as Client])
      count(world.counters, SHARD.connections + connection.encoding);
    expect(wordsChanged(before)).toEqual([...NAMES.keys()].map((at) => SHARD.connections + at));
    expect(await byEncoding("connections")).toEqual({
      json: 1,
      msgpack: 1,
      protobuf: 1,
      marked: 2,
    });
    const system = { state: "running", reasons: [], startedAt: 0, version: "" } as never;
    expect(systemStatus(system, world.block).connections).toBe(clients.length + 1);
    for (const [word, words] of SHARD_GAUGES) world.counters.fill(0, word, word + words);
    expect(await byEncoding("connections")).toEqual({
      json: 0,
      msgpack: 0,
      protobuf: 0,
      marked: 0,
    });
    expect(await byEncoding("messages_sent_total")).not.toMatchObject({ marked: 0 });
  });

  it("encodings - no two words are one, up to as many encodings as have room", () => {
    const { connections, messagesSent, ...others } = SHARD;
    const words = Array.from({ length: ENCODINGS_MAX }, (_, at) => at).flatMap((at) => [
      connections + at,
      messagesSent + at,
    ]);
    expect(new Set(words).size).toBe(2 * ENCODINGS_MAX);
    expect(Object.values(others).filter((word) => words.includes(word))).toEqual([]);
  });

  it("encodings - a table longer than there are words is refused by all that count by it", () => {
    const [any] = WITH_MARKED as readonly [EncodingDescriptor];
    const tableOf = (length: number) =>
      Array.from({ length }, (_, at) => ({ ...any, name: `e${at}` }));
    const taking = [
      (table: readonly EncodingDescriptor[]) => new Outbox(table),
      (table: readonly EncodingDescriptor[]) => new FanOut(world.counters, 1, { encodings: table }),
      (table: readonly EncodingDescriptor[]) =>
        createMetrics(
          world.block,
          table.map(({ name }) => name),
        ),
    ];
    for (const take of taking) {
      expect(() => take(tableOf(ENCODINGS_MAX))).not.toThrow();
      const message = `${ENCODINGS_MAX + 1} encodings, and words for ${ENCODINGS_MAX}`;
      expect(() => take(tableOf(ENCODINGS_MAX + 1))).toThrow(message);
    }
  });

  it("encodings - with a table of one more, a subprotocol leads to the descriptor that it stands for", () => {
    const negotiated = (...offered: string[]) => {
      const name = negotiateEncoding(offered, NAMES);
      return name === undefined ? undefined : WITH_MARKED[NAMES.indexOf(name)];
    };
    for (const descriptor of WITH_MARKED) {
      const { subprotocol } = descriptor;
      expect(negotiated(subprotocol)).toBe(descriptor);
      // The client's order counts, not the table's, and what nobody knows is passed over.
      const others = WITH_MARKED.map((other) => other.subprotocol);
      expect(negotiated("marketcast.unknown", subprotocol, ...others)).toBe(descriptor);
    }
    expect(negotiated()).toBe(WITH_MARKED[0]);
    expect(negotiated("marketcast.unknown")).toBeUndefined();
    // A server that does not have it does not pick it.
    expect(negotiateEncoding(["marketcast.marked"])).toBeUndefined();
    expect(negotiateEncoding(["marketcast.marked", "marketcast.json"])).toBe("json");
  });

  it("encodings - cached frames are kept by encoding, with a table of one more", () => {
    world.quote(1, 100);
    world.flush();
    world.round();
    const market = world.fanOut.mirror.markets[0];
    if (market === undefined) throw new Error("the market is not listed");
    const frames = new RoundFrames(WITH_MARKED);
    frames.begin(1);
    const told = WITH_MARKED.map((_, encoding) => {
      const { start, end } = frames.price(market, encoding);
      expect(start).toBe(0);
      expect(frames.price(market, encoding)).toMatchObject({ start, end });
      return messagesOf(frames.bytes(encoding).subarray(start, end), encoding, WITH_MARKED);
    });
    expect(told[0]).toMatchObject([{ type: "PriceUpdate", data: { market_id: 1 } }]);
    expect(told).toEqual(WITH_MARKED.map(() => told[0]));
  });

  it("encodings - a frame of the wrong type closes, by what the table says of the encoding", () => {
    for (const [encoding, { frames }] of WITH_MARKED.entries()) {
      const { connection, ws } = world.connect(encoding);
      world.requests.handle(connection, Buffer.from("{}"), frames !== "binary", 0);
      const reason = `this connection's messages are ${frames} frames`;
      expect(ws.closed).toEqual({ code: 1003, reason });
    }
  });

  it("encodings - what does not decode is answered in the encoding, with its format's name", () => {
    const { connection, messages } = world.connect(MARKED);
    world.requests.handle(connection, Buffer.from("{}"), true, 0);
    world.requests.handle(connection, Buffer.from("#{"), true, 0);
    expect(messages).toMatchObject([
      { type: "Error", data: { message: "not valid marked JSON: there is no mark" } },
      { type: "Error", data: { message: expect.stringMatching(/^not valid marked JSON: /) } },
    ]);
  });

  it("encodings - a new epoch is told in each, with first data behind it", () => {
    world.settle();
    world.restartProducer(() => world.list(1, "Another"));
    world.settle();
    for (const { messages } of clients) {
      const changed = messages.findIndex(({ type }) => type === "EpochChanged");
      expect(messages.slice(changed + 1).map(({ type }) => type)).toContain("MarketSnapshot");
    }
  });
});
