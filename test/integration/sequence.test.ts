import { once } from "node:events";
import { Packr, Unpackr } from "msgpackr";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { type Encoding, subprotocolOf } from "../../src/contract/encodings.js";
import type { ServerMessage } from "../../src/contract/messages.js";
import { type ServerProcess, startServerProcess } from "../support/server-process.js";
import { StreamChecker, type StreamName } from "../support/stream-checker.js";

const SHARDS = 2;
const MARKETS = 20;
const MESSAGES_PER_STEP = 600;
/** A machine that stops for too long makes the server conflate; then the run is repeated. */
const RUNS_MAX = 8;

const packr = new Packr({ useRecords: false, variableMapSize: true });
const unpackr = new Unpackr({ useRecords: false });
const ids = (from: number, count: number) => Array.from({ length: count }, (_, i) => from + i);
const prices = (...market_ids: number[]) => ({ type: "PriceFeed", params: { market_ids } });
const market = (market_id: number) => ({ type: "Market", params: { market_id } });
const TRADES = { type: "Trades" };
const tradesOf = (market_id: number) => ({ type: "Trades", params: { market_id } });
const [SUBSCRIBE, UNSUBSCRIBE] = ["Subscribe", "Unsubscribe"];

type Step = readonly [type: string | undefined, ...channels: unknown[]];

/** What a client does, with some hundred messages between one step and the next. */
function script(first: number): readonly Step[] {
  const low = ids(1001, MARKETS / 2);
  const high = ids(1001 + MARKETS / 2, MARKETS / 2);
  const everything = [prices(...low, ...high), market(first), market(first + 1), TRADES];
  return [
    [SUBSCRIBE, ...everything],
    [SUBSCRIBE, prices(...low), market(first)],
    [UNSUBSCRIBE, prices(...high), market(first + 1)],
    [SUBSCRIBE, prices(...high), market(first + 1), market(first + 2), tradesOf(first)],
    [UNSUBSCRIBE, TRADES],
    [SUBSCRIBE, tradesOf(first + 1), prices(first)],
    [SUBSCRIBE, TRADES, { type: "SystemStatus" }],
    [UNSUBSCRIBE, tradesOf(first), tradesOf(first + 1), { type: "SystemStatus" }],
    [UNSUBSCRIBE, ...everything, market(first + 2)],
    [SUBSCRIBE, ...everything],
    [SUBSCRIBE, ...everything],
  ];
}

/** A client that checks sequence numbers and nothing else, so that it keeps up. */
class SequenceClient {
  readonly checker = new StreamChecker();
  readonly ws: WebSocket;
  readonly #encoding: Encoding;
  #messages = 0;
  #wanted = Number.POSITIVE_INFINITY;
  #reached: () => void = () => {};

  constructor(port: number, encoding: Encoding) {
    this.#encoding = encoding;
    this.ws = new WebSocket(`ws://127.0.0.1:${port}/ws/v3`, [subprotocolOf(encoding)]);
    this.ws.on("message", (data: Buffer) => {
      const value = encoding === "json" ? JSON.parse(data.toString()) : unpackr.unpack(data);
      this.checker.take(value as ServerMessage);
      if (++this.#messages === this.#wanted) this.#reached();
    });
  }

  send(type: string, channels: readonly unknown[]): void {
    const message = { type, data: { channels } };
    this.ws.send(this.#encoding === "json" ? JSON.stringify(message) : packr.pack(message));
  }

  /** Resolves when so many more messages have come. */
  messages(count: number): Promise<void> {
    this.#wanted = this.#messages + count;
    return new Promise((resolve) => {
      this.#reached = resolve;
    });
  }

  async run(steps: readonly Step[]): Promise<void> {
    await once(this.ws, "open");
    for (const [type = "", ...channels] of steps) {
      this.send(type, channels);
      // After the step that ends all subscriptions its reply is all that comes.
      const last = channels.length > 4 && type === UNSUBSCRIBE;
      if (!last) await this.messages(MESSAGES_PER_STEP);
    }
    this.ws.close(1000);
    await once(this.ws, "close");
  }
}

/** Clients that come, subscribe to the same markets and go, politely or not, until `stop` aborts. */
async function comeAndGo(port: number, stop: AbortSignal): Promise<StreamChecker[]> {
  const visitors: StreamChecker[] = [];
  while (!stop.aborted) {
    const visits = visitors.length;
    const client = new SequenceClient(port, visits % 3 === 0 ? "json" : "msgpack");
    visitors.push(client.checker);
    await once(client.ws, "open");
    const first = 1001 + (visits % (MARKETS - 2));
    client.send("Subscribe", [prices(...ids(first, 3)), market(first), TRADES]);
    await client.messages(60);
    if (visits % 2 === 0) client.ws.terminate();
    else client.ws.close(1000);
    await once(client.ws, "close");
  }
  return visitors;
}

describe("sequence numbers under load", () => {
  let server: ServerProcess;

  beforeAll(async () => {
    server = await startServerProcess({
      shards: SHARDS,
      "feed-markets": MARKETS,
      "feed-rate": 5000,
      "book-interval": 50,
      "market-interval": 50,
    });
  });
  afterAll(() => server.dispose());

  async function conflated(): Promise<number> {
    let total = 0;
    for (let shard = 0; shard < SHARDS; shard++)
      total += await server.metric(`marketcast_conflated_total{shard="${shard}"}`);
    return total;
  }

  /** Runs all clients once; returns what they were sent, and how many messages were conflated. */
  async function runOnce() {
    const before = await conflated();
    const clients = ["json", "msgpack", "msgpack", "json"].map(
      (encoding) => new SequenceClient(server.port, encoding as Encoding),
    );
    const stop = new AbortController();
    const visiting = comeAndGo(server.port, stop.signal);
    await Promise.all(clients.map((client, index) => client.run(script(1001 + 4 * index))));
    stop.abort();
    const visitors = await visiting;
    return {
      checkers: clients.map(({ checker }) => checker),
      visitors,
      conflated: (await conflated()) - before,
    };
  }

  it("sequence - contiguous from the snapshot on, across all changes of subscriptions", async () => {
    for (let run = 1; ; run++) {
      const { checkers, visitors, conflated } = await runOnce();
      for (const checker of checkers) {
        expect(checker.faults).toEqual([]);
        for (const stream of ["state", "price", "book", "trade"] satisfies StreamName[])
          expect(checker.received[stream]).toBeGreaterThan(20);
      }
      for (const checker of visitors) expect(checker.faults).toEqual([]);
      expect(visitors.length).toBeGreaterThan(3);
      const skipped = checkers.reduce((sum, checker) => sum + checker.skipped, 0);
      // Whatever is left out is counted; a machine that keeps up leaves nothing out.
      expect(skipped).toBeLessThanOrEqual(conflated);
      if (conflated === 0) break;
      expect(run, `${conflated} messages conflated, again and again`).toBeLessThan(RUNS_MAX);
    }
    for (let shard = 0; shard < SHARDS; shard++) {
      const sent = `marketcast_messages_sent_total{shard="${shard}",encoding="msgpack"}`;
      expect(await server.metric(sent)).toBeGreaterThan(MESSAGES_PER_STEP);
    }
  });
});
